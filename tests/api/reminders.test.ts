import { beforeAll, describe, expect, it } from "vitest";
import {
  leadReminderSchema,
  reminderOverdueSchema,
  reminderSchema,
} from "../../packages/types/src/reminders.ts";
import { connect, rolledBack } from "../helpers/database.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
} from "../helpers/index.ts";

let counselor: Person;
let manager: Person;
let stranger: Person;
let lead: { id: string; lead_id: string };

beforeAll(async () => {
  const team = await createTeam();
  [counselor, manager, stranger] = await Promise.all([
    createUser({ team }),
    createUser({ team, role: "manager" }),
    createUser({}),
  ]);
  const made = counselor.client.from("leads").insert({ name: unique("Reminded") });
  lead = expectData(await made.select("id, lead_id").single());
});

const reminders = (person: Person) => person.client.from("reminders");

const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();

async function create(row: Record<string, unknown> = {}, person = counselor) {
  const made = await reminders(person)
    .insert({ title: unique("Reminder"), remind_at: inMinutes(600), ...row } as never)
    .select()
    .single();
  return reminderSchema.parse(expectData(made));
}

describe("reminders", () => {
  it("[D4-010] are listed by agent, with nothing for who may not see them", async () => {
    const { id } = await create();
    const list = async (person: Person) =>
      expectData(await reminders(person).select().eq("agent_id", counselor.id)).map(
        (row) => row.id,
      );
    expect(await list(counselor)).toContain(id);
    expect(await list(manager)).toContain(id);
    expect(await list(stranger)).toEqual([]);
  });

  it("[D4-012] [D4-011] are made and read one by one", async () => {
    const made = await create({ lead_id: lead.id, title: "Ask for marks" });
    expect(made).toMatchObject({
      title: "Ask for marks",
      agent_id: counselor.id,
      status: "pending",
      completed_at: null,
    });
    const one = await reminders(manager).select().eq("id", made.id).single();
    expect(reminderSchema.parse(expectData(one))).toEqual(made);
    expectError(await reminders(stranger).select().eq("id", made.id).single(), {
      code: "PGRST116",
    });
  });

  it("[D4-013] are changed", async () => {
    const { id } = await create();
    const change = { title: "Call back", remind_at: "2030-01-01T10:00:00+00:00" };
    const row = await reminders(counselor).update(change).eq("id", id).select().single();
    expect(reminderSchema.parse(expectData(row))).toMatchObject(change);
    expect(expectData(await reminders(stranger).update(change).eq("id", id).select())).toEqual([]);
  });

  it("[D4-014] are deleted softly, and nobody is told of them any more", async () => {
    const { id } = await create();
    const remove = (person: Person) =>
      person.client.rpc("soft_delete", { p_table: "reminders", p_id: id });
    expectError(await remove(stranger), {
      code: "PT404",
      details: "not_found",
      status: 404,
    });
    expect((await remove(counselor)).error).toBeNull();
    expect(expectData(await reminders(counselor).select().eq("id", id))).toEqual([]);
    await sql()`update public.reminders set remind_at = now() - interval '1 minute' where id = ${id}`;
    await sql()`select private.remind()`;
    const told = await counselor.client
      .from("notifications")
      .select()
      .eq("metadata->>reminder_id", id);
    expect(expectData(told)).toEqual([]);
  });

  it("[D4-015] are completed, and the same one twice is once", async () => {
    const { id } = await create();
    const complete = async () =>
      reminderSchema.parse(
        expectData(await counselor.client.rpc("reminder_complete", { p_id: id })),
      );
    const first = await complete();
    expect(first.status).toBe("completed");
    expect(Date.parse(first.completed_at ?? "")).toBeGreaterThan(Date.now() - 60_000);
    expect(await complete()).toEqual(first);
    expectError(await stranger.client.rpc("reminder_complete", { p_id: id }), {
      code: "PT404",
      details: "reminder_not_found",
      status: 404,
    });
  });

  it("[D4-018] are overdue when they are pending and past", async () => {
    const past = await create({ remind_at: inMinutes(-5) });
    const done = await create({ remind_at: inMinutes(-5), status: "completed" });
    await create({ remind_at: inMinutes(5) });
    const answer = await counselor.client
      .from("reminders_overdue")
      .select()
      .eq("agent_id", counselor.id);
    const overdue = reminderOverdueSchema.array().parse(expectData(answer));
    expect(overdue.map((row) => row.id)).toEqual([past.id]);
    expect(overdue.map((row) => row.id)).not.toContain(done.id);
  });

  it("[D4-019] are due soon within the window asked for", async () => {
    const owner = await createUser({});
    const soon = await create({ remind_at: inMinutes(30) }, owner);
    const later = await create({ remind_at: inMinutes(90) }, owner);
    await create({ remind_at: inMinutes(-30) }, owner);
    const due = async (args: { p_within?: string }) => {
      const answer = await owner.client.rpc("reminders_due_soon", {
        p_agent_id: owner.id,
        ...args,
      });
      return reminderSchema
        .array()
        .parse(expectData(answer))
        .map((row) => row.id);
    };
    expect(await due({})).toEqual([soon.id]);
    expect(await due({ p_within: "2 hours" })).toEqual([soon.id, later.id]);
    expectError(await owner.client.rpc("reminders_due_soon", { p_within: "-1 hour" }), {
      code: "PT422",
      details: "argument_invalid",
      status: 422,
    });
  });

  it("[D4-067] are internal or of a lead: two names for one table", async () => {
    const internal = await create();
    const ofLead = await create({ lead_id: lead.id });
    const list = await counselor.client.from("lead_reminders").select().eq("lead_id", lead.id);
    const ids = leadReminderSchema
      .array()
      .parse(expectData(list))
      .map((row) => row.id);
    expect(ids).toContain(ofLead.id);
    expect(ids).not.toContain(internal.id);
  });

  it("[D0-076] are made, moved and removed by the note that carries them", async () => {
    const note = {
      lead_id: lead.id,
      content: "Discuss the scholarship",
      reminder_at: "2030-09-20T10:00:00Z",
      is_private: false,
      priority: "high",
      tags: ["scholarship"],
    };
    const made = await counselor.client.from("notes").insert(note).select("id").single();
    const { id } = expectData(made);
    const found = async () => expectData(await reminders(counselor).select().eq("note_id", id));
    expect(await found()).toMatchObject([
      {
        remind_at: "2030-09-20T10:00:00+00:00",
        title: note.content,
        lead_id: lead.id,
        agent_id: counselor.id,
      },
    ]);
    const change = async (reminder_at: string | null) =>
      expect(
        (await counselor.client.from("notes").update({ reminder_at }).eq("id", id)).error,
      ).toBe(null);
    await change("2030-09-21T10:00:00Z");
    expect(await found()).toMatchObject([{ remind_at: "2030-09-21T10:00:00+00:00" }]);
    await change(null);
    expect(await found()).toEqual([]);
  });
});

