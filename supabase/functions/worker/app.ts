// The worker: called by the database with a secret of its own, answers at once, drains afterwards.

import { workerAcceptedSchema } from "@intake/types";
import { type App, createApp } from "../_shared/app.ts";
import { isSameSecret } from "../_shared/crypto.ts";
import { ApiError } from "../_shared/errors.ts";
import type { Logger } from "../_shared/log.ts";
import type { Drainer } from "./drain.ts";

export interface WorkerDeps {
  secret?: string | undefined;
  drainer: Drainer;
  background(promise: Promise<unknown>): void;
  log?: Logger;
}

export function createWorker({ secret, drainer, background, log }: WorkerDeps): App {
  const app = createApp({
    name: "worker",
    title: "Intake worker",
    description: "Runs background jobs. Called by the database, not by clients.",
    maxBodyBytes: 4096,
    log,
  });

  app.route(
    {
      method: "post",
      path: "/",
      id: "worker_drain",
      summary: "Drain the job queue",
      headers: {
        "x-worker-secret": { description: "Known to the database alone", required: true },
      },
      responses: {
        202: { description: "Accepted", schema: workerAcceptedSchema },
        401: { description: "Not the secret" },
      },
    },
    async (c) => {
      if (!(await isSameSecret(secret, c.req.header("x-worker-secret")))) {
        throw new ApiError(401, "authentication_required", "This is for the database to call.");
      }
      const lease = await drainer.acquire();
      if (lease) background(drainer.drain(lease));
      return c.json(workerAcceptedSchema.parse({ accepted: true, draining: lease !== null }), 202);
    },
  );

  return app;
}
