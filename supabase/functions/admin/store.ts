// Integrations and people in the database.

import { userUpdatedSchema } from "@intake/types";
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
    checkUpdate(caller, id, change, requestId) {
      return db.asUser(
        caller,
        async (tx) => {
          const { rows } = await sql<{ answer: { email: string; new_email: string | null } }>`
            select private.user_update_check(
              ${id}, ${change.email ?? null}, ${change.role ?? null}
            ) as answer`.execute(tx);
          const answer = rows[0]?.answer;
          return { email: answer?.email ?? "", newEmail: answer?.new_email ?? null };
        },
        { requestId },
      );
    },
    update(caller, id, change, requestId) {
      const isActive = change.status === undefined ? null : change.status === "active";
      return db.asUser(
        caller,
        async (tx) => {
          const { rows } = await sql<{ person: unknown }>`
            select private.user_update(
              ${id}, ${change.full_name ?? null}, ${change.phone ?? null}, ${change.role ?? null}, ${isActive}
            ) as person`.execute(tx);
          return userUpdatedSchema.parse(rows[0]?.person);
        },
        { requestId },
      );
    },
    async leave(caller, id, reassignTo, requestId) {
      const to = reassignTo ?? null;
      let handedOver = reassignTo === undefined ? 0 : 1;
      while (handedOver > 0) {
        handedOver = await db.asUser(
          caller,
          async (tx) => {
            const { rows } = await sql<{ leads: number }>`
              select private.user_hand_over(${id}, ${to}) as leads`.execute(tx);
            return rows[0]?.leads ?? 0;
          },
          { requestId },
        );
      }
      await db.asUser(caller, (tx) => sql`select private.user_leave(${id}, ${to})`.execute(tx), {
        requestId,
      });
    },
    checkImpersonation(caller, id, reason, requestId) {
      return db.asUser(
        caller,
        async (tx) => {
          const { rows } = await sql<{ email: string }>`
            select private.impersonation_check(${id}, ${reason}) as email`.execute(tx);
          return rows[0]?.email ?? "";
        },
        { requestId },
      );
    },
    beginImpersonation(caller, id, sessionId, reason, requestId) {
      return db.asUser(
        caller,
        async (tx) => {
          const { rows } = await sql<{ ends: Date }>`
            select private.impersonation_begin(${id}, ${sessionId}, ${reason}) as ends`.execute(tx);
          return new Date(rows[0]?.ends ?? Number.NaN).toISOString();
        },
        { requestId },
      );
    },
  };
}
