// Looking with the eyes of somebody: Auth signs in as them, the database makes an impersonation of it.

import { impersonatedSchema, impersonateSchema } from "@intake/types";
import { z } from "zod";
import type { App } from "../_shared/app.ts";
import { claimsOf } from "../_shared/caller.ts";
import { ApiError } from "../_shared/errors.ts";
import type { AdminDeps } from "./deps.ts";

const idSchema = z.object({ id: z.uuid() });

export function mountImpersonation(app: App, deps: AdminDeps): void {
  app.route(
    {
      method: "post",
      path: "/users/:id/impersonate",
      id: "user_impersonate",
      summary: "Look with the eyes of a person",
      description:
        "Answers a token with which the Data API, Storage and Realtime show what that person sees, for ten minutes. It writes nothing, and no function takes it. It ends with the caller's own session. Needs users.impersonate and every permission of their role; never somebody who may impersonate.",
      headers: { authorization: { description: "`Bearer` and the access token", required: true } },
      body: { schema: impersonateSchema },
      responses: {
        201: { description: "Begun", schema: impersonatedSchema },
        401: { description: "Not signed in" },
        403: { description: "Not the caller, or not this person" },
        404: { description: "There is no such person" },
        422: { description: "A reason is due" },
        503: { description: "Auth does not answer" },
      },
    },
    async (c) => {
      const caller = await deps.identify(c.req.header("authorization"));
      const requestId = c.get("requestId");
      const { id } = idSchema.parse(c.req.param());
      const { reason } = impersonateSchema.parse(await c.req.json().catch(() => undefined));
      const email = await deps.users.checkImpersonation(caller, id, reason, requestId);
      const token = await deps.accounts.signInAs(email);
      const claims = claimsOf(token);
      // The address could have become somebody else's between the two.
      if (claims?.sub !== id || claims.session_id === undefined) {
        throw new ApiError(503, "service_unavailable", "Auth does not answer. Try again.");
      }
      const expires_at = await deps.users.beginImpersonation(
        caller,
        id,
        claims.session_id,
        reason,
        requestId,
      );
      return c.json(impersonatedSchema.parse({ impersonation_token: token, expires_at }), 201);
    },
  );
}
