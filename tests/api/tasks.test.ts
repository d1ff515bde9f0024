import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { taskSchema, tasksCrmRowSchema } from "../../packages/types/src/tasks.ts";
import { connect, rolledBack } from "../helpers/database.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  service,
  sql,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let colleague: Person;
let stranger: Person;
let lead: { id: string; lead_id: string };

beforeAll(async () => {
  const team = await createTeam();
  const otherTeam = await createTeam();
  [manager, counselor, colleague, stranger] = await Promise.all([
    createUser({ role: "manager", team }),
    createUser({ team, fullName: "Shariq Ansari" }),
    createUser({ team }),
    createUser({ team: otherTeam }),
  ]);
  const made = counselor.client.from("leads").insert({ name: "John Doe" });
  lead = expectData(await made.select("id, lead_id").single());
});

const tasks = (person: Person) => person.client.from("tasks");

async function create(person: Person, row: { title?: string } & Record<string, unknown> = {}) {
  const made = await tasks(person)
    .insert({ title: unique("Task"), ...row } as never)
    .select()
    .single();
  return taskSchema.parse(expectData(made));
}

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();

describe("tasks", () => {
  it("[D1-014] are made with the fields of the task model", async () => {
    const row = {
      title: "Prepare the open house",
      description: "Chairs",
      due_date: "2026-03-01T10:00:00+00:00",
      priority: "high",
      completed: false,
      related_to_type: "general",
    };
    expect(await create(counselor, row)).toMatchObject(row);
  });

  it("[D1-013] are listed with the fields of the task model", async () => {
    const { id } = await create(counselor);
    const fields =
      "id, title, description, due_date, priority, completed, related_to_type, related_to_id";
    const list = expectData(await tasks(counselor).select(fields).eq("id", id));
    expect(Object.keys(list[0] ?? {})).toEqual(fields.split(", "));
    expect(list[0]).toMatchObject({ priority: "medium", completed: false });
  });

  it("[D1-015] are toggled by completed, which status and time follow", async () => {
    const { id } = await create(counselor);
    const toggle = async (completed: boolean) =>
      taskSchema.parse(
        expectData(await tasks(counselor).update({ completed }).eq("id", id).select().single()),
      );
    const done = await toggle(true);
    expect(done).toMatchObject({ completed: true, status: "done" });
    expect(Date.parse(done.completed_at ?? "")).toBeGreaterThan(Date.now() - 60_000);
    expect(await toggle(false)).toMatchObject({
      completed: false,
      status: "todo",
      completed_at: null,
    });
  });

  it("[D1-020] relate to a lead, a campaign or nothing, by pair or by key", async () => {
    const pair = { related_to_type: "lead", related_to_id: lead.id };
    expect(await create(counselor, pair)).toMatchObject({ ...pair, lead_id: lead.id });
    expect(await create(counselor, { lead_id: lead.id })).toMatchObject(pair);
    const made = expectData(
      await service().from("campaigns").insert({ name: "Tasks" }).select("id").single(),
    );
    const campaign = { related_to_type: "campaign", related_to_id: made.id };
    expect(await create(counselor, campaign)).toMatchObject({
      ...campaign,
      campaign_id: campaign.related_to_id,
    });
    const general = { related_to_type: "general", related_to_id: null };
    expect(await create(counselor)).toMatchObject(general);
    for (const priority of ["low", "medium", "high"]) {
      expect(await create(counselor, { priority })).toMatchObject({ priority });
    }
    const odd = { title: "x", priority: "urgent" };
    expectError(await tasks(counselor).insert(odd), { code: "23514" });
  });

  it("[D2-012] [D2-011] [D2-021] of a lead are made and listed as the document prints them", async () => {
    const { id } = await create(counselor, {
      lead_id: lead.id,
      title: "Follow up call",
      description: "Call to discuss proposal",
      status: "Backlog",
      assigned_to: counselor.id,
      due_date: "2026-01-25T14:00:00Z",
      priority: "High",
    });
    const rows = expectData(
      await counselor.client
        .from("tasks_crm")
        .select()
        .eq("lead_id", lead.lead_id)
        .order("createdAt", { ascending: false }),
    );
    const [task] = tasksCrmRowSchema.array().parse(rows);
    expect(task).toMatchObject({
      id,
      lead_id: lead.lead_id,
      title: "Follow up call",
      description: "Call to discuss proposal",
      status: "Backlog",
      assignedTo: "Shariq Ansari",
      dueDate: "2026-01-25T14:00:00+00:00",
      priority: "High",
      createdBy: "Shariq Ansari",
    });
    const ofLead = expectData(await tasks(counselor).select().eq("lead_id", lead.id));
    expect(taskSchema.array().parse(ofLead).length).toBe(rows.length);
  });

  it("[D2-013] [D3-008] change in any field", async () => {
    const { id } = await create(manager, { lead_id: lead.id });
    const change = {
      title: "Send the offer",
      description: "By post",
      status: "In Progress",
      priority: "LOW",
      due_date: "2026-04-01T09:00:00+00:00",
      assigned_to: colleague.id,
    };
    const row = await tasks(manager).update(change).eq("id", id).select().single();
    expect(taskSchema.parse(expectData(row))).toMatchObject({
      ...change,
      status: "in_progress",
      priority: "low",
      version: 2,
    });
  });

  it("[D3-006] are listed by lead, person, status and due date", async () => {
    const due = await create(counselor, { lead_id: lead.id, status: "todo", due_date: inDays(1) });
    await create(counselor, { lead_id: lead.id, status: "todo", due_date: inDays(9) });
    await create(counselor, { lead_id: lead.id, status: "backlog", due_date: inDays(1) });
    const list = await tasks(counselor)
      .select("*", { count: "exact" })
      .eq("lead_id", lead.id)
      .eq("assigned_to", counselor.id)
      .eq("status", "todo")
      .gte("due_date", inDays(0))
      .lte("due_date", inDays(2))
      .order("due_date")
      .range(0, 19);
    expect(list.count).toBe(1);
    expect(expectData(list).map((row) => row.id)).toEqual([due.id]);
  });

  it("[D3-007] are made for somebody else by those who may give them work", async () => {
    const row = { title: unique("Given"), lead_id: lead.id, assigned_to: colleague.id };
    const { id } = await create(manager, row);
    expect(expectData(await tasks(colleague).select().eq("id", id))).toHaveLength(1);
    const told = await colleague.client
      .from("notifications")
      .select()
      .eq("lead_id", lead.id)
      .eq("metadata->>task_id", id);
    expect(expectData(told)).toMatchObject([{ title: "New task", sender_id: manager.id }]);
    expectError(await tasks(counselor).insert({ ...row, title: "x" }), {
      code: "PT422",
      details: "assignee_unavailable",
    });
  });

  it("are put on no lead that the caller does not see", async () => {
    expectError(await tasks(stranger).insert({ title: "Mine", lead_id: lead.id }), {
      code: "PT404",
      details: "lead_not_found",
      status: 404,
    });
    const { id } = await create(counselor, { lead_id: lead.id });
    expect(expectData(await tasks(stranger).select().eq("id", id))).toEqual([]);
    const changed = await tasks(stranger).update({ title: "Mine" }).eq("id", id).select();
    expect(expectData(changed)).toEqual([]);
  });

  it("[D3-009] are deleted softly, by who has or made them", async () => {
    const { id } = await create(counselor, { lead_id: lead.id });
    const remove = (person: Person) =>
      person.client.rpc("soft_delete", { p_table: "tasks", p_id: id });
    expectError(await remove(stranger), { code: "PT404", details: "not_found", status: 404 });
    expect((await remove(counselor)).error).toBeNull();
    expect(expectData(await tasks(manager).select().eq("id", id))).toEqual([]);
    const [kept] = await sql()`select deleted_at from public.tasks where id = ${id}`;
    expect(kept?.deleted_at).toBeInstanceOf(Date);
  });

  it("are on the timeline of their lead", async () => {
    const { id, title } = await create(counselor, { lead_id: lead.id });
    await tasks(counselor).update({ completed: true }).eq("id", id);
    const rows = expectData(
      await counselor.client
        .from("timeline")
        .select("type, title, description, by")
        .eq("entity_id", lead.id)
        .eq("source_id", id)
        .order("timestamp"),
    );
    const by = "Shariq Ansari";
    expect(rows).toEqual([
      { type: "task_created", title: "Task Created", description: title, by },
      { type: "task_completed", title: "Task Completed", description: title, by },
    ]);
  });
});

