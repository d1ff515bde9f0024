// Changing people and letting them go: one by one, or many, each by themselves.

import {
  userBulkResultSchema,
  userBulkSchema,
  userDeleteSchema,
  userUpdatedSchema,
  userUpdateSchema,
} from "@intake/types";
import { z } from "zod";
import type { App } from "../_shared/app.ts";
import type { Claims } from "../_shared/db.ts";
import { ApiError, answerOfDatabaseError, describeError } from "../_shared/errors.ts";
import type { AdminDeps } from "./deps.ts";

const headers = { authorization: { description: "`Bearer` and the access token", required: true } };

const idSchema = z.object({ id: z.uuid() });

export function mountUserChanges(app: App, deps: AdminDeps): void {
  /** The database first, in one piece; then Auth forgets who it was. Either can be asked again. */
  async function leave(caller: Claims, id: string, heir: string | undefined, requestId: string) {
    await deps.users.leave(caller, id, heir, requestId);
    await deps.accounts.empty(id);
  }

  app.route(
    {
      method: "patch",
      path: "/users/:id",
      id: "user_update",
      summary: "Change a person",
      description:
        "Name, address, phone, role and status; what is left out stays. Deactivating ends every session. Needs users.manage and every permission of the role they have and get.",
      headers,
      body: { schema: userUpdateSchema },
      responses: {
        200: { description: "Changed", schema: userUpdatedSchema },
        401: { description: "Not signed in" },
        403: { description: "Without the permissions" },
        404: { description: "There is no such person" },
        409: { description: "The address is somebody's, or this is the last administrator" },
        422: { description: "The body, the role, the address or the phone is refused" },
        503: { description: "Auth does not answer" },
      },
    },
    async (c) => {
      const caller = await deps.identify(c.req.header("authorization"));
      const requestId = c.get("requestId");
      const { id } = idSchema.parse(c.req.param());
      const change = userUpdateSchema.parse(await c.req.json().catch(() => undefined));
      const { email, newEmail } = await deps.users.checkUpdate(caller, id, change, requestId);
      if (newEmail !== null) await deps.accounts.setEmail(id, newEmail);
      try {
        return c.json(await deps.users.update(caller, id, change, requestId));
      } catch (error) {
        if (newEmail !== null) {
          await deps.accounts.setEmail(id, email).catch((left: unknown) => {
            c.get("log").log("error", "an address stays changed", {
              user_id: id,
              ...describeError(left),
            });
          });
        }
        throw error;
      }
    },
  );

  app.route(
    {
      method: "delete",
      path: "/users/:id",
      id: "user_delete",
      summary: "Let a person go",
      description:
        "Hands their open leads to reassign_to, ends their sessions, takes them out of their teams and empties their account. Their name stays with what they did. Needs users.manage and every permission of their role, and leads.assign to hand over.",
      headers,
      query: { reassign_to: { description: "Who takes over the open leads" } },
      responses: {
        204: { description: "Gone" },
        401: { description: "Not signed in" },
        403: { description: "Without the permissions" },
        404: { description: "There is no such person" },
        409: {
          description: "They have open leads, are the last administrator, or are the caller",
        },
        422: { description: "reassign_to cannot take over" },
        503: { description: "Auth does not answer; ask again" },
      },
    },
    async (c) => {
      const caller = await deps.identify(c.req.header("authorization"));
      const { id } = idSchema.parse(c.req.param());
      const { reassign_to } = userDeleteSchema.parse(c.req.query());
      await leave(caller, id, reassign_to, c.get("requestId"));
      return c.body(null, 204);
    },
  );

  app.route(
    {
      method: "post",
      path: "/users/bulk-action",
      id: "users_bulk_action",
      summary: "Activate, deactivate or delete many people",
      description: "Up to 100. Each is dealt with alone: what fails for one is said of that one.",
      headers,
      body: { schema: userBulkSchema },
      responses: {
        200: { description: "What became of each", schema: userBulkResultSchema },
        401: { description: "Not signed in" },
        403: { description: "Without users.manage" },
        422: { description: "The body is refused" },
      },
    },
    async (c) => {
      const caller = await deps.identify(c.req.header("authorization"));
      const requestId = c.get("requestId");
      await deps.users.require(caller, requestId);
      const body = userBulkSchema.parse(await c.req.json().catch(() => undefined));
      const results: { user_id: string; ok: boolean; error?: string }[] = [];
      for (const id of new Set(body.user_ids)) {
        try {
          if (body.action === "delete") {
            await leave(caller, id, body.reassign_to, requestId);
          } else {
            const status = body.action === "activate" ? "active" : "inactive";
            await deps.users.update(caller, id, { status }, requestId);
          }
          results.push({ user_id: id, ok: true });
        } catch (error) {
          const refusal =
            error instanceof ApiError ? error.body : answerOfDatabaseError(error)?.body;
          if (!refusal) throw error;
          results.push({ user_id: id, ok: false, error: refusal.details ?? refusal.message });
        }
      }
      const succeeded = results.filter((result) => result.ok).length;
      return c.json(
        userBulkResultSchema.parse({ succeeded, failed: results.length - succeeded, results }),
      );
    },
  );
}
