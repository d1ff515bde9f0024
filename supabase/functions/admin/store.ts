// Integrations and people in the database.

import { sql } from "kysely";
import { type Database, json } from "../_shared/db.ts";
import type { Integrations, Users } from "./deps.ts";

export function createIntegrations(db: Database): Integrations {
  return {
    async require(caller, type, requestId) {
      await db.asUser(
        caller,
        (tx) => sql`select private.require_integration(${type})`.execute(tx),
        { requestId },
      );
    },
    async store(caller, type, credentials, config, requestId) {
      await db.asService(
        (tx) =>
          sql`select private.integration_connect(
            ${type}, ${json(credentials)}, ${config === null ? null : json(config)}
          )`.execute(tx),
        { requestId, actorId: caller.sub },
      );
    },
  };
}

export function createUsers(db: Database): Users {
  return {
    async require(caller, requestId) {
      await db.asUser(
        caller,
        (tx) => sql`select private.require_permission('users.manage')`.execute(tx),
        { requestId },
      );
    },
    check(caller, user, requestId) {
      return db.asUser(
        caller,
        async (tx) => {
          const { rows } = await sql<{ email: string }>`
            select private.user_create_check(${user.email}, ${user.role}, ${user.team_id ?? null}) as email`.execute(
            tx,
          );
          return rows[0]?.email ?? user.email;
        },
        { requestId },
      );
    },
    async admit(caller, id, user, requestId) {
      await db.asUser(
        caller,
        (tx) =>
          sql`select private.user_admit(
            ${id}, ${user.role}, ${user.status === "active"}, ${user.phone ?? null}, ${user.department ?? null},
            ${user.designation ?? null}, ${user.team_id ?? null}, ${user.is_manager ?? false}
          )`.execute(tx),
        { requestId },
      );
    },
  };
}
