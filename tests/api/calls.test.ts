import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import {
  callOutcomes,
  callSchema,
  callStatuses,
  callsCrmRowSchema,
} from "../../packages/types/src/calls.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  uniquePhone,
} from "../helpers/index.ts";

let counselor: Person;
let manager: Person;
let stranger: Person;
let lead: { id: string; lead_id: string };
const phone = uniquePhone();

beforeAll(async () => {
  const team = await createTeam();
  [counselor, manager, stranger] = await Promise.all([
    createUser({ team, fullName: "Shariq Ansari" }),
    createUser({ team, role: "manager" }),
    createUser({}),
  ]);
  const made = counselor.client.from("leads").insert({ name: "John Doe", phone });
  lead = expectData(await made.select("id, lead_id").single());
});

const calls = (person: Person) => person.client.from("calls");

async function create(row: Record<string, unknown> = {}, person = counselor) {
  const made = await calls(person)
    .insert(row as never)
    .select()
    .single();
  return callSchema.parse(expectData(made));
}

describe("calls", () => {
  it("[D2-010] [D2-009] [D2-020] are logged with a lead and listed as the document prints them", async () => {
    const row = {
      lead_id: lead.id,
      type: "Outbound Call",
      duration: 180,
      from_name: "Shariq Ansari",
      to_name: "John Doe",
      phone: "+1234567890",
      started_at: "2025-01-20T10:00:00Z",
      status: "completed",
    };
    const { id } = await create(row);
    const rows = await counselor.client
      .from("calls_crm")
      .select()
      .eq("lead_id", lead.lead_id)
      .eq("id", id);
    expect(callsCrmRowSchema.array().parse(expectData(rows))).toMatchObject([
      {
        lead_id: lead.lead_id,
        type: "Outbound Call",
        duration: 180,
        from: "Shariq Ansari",
        to: "John Doe",
        phone: "+1234567890",
        timestamp: "2025-01-20T10:00:00+00:00",
        status: "completed",
        loggedBy: "Shariq Ansari",
      },
    ]);
    const ofLead = expectData(await calls(counselor).select().eq("lead_id", lead.id).eq("id", id));
    expect(callSchema.array().parse(ofLead)).toHaveLength(1);
  });

  it("[D4-001] are listed by agent, with nothing for who may not see them", async () => {
    const { id } = await create({ lead_id: lead.id });
    const list = async (person: Person) =>
      expectData(await calls(person).select().eq("agent_id", counselor.id)).map((row) => row.id);
    expect(await list(counselor)).toContain(id);
    expect(await list(manager)).toContain(id);
    expect(await list(stranger)).toEqual([]);
  });

  it("[D4-002] [D4-003] are made and read one by one", async () => {
    const made = await create({ lead_id: lead.id, scheduled_at: "2030-01-01T10:00:00Z" });
    expect(made).toMatchObject({ status: "scheduled", phone, agent_id: counselor.id });
    const one = await calls(manager).select().eq("id", made.id).single();
    expect(callSchema.parse(expectData(one))).toEqual(made);
    expectError(await calls(stranger).select().eq("id", made.id).single(), { code: "PGRST116" });
  });

  it("[D4-004] are changed, but never what was measured", async () => {
    const { id } = await create({ lead_id: lead.id, duration: 60 });
    const change = { outcome: "Not Interested", notes: "Chose another college" };
    const row = await calls(counselor).update(change).eq("id", id).select().single();
    expect(callSchema.parse(expectData(row))).toMatchObject({
      outcome: "not_interested",
      notes: change.notes,
      duration: 60,
    });
    expectError(await calls(counselor).update({ duration: 1 }).eq("id", id), {
      code: "PT409",
      details: "call_is_measured",
      status: 409,
    });
    expectError(await calls(counselor).update({ status: "scheduled" }).eq("id", id), {
      code: "PT409",
      details: "call_has_ended",
      status: 409,
    });
  });

  it("[D4-005] are deleted softly, and off the timeline", async () => {
    const { id } = await create({ lead_id: lead.id, duration: 60 });
    const remove = (person: Person) =>
      person.client.rpc("soft_delete", { p_table: "calls", p_id: id });
    expectError(await remove(stranger), { code: "PT404", details: "not_found", status: 404 });
    expect((await remove(manager)).error).toBeNull();
    expect(expectData(await calls(counselor).select().eq("id", id))).toEqual([]);
    const timeline = await counselor.client.from("timeline").select().eq("source_id", id);
    expect(expectData(timeline)).toEqual([]);
  });

  it("[D4-006] [D4-007] [D2-025] are started and ended, and last as long as they did", async () => {
    const { id } = await create({ lead_id: lead.id });
    const start = await counselor.client.rpc("call_start", { p_call_id: id });
    expect(callSchema.parse(expectData(start)).status).toBe("in_progress");
    await delay(1100);
    const end = { p_call_id: id, p_outcome: "interested", p_notes: "Wants a brochure" };
    const ended = callSchema.parse(expectData(await counselor.client.rpc("call_end", end)));
    expect(ended).toMatchObject({ status: "completed", outcome: "interested" });
    const measured = Date.parse(ended.ended_at ?? "") - Date.parse(ended.started_at ?? "");
    expect(ended.duration).toBe(Math.floor(measured / 1000));
    expect(ended.duration).toBeGreaterThanOrEqual(1);
    const { last_interaction_at } = expectData(
      await counselor.client.from("leads").select("last_interaction_at").eq("id", lead.id).single(),
    );
    expect(Date.parse(last_interaction_at ?? "")).toBe(Date.parse(ended.ended_at ?? ""));
    const timeline = await counselor.client.from("timeline").select("title").eq("source_id", id);
    expect(expectData(timeline)).toEqual([{ title: "Call Logged" }]);
  });

  it("[D4-007] end late, by the seconds that a device without a connection counted", async () => {
    const { id } = await create({ lead_id: lead.id, status: "in_progress" });
    await sql()`update public.calls set started_at = now() - interval '2 hours' where id = ${id}`;
    const end = { p_call_id: id, p_outcome: "connected", p_duration: 240 };
    const ended = callSchema.parse(expectData(await counselor.client.rpc("call_end", end)));
    expect(ended).toMatchObject({ status: "completed", duration: 240 });

    const planned = await create({ lead_id: lead.id });
    const at = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
    const fields = { status: "completed", started_at: at(90), ended_at: at(80) };
    const op = { op_id: randomUUID(), type: "calls", action: "update", id: planned.id, fields };
    const pushed = await counselor.client.rpc("sync_push", {
      p_client_id: randomUUID(),
      p_ops: [op],
    });
    expect(pushed.data).toMatchObject({ results: [{ status: "applied", row: { duration: 600 } }] });
  });

  it("end once, even if two say so at the same moment", async () => {
    const { id } = await create({ lead_id: lead.id, status: "in_progress" });
    const end = (person: Person) => person.client.rpc("call_end", { p_call_id: id });
    const answers = await Promise.all([end(counselor), end(manager), end(counselor)]);
    expect(answers.filter((answer) => answer.error === null)).toHaveLength(1);
    for (const answer of answers.filter((one) => one.error !== null)) {
      expectError(answer, { code: "PT409", details: "call_has_ended", status: 409 });
    }
  });

  it("are not started by somebody who does not see them", async () => {
    const { id } = await create({ lead_id: lead.id });
    expectError(await stranger.client.rpc("call_start", { p_call_id: id }), {
      code: "PT404",
      details: "call_not_found",
      status: 404,
    });
  });

  it("[D4-068] keep outcome, status, duration and lead of every call", async () => {
    for (const outcome of callOutcomes) {
      const isMissed = outcome === "no_answer" || outcome === "busy";
      expect(await create({ lead_id: lead.id, outcome, duration: 30 })).toMatchObject({
        lead_id: lead.id,
        outcome,
        duration: 30,
        status: isMissed ? "missed" : "completed",
      });
    }
    for (const status of callStatuses) {
      expect(await create({ lead_id: lead.id, status })).toMatchObject({ status });
    }
    expectError(await calls(counselor).insert({ outcome: "sold" }), { code: "23514" });
  });
});
