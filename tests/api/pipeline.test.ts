import { beforeAll, describe, expect, it } from "vitest";
import {
  initialStages,
  pipelineBoardSchema,
  pipelineStageSchema,
  pipelineSummarySchema,
} from "../../packages/types/src/pipeline.ts";
import {
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  service,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let admin: Person;

const plan = [
  ["Oldest", "new", 100],
  ["Middle", "new", 200],
  ["Newest", "new", 300],
  ["Called", "contacted", 1000.5],
  ["Gone", "lost", 5000],
] as const;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team });
  const colleague = await createUser({ team });
  admin = await createUser({ role: "admin" });
  for (const [name, status, value] of plan) {
    const lead = { name, status, value, assigned_to: counselor.id };
    expectData(await counselor.client.from("leads").insert(lead).select());
  }
  const theirs = { name: "Theirs", status: "new", value: 7, assigned_to: colleague.id };
  expectData(await manager.client.from("leads").insert(theirs).select());
});

describe("stages", () => {
  it("are those the documents name, in their order", async () => {
    const { data } = await counselor.client.from("pipeline_stages").select().order("position");
    const stages = pipelineStageSchema.array().parse(data);
    expect(stages.map((stage) => stage.key)).toEqual([...initialStages]);
  });

  it("are changed by administrators, seen by everybody signed in, and by nobody else", async () => {
    const key = `demo_${crypto.randomUUID().slice(0, 8)}`;
    const stage = { key, name: "Demo", position: 90 };
    for (const person of [counselor, manager]) {
      expectError(await person.client.from("pipeline_stages").insert(stage), {
        code: "42501",
        status: 403,
      });
    }
    expectError(await anon().from("pipeline_stages").select(), { code: "42501", status: 401 });
    expectData(await admin.client.from("pipeline_stages").insert(stage).select());
    const renamed = admin.client.from("pipeline_stages").update({ name: "Trial" }).eq("key", key);
    expect(expectData(await renamed.select("name"))).toEqual([{ name: "Trial" }]);
    expectData(await admin.client.from("pipeline_stages").delete().eq("key", key).select());
  });

  it("cannot be deleted while leads are in them", async () => {
    const refused = await service().from("pipeline_stages").delete().eq("key", "new");
    expectError(refused, { code: "23503", status: 409 });
  });
});

describe("pipeline_summary", () => {
  it("[D3-010] counts and values each stage over what the caller sees", async () => {
    const { data, error } = await counselor.client.rpc("pipeline_summary");
    expect(error).toBeNull();
    const summary = pipelineSummarySchema.parse(data);
    expect(summary.map(({ stage, count, value }) => [stage, count, value])).toEqual([
      ["new", 3, 600],
      ["contacted", 1, 1000.5],
      ["qualified", 0, 0],
      ["proposal", 0, 0],
      ["enrolled", 0, 0],
      ["closed", 0, 0],
      ["lost", 1, 5000],
    ]);
    const team = pipelineSummarySchema.parse((await manager.client.rpc("pipeline_summary")).data);
    expect(team[0]).toMatchObject({ stage: "new", count: 4, value: 607 });
  });

  it("refuses those who are not signed in", async () => {
    expectError(await anon().rpc("pipeline_summary"), { code: "42501", status: 401 });
  });
});

describe("pipeline_board", () => {
  it("[D2-037] answers the stages with their newest leads and the count of all", async () => {
    const { data, error } = await counselor.client.rpc("pipeline_board", { p_limit: 2 });
    expect(error).toBeNull();
    const board = pipelineBoardSchema.parse(data);
    expect(board.map((column) => column.stage)).toEqual([...initialStages]);
    expect(board[0]).toMatchObject({ stage: "new", name: "New", count: 3, value: 600 });
    expect(board[0]?.leads.map((lead) => lead.name)).toEqual(["Newest", "Middle"]);
    expect(board[1]?.leads.map((lead) => lead.value)).toEqual([1000.5]);
    expect(board[2]?.leads).toEqual([]);
  });

  it("takes 0 to 100 leads per stage", async () => {
    const none = pipelineBoardSchema.parse(
      (await counselor.client.rpc("pipeline_board", { p_limit: 0 })).data,
    );
    expect(none.flatMap((column) => column.leads)).toEqual([]);
    for (const p_limit of [-1, 101]) {
      const refused = await counselor.client.rpc("pipeline_board", { p_limit });
      expectError(refused, { code: "PT422", details: "argument_invalid", status: 422 });
    }
  });
});

describe("moves", () => {
  it("are refused where the pipeline forbids them, and change nothing", async () => {
    const made = await counselor.client
      .from("leads")
      .insert({ name: unique("Enrolled"), status: "enrolled" })
      .select("id, lead_id")
      .single();
    const lead = expectData(made);
    const back = { p_lead_id: lead.lead_id, p_status: "contacted" };
    const rpc = await counselor.client.rpc("lead_set_status", back);
    expectError(rpc, { code: "PT422", details: "transition_forbidden", status: 422 });
    expect(rpc.error?.details).toBe("transition_forbidden: enrolled to contacted");
    const card = counselor.client.from("leads").update({ status: "new" }).eq("id", lead.id);
    expectError(await card, { code: "PT422", details: "transition_forbidden", status: 422 });
    const { data } = await counselor.client.from("leads").select("status").eq("id", lead.id);
    expect(data).toEqual([{ status: "enrolled" }]);
    const history = await counselor.client.from("lead_history").select().eq("lead_id", lead.id);
    expect(history.data).toEqual([]);
  });
});
