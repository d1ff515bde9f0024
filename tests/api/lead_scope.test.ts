/** Lead scope: contacts, students and deals go where their lead goes. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  addContact,
  addLead,
  createTeam,
  createUser,
  expectError,
  type Person,
} from "../helpers/index.ts";

let counselor: Person;
let stranger: Person;
let admin: Person;

beforeAll(async () => {
  counselor = await createUser();
  stranger = await createUser({ team: await createTeam() });
  admin = await createUser({ role: "admin" });
});

describe("what hangs on a lead", () => {
  it("goes where the lead goes", async () => {
    const lead = await addLead(counselor, { status: "enrolled" });
    const contact = await addContact(counselor, { lead_id: lead.id });
    await counselor.client.rpc("lead_enroll", { p_lead_id: lead.id });
    await counselor.client.rpc("lead_convert_to_deal", { p_lead_id: lead.id });
    const seen = async (person: Person) => {
      const counts = [];
      for (const table of ["contacts", "students", "deals"] as const) {
        const { data } = await person.client.from(table).select("id").eq("lead_id", lead.id);
        counts.push(data?.length);
      }
      return counts;
    };
    // The deal's contact is the lead's own person, besides the one entered by hand.
    expect(await seen(counselor)).toEqual([2, 1, 1]);
    expect(await seen(stranger)).toEqual([0, 0, 0]);
    const { error } = await admin.client.rpc("lead_assign", {
      p_lead_ids: [lead.id],
      p_user_id: stranger.id,
    });
    expect(error).toBeNull();
    expect(await seen(counselor)).toEqual([0, 0, 0]);
    expect(await seen(stranger)).toEqual([2, 1, 1]);
    const kept = await stranger.client
      .from("contacts")
      .update({ role: "Father" })
      .eq("id", contact.id)
      .select("assigned_to");
    expect(kept.data).toEqual([{ assigned_to: stranger.id }]);
  });

  it("cannot be hung on a lead that one may not see", async () => {
    const lead = await addLead(stranger);
    const mine = await addContact(counselor);
    for (const answer of [
      await counselor.client.from("contacts").insert({ name: "x", lead_id: lead.id }),
      await counselor.client.from("students").insert({ name: "x", lead_id: lead.id }),
      await counselor.client.from("deals").insert({ name: "x", lead_id: lead.id }),
      await counselor.client.from("contacts").update({ lead_id: lead.id }).eq("id", mine.id),
    ]) {
      expectError(answer, { code: "42501", status: 403 });
    }
  });
});
