// What the routes of administrators need from outside.

import type { Surroundings } from "../_shared/app.ts";
import type { IdentifyCaller } from "../_shared/caller.ts";
import type { Claims } from "../_shared/db.ts";

export interface Integrations {
  /** Refuses who may not manage integrations, and a type that there is not. */
  require(caller: Claims, type: string, requestId: string): Promise<void>;
  store(
    caller: Claims,
    type: string,
    credentials: Record<string, string>,
    config: Record<string, unknown> | null,
    requestId: string,
  ): Promise<void>;
}

/** Throws what a provider's client throws when the credentials do not work. */
export type TestCredentials = (
  credentials: Record<string, string>,
  config: Record<string, unknown>,
) => Promise<void>;

export interface AdminDeps extends Surroundings {
  identify: IdentifyCaller;
  integrations: Integrations;
  testers: Record<string, TestCredentials>;
}