describe("the scheduler", () => {
  const told = async (ids: string[]) => {
    const rows = await sql()<{ reminder: string; times: number }[]>`
      select n.metadata ->> 'reminder_id' as reminder, count(*)::int as times
      from public.notifications n
      where n.metadata ->> 'event' = 'reminder_due' and n.metadata ->> 'reminder_id' = any(${ids})
      group by 1
    `;
    return ids.map((id) => rows.find((row) => row.reminder === id)?.times ?? 0);
  };

  const makeDue = async (count: number) => {
    const rows = await sql()<{ id: string }[]>`
      insert into public.reminders (agent_id, title, remind_at)
      select ${counselor.id}, 'Due ' || n, now() - interval '1 minute'
      from generate_series(1, ${count}::int) n
      returning id
    `;
    return rows.map((row) => row.id);
  };

  it("notifies exactly once per reminder when two runs overlap", async () => {
    const [one, two] = [connect({ max: 1 }), connect({ max: 1 })];
    try {
      const ids = await makeDue(60);
      // The first run has marked and notified, but not committed, while the second one looks.
      await one.begin(async (first) => {
        await first`select private.remind(30)`;
        await two.begin(async (second) => {
          await second`select private.remind(45)`;
          await first`select private.remind()`;
        });
      });
      await Promise.all([one`select private.remind()`, two`select private.remind()`]);
      expect(await told(ids)).toEqual(ids.map(() => 1));
    } finally {
      await Promise.all([one.end(), two.end()]);
    }
  });

  it("notifies exactly once when many runs race", async () => {
    const sessions = Array.from({ length: 6 }, () => connect({ max: 1 }));
    try {
      const ids = await makeDue(120);
      await Promise.all(
        sessions.flatMap((session) => [
          session`select private.remind(17)`,
          session`select private.remind()`,
        ]),
      );
      expect(await told(ids)).toEqual(ids.map(() => 1));
    } finally {
      await Promise.all(sessions.map((session) => session.end()));
    }
  });

  it("notifies after all of what a run that failed had taken", async () => {
    const session = connect({ max: 1 });
    try {
      const ids = await makeDue(10);
      await rolledBack(session, async (tx) => {
        await tx`select private.remind()`;
      });
      await session`select private.remind()`;
      expect(await told(ids)).toEqual(ids.map(() => 1));
    } finally {
      await session.end();
    }
  });

  it("is called every minute", async () => {
    const jobs =
      await sql()`select schedule, command from cron.job where jobname = 'intake-remind'`;
    expect(jobs).toMatchObject([{ schedule: "* * * * *", command: "select private.remind()" }]);
  });
});
