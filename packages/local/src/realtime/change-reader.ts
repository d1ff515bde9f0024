import type { ParameterOrJSON, Sql } from "postgres";
import { become, probe } from "./authorization.ts";
import type { Channel } from "./channel.ts";
import { filterExpression } from "./filters.ts";
import type { Change, Row } from "./pgoutput.ts";
import type { Subscription } from "./postgres-changes.ts";
import type { Column, TableShape } from "./table-shape.ts";

export interface Delivery {
  channel: Channel;
  ids: number[];
  data: Record<string, unknown>;
}

type JsonRow = Map<string, unknown>;

const MOST_BYTES = 1024 * 1024;
/** Of a record that is too large, values longer than this are left out. */
const SHORT_VALUE_BYTES = 64;

/**
 * Decides who may hear of a change and what each hears of it: the columns the role may select, and
 * the row only if the subscriber's own policies show it now. A deleted row can no longer be asked
 * for: everybody who listens to the table hears its primary key, as on hosted.
 */
export async function readChange(
  sql: Sql,
  change: Change,
  shape: TableShape,
  subscriptions: Subscription[],
): Promise<Delivery[]> {
  const record = await toJson(sql, shape, change.record);
  const oldRecord = await toJson(sql, shape, change.oldRecord);
  const keys = shape.columns.filter((column) => column.isPrimaryKey);

  const deliveries: Delivery[] = [];
  const verdicts = new Map<string, Promise<boolean>>();
  for (const [channel, own] of groupByChannel(subscriptions)) {
    const { role, claims } = channel.identity;
    const problem = change.operation === "DELETE" ? null : unreadable(keys, role);
    if (problem) {
      const { schema, table } = change.relation;
      const data = { schema, table, type: change.operation, errors: [problem] };
      deliveries.push({ channel, ids: own.map(({ id }) => id), data });
      continue;
    }

    const matching: Subscription[] = [];
    for (const subscription of own) {
      if (await matches(sql, change, shape, subscription)) matching.push(subscription);
    }
    if (matching.length === 0) continue;

    if (shape.hasRowSecurity && change.operation !== "DELETE") {
      const caller = JSON.stringify([role, claims]);
      let verdict = verdicts.get(caller);
      if (!verdict) {
        verdict = isVisible(sql, shape, keys, change.record ?? new Map(), channel);
        verdicts.set(caller, verdict);
      }
      if (!(await verdict)) continue;
    }

    for (const [columns, ids] of groupByColumns(matching)) {
      const data = describe(change, shape, role, columns, record, oldRecord);
      deliveries.push({ channel, ids, data });
    }
  }
  return deliveries;
}

function unreadable(keys: Column[], role: string): string | null {
  if (keys.length === 0) return "Error 400: Bad Request, no primary key";
  return keys.every((key) => key.readers.includes(role)) ? null : "Error 401: Unauthorized";
}

async function matches(
  sql: Sql,
  change: Change,
  shape: TableShape,
  { request }: Subscription,
): Promise<boolean> {
  if (request.filters.length === 0) return true;

  const row = change.operation === "DELETE" ? change.oldRecord : change.record;
  const parameters: (string | null)[] = [];
  const expressions: string[] = [];
  for (const filter of request.filters) {
    const column = shape.columns.find(({ name }) => name === filter.column);
    const value = row?.get(filter.column);
    // Not part of what was replicated: a delete carries its key only.
    if (!column || value === undefined) return false;
    parameters.push(value, filter.value);
    const [first, second] = [`$${parameters.length - 1}`, `$${parameters.length}`];
    expressions.push(filterExpression(filter, column.sqlType, first, second));
  }
  const [result] = await sql.unsafe<{ matches: boolean }[]>(
    `select ${expressions.join(" and ")} as matches`,
    parameters,
  );
  return result?.matches === true;
}

