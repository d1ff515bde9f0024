import { randomUUID } from "node:crypto";
import type { Sql, TransactionSql } from "postgres";

/**
 * What the policies on realtime.messages say about one caller and one topic. Undefined means not
 * asked yet: presence is only asked about once a channel uses it, and writing once a client writes.
 */
export interface Policies {
  broadcast: { read?: boolean; write?: boolean };
  presence: { read?: boolean; write?: boolean };
}

export interface Caller {
  role: string;
  claims: Record<string, unknown>;
  headers: Record<string, string>;
}

export type Extension = keyof Policies;

export type Answer = { [E in Extension]?: boolean };

const INSUFFICIENT_PRIVILEGE = "42501";

/**
 * Asks with rows that never come to be: the transaction is rolled back, so nothing is stored and
 * nothing is replicated. A policy that raises counts as a refusal for the whole question; the error
 * is the caller's to report.
 */
export async function readPolicies(
  sql: Sql,
  caller: Caller,
  topic: string,
  extensions: readonly Extension[],
): Promise<Answer> {
  return probe(sql, async (transaction) => {
    const ids = new Map(extensions.map((extension) => [extension, randomUUID()]));
    for (const [extension, id] of ids) {
      await transaction`
        insert into realtime.messages (id, topic, extension) values (${id}, ${topic}, ${extension})`;
    }
    await become(transaction, caller, topic);
    const rows = await transaction<{ id: string }[]>`
      select id from realtime.messages where id = any (${[...ids.values()]}::uuid[])`;
    const visible = new Set(rows.map((row) => row.id));
    return Object.fromEntries([...ids].map(([extension, id]) => [extension, visible.has(id)]));
  });
}

export async function writePolicies(
  sql: Sql,
  caller: Caller,
  topic: string,
  extensions: readonly Extension[],
): Promise<Answer> {
  return probe(sql, async (transaction) => {
    await become(transaction, caller, topic);
    const granted: Answer = {};
    for (const extension of extensions) {
      granted[extension] = await transaction
        .savepoint(
          (savepoint) => savepoint`
            insert into realtime.messages (topic, extension) values (${topic}, ${extension})`,
        )
        .then(() => true)
        .catch((error: { code?: string }) => {
          if (error.code === INSUFFICIENT_PRIVILEGE) return false;
          throw error;
        });
    }
    return granted;
  });
}

/** Takes on the caller's role and claims until the transaction ends. */
export async function become(transaction: TransactionSql, caller: Caller, topic?: string) {
  const { role, claims, headers } = caller;
  const sub = typeof claims.sub === "string" ? claims.sub : "";
  await transaction`
    select
      set_config('role', ${role}, true),
      set_config('realtime.topic', ${topic ?? ""}, true),
      set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
      set_config('request.jwt.claim.sub', ${sub}, true),
      set_config('request.jwt.claim.role', ${role}, true),
      set_config('request.headers', ${JSON.stringify(headers)}, true)`;
}

/** Runs a transaction that always ends in a rollback. */
export async function probe<T>(
  sql: Sql,
  ask: (transaction: TransactionSql) => Promise<T>,
): Promise<T> {
  let answer: { value: T } | undefined;
  await sql
    .begin(async (transaction) => {
      answer = { value: await ask(transaction) };
      throw ROLLBACK;
    })
    .catch((error: unknown) => {
      if (error !== ROLLBACK) throw error;
    });
  if (!answer) throw new Error("the transaction ended before it was asked anything");
  return answer.value;
}

const ROLLBACK = new Error("rolled back on purpose");
