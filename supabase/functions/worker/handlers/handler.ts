// A handler does what needs the outside world and returns what to write. The worker writes it in the
// same transaction that ends the job, so an effect and its acknowledgement are one.

import type { Tx } from "../../_shared/db.ts";
import type { Logger } from "../../_shared/log.ts";
import type { ClaimedJob } from "../queue.ts";

export interface JobContext {
  job: ClaimedJob;
  /** Aborted when the lease is lost or the worker stops. */
  signal: AbortSignal;
  log: Logger;
}

export type Apply = (tx: Tx) => Promise<void>;

export type Handler = (context: JobContext) => Promise<Apply | undefined>;

export type Handlers = Record<string, Handler>;
