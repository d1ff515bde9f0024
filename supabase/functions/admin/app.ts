// What administrators do that needs a secret or a third party. Everything else is the Data API's.

import { type App, createApp } from "../_shared/app.ts";
import type { AdminDeps } from "./deps.ts";
import { mountImpersonation } from "./impersonation.ts";
import { mountIntegrations } from "./integrations.ts";
import { mountUserChanges } from "./user-changes.ts";
import { mountUsers } from "./users.ts";

export function createAdmin(deps: AdminDeps): App {
  const app = createApp({
    name: "admin",
    title: "Intake administration",
    description: "What administrators do that needs a secret or a third party.",
    maxBodyBytes: 64 * 1024,
    allowedOrigins: deps.allowedOrigins,
    limiter: deps.limiter,
    log: deps.log,
  });
  mountIntegrations(app, deps);
  mountUsers(app, deps);
  mountUserChanges(app, deps);
  mountImpersonation(app, deps);
  return app;
}