describe("a task that recurs", () => {
  it("is followed by one task, however often and from wherever it is completed", async () => {
    const { id } = await create(counselor, {
      due_date: inDays(1),
      recurrence: "freq=weekly;interval=2",
    });
    const complete = async (completed: boolean) =>
      expect((await tasks(counselor).update({ completed }).eq("id", id)).error).toBeNull();
    await Promise.all([true, false, true, true, false, true].map(complete));
    await complete(false);
    await complete(true);
    const next = expectData(await tasks(counselor).select().eq("previous_id", id));
    expect(taskSchema.array().parse(next)).toMatchObject([
      { recurrence: "FREQ=WEEKLY;INTERVAL=2", occurrence: 2, completed: false },
    ]);
    expect(Date.parse(next[0]?.due_date ?? "")).toBeGreaterThan(Date.now() + 14 * 86_400_000);
  });

  it("names a rule that cannot be read", async () => {
    const row = { title: "x", due_date: inDays(1), recurrence: "FREQ=HOURLY" };
    expectError(await tasks(counselor).insert(row), {
      code: "PT422",
      details: "recurrence_invalid",
      status: 422,
    });
  });
});

describe("the rule of recurrence", () => {
  const zones = ["Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"];

  /** The wall clock of a zone, as if it were UTC: what Intl knows, not what the database says. */
  function wall(zone: string, at: number): number {
    const parts = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      dateStyle: "short",
      timeStyle: "medium",
      hourCycle: "h23",
    }).formatToParts(at);
    const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
    return Date.UTC(
      part("year"),
      part("month") - 1,
      part("day"),
      part("hour"),
      part("minute"),
      part("second"),
    );
  }

  /** The wall clock of occurrence `number`, by calendar arithmetic alone. */
  function planned(frequency: string, every: number, start: number, number: number): number {
    if (frequency !== "MONTHLY") {
      return start + (number - 1) * every * (frequency === "WEEKLY" ? 7 : 1) * 86_400_000;
    }
    const from = new Date(start);
    const month = from.getUTCMonth() + (number - 1) * every;
    const last = new Date(Date.UTC(from.getUTCFullYear(), month + 1, 0)).getUTCDate();
    const day = Math.min(from.getUTCDate(), last);
    return Date.UTC(from.getUTCFullYear(), month, day) + (start % 86_400_000);
  }

  it("keeps the hour over changes of the clocks and the day over short months", async () => {
    const database = connect({ max: 1 });
    const minute = fc.integer({ min: Date.UTC(2024, 0) / 6e4, max: Date.UTC(2028, 11) / 6e4 });
    await rolledBack(database, async (tx) => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom("DAILY", "WEEKLY", "MONTHLY"),
          fc.integer({ min: 1, max: 40 }),
          minute,
          fc.integer({ min: 1, max: 60 }),
          fc.integer({ min: -400, max: 2000 }),
          fc.constantFrom(...zones),
          async (frequency, every, startMinute, done, afterDays, zone) => {
            const start = startMinute * 60_000;
            const after = start + afterDays * 86_400_000;
            const rule = `FREQ=${frequency};INTERVAL=${every}`;
            const [next] = await tx<{ occurrence: number; occurs_at: Date }[]>`
              select n.* from private.next_occurrence(
                ${rule}, ${new Date(start)}, ${done}, ${new Date(after)}, ${zone}) n
            `;
            const at = next?.occurs_at.getTime() ?? Number.NaN;
            const number = next?.occurrence ?? 0;
            expect(at).toBeGreaterThan(after);
            expect(number).toBeGreaterThan(done);

            // On the planned minute, or an hour at most after it where the clocks skip that minute.
            const plan = planned(frequency, every, wall(zone, start), number);
            const late = wall(zone, at) - plan;
            const isSkipped = wall(zone, at - 3_600_000) < plan - 3_600_000 + late;
            expect(late === 0 || (late > 0 && late <= 3_600_000 && isSkipped)).toBe(true);

            // And none before it would have done.
            if (number > done + 1) {
              const before = planned(frequency, every, wall(zone, start), number - 1);
              expect(before).toBeLessThanOrEqual(wall(zone, after) + 3_600_000);
            }
          },
        ),
        { numRuns: 400 },
      );
    });
    await database.end();
  });

  it("ends after COUNT occurrences and on the day of UNTIL in the organisation's zone", async () => {
    const walk = async (rule: string) => {
      const [row] = await sql()<{ days: string[] }[]>`
        with recursive series (number, at) as (
          select 1, '2026-01-31 23:30+05:30'::timestamptz
          union all
          select n.occurrence, n.occurs_at
          from series s, private.next_occurrence(
            ${rule}, '2026-01-31 23:30+05:30', s.number, s.at, 'Asia/Kolkata') n
          where n.occurs_at is not null
        )
        select array_agg(to_char(at at time zone 'Asia/Kolkata', 'MM-DD') order by number) as days from series
      `;
      return row?.days;
    };
    const days = ["01-31", "02-28", "03-31", "04-30"];
    expect(await walk("FREQ=MONTHLY;COUNT=4")).toEqual(days);
    expect(await walk("FREQ=MONTHLY;UNTIL=20260430")).toEqual(days);
    expect(await walk("FREQ=MONTHLY;UNTIL=20260430T175959Z")).toEqual(days.slice(0, 3));
    expect(await walk("FREQ=WEEKLY;COUNT=1")).toEqual(["01-31"]);
  });
});
