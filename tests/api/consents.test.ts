/** What leads agreed to and took back. */
import { beforeAll, describe, expect, it } from "vitest";
import { consentSchema } from "../../packages/types/src/consents.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  unique,
} from "../helpers/index.ts";

let counselor: Person;
let stranger: Person;

beforeAll(async () => {
  counselor = await createUser({ team: await createTeam() });
  stranger = await createUser({ team: await createTeam() });
});

describe("consents", () => {
  it("are written down for a lead, and a withdrawal stops every message", async () => {
    const email = `${unique("consent").replace(/\W+/g, ".")}@example.com`.toLowerCase();
    const lead = expectData(
      await counselor.client.from("leads").insert({ name: "Asha", email }).select("id").single(),
    );
    const asked = { p_lead_id: lead.id, p_channel: "email", p_purpose: "all" } as const;
    const granted = await counselor.client.rpc("consent_set", { ...asked, p_state: "granted" });
    expect(consentSchema.parse(granted.data)).toMatchObject({
      state: "granted",
      lead_id: lead.id,
      recorded_by: counselor.id,
    });
    expect(
      (await counselor.client.rpc("consent_set", { ...asked, p_state: "withdrawn" })).error,
    ).toBeNull();
    const sent = await counselor.client.rpc("communication_send", {
      p_type: "email",
      p_lead_id: lead.id,
      p_subject: "Fees",
      p_content: "x",
    });
    expectError(sent, { code: "PT409", details: "contact_refused", status: 409 });
    const hidden = await stranger.client.from("consents").select().eq("lead_id", lead.id);
    expect(hidden.data).toEqual([]);
  });
});
