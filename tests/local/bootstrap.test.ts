/** What `postgres`, who runs the migrations, may do and may not: the same here as on hosted. */
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startStack } from "../../packages/local/src/index.ts";
import { stack } from "../helpers/index.ts";

class Undo extends Error {}

let sql: postgres.Sql;

beforeAll(() => {
  sql = postgres(stack().dbUrl, { max: 1, onnotice: () => {} });
});

afterAll(() => sql.end());

/** Runs as `postgres` in a transaction that is rolled back; the SQLSTATE, or null if it went well. */
async function attempt(...statements: string[]): Promise<string | null> {
  try {
    await sql.begin(async (transaction) => {
      for (const statement of statements) await transaction.unsafe(statement);
      throw new Undo();
    });
  } catch (error) {
    if (error instanceof Undo) return null;
    if (error instanceof postgres.PostgresError) return error.code;
    throw error;
  }
  return null;
}

/** For what cannot run in a transaction. */
async function attemptAlone(statement: string): Promise<string | null> {
  try {
    await sql.unsafe(statement);
  } catch (error) {
    if (error instanceof postgres.PostgresError) return error.code;
    throw error;
  }
  return null;
}

const triggerFunction = `create function public.bootstrap_probe() returns trigger language plpgsql
  security definer set search_path = '' as $$ begin return new; end $$`;

describe("the role postgres is refused", () => {
  it.each([
    ["a table in auth", "create table auth.mine (id int)"],
    ["a table in storage", "create table storage.mine (id int)"],
    ["a table in realtime", "create table realtime.mine (id int)"],
    ["a table in vault", "create table vault.mine (id int)"],
    ["a function in auth", "create function auth.mine() returns int language sql as 'select 1'"],
    [
      "a function in storage",
      "create function storage.mine() returns int language sql as 'select 1'",
    ],
    ["an index on storage.objects", "create index on storage.objects (version)"],
    ["changes to auth.users", "alter table auth.users add column mine int"],
    ["changes to storage.objects", "alter table storage.objects disable row level security"],
    ["changes to realtime.messages", "alter table realtime.messages add column mine int"],
    ["dropping storage.objects", "drop table storage.objects cascade"],
    ["dropping realtime.messages", "drop table realtime.messages cascade"],
    ["dropping auth.uid()", "drop function auth.uid() cascade"],
    ["a superuser", "create role mine superuser"],
    ["to become a superuser", "alter role postgres superuser"],
    ["to act as the superuser", "set role supabase_admin"],
    ["an extension that is not trusted", "create extension file_fdw"],
    [
      "a language that is not trusted",
      "create function public.mine() returns int language c as 'x'",
    ],
    ["to read a file of the server", "select pg_read_file('/etc/hostname')"],
    ["to list a folder of the server", "select pg_ls_dir('.')"],
    [
      "to load a file of the server",
      "create temp table mine (t text); copy mine from '/etc/hostname'",
    ],
    [
      "to run a program on the server",
      "create temp table mine (t text); copy mine from program 'id'",
    ],
    [
      "to write into the jobs of pg_cron",
      "insert into cron.job (schedule, command) values ('* * * * *', 'x')",
    ],
    [
      "an event trigger's function in pg_catalog",
      "create function pg_catalog.mine() returns int language sql as 'select 1'",
    ],
  ])("%s", async (_what, statement) => {
    expect(await attempt(...statement.split("; "))).toBe("42501");
  });

  it("to change the server's configuration", async () => {
    expect(await attemptAlone("alter system set work_mem = '1MB'")).toBe("42501");
  });

  it("a comment on a policy that stands on a table of the platform", async () => {
    const statements = [
      "create policy probe on storage.objects for select to authenticated using (true)",
      "comment on policy probe on storage.objects is 'x'",
    ];
    expect(await attempt(...statements)).toBe("42501");
  });

  it("a schedule that cannot be read", async () => {
    expect(
      await attempt("select cron.schedule('probe', 'every now and then', 'select 1')"),
    ).not.toBeNull();
  });
});

describe("the role postgres may", () => {
  it.each([
    [
      "reference a person",
      "create table public.probe (id uuid primary key references auth.users (id) on delete cascade)",
    ],
    [
      "put a trigger on auth.users",
      triggerFunction,
      "create trigger probe after insert on auth.users for each row execute function public.bootstrap_probe()",
    ],
    [
      "create and drop policies on storage.objects",
      "create policy probe on storage.objects for select to authenticated using (true)",
      "drop policy probe on storage.objects",
    ],
    [
      "create and alter policies on realtime.messages",
      "create policy probe on realtime.messages for select to authenticated using (true)",
      "alter policy probe on realtime.messages using (false)",
    ],
    ["make a bucket", "insert into storage.buckets (id, name) values ('probe', 'probe')"],
    [
      "write to auth.users, as seeds do",
      "insert into auth.users (instance_id, id, aud, role, email) values ('00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'authenticated', 'authenticated', 'probe@example.test')",
    ],
    ["read sessions", "select count(*) from auth.sessions"],
    [
      "schedule a job and take it back",
      "select cron.schedule('probe', '*/5 * * * *', 'select 1')",
      "select cron.unschedule('probe')",
    ],
    ["queue a request", "select net.http_post('http://127.0.0.1:9/', '{}')"],
    [
      "keep a secret",
      "select vault.create_secret('s3cret', 'probe')",
      "select decrypted_secret from vault.decrypted_secrets where name = 'probe'",
    ],
    [
      "add a table to the Realtime publication",
      "create table public.probe (id int primary key)",
      "alter publication supabase_realtime add table public.probe",
    ],
    [
      "use trusted extensions",
      "create extension if not exists pg_trgm with schema extensions",
      "create extension if not exists btree_gist with schema extensions",
      "create extension if not exists pgtap with schema extensions",
    ],
    ["set what PostgREST reads", "alter role authenticator set pgrst.db_pre_request = 'public.x'"],
    ["act as the API roles", "set local role authenticated", "reset role", "set local role anon"],
    ["create a schema and a role", "create schema probe", "create role probe nologin"],
  ])("%s", async (_what, ...statements) => {
    expect(await attempt(...statements)).toBeNull();
  });
});

it("gives anonymous callers 3 s and signed-in ones 8 s", async () => {
  const rows = await sql`
    select r.rolname, s.setconfig from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
    where r.rolname in ('anon', 'authenticated') and s.setdatabase = 0
  `;
  const settings = Object.fromEntries(rows.map((row) => [row.rolname, row.setconfig]));
  expect(settings.anon).toContain("statement_timeout=3s");
  expect(settings.authenticated).toContain("statement_timeout=8s");
});

describe("new tables", () => {
  it.each([
    ["are closed to the API roles by default", false],
    ["are open to them where the project is from before October 2026", true],
  ])("%s", async (_what, exposeNewTables) => {
    const fresh = await startStack({
      ephemeral: true,
      quiet: true,
      migrate: false,
      exposeNewTables,
    });
    const owner = postgres(fresh.dbUrl, { max: 1, onnotice: () => {} });
    try {
      await owner`create table public.probe (id int)`;
      await owner`create function public.probe() returns int language sql as 'select 1'`;
      const [table] =
        await owner`select has_table_privilege('anon', 'public.probe', 'select') as open`;
      expect(table?.open).toBe(exposeNewTables);
      const [acl] = await owner`select proacl::text as acl from pg_proc where proname = 'probe'`;
      expect(String(acl?.acl).includes("anon=X")).toBe(exposeNewTables);
    } finally {
      await owner.end();
      await fresh.stop();
    }
  });
});
