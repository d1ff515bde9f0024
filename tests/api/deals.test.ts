/** Deals: their stages. */
import { dealSchema } from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import {
  createUser,
  expectData,
  expectError,
  type Person,
  service,
  timelineOf,
  unique,
} from "../helpers/index.ts";

let counselor: Person;

beforeAll(async () => {
  counselor = await createUser();
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
});
