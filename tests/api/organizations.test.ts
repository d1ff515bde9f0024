/** Organizations: whom they belong to, and who may name them. */
import { organizationSchema } from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import {
  addLead,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let colleague: Person;
let stranger: Person;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team });
  colleague = await createUser({ team });
  stranger = await createUser({ team: await createTeam() });
});

describe("organizations", () => {
  it("belong to whoever enters them, and go to whom a manager gives them", async () => {
    const made = await counselor.client
      .from("organizations")
      .insert({ name: unique("Clinic"), phone: "0484 402 1234", annual_revenue: 1_000_000 })
      .select()
      .single();
    const organization = organizationSchema.parse(expectData(made));
    expect(organization).toMatchObject({ phone: "+914844021234", assigned_to: counselor.id });
    const give = (person: Person, to: Person) =>
      person.client
        .from("organizations")
        .update({ assigned_to: to.id })
        .eq("id", organization.id)
        .select("assigned_to");
    expectError(await give(counselor, colleague), { code: "42501", details: "permission_denied" });
    expectError(await give(manager, stranger), { code: "42501", details: "permission_denied" });
    expect((await give(stranger, stranger)).data).toEqual([]);
    expect((await give(manager, colleague)).data).toEqual([{ assigned_to: colleague.id }]);
    const gone = await counselor.client
      .from("organizations")
      .select("id")
      .eq("id", organization.id);
    expect(gone.data).toEqual([]);
  });

  it("somebody else's cannot be named", async () => {
    const { data: theirs } = await stranger.client
      .from("organizations")
      .insert({ name: unique("Secret") })
      .select("id")
      .single();
    const lead = await addLead(counselor);
    for (const answer of [
      await counselor.client
        .from("contacts")
        .insert({ name: "x", organization_id: theirs?.id ?? "" }),
      await counselor.client.from("deals").insert({ name: "x", organization_id: theirs?.id ?? "" }),
      await counselor.client.rpc("lead_convert_to_deal", {
        p_lead_id: lead.id,
        p_organization: { id: theirs?.id ?? "" },
      }),
    ]) {
      expectError(answer, { code: "PT404", details: "not_found", status: 404 });
    }
  });
});
