/** The shape of an expectation. */
import type { ApiRole } from "../catalogue.ts";
import { ids } from "../personas.ts";

/** A statement, and nine outcomes separated by blanks. */
export type Verb = [statement: string, cells: string];

export interface RelationExpectation {
  /** What each API role holds, as the catalogue spells it. A role left out holds nothing. */
  grants: Partial<Record<ApiRole, string>>;
  select: Verb;
  insert?: Verb;
  update?: Verb;
  delete?: Verb;
  /** A second update, where who may write depends on what is written. */
  [further: string]: Verb | Partial<Record<ApiRole, string>> | undefined;
}

export interface FunctionExpectation {
  execute: Verb;
  [further: string]: Verb | undefined;
}

export interface BucketExpectation {
  select: Verb;
  insert: Verb;
  update: Verb;
  delete: Verb;
  [further: string]: Verb | undefined;
}

export interface TopicExpectation {
  join: Verb;
  send: Verb;
  /** Where a topic knows more than events. */
  [further: string]: Verb | undefined;
}

export interface ModuleExpectations {
  relations?: Record<string, RelationExpectation>;
  functions?: Record<string, FunctionExpectation>;
  buckets?: Record<string, BucketExpectation>;
  topics?: Record<string, TopicExpectation>;
  /**
   * Policies in whose place a trigger refuses, with a code of its own, everything that any persona
   * tries: opening one changes nothing to be seen. Dropping it still has to.
   */
  masked?: string[];
  /** The row of the own counselor in tables that the shared fixture does not fill. */
  fixture?: string[];
}

export interface Expectations {
  relations: Record<string, RelationExpectation>;
  functions: Record<string, FunctionExpectation>;
  buckets: Record<string, BucketExpectation>;
  topics: Record<string, TopicExpectation>;
}

export const merge = (modules: ModuleExpectations[]): Expectations => ({
  relations: Object.assign({}, ...modules.map((module) => module.relations)),
  functions: Object.assign({}, ...modules.map((module) => module.functions)),
  buckets: Object.assign({}, ...modules.map((module) => module.buckets)),
  topics: Object.assign({}, ...modules.map((module) => module.topics)),
});

/** Everything a service key may do with a table. */
export const all = "select, insert, update, delete";

/** Refused to all but service keys, for lack of a grant. */
export const serviceOnly = "- - - - - - - - +";

/** An RPC that asks for a permission only administrators have. */
export const adminRpc =
  "- permission_denied permission_denied  permission_denied permission_denied  permission_denied permission_denied  + -";

/**
 * A private channel, as Realtime asks: joining reads the messages of the topic, sending writes one.
 * Only the database sends; a client that could would forge events. (anon holds Supabase's own grant.)
 */
export const topic = (kind: string, id: string, join: string): TopicExpectation => {
  const name = `${kind}:${id}`;
  const set = `set_config('realtime.topic', '${name}', true)`;
  return {
    join: [
      `select from realtime.messages m where m.topic = '${name}' and (select ${set}) is not null`,
      join,
    ],
    send: [
      `insert into realtime.messages (topic, extension, event, payload, private) select '${name}', 'broadcast', 'x', '{}', true from (select ${set}) s`,
      "x x x  x x  x x  x +",
    ],
  };
};

//   anon disabled revoked | own, other counselor | own, other manager | admin service

/** A table of rows that belong to people: who sees one may change it; nobody deletes it but by RPC. */
export const belonging = (
  table: string,
  columns: { insert: string; update: string },
): RelationExpectation => ({
  grants: {
    authenticated: `select, insert (id, ${columns.insert}), update (${columns.update})`,
    service_role: all,
  },
  select: [`select from public.${table} where id = '${ids.row}'`, "- . .  + .  + .  + +"],
  // To the own counselor: only they, their manager and administrators may give them work.
  insert: [
    `insert into public.${table} (name, assigned_to) values ('New', '${ids.own}')`,
    "- permission_denied permission_denied  + permission_denied  + permission_denied  + +",
  ],
  update: [`update public.${table} set name = 'x' where id = '${ids.row}'`, "- . .  + .  + .  + +"],
  "insert for oneself": [
    `insert into public.${table} (name) values ('New')`,
    "- x x  + +  + +  + +",
  ],
  // Without a condition no policy of select stands before that of update.
  "update all": [`update public.${table} set name = 'x'`, "- . .  + .  + .  + +"],
  "update deleted_at": [
    `update public.${table} set deleted_at = now() where id = '${ids.row}'`,
    serviceOnly,
  ],
  delete: [`delete from public.${table} where id = '${ids.row}'`, serviceOnly],
});

/** Of a lead such a row belongs to whom the lead belongs to, whatever the caller says. */
export const belongingOrOfLead: typeof belonging = (table, columns) => ({
  ...belonging(table, columns),
  "insert with lead": [
    `insert into public.${table} (name, lead_id) values ('New', '${ids.lead}')`,
    "- x x  + x  + x  + +",
  ],
});

/** The row of the own counselor in such a table. */
export const ownRow = (table: string): string =>
  `insert into public.${table} (id, name, assigned_to) values ('${ids.row}', 'Own', '${ids.own}')`;

/** The session of the fixture with which the administrator looks with the own counselor's eyes. */
export const impersonatedSession = "00000000-0000-7000-9000-0000000000ee";

/** A write in an impersonation, whoever asks; P0001 says that it wrote. */
export const impersonated = (write: string): string =>
  `do $$ begin
    perform set_config('request.jwt.claims', '{"sub": "${ids.own}", "role": "authenticated", "session_id": "${impersonatedSession}"}', true);
    ${write};
    if found then raise exception 'written'; end if;
  end $$`;
