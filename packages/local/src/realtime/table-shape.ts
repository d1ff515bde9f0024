import type { Sql } from "postgres";

export interface Column {
  name: string;
  /** The type's own name, which clients convert by. */
  type: string;
  /** The type as a cast names it. */
  sqlType: string;
  isPrimaryKey: boolean;
  /** Those of the asked roles that may select it. */
  readers: string[];
}

export interface TableShape {
  /** Quoted and qualified, for use in a statement. */
  qualifiedName: string;
  hasRowSecurity: boolean;
  columns: Column[];
}

/** What the catalogue says of a table now. Null when the table is gone. */
export async function readTableShape(
  sql: Sql,
  tableOid: number,
  roles: string[],
): Promise<TableShape | null> {
  const [table] = await sql<{ qualifiedName: string; hasRowSecurity: boolean }[]>`
    select
      format('%I.%I', n.nspname, c.relname) as "qualifiedName",
      c.relrowsecurity as "hasRowSecurity"
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.oid = ${tableOid}`;
  if (!table) return null;

  const columns = await sql<Column[]>`
    select
      a.attname as name,
      t.typname as type,
      format_type(a.atttypid, null) as "sqlType",
      coalesce(a.attnum = any (i.indkey), false) as "isPrimaryKey",
      array(
        select r.role
        from unnest(${roles}::text[]) as r (role)
        where case
          when to_regrole(quote_ident(r.role)) is null then false
          else has_column_privilege(r.role, a.attrelid, a.attnum, 'select')
        end
      ) as readers
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
    where a.attrelid = ${tableOid} and a.attnum > 0 and not a.attisdropped
    order by a.attnum`;
  return { ...table, columns: [...columns] };
}
