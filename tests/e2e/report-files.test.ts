/** The worker's part in a report, when something goes wrong in the middle of it. */
import { beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../supabase/functions/_shared/db.ts";
import { connect } from "../../supabase/functions/_shared/db.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import type { Storage } from "../../supabase/functions/_shared/storage.ts";
import { reportHandlers } from "../../supabase/functions/worker/handlers/reports.ts";
import {
  createTeam,
  createUser,
  expectData,
  type Person,
  sql,
  stack,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let db: Database;
let report: string;
const source = unique("File");

const addLead = (name: string) => sql()`
  insert into public.leads (name, source, assigned_to) values (${name}, ${source}, ${manager.id})
`;

beforeAll(async () => {
  db = connect(stack().dbUrl, { name: "report-files", max: 2 });
  manager = await createUser({ role: "manager", team: await createTeam() });
  await addLead("First");
  const built = await manager.client.rpc("report_build", {
    p: { name: "Files", fields: ["name"], filters: { source } },
  });
  report = (expectData(built) as { report_id: string }).report_id;
  return () => db.close();
});

/** A run whose job nobody but this test has. */
async function request(): Promise<string> {
  return sql().begin(async (tx) => {
    const [run] = await tx<{ id: string }[]>`
      select id from private.report_request(${report}, ${manager.id}, 'csv')
    `;
    await tx`delete from private.jobs where kind = 'report.run' and dedupe_key = ${run!.id}`;
    return run!.id;
  });
}

const stateOf = async (id: string) =>
  (await sql()`select status, failure from public.report_runs where id = ${id}`)[0];

function storage(faults: number): Storage & { written: string[] } {
  const written: string[] = [];
  let left = faults;
  return {
    written,
    read: async () => null,
    write: async (_bucket, _path, body) => {
      left -= 1;
      if (left >= 0) throw new Error("Storage is away");
      written.push(new TextDecoder().decode(body));
    },
    remove: async () => {},
  };
}

async function work(id: string, files: Storage, over: Database = db, attempts = 1): Promise<void> {
  const job = {
    id: crypto.randomUUID(),
    kind: "report.run",
    payload: { run_id: id },
    attempts,
    max_attempts: 5,
    lease: crypto.randomUUID(),
    request_id: null,
  };
  const apply = await reportHandlers(over, files)["report.run"]!({
    job,
    signal: new AbortController().signal,
    log: createLogger({}, () => {}),
  });
  await db.asService(async (tx) => apply?.(tx));
}

describe("a report that is being written", () => {
  it("is read once: what dies before its file is there goes on from what was read", async () => {
    const id = await request();
    const files = storage(1);
    await expect(work(id, files)).rejects.toThrow("Storage is away");
    expect(await stateOf(id)).toEqual({ status: "running", failure: null });
    await addLead("Second");
    await work(id, files, db, 2);
    expect(files.written).toEqual(["name\r\nFirst\r\n"]);
    expect(await stateOf(id)).toEqual({ status: "done", failure: null });
    // A job that is delivered again does nothing more.
    await work(id, files, db, 3);
    expect(files.written).toHaveLength(1);
  });

  it("ends with a code when it dies too often, and when somebody is erased meanwhile", async () => {
    const [tired, erased] = [await request(), await request()];
    await expect(work(tired, storage(9), db, 5)).rejects.toThrow("Storage is away");
    expect(await stateOf(tired)).toEqual({ status: "failed", failure: "export_interrupted" });
    await expect(work(erased, storage(9))).rejects.toThrow("Storage is away");
    await sql()`delete from private.report_chunks where run_id = ${erased}`;
    const files = storage(0);
    await work(erased, files, db, 2);
    expect(files.written).toEqual([]);
    expect(await stateOf(erased)).toEqual({ status: "failed", failure: "export_interrupted" });
    // Between two chunks: the first two calls read the report and look what there is of it.
    const midway = await request();
    let calls = 0;
    const losing: Database = {
      ...db,
      asService: async (run, options) => {
        calls += 1;
        if (calls === 3) await sql()`delete from private.report_chunks where run_id = ${midway}`;
        return db.asService(run, options);
      },
    };
    await work(midway, files, losing);
    expect(files.written).toEqual([]);
    expect(await stateOf(midway)).toEqual({ status: "failed", failure: "export_interrupted" });
  });

  it("says that it took too long, or was refused, and is tried again for any other error", async () => {
    const failing = (code: string, detail?: string): Database => {
      let calls = 0;
      return {
        ...db,
        asService: (run, options) =>
          calls++ === 0
            ? Promise.reject(Object.assign(new Error("no"), { code, detail }))
            : db.asService(run, options),
      };
    };
    for (const [code, detail, failure] of [
      ["57014", undefined, "report_too_slow"],
      ["42501", "permission_denied: reports.export", "permission_denied"],
      ["PT413", "export_too_large", "export_too_large"],
    ] as const) {
      const id = await request();
      await work(id, storage(0), failing(code, detail));
      expect(await stateOf(id)).toEqual({ status: "failed", failure });
    }
    const id = await request();
    await expect(work(id, storage(0), failing("40001"))).rejects.toThrow("no");
    expect(await stateOf(id)).toEqual({ status: "queued", failure: null });
  });
});
