// Connecting an integration: credentials are tried first, then kept in Vault. They never come back.

import { integrationConnectedSchema, integrationConnectSchema } from "@intake/types";
import type { App } from "../_shared/app.ts";
import { ApiError } from "../_shared/errors.ts";
import {
  NotConnectedError,
  PermanentError,
  RetryAfterError,
  UnknownOutcomeError,
} from "../_shared/providers/outcome.ts";
import type { AdminDeps } from "./deps.ts";

/** A provider's refusal in words of the form that the administrator fills in. */
function refusalOf(error: unknown): unknown {
  if (error instanceof NotConnectedError || error instanceof PermanentError) {
    const message = "The provider does not take these credentials.";
    return new ApiError(422, "credentials_refused", message, error.message);
  }
  if (error instanceof RetryAfterError || error instanceof UnknownOutcomeError) {
    const message = "The provider could not be asked. Nothing was stored.";
    return new ApiError(502, "provider_unreachable", message, error.message);
  }
  return error;
}

export function mountIntegrations(app: App, deps: AdminDeps): void {
  app.route(
    {
      method: "post",
      path: "/integrations/:type/connect",
      id: "integration_connect",
      summary: "Connect an integration",
      description: "Tries the credentials, then keeps them in Vault. Needs integrations.manage.",
      headers: { authorization: { description: "`Bearer` and the access token", required: true } },
      body: { schema: integrationConnectSchema },
      responses: {
        200: { description: "Connected", schema: integrationConnectedSchema },
        401: { description: "Not signed in" },
        403: { description: "Without integrations.manage" },
        404: { description: "There is no such integration" },
        422: { description: "The provider does not take the credentials" },
        501: { description: "This integration has no adapter yet" },
        502: { description: "The provider could not be asked" },
      },
    },
    async (c) => {
      const caller = await deps.identify(c.req.header("authorization"));
      const type = c.req.param("type") ?? "";
      const requestId = c.get("requestId");
      await deps.integrations.require(caller, type, requestId);
      const { credentials, config } = integrationConnectSchema.parse(
        await c.req.json().catch(() => undefined),
      );
      const test = deps.testers[type];
      if (!test) {
        throw new ApiError(501, "integration_unavailable", "This cannot be connected yet.", type);
      }
      await test(credentials, config ?? {}).catch((error: unknown) => {
        throw refusalOf(error);
      });
      await deps.integrations.store(caller, type, credentials, config ?? null, requestId);
      return c.json(integrationConnectedSchema.parse({ type, status: "connected" }));
    },
  );
}
