/**
 * The rows of a project in one file, and back: `npm run backup -- <file>`, `npm run restore -- <file>`, on
 * the database of SUPABASE_DB_URL. What is in the file and what is not: docs/deployment.md.
 *
 * The file is gzipped SQL: the schema is the migrations', so it holds data alone, of one moment.
 */
import { createReadStream, createWriteStream } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";
import { createGunzip, createGzip } from "node:zlib";
import postgres from "postgres";

type Tx = postgres.TransactionSql;

const open = (url: string) =>
  postgres(url, { max: 1, onnotice: () => {}, connection: { application_name: "intake-backup" } });

/**
 * Tables whose rows are worth keeping, with the columns that are written, not computed, in the order of their
 * keys: rows lie elsewhere after a restoration, and the same rows are to be the same file.
 */
const tables = (tx: Tx) => tx<{ name: string; columns: string; key: string; schema: string }[]>`
  select format('%I.%I', n.nspname, c.relname) as name, n.nspname as schema,
    string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns,
    coalesce(
      string_agg(quote_ident(a.attname), ', ' order by array_position(k.indkey::smallint[], a.attnum)) filter (where a.attnum = any (k.indkey)),
      '1'
    ) as key
  from pg_class c
  left join pg_index k on k.indrelid = c.oid and k.indisprimary
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
    and (n.nspname in ('public', 'private') or c.oid in ('auth.users'::regclass, 'auth.identities'::regclass))
  group by c.oid, n.nspname, c.relname
  order by n.nspname, c.relname
`;

async function migrations(tx: Tx): Promise<string> {
  const rows = await tx<{ version: string }[]>`
    select version from supabase_migrations.schema_migrations order by version`;
  return JSON.stringify(rows.map(({ version }) => version));
}

export async function backUp(dbUrl: string, output: Writable): Promise<void> {
  const sql = open(dbUrl);
  async function* text(tx: Tx): AsyncGenerator<string | Buffer> {
    await tx`set local statement_timeout = 0`;
    yield `-- Intake, migrations ${await migrations(tx)}\n`;
    for (const { name, columns, key } of await tables(tx)) {
      yield `copy ${name} (${columns}) from stdin;\n`;
      const rows = await tx
        .unsafe(`copy (select ${columns} from ${name} order by ${key}) to stdout`)
        .readable();
      yield* rows;
      // postgres.js 3.4.9 leaves its socket paused when the last row fills the stream.
      rows._read(0);
      yield "\\.\n";
    }
    const sequences = await tx<{ name: string }[]>`
      select format('%I.%I', schemaname, sequencename) as name
      from pg_sequences where schemaname in ('public', 'private') order by 1`;
    for (const { name } of sequences) {
      const [at] = await tx.unsafe(`select last_value::text, is_called from ${name}`);
      yield `select setval('${name}', ${at?.last_value}, ${at?.is_called});\n`;
    }
  }
  try {
    await sql.begin("isolation level repeatable read read only", (tx) =>
      pipeline(() => text(tx), createGzip(), output),
    );
  } finally {
    await sql.end();
  }
}

async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of input) {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      yield rest.subarray(0, end + 1);
      rest = rest.subarray(end + 1);
    }
  }
  if (rest.length > 0) throw new Error("The file is cut short.");
}

async function* rowsOf(lines: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error("The file is cut short.");
    if (value.equals(Buffer.from("\\.\n"))) return;
    yield value;
  }
}

/** All of it or nothing. Only into a project of the same migrations that has no people and no leads yet. */
export async function restore(dbUrl: string, input: Readable): Promise<void> {
  const sql = open(dbUrl);
  try {
    await sql.begin(async (tx) => {
      const lines = linesOf(input.pipe(createGunzip()));
      const head = String((await lines.next()).value);
      if (head !== `-- Intake, migrations ${await migrations(tx)}\n`) {
        throw new Error("The file is of other migrations than this project's.");
      }
      const [found] = await tx`
        select exists (select from auth.users) or exists (select from public.leads) as is_used`;
      if (found?.is_used) throw new Error("This project has accounts or leads already.");

      // Rows come back as they were: no trigger writes anything, and their order is of no matter.
      await tx`set local session_replication_role = replica`;
      await tx`set local statement_timeout = 0`;
      const ours = (await tables(tx)).filter(({ schema }) => schema !== "auth");
      await tx.unsafe(`truncate ${ours.map(({ name }) => name).join(", ")}`);
      for await (const line of lines) {
        const statement = line.toString();
        if (!statement.startsWith("copy ")) await tx.unsafe(statement);
        else await pipeline(() => rowsOf(lines), await tx.unsafe(statement).writable());
      }
    });
  } finally {
    await sql.end();
  }
}

async function main([command, file]: string[]): Promise<void> {
  const url = process.env.SUPABASE_DB_URL;
  if (!url || !file || (command !== "backup" && command !== "restore")) {
    throw new Error(
      "Set SUPABASE_DB_URL, then: npm run backup -- <file>, npm run restore -- <file>",
    );
  }
  if (command === "restore") await restore(url, createReadStream(file));
  // An older backup is never overwritten.
  else await backUp(url, createWriteStream(file, { flags: "wx", mode: 0o600 }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
