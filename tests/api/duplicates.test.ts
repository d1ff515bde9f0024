import { beforeAll, describe, expect, it } from "vitest";
import {
  duplicateSchema,
  mergePreviewSchema,
  mergeSchema,
  unmergeSchema,
} from "../../packages/types/src/duplicates.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  unique,
  uniqueEmail,
  uniquePhone,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let colleague: Person;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team });
  colleague = await createUser({ team });
});

async function addLead(person: Person, fields: Record<string, unknown>) {
  const made = await person.client
    .from("leads")
    .insert({ name: unique("Twin"), ...fields })
    .select("id, lead_id, email, phone")
    .single();
  return expectData(made);
}

describe("a person who has a lead", () => {
  it("enquires again instead of becoming a second lead, and is shown to nobody else", async () => {
    const email = uniqueEmail("known");
    const lead = await addLead(counselor, { email });
    const again = await colleague.client.from("leads").insert({ name: "Again", email }).select();
    expect(again).toMatchObject({ error: null, data: [] });
    const answer = await colleague.client.rpc("crm_create_lead", { p_lead: { email } });
    expect(expectData(answer)).toEqual({ message: "Enquiry recorded", lead_id: null, id: null });
    const enquiries = await counselor.client
      .from("lead_enquiries")
      .select("channel, created_by, asked")
      .eq("lead_id", lead.id)
      .order("received_at");
    const own = { channel: "hand", created_by: counselor.id, asked: {} };
    const theirs = { channel: "hand", created_by: colleague.id };
    expect(expectData(enquiries)).toEqual([
      own,
      { ...theirs, asked: { name: "Again", email } },
      { ...theirs, asked: { email } },
    ]);
    expect((await colleague.client.from("leads").select("id").eq("email", email)).data).toEqual([]);
  });
});

describe("a request for exactly one row", () => {
  const kept = async (id: string) =>
    expectData(await counselor.client.from("leads").select("enquiries_count").eq("id", id).single())
      .enquiries_count;

  it("is told that it cannot record an enquiry, because the Data API would take it back", async () => {
    const email = uniqueEmail("single");
    const lead = await addLead(counselor, { email });
    const insert = () => colleague.client.from("leads").insert({ name: "Again", email }).select();
    expectError(await insert().single(), {
      code: "PT409",
      details: "enquiry_answers_no_row",
      status: 409,
    });
    expect(await kept(lead.id)).toBe(1);
    expect(await insert().maybeSingle()).toMatchObject({ data: null, error: null, status: 201 });
    expect(await kept(lead.id)).toBe(2);
  });

  it("of an RPC records it", async () => {
    const email = uniqueEmail("rpc");
    const lead = await addLead(counselor, { email });
    expectData(await colleague.client.rpc("crm_create_lead", { p_lead: { email } }).single());
    expect(await kept(lead.id)).toBe(2);
  });
});

describe("two leads that are one person", () => {
  it("are found, merged and taken apart", async () => {
    const phone = uniquePhone();
    const target = await addLead(counselor, { email: uniqueEmail("target") });
    const source = await addLead(counselor, { phone });
    const found = await counselor.client.rpc("find_duplicates", { p_person: { phone } });
    const candidates = duplicateSchema.array().parse(expectData(found));
    expect(candidates.map(({ id, reasons }) => ({ id, reasons }))).toEqual([
      { id: source.id, reasons: ["same phone"] },
    ]);

    const leads = { p_target: target.id, p_sources: [source.id] };
    expectError(await counselor.client.rpc("merge_leads", leads), {
      code: "42501",
      details: "permission_denied",
    });
    const preview = mergePreviewSchema.parse(
      expectData(await manager.client.rpc("merge_preview", leads)),
    );
    expect(preview.fields.find(({ field }) => field === "phone")).toMatchObject({ result: phone });

    const merge = mergeSchema.parse(expectData(await manager.client.rpc("merge_leads", leads)));
    const after = await counselor.client.from("leads").select("id, phone").eq("phone", phone);
    expect(expectData(after)).toEqual([{ id: target.id, phone }]);

    const undone = unmergeSchema.parse(
      expectData(await manager.client.rpc("unmerge", { p_merge_id: merge.merge_id })),
    );
    expect(undone.changed_since).toEqual([]);
    const apart = await counselor.client.from("leads").select("id, phone").eq("phone", phone);
    expect(expectData(apart)).toEqual([{ id: source.id, phone }]);
  });
});