async function isVisible(
  sql: Sql,
  shape: TableShape,
  keys: Column[],
  record: Row,
  channel: Channel,
): Promise<boolean> {
  const { role, claims } = channel.identity;
  const conditions = keys.map(
    ({ name, sqlType }, index) => `${quote(name)} = $${index + 1}::text::${sqlType}`,
  );
  const values = keys.map(({ name }) => record.get(name) ?? null);
  return probe(sql, async (transaction) => {
    const [, rows] = await Promise.all([
      become(transaction, { role, claims, headers: {} }),
      transaction.unsafe(
        `select 1 from ${shape.qualifiedName} where ${conditions.join(" and ")}`,
        values,
      ),
    ]);
    return rows.length > 0;
  });
}

/** Converts text values as `to_jsonb` does their types. */
async function toJson(sql: Sql, shape: TableShape, row: Row | null): Promise<JsonRow> {
  const json: JsonRow = new Map();
  const converted: string[] = [];
  const parameters: ParameterOrJSON<never>[] = [];
  const expressions: string[] = [];
  for (const { name, sqlType } of shape.columns) {
    const value = row?.get(name);
    if (value === undefined) continue;
    json.set(name, value);
    if (value === null || sqlType === "text" || sqlType === "bytea" || sqlType === "uuid") continue;
    parameters.push(value);
    converted.push(name);
    expressions.push(`to_jsonb($${parameters.length}::text::${sqlType})`);
  }
  if (expressions.length > 0) {
    const [result] = await sql.unsafe<{ values: unknown[] }[]>(
      `select to_jsonb(array[${expressions.join(", ")}]::jsonb[]) as values`,
      parameters,
    );
    for (const [index, name] of converted.entries()) json.set(name, result?.values[index]);
  }
  return json;
}

function describe(
  change: Change,
  shape: TableShape,
  role: string,
  selected: string[] | null,
  record: JsonRow,
  oldRecord: JsonRow,
): Record<string, unknown> {
  const { operation, relation, committedAt } = change;
  const isTooLarge = sizeOf(change.record) + sizeOf(change.oldRecord) > MOST_BYTES;
  const columns = shape.columns.filter(
    ({ name, readers, isPrimaryKey }) =>
      readers.includes(role) && (selected === null || selected.includes(name) || isPrimaryKey),
  );
  const pick = (row: JsonRow, from: Column[]) =>
    Object.fromEntries(
      from
        .filter(({ name }) => row.has(name))
        .map(({ name }) => [name, row.get(name)] as const)
        .filter(([, value]) => !isTooLarge || isShort(value)),
    );

  const data: Record<string, unknown> = {
    schema: relation.schema,
    table: relation.table,
    type: operation,
    commit_timestamp: committedAt.toISOString(),
    columns: columns.map(({ name, type }) => ({ name, type })),
    errors: isTooLarge ? ["Error 413: Payload Too Large"] : null,
  };
  // A value that was not replicated because it did not change is the old one.
  if (operation !== "DELETE") data.record = pick(new Map([...oldRecord, ...record]), columns);
  if (operation !== "INSERT") {
    const isSecured = operation === "DELETE" && shape.hasRowSecurity;
    data.old_record = pick(
      oldRecord,
      isSecured ? columns.filter(({ isPrimaryKey }) => isPrimaryKey) : columns,
    );
  }
  return data;
}

function groupByChannel(subscriptions: Subscription[]): Map<Channel, Subscription[]> {
  const groups = new Map<Channel, Subscription[]>();
  for (const subscription of subscriptions) {
    const group = groups.get(subscription.channel);
    if (group) group.push(subscription);
    else groups.set(subscription.channel, [subscription]);
  }
  return groups;
}

function groupByColumns(subscriptions: Subscription[]): [string[] | null, number[]][] {
  const groups = new Map<string, [string[] | null, number[]]>();
  for (const { id, request } of subscriptions) {
    const key = JSON.stringify(request.columns);
    const group = groups.get(key);
    if (group) group[1].push(id);
    else groups.set(key, [request.columns, [id]]);
  }
  return [...groups.values()];
}

function sizeOf(row: Row | null): number {
  let size = 0;
  for (const value of row?.values() ?? []) size += value?.length ?? 0;
  return size;
}

function isShort(value: unknown): boolean {
  return Buffer.byteLength(JSON.stringify(value) ?? "") <= SHORT_VALUE_BYTES;
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
