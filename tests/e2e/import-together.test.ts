/**
 * A chunk writes the rows of people nobody knows together, past the row triggers. Whatever the file, that
 * leaves what writing each row by itself leaves: leads, enquiries, timeline, assignments, history, audit.
 */
import fc from "fast-check";
import type postgres from "postgres";
import { afterAll, describe, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";
import { map, settled, start, step } from "../helpers/imports.ts";
import { sql as admin, createTeam, createUser, unique, uniqueEmail } from "../helpers/index.ts";

const sql = connect({ max: 1 });

afterAll(() => sql.end());

type Tx = postgres.TransactionSql;

interface World {
  tx: Tx;
  importer: string;
  session: string;
  counselors: string[];
}

interface Setting {
  /** Sees everything, sees a team, or sees what is theirs. */
  importer: "all" | "team" | "own";
  phoneIsPerson: boolean;
  known: Known[];
}

interface Known {
  email: number;
  phone: number;
  further: boolean;
  status: string;
  /** Not there yet when the dry run decides. */
  late: boolean;
}

const columns = [
  "name",
  "first_name",
  "last_name",
  "email",
  "phone",
  "course",
  "status",
  "assigned_to",
  "value",
  "currency",
  "tags",
  "source",
  "external_id",
  "custom_fields.rank",
] as const;

type File = Record<(typeof columns)[number], string>[];

const pick = fc.integer({ min: 0, max: 9 });
const rarely = <T>(common: fc.Arbitrary<T>, ...rare: T[]) =>
  fc.oneof({ weight: 9, arbitrary: common }, { weight: 1, arbitrary: fc.constantFrom(...rare) });
const emailOf = (n: number) => (n === 0 ? "" : `Person${n}@Together.test`);
const phoneOf = (n: number) => (n === 0 ? "" : `098760 0010${n}`);

const row: fc.Arbitrary<File[number]> = fc.record({
  name: fc.constantFrom(
    "Asha Nair",
    "  Zoë \t van  Berg ",
    "=cmd()",
    "",
    "\u00a0Solo\u00a0",
    "'=1+1",
  ),
  first_name: fc.constantFrom("", "", "", "Given", " A  B "),
  last_name: fc.constantFrom("", "", "", "Family"),
  email: rarely(pick.map(emailOf), "nowhere", " spaced@Together.test "),
  phone: rarely(pick.map(phoneOf), "12", "+14155550100"),
  course: fc.constantFrom("MBBS", ""),
  status: rarely(fc.constantFrom("", "New", "contacted", "lost"), "none such"),
  assigned_to: rarely(fc.constantFrom("", "first", "second"), "importer", "nobody"),
  value: rarely(fc.constantFrom("", "1,200.505"), "much"),
  currency: fc.constantFrom("", "usd"),
  tags: fc.constantFrom("", "a; b;a"),
  source: fc.constantFrom("", "Together"),
  external_id: fc.constantFrom("", "", "", "x1", "x2"),
  "custom_fields.rank": fc.constantFrom("", "7"),
});

const setting: fc.Arbitrary<Setting> = fc.record({
  importer: fc.constantFrom("all", "team", "own"),
  phoneIsPerson: fc.boolean(),
  known: fc.uniqueArray(
    fc.record({
      email: fc.integer({ min: 1, max: 9 }),
      phone: fc.integer({ min: 1, max: 9 }),
      further: fc.boolean(),
      status: fc.constantFrom("new", "lost"),
      late: fc.boolean(),
    }),
    { maxLength: 3, comparator: (a, b) => a.email === b.email || a.phone === b.phone },
  ),
});

class Undo extends Error {}

async function person(tx: Tx, role: string): Promise<{ id: string; session: string }> {
  const [made] = await tx<{ id: string; session: string }[]>`
    with u as (
      insert into auth.users (id, instance_id, aud, role, email, encrypted_password, email_confirmed_at,
        raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
      values (gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated',
        gen_random_uuid() || '@together.test', '', now(), '{}', '{"full_name": "Together"}', now(), now())
      returning id
    ), s as (
      insert into auth.sessions (id, user_id, created_at, updated_at, aal)
      select gen_random_uuid(), u.id, now(), now(), 'aal1' from u returning id
    )
    select u.id, s.id as session from u, s`;
  await tx`
    update public.profiles set is_active = true, role_id = (select id from public.roles where key = ${role})
    where id = ${made!.id}`;
  return made!;
}

/** A lead of somebody whom the file may name, by a further number or by their own. */
async function enter(
  tx: Tx,
  { email, phone, further, status }: Known,
  owner: string,
): Promise<void> {
  const [lead] = await tx<{ id: string }[]>`
    insert into public.leads (name, email, status, assigned_to)
    values ('Known', ${emailOf(email)}, ${status}, ${owner}) returning id`;
  await tx.unsafe(
    further
      ? "insert into public.lead_identities (lead_id, kind, value) values ($1, 'phone', $2)"
      : "update public.leads set phone = $2 where id = $1",
    [lead!.id, phoneOf(phone)],
  );
}

async function inWorld<T>(given: Setting, work: (world: World) => Promise<T>): Promise<T> {
  let found: T | undefined;
  await sql
    .begin(async (tx) => {
      // Before all else, so that nobody waits for this world who has the turns that it will need.
      await tx`select private.lock_turns()`;
      const importer = await person(tx, given.importer === "all" ? "admin" : "manager");
      // Turns go by id among those who had none.
      const counselors = [await person(tx, "counselor"), await person(tx, "counselor")].sort(
        (a, b) => (a.id < b.id ? -1 : 1),
      );
      const [team] = await tx<{ id: string }[]>`
        insert into public.teams (name) values (gen_random_uuid()::text) returning id`;
      for (const { id } of counselors) {
        await tx`insert into public.team_members (team_id, user_id) values (${team!.id}, ${id})`;
      }
      if (given.importer === "team") {
        await tx`
          insert into public.team_members (team_id, user_id, is_manager)
          values (${team!.id}, ${importer.id}, true)`;
      } else if (given.importer === "own") {
        await tx`insert into public.team_members (team_id, user_id) values (${team!.id}, ${importer.id})`;
      }
      // Whoever has no owner goes to this team, whatever other tests are doing.
      await tx`
        insert into public.assignment_rules (name, position, team_id)
        values ('Together', -32768, ${team!.id})`;
      await tx`
        update public.system_settings set value = ${tx.json(given.phoneIsPerson)}
        where key = 'leads.unique_phone'`;
      for (const one of given.known) if (!one.late) await enter(tx, one, counselors[0]!.id);
      const claims = { sub: importer.id, role: "authenticated", session_id: importer.session };
      await tx`select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
      found = await work({
        tx,
        importer: importer.id,
        session: importer.session,
        counselors: counselors.map(({ id }) => id),
      });
      throw new Undo();
    })
    .catch((error) => {
      if (!(error instanceof Undo)) throw error;
    });
  return found as T;
}

/** Up to where the commit may begin. */
async function prepare(world: World, given: Setting, file: File): Promise<string> {
  const { tx, importer, counselors } = world;
  const path = `${importer}/together.csv`;
  await tx`
    insert into storage.objects (bucket_id, name, metadata) values ('imports', ${path}, '{"size": 1}')`;
  const [started] = await tx<{ id: string }[]>`
    select id from private.import_start(${path}, 'csv', true, null)`;
  const { id } = started!;
  const owners: Record<string, string> = {
    first: counselors[0]!,
    second: counselors[1]!,
    importer,
  };
  const staged = file.map((cells) => ({
    cells: columns.map((name) =>
      name === "assigned_to" ? (owners[cells[name]] ?? cells[name]) : cells[name],
    ),
  }));
  await tx`
    select private.import_stage(${id}, 0, 1, ${[...columns]}, 'utf-8', ',',
      ${JSON.stringify(staged)}::text::jsonb, true)`;
  const mapping = JSON.stringify(Object.fromEntries(columns.map((name) => [name, name])));
  await tx`select from private.import_map(${id}, ${mapping}::text::jsonb, '{}', null)`;
  await tx`select from private.import_advance(${id}, 'checking')`;
  for (let isOver = false; !isOver; ) {
    const [row] = await tx<{ step: { is_over: boolean } }[]>`
      select private.import_step(${id}) as step`;
    isOver = row!.step.is_over;
  }
  for (const one of given.known) if (one.late) await enter(tx, one, counselors[0]!);
  await tx`select from private.import_advance(${id}, 'committing')`;
  return id;
}

/** As the commit does: whom nobody knows together, the rest after them one by one. */
async function together({ tx }: World, id: string): Promise<void> {
  await tx`
    select private.import_commit_chunk(i, 1, 1000), private.import_commit_singles(i, 1, 1000)
    from public.imports i where i.id = ${id}`;
}

/** The rows of the commit in its order, each by itself. */
const oneByOne =
  (order: number[]) =>
  async ({ tx }: World, id: string): Promise<void> => {
    await tx`select set_config('intake.importing', ${id}, true)`;
    for (const row of order) await tx`select private.import_write_one(${id}, ${row})`;
    await tx`select set_config('intake.importing', '', true)`;
  };

const tables = [
  "public.leads",
  "public.lead_enquiries",
  "public.lead_identities",
  "public.lead_history",
  "public.lead_assignments",
  "public.activities",
  "public.notifications",
  "public.audit_logs",
  "private.import_rows",
];

/** When a row was written by itself, and by whom on whose behalf, say nothing about what was written. */
const unshared = ["first_id", "last_id", "impersonator_id"];

/** Every row that this transaction wrote, without what no two runs share: ids by what they are, times not at all. */
async function written(world: World, id: string): Promise<Record<string, unknown[]>> {
  const { tx, importer, session, counselors } = world;
  const names = new Map([
    [importer, "importer"],
    [session, "session"],
    [id, "import"],
    ...counselors.map((one, n): [string, string] => [one, `counselor ${n}`]),
  ]);
  const leads = await tx<{ id: string; lead_no: string; lead_id: string; team_id: string }[]>`
    select id, lead_no, lead_id, team_id from public.leads where xmin = pg_current_xact_id()::xid or id in (
      select target_id from private.import_rows where import_id = ${id}) order by lead_no`;
  for (const [n, lead] of leads.entries()) {
    names.set(lead.id, `lead ${n}`);
    names.set(lead.lead_no, `number ${n}`);
    names.set(lead.lead_id, `number ${n}`);
    if (lead.team_id) names.set(lead.team_id, "team");
  }
  const plain = (value: unknown, key: string): unknown => {
    if (value === null || /_at$/.test(key) || unshared.includes(key)) return null;
    if (typeof value === "object") {
      return Array.isArray(value)
        ? value.map((one) => plain(one, ""))
        : Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v, k)]));
    }
    if (key === "id" && !names.has(String(value))) return "an id";
    if (["lead_no", "email_slot", "phone_slot"].includes(key))
      return names.get(String(value)) ?? value;
    return typeof value === "string"
      ? value
          .replace(/^LEAD-\d+/, (number) => names.get(number) ?? number)
          .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (one) => names.get(one) ?? "an id")
      : value;
  };
  const found: Record<string, unknown[]> = {};
  const ids = leads.map((lead) => lead.id);
  for (const name of tables) {
    const rows = await tx.unsafe<{ row: Record<string, unknown> }[]>(
      `select to_jsonb(t) as row from ${name} t where ${
        name === "public.audit_logs"
          ? "t.record_id = any ($1::text[]) and t.created_at = now()"
          : name === "public.leads"
            ? "t.id = any ($1::uuid[])"
            : name === "private.import_rows"
              ? `t.import_id = '${id}' and $1::text is not null`
              : "t.lead_id = any ($1::uuid[])"
      }`,
      [ids as never],
    );
    found[name] = rows.map(({ row: one }) => JSON.stringify(plain(one, ""))).sort();
  }
  return found;
}

const outcome = (given: Setting, file: File, write: (world: World, id: string) => Promise<void>) =>
  inWorld(given, async (world) => {
    const id = await prepare(world, given, file);
    await write(world, id);
    const rows = await world.tx<{ row_no: number; is_together: boolean }[]>`
      select row_no, first_id is null and outcome = 'created' as is_together from private.import_rows
      where import_id = ${id} and decision in ('new', 'enquiry', 'duplicate') order by 2 desc, 1`;
    return {
      state: await written(world, id),
      order: rows.map((one) => one.row_no),
      together: rows.filter((one) => one.is_together).length,
    };
  });

describe("rows that are written together", () => {
  it("leave what each written by itself leaves", async () => {
    let createdTogether = 0;
    await fc.assert(
      fc.asyncProperty(
        setting,
        fc.array(row, { minLength: 1, maxLength: 14 }),
        async (given, file) => {
          const bulk = await outcome(given, file, together);
          const single = await outcome(given, file, oneByOne(bulk.order));
          createdTogether += bulk.together;
          expect(bulk.state).toEqual(single.state);
        },
      ),
      { numRuns: Number(process.env.INTAKE_PROPERTY_RUNS ?? 25) },
    );
    expect(createdTogether).toBeGreaterThan(0);
  }, 180_000);
});

describe("a person who enquires while their row is being written", () => {
  it("has one lead, and the rows beside them are written all the same", async () => {
    const manager = await createUser({ role: "manager", team: await createTeam() });
    const source = unique("Meanwhile");
    const emails = [uniqueEmail(), uniqueEmail(), uniqueEmail()];
    const read = await start(manager, `Name,Email\n${emails.map((e) => `One,${e}`).join("\n")}\n`);
    await map(manager, read, undefined, { source, assigned_to: manager.id });
    expect(await step(manager, "import_dry_run", read.id)).toMatchObject({ counts: { new: 3 } });

    await sql.begin(async (tx) => {
      const [made] = await tx<{ pid: number }[]>`
        insert into public.leads (name, email, source, assigned_to)
        values ('Meanwhile', ${emails[1]!}, ${source}, ${manager.id}) returning pg_backend_pid() as pid`;
      const { error } = await manager.client.rpc("import_commit", { p_import_id: read.id });
      expect(error).toBeNull();
      // The chunk has not seen this lead, and cannot end before it.
      await expect
        .poll(
          async () => {
            const [waiting] = await admin()<{ n: number }[]>`
              select count(*)::int as n from pg_stat_activity where ${made!.pid} = any (pg_blocking_pids(pid))`;
            return waiting!.n;
          },
          { timeout: 15_000 },
        )
        .toBeGreaterThan(0);
    });

    expect(await settled(read.id)).toMatchObject({
      status: "committed",
      results: { created: 2, enquiries: 1 },
    });
    const leads = await admin()<{ email: string; enquiries_count: number }[]>`
      select email, enquiries_count from public.leads where source = ${source} order by enquiries_count`;
    expect(leads.map((lead) => lead.email).sort()).toEqual(emails.toSorted());
    expect(leads.at(-1)).toEqual({ email: emails[1], enquiries_count: 2 });
  }, 60_000);
});
