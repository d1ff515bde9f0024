/** Deals: their stages. */
import { dealSchema } from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import {
  addContact,
  addLead,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  service,
  timelineOf,
  unique,
} from "../helpers/index.ts";

let counselor: Person;
let manager: Person;

beforeAll(async () => {
  const team = await createTeam();
  counselor = await createUser({ team });
  manager = await createUser({ role: "manager", team });
});

describe("deals", () => {
  it("move through their stages, and say when they were closed", async () => {
    const { data } = await counselor.client
      .from("deals")
      .insert({ name: unique("Deal"), value: 1000 })
      .select()
      .single();
    const deal = dealSchema.parse(data);
    expect(deal).toMatchObject({ stage: "qualification", status: "open", closed_at: null });
    const move = async (stage: string) =>
      dealSchema.parse(
        expectData(
          await counselor.client
            .from("deals")
            .update({ stage })
            .eq("id", deal.id)
            .select()
            .single(),
        ),
      );
    expect(await move("won")).toMatchObject({ status: "won", closed_at: expect.any(String) });
    expect(await move("negotiation")).toMatchObject({ status: "open", closed_at: null });
    expectError(await counselor.client.from("deals").update({ stage: "x" }).eq("id", deal.id), {
      code: "23514",
    });
    expect((await timelineOf(counselor, deal.id))?.map((row) => row.title)).toEqual([
      "Deal Created",
      "Deal Stage Changed",
      "Deal Stage Changed",
    ]);
    expect((await service().from("deals").select("id").eq("id", deal.id)).data).toHaveLength(1);
  });

  it("are changed, and come out of a merge, when organization and contact are deleted", async () => {
    const organization = expectData(
      await counselor.client
        .from("organizations")
        .insert({ name: unique("Gone") })
        .select("id")
        .single(),
    );
    const [target, source] = [await addLead(counselor), await addLead(counselor)];
    const contact = await addContact(counselor, { organization_id: organization.id });
    const names = { organization_id: organization.id, contact_id: contact.id };
    const deal = expectData(
      await counselor.client
        .from("deals")
        .insert({ name: unique("Deal"), lead_id: source.id, ...names })
        .select("id")
        .single(),
    );
    const merged = expectData(
      await manager.client.rpc("merge_leads", { p_target: target.id, p_sources: [source.id] }),
    ) as { merge_id: string };
    for (const gone of [
      { p_table: "contacts", p_id: contact.id },
      { p_table: "organizations", p_id: organization.id },
    ]) {
      expect((await counselor.client.rpc("soft_delete", gone)).error).toBeNull();
    }
    const apart = await manager.client.rpc("unmerge", { p_merge_id: merged.merge_id });
    expect(apart.data).toMatchObject({ changed_since: [] });
    const change = (fields: { value: number; organization_id: string; contact_id: string }) =>
      counselor.client.from("deals").update(fields).eq("id", deal.id).select("lead_id, value");
    expect(expectData(await change({ value: 7, ...names }))).toEqual([
      { lead_id: source.id, value: 7 },
    ]);
    expectError(await counselor.client.from("deals").insert({ name: "Deal", ...names }), {
      code: "PT404",
      details: "not_found",
    });
  });
});
