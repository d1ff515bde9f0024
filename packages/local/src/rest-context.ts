import { AsyncLocalStorage } from "node:async_hooks";
import type { IntrospectResult } from "@supabase/lite";
import type { PostgresConnection } from "@supabase/lite/postgres";
import { sql } from "kysely";
import type postgres from "postgres";

/** One request to /rest/v1, while it is being answered. */
export interface RestRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  claims: Record<string, unknown>;
  role: string;
  /** PostgREST runs a request's pre-request function once, whatever the request does after. */
  entered: boolean;
  /** The database error behind an error response, before the emulator reworded it. */
  error?: DatabaseError;
}

export interface DatabaseError {
  code: string;
  message: string;
  detail?: string;
  hint?: string;
}

export const restRequest = new AsyncLocalStorage<RestRequest>();

/** What PostgREST reads from the roles' settings. */
interface RestSettings {
  preRequest: string | undefined;
  timeouts: Map<string, string>;
  defaultTimeout: string;
}

export interface RestContext {
  /** After `notify pgrst`, as PostgREST does. */
  reload(): Promise<void>;
}

/**
 * Makes the emulator's transactions those of PostgREST: the request's settings in every statement,
 * the role's statement timeout, read-only transactions for reads, and the pre-request function.
 */
export async function extendConnection(
  connection: PostgresConnection,
  admin: postgres.Sql,
): Promise<RestContext> {
  let settings = await readSettings(admin);

  // Left to itself the emulator would grant everything in every schema with RLS to the API roles.
  Reflect.set(connection, "rlsState", "active");

  const inContext = connection.withContext.bind(connection);
  connection.withContext = async (vars, work, options) => {
    let refusal: { answer: Awaited<ReturnType<typeof work>> } | undefined;
    const inTransaction: typeof work = async (db) => {
      const request = restRequest.getStore();
      if (request) await enter(db, request, settings, isReadOnly(connection, request));
      const answer = await work(db);
      // One row was asked for, and there are none or several.
      if (request && answer instanceof Response && answer.status === 406) {
        refusal = { answer };
        throw new Error("What the request wrote is taken back, as PostgREST does");
      }
      return answer;
    };
    try {
      return await inContext(vars, inTransaction, options);
    } catch (error) {
      if (refusal) return refusal.answer;
      throw error;
    }
  };

  const normalize = connection.normalizeDbError.bind(connection);
  connection.normalizeDbError = (error: unknown) => {
    const request = restRequest.getStore();
    if (request && isDatabaseError(error)) request.error = error;
    if (request && isUnsendable(error)) request.error = expectedArray;
    return normalize(error);
  };

  return {
    async reload() {
      settings = await readSettings(admin);
      await connection.clearSchemaCache();
    },
  };
}

type Database = Parameters<Parameters<PostgresConnection["withContext"]>[1]>[0];

/** Reads, and calls of functions that promise not to write, run in read-only transactions. */
function isReadOnly(connection: PostgresConnection, request: RestRequest): boolean {
  if (request.method === "GET" || request.method === "HEAD") return true;
  const name = /^\/rpc\/([^/]+)$/.exec(request.path)?.[1];
  if (!name) return false;
  const schema = Reflect.get(connection, "introspection") as IntrospectResult | undefined;
  const overloads = schema?.functions?.filter((f) => f.name === name) ?? [];
  return overloads.length > 0 && overloads.every((f) => f.volatility !== "v");
}

async function enter(
  db: Database,
  request: RestRequest,
  settings: RestSettings,
  readOnly: boolean,
): Promise<void> {
  const timeout = settings.timeouts.get(request.role) ?? settings.defaultTimeout;
  await sql`select
    set_config('request.method', ${request.method}, true),
    set_config('request.path', ${request.path}, true),
    set_config('request.headers', ${JSON.stringify(request.headers)}, true),
    set_config('request.cookies', ${JSON.stringify(cookies(request.headers.cookie))}, true),
    set_config('request.jwt.claims', ${JSON.stringify(request.claims)}, true),
    set_config('statement_timeout', ${timeout}, true),
    set_config('transaction_read_only', ${readOnly ? "on" : "off"}, true)`.execute(db);
  if (settings.preRequest && !request.entered) {
    request.entered = true;
    await sql`select ${sql.raw(settings.preRequest)}()`.execute(db);
  }
}

function cookies(header: string | undefined): Record<string, string> {
  const pairs = (header ?? "").split(";").map((part) => part.trim().split("="));
  return Object.fromEntries(
    pairs.filter(([name]) => name).map(([name, ...value]) => [name, value.join("=")]),
  );
}

async function readSettings(admin: postgres.Sql): Promise<RestSettings> {
  const rows = await admin<{ role: string; setting: string }[]>`
    select r.rolname as role, unnest(s.setconfig) as setting
    from pg_catalog.pg_db_role_setting s
    join pg_catalog.pg_roles r on r.oid = s.setrole
    where s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
    order by s.setdatabase
  `;
  const timeouts = new Map<string, string>();
  let preRequest: string | undefined;
  for (const { role, setting } of rows) {
    const at = setting.indexOf("=");
    const [name, value] = [setting.slice(0, at), setting.slice(at + 1)];
    if (name === "statement_timeout") timeouts.set(role, value);
    if (name === "pgrst.db_pre_request" && role === "authenticator") preRequest = value;
  }
  return {
    preRequest: preRequest ? quotePath(preRequest) : undefined,
    timeouts,
    defaultTimeout: timeouts.get("authenticator") ?? "0",
  };
}

function quotePath(path: string): string {
  return path
    .split(".")
    .map((part) => `"${part.replaceAll('"', "").trim()}"`)
    .join(".");
}

/** What the server answers to an object or a number in the place of a list. */
const expectedArray: DatabaseError = { code: "22P02", message: "expected JSON array" };

/** The driver has nothing to send for such a value, and does not ask the server. */
function isUnsendable(error: unknown): boolean {
  return error instanceof TypeError && Reflect.get(error, "code") === "ERR_INVALID_ARG_TYPE";
}

function isDatabaseError(error: unknown): error is DatabaseError {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code);
}
