// Making a person: the Auth server makes the account, the database says who may and gives it a place.

import { userCreatedSchema, userCreateSchema } from "@intake/types";
import type { App } from "../_shared/app.ts";
import { ApiError, describeError } from "../_shared/errors.ts";
import type { AdminDeps } from "./deps.ts";

export function mountUsers(app: App, deps: AdminDeps): void {
  app.route(
    {
      method: "post",
      path: "/users",
      id: "user_create",
      summary: "Make a person",
      description:
        "Makes the account and its profile, with role and team, or nothing. The person gets the password given, or an invitation: by mail (send_invite, the default), or as a link in the answer. Needs users.manage, every permission of the role, and teams.manage for a team.",
      headers: { authorization: { description: "`Bearer` and the access token", required: true } },
      body: { schema: userCreateSchema },
      responses: {
        201: { description: "Made", schema: userCreatedSchema },
        401: { description: "Not signed in" },
        403: { description: "Without the permissions" },
        404: { description: "There is no such team" },
        409: { description: "Somebody has this e-mail address already" },
        422: { description: "The body, the role or the password is refused" },
        502: { description: "The invitation could not be sent; nobody was made" },
        503: { description: "Auth does not answer" },
      },
    },
    async (c) => {
      const caller = await deps.identify(c.req.header("authorization"));
      const requestId = c.get("requestId");
      await deps.users.require(caller, requestId);
      const body = userCreateSchema.parse(await c.req.json().catch(() => undefined));
      const email = await deps.users.check(caller, body, requestId);
      // Fails for an address that has an account, so what is taken back below was made here.
      const id = await deps.accounts
        .create(email, body.full_name, body.password)
        .catch(async (error: unknown) => {
          // Of two at once Auth tells the second nothing of use; the database knows by now.
          if (error instanceof ApiError && error.status === 503) {
            await deps.users.check(caller, body, requestId);
          }
          throw error;
        });
      try {
        await deps.users.admit(caller, id, body, requestId);
        // Last: mail cannot be taken back.
        const invite_sent = body.password === undefined && body.send_invite !== false;
        const invited = { redirectTo: body.redirect_to };
        if (invite_sent) await deps.accounts.invite(email, invited);
        const link =
          invite_sent || body.password !== undefined
            ? {}
            : { invite_link: await deps.accounts.link(email, invited) };
        return c.json(userCreatedSchema.parse({ user_id: id, invite_sent, ...link }), 201);
      } catch (error) {
        await deps.accounts.remove(id).catch((left: unknown) => {
          c.get("log").log("error", "an account without a place stays", {
            user_id: id,
            ...describeError(left),
          });
        });
        throw error;
      }
    },
  );
}
