/** Schedules of reports, from the request to the e-mail. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  reportScheduledSchema,
  type ScheduledReport,
  scheduledReportSchema,
} from "../../packages/types/src/report-schedules.ts";
import { reportBuiltSchema, reportPageSchema } from "../../packages/types/src/reports.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let colleague: Person;
const source = unique("Schedule");
let report: string;

beforeAll(async () => {
  [manager, colleague] = await Promise.all([
    createUser({ role: "manager", team: await createTeam() }),
    createUser({ role: "manager", team: await createTeam() }),
  ]);
  await sql()`
    insert into public.leads (name, source, assigned_to)
    values ('Asha', ${source}, ${manager.id}), ('Bala', ${source}, ${manager.id}), ('Chand', ${source}, ${colleague.id})
  `;
  const built = await manager.client.rpc("report_build", {
    p: { name: "Weekly", grouping: ["source"], filters: { source }, aggregations: ["count"] },
  });
  report = reportBuiltSchema.parse(expectData(built)).report_id;
});

const schedule = async (more: object = {}) =>
  manager.client.rpc("report_schedule", {
    p_report_id: report,
    p_frequency: "weekly",
    p_time: "09:00",
    p_recipients: [manager.email, colleague.email],
    p_format: "csv",
    ...more,
  });

const scheduled = async (more: object = {}) =>
  reportScheduledSchema.parse(expectData(await schedule(more)));

const list = async (person: Person): Promise<ScheduledReport[]> =>
  expectData(
    await person.client.from("scheduled_reports").select().order("created_at").range(0, 49),
  ).map((row) => scheduledReportSchema.parse(row));

const kolkata = (time: string, part: "weekday" | "hour") =>
  new Intl.DateTimeFormat("en-GB", {
    timeZone: "Asia/Kolkata",
    ...(part === "weekday" ? { weekday: "long" } : { hour: "2-digit", minute: "2-digit" }),
  }).format(new Date(time));

describe("a schedule", () => {
  it("[D3-024] [D3-025] [D3-026] [D3-027] is made, listed, paused, resumed and ended", async () => {
    const { schedule_id, next_run } = await scheduled();
    expect(Date.parse(next_run)).toBeGreaterThan(Date.now());
    expect(Date.parse(next_run)).toBeLessThan(Date.now() + 7 * 86_400_000 + 1000);
    expect([kolkata(next_run, "weekday"), kolkata(next_run, "hour")]).toEqual(["Monday", "09:00"]);
    const mine = (await list(manager)).find(({ id }) => id === schedule_id)!;
    expect(mine).toMatchObject({
      report_id: report,
      frequency: "weekly",
      time: "09:00",
      recipients: [manager.email, colleague.email].sort(),
      format: "csv",
      status: "active",
      next_run,
    });
    expect((await list(colleague)).map(({ id }) => id)).not.toContain(schedule_id);

    const set = (person: Person, status: string) =>
      person.client
        .from("scheduled_reports")
        .update({ status })
        .eq("id", schedule_id)
        .select("status, next_run");
    expect((await set(colleague, "paused")).data).toEqual([]);
    expect((await set(manager, "paused")).data).toEqual([{ status: "paused", next_run: null }]);
    expect((await set(manager, "active")).data).toEqual([{ status: "active", next_run }]);
    expect((await set(manager, "later")).error).toMatchObject({ code: "23514" });

    const end = (person: Person) =>
      person.client.from("scheduled_reports").delete().eq("id", schedule_id).select("id");
    expect((await end(colleague)).data).toEqual([]);
    expect((await end(manager)).data).toEqual([{ id: schedule_id }]);
    expect((await list(manager)).map(({ id }) => id)).not.toContain(schedule_id);
  });

  it("[D3-024] is refused for addresses that may not be told, and for who may not export", async () => {
    expectError(await schedule({ p_recipients: ["somebody@elsewhere.test"] }), {
      code: "PT422",
      details: "report_recipient_refused",
    });
    expectError(await schedule({ p_frequency: "hourly" }), {
      code: "PT422",
      details: "report_schedule_invalid",
    });
    expectError(await schedule({ p_format: "pdf" }), {
      code: "PT422",
      details: "report_format_unavailable",
    });
    const counselor = await createUser();
    expectError(
      await counselor.client.rpc("report_schedule", {
        p_report_id: report,
        p_frequency: "daily",
        p_time: "09:00",
      }),
      { code: "42501", details: "permission_denied" },
    );
  });

  it("[D3-073] runs by the queue once it is due, and its recipients get an e-mail with a link", async () => {
    const { schedule_id } = await scheduled({ p_frequency: "daily" });
    await sql()`
      update public.scheduled_reports set next_run = now() - interval '1 minute' where id = ${schedule_id}
    `;
    // Two ticks at once, as of two schedulers: one run.
    await Promise.all([1, 2].map(() => sql()`select private.report_tick()`));
    const runs = async () =>
      expectData(await manager.client.from("report_runs").select().eq("schedule_id", schedule_id));
    await expect
      .poll(async () => (await runs()).map(({ status }) => status), { timeout: 30_000 })
      .toEqual(["done"]);
    const [run] = await runs();
    expect(run).toMatchObject({ report_id: report, row_count: 1, created_by: manager.id });
    const after = (await list(manager)).find(({ id }) => id === schedule_id)!;
    expect(Date.parse(after.next_run!)).toBeGreaterThan(Date.now());

    const mails = await sql()`
      select id, type, direction, recipient, subject, content from public.communications
      where channel_specific_data ->> 'report_run_id' = ${run!.id} order by recipient
    `;
    expect(mails.map(({ recipient }) => recipient)).toEqual(
      [manager.email, colleague.email].sort(),
    );
    for (const mail of mails) {
      expect(mail).toMatchObject({ type: "email", direction: "outbound", subject: "Weekly" });
      expect(mail.content).toContain(`/reports/${report}?run=${run!.id}`);
      expect(mail.content).not.toContain(source);
    }

    // What sends them is a job, too.
    const jobs = await sql()`
      select from (
        select kind, payload from private.jobs
        union all select kind, payload from private.jobs_archive
        union all select kind, payload from private.jobs_dead
      ) j
      where j.kind = 'send_message' and j.payload ->> 'communication_id' = any (${mails.map(({ id }) => String(id))})
    `;
    expect(jobs).toHaveLength(2);

    // The recipient follows it and sees their own part; the file is the owner's.
    const theirs = await colleague.client.rpc("report_run", { p_report_id: report });
    expect(reportPageSchema.parse(expectData(theirs)).data).toEqual([{ source, count: 1 }]);
    const file = colleague.client.storage.from("reports").download(run!.storage_path!);
    expect((await file).error).not.toBeNull();
  });
});
