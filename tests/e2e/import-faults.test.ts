/** A worker that is killed in the middle of a chunk, and lanes that run side by side: no row half, none twice. */
import { afterAll, describe, expect, it } from "vitest";
import { connect } from "../../supabase/functions/_shared/db.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createStorage } from "../../supabase/functions/_shared/storage.ts";
import { importHandlers } from "../../supabase/functions/worker/handlers/imports.ts";
import { map, settled, start, step } from "../helpers/imports.ts";
import { createTeam, createUser, sql, stack, unique } from "../helpers/index.ts";

const rows = 2_500;

const doomed = connect(stack().dbUrl, { name: "doomed" });

afterAll(() => doomed.close());

/** The job's own handler, in this process, whose connection can be cut. */
async function runBeside(id: string): Promise<string> {
  const storage = createStorage({ url: stack().url, key: stack().secretKey });
  const handler = importHandlers(doomed, storage)["import.run"]!;
  const job = {
    id,
    kind: "import.run",
    payload: { import_id: id },
    attempts: 1,
    max_attempts: 8,
    lease: id,
    request_id: null,
  };
  const log = createLogger({}, () => {});
  try {
    await handler({ job, signal: new AbortController().signal, log });
    return "done";
  } catch {
    return "killed";
  }
}

describe("a commit whose worker is killed", () => {
  it("leaves no half of a row and none twice, and is finished by the next", async () => {
    const manager = await createUser({ role: "manager", team: await createTeam() });
    const source = unique("Killed");
    const key = unique("k").replace(" ", "");
    const lines = Array.from({ length: rows }, (_, n) => `Person ${n},${key}.${n}@example.test`);
    const read = await start(manager, `Name,Email\n${lines.join("\n")}\n`);
    expect(read).toMatchObject({ rows_total: rows });
    await map(manager, read, undefined, { source, assigned_to: manager.id });
    expect(await step(manager, "import_dry_run", read.id)).toMatchObject({ counts: { new: rows } });

    const { error } = await manager.client.rpc("import_commit", { p_import_id: read.id });
    expect(error).toBeNull();
    let deaths = 0;
    for (let tries = 0; tries < 40 && deaths < 3; tries += 1) {
      const outcome = runBeside(read.id);
      await new Promise((resolve) => setTimeout(resolve, 150));
      await sql()`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'intake-doomed' and state = 'active'
      `;
      if ((await outcome) === "killed") deaths += 1;
      const [state] = await sql()`select status from public.imports where id = ${read.id}`;
      if (state?.status === "committed") break;
      const [written] = await sql()`
        select count(*)::int as leads from public.leads where source = ${source}
      `;
      expect(written?.leads % 500).toBe(0);
    }
    expect(deaths).toBeGreaterThan(0);
    const committed = await settled(read.id, 60_000);
    expect(committed).toMatchObject({ status: "committed", results: { created: rows } });
    const [written] = await sql()`
      select count(*)::int as leads, count(distinct l.email)::int as people,
        sum((select count(*) from public.lead_enquiries e where e.lead_id = l.id))::int as enquiries,
        sum((select count(*) from public.activities a where a.lead_id = l.id))::int as activities
      from public.leads l where l.source = ${source}
    `;
    expect(written).toEqual({ leads: rows, people: rows, enquiries: rows, activities: rows });
  }, 120_000);
});

describe("a file of several chunks in which people come again", () => {
  it("is written by both lanes as one would: the first row makes the lead, the others are enquiries", async () => {
    const manager = await createUser({ role: "manager", team: await createTeam() });
    const source = unique("Again");
    const key = unique("a").replace(" ", "");
    // Every third row is somebody of the chunk before.
    const persons = Array.from({ length: rows }, (_, n) =>
      n > 1_001 && n % 3 === 0 ? n - 1_001 : n,
    );
    const people = new Set(persons).size;
    const lines = persons.map((one, n) => `Person ${one},${key}.${one}@example.test,Course ${n}`);
    const read = await start(manager, `Name,Email,Course\n${lines.join("\n")}\n`);
    await map(manager, read, undefined, { source, assigned_to: manager.id });
    expect(await step(manager, "import_dry_run", read.id)).toMatchObject({
      counts: { new: people, duplicate: rows - people },
    });
    expect(await step(manager, "import_commit", read.id)).toMatchObject({
      status: "committed",
      results: { created: people, enquiries: rows - people },
      // Three chunks, and the two whose people were known by then.
      chunks_done: 5,
      chunks_total: 5,
    });
    const [written] = await sql()`
      select count(*)::int as leads, sum(l.enquiries_count)::int as enquiries,
        count(*) filter (where l.course = 'Course ' || split_part(l.name, ' ', 2))::int as of_the_first_row
      from public.leads l where l.source = ${source}
    `;
    expect(written).toEqual({ leads: people, enquiries: rows, of_the_first_row: people });

    expect(await step(manager, "import_undo", read.id)).toMatchObject({
      status: "undone",
      results: { erased: people, withdrawn: rows - people },
    });
    const [left] = await sql()`
      select count(*)::int as leads from public.leads l where l.source = ${source}
    `;
    expect(left).toEqual({ leads: 0 });
  }, 120_000);
});
