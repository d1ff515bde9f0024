/** Ways to break the permissions, each of which the matrix has to notice. */
import {
  apiRoles,
  exposedFunctions,
  exposedRelations,
  type Policy,
  policies,
} from "./catalogue.ts";
import type { Kind, Look } from "./observe.ts";
import type { Transaction } from "./probe.ts";

export interface Mutation {
  /** What is done, as a sentence. */
  name: string;
  statement: string;
  /** Where it must show: one of these objects has to look different. */
  seenIn: { kind: Kind; name: string }[];
  /** Dropping a policy must change what somebody can do; a column shows in the grants alone. */
  look: Look;
}

const verbs = ["select", "insert", "update", "delete"] as const;

type Shared = Record<"buckets" | "topics", string[]>;

/** Each policy, dropped. */
export async function droppedPolicies(tx: Transaction, shared: Shared): Promise<Mutation[]> {
  return (await policies(tx)).map((policy) => {
    const statement = `drop policy ${JSON.stringify(policy.name)} on ${policy.relation}`;
    return { name: statement, statement, seenIn: whereSeen(policy, shared), look: "cells" };
  });
}

/** Each policy that asks anything, asking nothing any more. */
export async function openedPolicies(tx: Transaction, shared: Shared): Promise<Mutation[]> {
  const asking = (await policies(tx)).filter((policy) => policy.text.trim() !== "true");
  return asking.map((policy) => {
    const clauses = [
      policy.command === "INSERT" ? "" : "using (true)",
      policy.command === "INSERT" || policy.command === "UPDATE" ? "with check (true)" : "",
    ];
    const name = `${JSON.stringify(policy.name)} on ${policy.relation}`;
    return {
      name: `open policy ${name}`,
      statement: `alter policy ${name} ${clauses.join(" ")}`,
      seenIn: whereSeen(policy, shared),
      look: "cells",
    };
  });
}

/** Objects of Storage and Realtime share one table: any of ours may show the difference. */
function whereSeen(policy: Policy, shared: Shared): Mutation["seenIn"] {
  const all = (kind: keyof Shared) => shared[kind].map((name) => ({ kind, name }));
  if (policy.relation === "storage.objects") return all("buckets");
  if (policy.relation === "realtime.messages") return all("topics");
  return [{ kind: "relations", name: policy.relation }];
}

export async function rowSecurityMutations(tx: Transaction): Promise<Mutation[]> {
  const relations = await exposedRelations(tx);
  return relations.map(({ name, kind }) => ({
    name:
      kind === "view" ? `let ${name} run as its owner` : `switch row level security off on ${name}`,
    statement:
      kind === "view"
        ? `alter view ${name} set (security_invoker = false)`
        : `alter table ${name} disable row level security`,
    seenIn: [{ kind: "relations", name }],
    look: "all",
  }));
}

/** Each verb of each API role on each relation: taken away where it is held, given where not. */
export async function tableGrantMutations(tx: Transaction): Promise<Mutation[]> {
  const mutations: Mutation[] = [];
  for (const { name } of await exposedRelations(tx)) {
    const held = await tx<{ role: string; verb: string; held: boolean }[]>`
      select r.role, v.verb,
        has_table_privilege(r.role, ${name}::regclass, v.verb) or (
          v.verb <> 'delete' and has_any_column_privilege(r.role, ${name}::regclass, v.verb)
        ) as held
      from unnest(${[...apiRoles]}::text[]) r (role)
      cross join unnest(${[...verbs]}::text[]) v (verb)
    `;
    for (const { role, verb, held: has } of held) {
      mutations.push({
        name: `${has ? "revoke" : "grant"} ${verb} on ${name} ${has ? "from" : "to"} ${role}`,
        statement: `${has ? "revoke" : "grant"} ${verb} on ${name} ${has ? "from" : "to"} ${role}`,
        seenIn: [{ kind: "relations", name }],
        look: "all",
      });
    }
  }
  return mutations;
}

/** Each column of each relation, one by one, for reading and writing as a signed-in person. */
export async function columnGrantMutations(tx: Transaction): Promise<Mutation[]> {
  const rows = await tx<{ relation: string; column: string; verb: string; held: boolean }[]>`
    select format('%I.%I', n.nspname, c.relname) as relation, quote_ident(a.attname) as column, v.verb,
      has_column_privilege('authenticated', c.oid, a.attnum, v.verb) as held
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    cross join unnest(array['select', 'insert', 'update']) v (verb)
    where c.relkind in ('r', 'p', 'v')
      -- Taking a column away from a grant on the whole table does nothing in Postgres.
      and not has_table_privilege('authenticated', c.oid, v.verb)
    order by 1, a.attnum, 3
  `;
  return rows.map(({ relation, column, verb, held }) => {
    const statement = held
      ? `revoke ${verb} (${column}) on ${relation} from authenticated`
      : `grant ${verb} (${column}) on ${relation} to authenticated`;
    return {
      name: statement,
      statement,
      seenIn: [{ kind: "relations" as const, name: relation }],
      look: "grants" as const,
    };
  });
}

/** Each function, for PUBLIC and each API role. */
export async function functionGrantMutations(tx: Transaction): Promise<Mutation[]> {
  const mutations: Mutation[] = [];
  for (const name of await exposedFunctions(tx)) {
    for (const role of ["public", ...apiRoles]) {
      const [row] = await tx<{ held: boolean }[]>`
        select exists (
          select from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
          where p.oid = ${name}::regprocedure and a.privilege_type = 'EXECUTE'
            and a.grantee = ${role === "public" ? "-" : role}::regrole
        ) as held
      `;
      const statement = row?.held
        ? `revoke execute on routine ${name} from ${role}`
        : `grant execute on routine ${name} to ${role}`;
      const seenIn = [{ kind: "functions" as const, name }];
      mutations.push({ name: statement, statement, seenIn, look: "all" });
    }
  }
  return mutations;
}
