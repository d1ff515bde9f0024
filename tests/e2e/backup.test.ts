/** A backup is worth what its restoration is: into another project, row by row the same, and at work. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { gunzipSync, gzipSync } from "node:zlib";
import { createClient } from "@supabase/supabase-js";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { backUp, restore } from "../../scripts/backup.ts";
import { type OpenProject, startOwnProject } from "../helpers/environment.ts";
import { createUser, type Person, password, sql, stack } from "../helpers/index.ts";

const engine = process.env.INTAKE_TEST_ENGINE === "system" ? "system" : "embedded";
const odd = 'Line\nTab\tBack\\slash \u2028 "quoted" \\. é';

let person: Person;
let target: OpenProject;
let there: postgres.Sql;
let file: Buffer;

async function take(dbUrl: string): Promise<Buffer> {
  const output = new PassThrough();
  const [whole] = await Promise.all([buffer(output), backUp(dbUrl, output)]);
  return whole;
}

const put = (content: Buffer) => restore(target.dbUrl, Readable.from([content]));

beforeAll(async () => {
  [target, person] = await Promise.all([startOwnProject({ engine, seed: false }), createUser()]);
  there = postgres(target.dbUrl, { max: 1, onnotice: () => {} });
  // Nothing is to be written there but what the backup brings.
  await there`select cron.unschedule(jobid) from cron.job`;
  await sql()`insert into public.leads (name, custom_fields, assigned_to) values ('Odd', ${sql().json({ odd })}, ${person.id})`;
  file = await take(stack().dbUrl);
}, 180_000);

afterAll(async () => {
  await there?.end();
  await target?.close();
});

describe("the schema", () => {
  it("[D4-092] knows its version: the migrations that were applied, in order", async () => {
    const applied = await sql()`
      select version from supabase_migrations.schema_migrations order by version`;
    const files = readdirSync(join(import.meta.dirname, "../../supabase/migrations")).sort();
    expect(applied.map((row) => row.version)).toEqual(files.map((name) => name.split("_")[0]));
  });
});

describe("a backup", () => {
  it("is refused by a project of other migrations, and changes nothing when it is cut short", async () => {
    const before = gunzipSync(await take(target.dbUrl)).toString();
    const text = gunzipSync(file).toString();
    const older = gzipSync(text.replace(/,"\d+"\]\n/, "]\n"));
    await expect(put(older)).rejects.toThrow("other migrations");
    const short = gzipSync(text.slice(0, text.indexOf("copy public.leads ") + 5_000));
    await expect(put(short)).rejects.toThrow("cut short");
    expect(gunzipSync(await take(target.dbUrl)).toString()).toBe(before);
  });

  it("[D2-041] [D4-092] brings every row of every table into a new project, and work goes on there", async () => {
    await put(file);
    const [counts] = await there`
      select (select count(*)::integer from public.leads) as leads, (select count(*)::integer from auth.users) as people`;
    expect(counts!.leads).toBeGreaterThan(300);
    expect(counts!.people).toBeGreaterThan(6);
    const [lead] =
      await there`select custom_fields from public.leads where assigned_to = ${person.id}`;
    expect(lead!.custom_fields).toEqual({ odd });
    const again = gunzipSync(await take(target.dbUrl)).toString();
    expect(again === gunzipSync(file).toString(), "a backup of it is the same backup").toBe(true);

    const client = createClient(target.url, target.publishableKey, {
      auth: { persistSession: false },
      realtime: { transport: WebSocket as never },
    });
    const { email } = person;
    expect((await client.auth.signInWithPassword({ email, password })).error).toBeNull();
    const [last] = await there`select last_value::integer as lead_no from public.leads_lead_no_seq`;
    const made = await client
      .from("leads")
      .insert({ name: "The next one" })
      .select("lead_no, assigned_to")
      .single();
    expect(made.error).toBeNull();
    expect(made.data).toEqual({ lead_no: last!.lead_no + 1, assigned_to: person.id });
  });

  it("is refused by a project that is in use", async () => {
    await expect(put(file)).rejects.toThrow("accounts or leads already");
  });
});
