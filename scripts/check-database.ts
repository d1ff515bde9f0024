/**
 * What Supabase's own checks say about a database with all migrations.
 *
 *   advisors   security and performance advisors, as Studio shows them
 *   lint       every PL/pgSQL body, by plpgsql_check; on Debian's PostgreSQL, which has it
 *   acl        the same rights, whether or not new tables are exposed by default
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import postgres from "postgres";
import { type OpenProject, startOwnProject } from "../tests/helpers/environment.ts";

const run = promisify(execFile);
const hasSystemEngine = existsSync("/usr/share/postgresql/15/extension/plpgsql_check.control");
const engine = hasSystemEngine ? "system" : "embedded";

async function withProject<T>(
  options: Parameters<typeof startOwnProject>[0],
  work: (project: OpenProject, admin: postgres.Sql) => Promise<T>,
): Promise<T> {
  const project = await startOwnProject({ seed: false, ...options });
  const admin = postgres(project.adminDbUrl ?? project.dbUrl, { max: 1, onnotice: () => {} });
  try {
    return await work(project, admin);
  } finally {
    await admin.end();
    await project.close();
  }
}

/** The Supabase CLI; its output is shown only when it fails. */
async function supabase(...args: string[]): Promise<string> {
  const env = { ...process.env, PGSSLMODE: "disable", SUPABASE_TELEMETRY_DISABLED: "1" };
  try {
    const options = { env, timeout: 180_000, maxBuffer: 32 * 1024 * 1024 };
    return (await run("node_modules/.bin/supabase", args, options)).stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`supabase ${args.slice(0, 2).join(" ")}\n${stdout}${stderr}`);
  }
}

interface Advice {
  name: string;
  detail: string;
  metadata?: { name?: string; schema?: string };
}

const commits =
  "a procedure with a search_path of its own may not commit; it runs as its caller, all names qualified";

/** What an advisor says that is so on purpose, and why. */
const accepted: Record<string, string> = {
  "function_search_path_mutable private.uuid_v7":
    "its body is bound when it is created, so that no search_path can change it, and becomes part of the statement it stands in",
  "function_search_path_mutable private.refresh_scores": commits,
  "function_search_path_mutable private.automation_catch_up": commits,
  "function_search_path_mutable private.sla_catch_up": commits,
  "function_search_path_mutable private.webhooks_catch_up": commits,
};

async function advisors(): Promise<void> {
  await withProject({ engine }, async (project, admin) => {
    // Without it the advisors take nothing for exposed, and find nothing.
    await admin`alter database postgres set pgrst.db_schemas = 'public'`;
    const remote = `--remote=${project.dbUrl}`;
    const text = await supabase(
      ...["db", "advisors", remote, "--type=all", "--level=warn", "--fail-on=none"],
    );
    const lines = listOf<Advice>(text)
      .filter(
        ({ name, metadata }) => !accepted[`${name} ${metadata?.schema}.${metadata?.name ?? ""}`],
      )
      .map(({ name, detail }) => `${name}: ${detail}`);
    if (lines.length > 0) throw new Error(lines.join("\n"));
  });
}

/** The list in what the CLI prints, which may also say how it connected. */
function listOf<T>(text: string): T[] {
  const start = text.indexOf("[");
  return start < 0 ? [] : (JSON.parse(text.slice(start, text.lastIndexOf("]") + 1)) as T[]);
}

async function lint(): Promise<void> {
  await withProject({ engine }, async (project, admin) => {
    await admin`create extension if not exists plpgsql_check with schema extensions`;
    const remote = `--remote=${project.adminDbUrl ?? project.dbUrl}`;
    const schemas = ["--schema=public", "--schema=private"];
    const text = await supabase("db", "lint", remote, ...schemas, "--fail-on=none");
    const found = listOf<Lint>(text);
    const lines = found.flatMap((lint) =>
      lint.issues
        .filter((issue) => issue.level !== "warning extra" || /without RETURN/.test(issue.message))
        .filter((issue) => !noise.test(issue.message))
        .map((issue) => `${lint.function}: ${issue.level}: ${issue.message}`),
    );
    if (lines.length > 0) throw new Error(lines.join("\n"));
  });
}

interface Lint {
  function: string;
  issues: { level: string; message: string }[];
}

/** A literal has no type before it is assigned, and nobody knows the columns of dynamic SQL. */
const noise =
  /^target type is different type than source type$|^cannot determinate a result of dynamic SQL$|^record ".*" is not assigned yet$/;

/** Every right on every relation, column, function, sequence and schema of ours, one per line. */
async function rights(admin: postgres.Sql): Promise<string[]> {
  const rows = await admin<{ line: string }[]>`
    with ours as (select oid from pg_namespace where nspname in ('public', 'private'))
    select concat_ws(' ', r.kind, r.name, g.grantee, g.privilege, g.is_grantable) as line
    from (
      select 'relation' as kind, c.oid::regclass::text as name, a.*
      from pg_class c
      cross join aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) a
      where c.relnamespace in (select oid from ours) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      union all
      select 'column', c.oid::regclass || '.' || t.attname, a.*
      from pg_attribute t
      join pg_class c on c.oid = t.attrelid
      cross join aclexplode(t.attacl) a
      where c.relnamespace in (select oid from ours)
      union all
      select 'function', p.oid::regprocedure::text, a.*
      from pg_proc p
      cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where p.pronamespace in (select oid from ours)
      union all
      select 'type', t.oid::regtype::text, a.*
      from pg_type t
      cross join aclexplode(t.typacl) a
      where t.typnamespace in (select oid from ours)
    ) r
    cross join lateral (
      select case r.grantee when 0 then 'public' else r.grantee::regrole::text end, r.privilege_type, r.is_grantable
    ) g (grantee, privilege, is_grantable)
    order by 1
  `;
  return rows.map((row) => row.line);
}

async function acl(): Promise<void> {
  const rightsWith = (exposeNewTables: boolean) =>
    withProject({ engine: "embedded", exposeNewTables }, (_, admin) => rights(admin));
  const exposed = await rightsWith(true);
  const closed = await rightsWith(false);
  if (closed.length === 0) throw new Error("No rights were read");
  const lost = exposed
    .filter((line) => !closed.includes(line))
    .map((line) => `only exposed: ${line}`);
  const gained = closed
    .filter((line) => !exposed.includes(line))
    .map((line) => `only closed: ${line}`);
  if (lost.length + gained.length > 0) throw new Error([...lost, ...gained].join("\n"));
  process.stdout.write(`${closed.length} rights, the same under both defaults\n`);
}

const checks: Record<string, () => Promise<void>> = { advisors, lint, acl };
const wanted = process.argv[2] ?? "";
const check = checks[wanted];
if (!check) {
  process.stderr.write(`usage: check-database.ts ${Object.keys(checks).join(" | ")}\n`);
  process.exit(2);
}
try {
  await check();
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}
