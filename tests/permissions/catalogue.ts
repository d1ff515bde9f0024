/** What the database itself says is exposed, so that nothing new goes unnoticed. */
import type { Transaction } from "./probe.ts";

export const apiRoles = ["anon", "authenticated", "service_role"] as const;

export type ApiRole = (typeof apiRoles)[number];

export interface Relation {
  /** `public.leads` */
  name: string;
  kind: "table" | "view" | "materialized view" | "foreign table";
}

export async function exposedRelations(tx: Transaction): Promise<Relation[]> {
  return tx<Relation[]>`
    select
      format('%I.%I', n.nspname, c.relname) as name,
      case c.relkind
        when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'table'
      end as kind
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    order by 1
  `;
}

/** Functions of the exposed schema by signature: `public.lead_set_status(text,text,text)`. */
export async function exposedFunctions(tx: Transaction): Promise<string[]> {
  return functionsOf(tx, "public");
}

/** Functions of one schema that no extension owns. */
export async function functionsOf(tx: Transaction, schema: string): Promise<string[]> {
  const rows = await tx<{ name: string }[]>`
    select format('%I.%I(%s)', n.nspname, p.proname, (
      select coalesce(string_agg(format_type(t.oid, null), ',' order by t.position), '')
      from unnest(p.proargtypes::oid[]) with ordinality t (oid, position)
    )) as name
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = ${schema}
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    order by 1
  `;
  return rows.map((row) => row.name);
}

/** Who may execute a function: `public`, `anon`, `authenticated`, `service_role`. */
export async function executors(tx: Transaction, signature: string): Promise<string> {
  const [row] = await tx<{ grantees: string }[]>`
    select coalesce(string_agg(g.grantee, ', ' order by g.grantee), '') as grantees
    from pg_proc p
    cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    cross join lateral (
      select case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee
    ) g
    where p.oid = ${signature}::regprocedure and a.privilege_type = 'EXECUTE'
      and g.grantee in ('public', 'anon', 'authenticated', 'service_role')
  `;
  return row?.grantees ?? "";
}

/** `on` when row level security decides: enabled on a table, the caller's own in a view. */
export async function protection(tx: Transaction, relation: string): Promise<string> {
  const [row] = await tx<{ on: boolean }[]>`
    select case c.relkind
      when 'v' then coalesce(c.reloptions @> '{security_invoker=true}', false)
      else c.relrowsecurity
    end as on
    from pg_class c
    where c.oid = ${relation}::regclass
  `;
  return row?.on ? "on" : "off";
}

/**
 * The grants of one role on one relation as one line: `select, insert (id, name), delete`.
 * Column lists are named; a privilege on the whole table stands alone.
 */
export async function grantsOn(
  tx: Transaction,
  relation: string,
): Promise<Record<ApiRole, string>> {
  const rows = await tx<{ role: ApiRole; grants: string }[]>`
    select r.role, coalesce((
      select string_agg(
        case
          when has_table_privilege(r.role, ${relation}::regclass, v.verb) then lower(v.verb)
          else lower(v.verb) || ' (' || c.columns || ')'
        end, ', ' order by v.position)
      from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
        with ordinality v (verb, position)
      left join lateral (
        select string_agg(a.attname, ', ' order by a.attname collate "C") as columns
        from pg_attribute a
        where a.attrelid = ${relation}::regclass and a.attnum > 0 and not a.attisdropped
          and v.verb in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
          and has_column_privilege(r.role, a.attrelid, a.attnum, v.verb)
      ) c on true
      where has_table_privilege(r.role, ${relation}::regclass, v.verb) or c.columns is not null
    ), '') as grants
    from unnest(${[...apiRoles]}::text[]) r (role)
  `;
  return Object.fromEntries(rows.map((row) => [row.role, row.grants])) as Record<ApiRole, string>;
}

export interface Policy {
  name: string;
  /** `public.leads` */
  relation: string;
  text: string;
  roles: string[];
  command: string;
}

/** Policies on everything a client can reach: our tables, Storage and Realtime. */
export async function policies(tx: Transaction): Promise<Policy[]> {
  return tx<Policy[]>`
    select
      p.policyname as name,
      format('%I.%I', p.schemaname, p.tablename) as relation,
      coalesce(p.qual, '') || ' ' || coalesce(p.with_check, '') as text,
      p.roles::text[] as roles,
      p.cmd as command
    from pg_policies p
    where p.schemaname in ('public', 'storage', 'realtime', 'private')
    order by 2, 1
  `;
}

/** Kinds of realtime topic that policies on realtime.messages know: `user`, `team`, `lead`. */
export async function topicKinds(tx: Transaction): Promise<string[]> {
  const found = new Set<string>();
  for (const policy of await policies(tx)) {
    if (policy.relation !== "realtime.messages") continue;
    for (const match of policy.text.matchAll(/topic_id\('([a-z_]+)'|'([a-z_]+):%?'/g)) {
      found.add((match[1] ?? match[2])!);
    }
  }
  return [...found].sort();
}

export async function buckets(tx: Transaction): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`select id from storage.buckets order by id`;
  return rows.map((row) => row.id);
}
