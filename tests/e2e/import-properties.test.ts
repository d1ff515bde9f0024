/**
 * What holds of every import, whatever the file: twice is once, and undo leaves the database as it was.
 * Each case is a transaction of its own that is rolled back; the phases are the ones the worker calls.
 */
import fc from "fast-check";
import type postgres from "postgres";
import { afterAll, describe, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";

const sql = connect({ max: 1 });

afterAll(() => sql.end());

type Tx = postgres.TransactionSql;

interface World {
  tx: Tx;
  manager: string;
  claims: string;
  runs: number;
}

interface Known {
  email: number;
  phone: number;
  status: string;
}

type Row = [name: string, email: string, phone: string, course: string, status: string];

const emailOf = (n: number) => (n === 0 ? "" : `person${n}@property.test`);
const phoneOf = (n: number) => (n === 0 ? "" : `+91987600000${n}`);

const person = fc.integer({ min: 0, max: 5 });

const rows: fc.Arbitrary<Row[]> = fc.array(
  fc.tuple(
    fc.constantFrom("Asha Nair", "=cmd()", "", "Zoë"),
    fc.oneof({ weight: 6, arbitrary: person.map(emailOf) }, fc.constant("nowhere")),
    fc.oneof({ weight: 6, arbitrary: person.map(phoneOf) }, fc.constant("12")),
    fc.constantFrom("MBBS", "BDS", ""),
    fc.constantFrom("", "new", "Contacted", "none such"),
  ),
  { minLength: 1, maxLength: 12 },
);

const known: fc.Arbitrary<Known[]> = fc.uniqueArray(
  fc.record({
    email: fc.integer({ min: 1, max: 5 }),
    phone: fc.integer({ min: 1, max: 5 }),
    status: fc.constantFrom("new", "lost", "contacted"),
  }),
  { maxLength: 3, comparator: (a, b) => a.email === b.email || a.phone === b.phone },
);

class Undo extends Error {}

async function inWorld(present: Known[], work: (world: World) => Promise<void>): Promise<void> {
  await sql
    .begin("isolation level repeatable read", async (tx) => {
      const [made] = await tx<{ manager: string; session: string }[]>`
        with u as (
          insert into auth.users (id, instance_id, aud, role, email, encrypted_password, email_confirmed_at,
            raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
          values (gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated',
            gen_random_uuid() || '@property.test', '', now(), '{}', '{"full_name": "Property"}', now(), now())
          returning id
        ), s as (
          insert into auth.sessions (id, user_id, created_at, updated_at, aal)
          select gen_random_uuid(), u.id, now(), now(), 'aal1' from u returning id
        )
        select u.id as manager, s.id as session from u, s`;
      const { manager, session } = made!;
      await tx`
        update public.profiles set is_active = true, role_id = (select id from public.roles where key = 'admin')
        where id = ${manager}`;
      for (const one of present) {
        await tx`
          insert into public.leads (name, email, phone, status, assigned_to)
          values ('Known', ${emailOf(one.email)}, ${phoneOf(one.phone)}, ${one.status}, ${manager})`;
      }
      const claims = JSON.stringify({ sub: manager, role: "authenticated", session_id: session });
      await tx`select set_config('request.jwt.claims', ${claims}, true)`;
      await work({ tx, manager, claims, runs: 0 });
      throw new Undo();
    })
    .catch((error) => {
      if (!(error instanceof Undo)) throw error;
    });
}

async function advance({ tx }: World, id: string, to: string): Promise<void> {
  await tx`select from private.import_advance(${id}, ${to})`;
  for (let isOver = false; !isOver; ) {
    const [row] = await tx<{ step: { is_over: boolean } }[]>`
      select private.import_step(${id}) as step`;
    isOver = row!.step.is_over;
  }
}

/** Up to the commit; returns the import. */
async function importFile(world: World, file: Row[]): Promise<string> {
  const { tx, manager } = world;
  world.runs += 1;
  const path = `${manager}/file-${world.runs}.csv`;
  await tx`
    insert into storage.objects (bucket_id, name, metadata) values ('imports', ${path}, '{"size": 1}')`;
  const [started] = await tx<{ id: string }[]>`
    select id from private.import_start(${path}, 'csv', true, null)`;
  const { id } = started!;
  const staged = file.map((cells) => ({ cells }));
  const columns = ["name", "email", "phone", "course", "status", "owner"];
  await tx`
    select private.import_stage(${id}, 0, 1, ${columns}, 'utf-8', ',',
      ${JSON.stringify(staged)}::text::jsonb, true)`;
  const mapping = JSON.stringify(
    Object.fromEntries(columns.slice(0, 5).map((name) => [name, name])),
  );
  const defaults = JSON.stringify({ source: "Property", assigned_to: manager });
  await tx`
    select from private.import_map(${id}, ${mapping}::text::jsonb, ${defaults}::text::jsonb, null)`;
  await advance(world, id, "checking");
  await advance(world, id, "committing");
  return id;
}

/** A digest of every row of every table that follows leads, leads included. */
async function everything({ tx }: World): Promise<Record<string, string | null>> {
  const tables = await tx<{ name: string }[]>`
    select distinct child::text as name from private.lead_children() union select 'public.leads'`;
  const state: Record<string, string | null> = {};
  for (const { name } of tables) {
    const [row] = await tx.unsafe<{ rows: string | null }[]>(
      `select md5(string_agg(t.row, '|' order by t.row)) as rows
      from (select to_jsonb(x)::text as row from ${name} x) t
      where not t.row like '%"import_finished"%'`,
    );
    state[name] = row!.rows;
  }
  return state;
}

const runs = { numRuns: Number(process.env.INTAKE_PROPERTY_RUNS ?? 12) };

describe("of every import it holds that", () => {
  it("twice equals once", async () => {
    await fc.assert(
      fc.asyncProperty(known, rows, (present, file) =>
        inWorld(present, async (world) => {
          await importFile(world, file);
          const once = await everything(world);
          const second = await importFile(world, file);
          expect(await everything(world)).toEqual(once);
          const [row] = await world.tx`select results from public.imports where id = ${second}`;
          expect(Object.keys(row!.results)).not.toContain("created");
          expect(Object.keys(row!.results)).not.toContain("enquiries");
        }),
      ),
      runs,
    );
  }, 120_000);

  it("undo gives the database before it", async () => {
    await fc.assert(
      fc.asyncProperty(known, rows, (present, file) =>
        inWorld(present, async (world) => {
          const before = await everything(world);
          const id = await importFile(world, file);
          await advance(world, id, "undoing");
          expect(await everything(world)).toEqual(before);
        }),
      ),
      runs,
    );
  }, 120_000);

  it("undo keeps what somebody touched since, and takes back the rest", async () => {
    await fc.assert(
      fc.asyncProperty(known, rows, fc.nat(), (present, file, pick) =>
        inWorld(present, async (world) => {
          const { tx } = world;
          const id = await importFile(world, file);
          const made = await tx<{ id: string; row_no: number }[]>`
            select distinct on (target_id) target_id as id, row_no from private.import_rows
            where import_id = ${id} and outcome = 'created' order by target_id`;
          const touched = made[pick % Math.max(made.length, 1)];
          if (touched)
            await tx`update public.leads set course = 'Touched' where id = ${touched.id}`;
          await advance(world, id, "undoing");
          const left = await tx<{ id: string }[]>`
            select id from public.leads where id = any(${made.map((lead) => lead.id)})`;
          expect(left.map((lead) => lead.id)).toEqual(touched ? [touched.id] : []);
          const kept = await tx<{ row_no: number }[]>`
            select row_no from private.import_report(${id}, 'kept', 0, 100)`;
          expect(kept.map((row) => row.row_no).includes(touched?.row_no ?? -1)).toBe(!!touched);
        }),
      ),
      runs,
    );
  }, 120_000);
});
