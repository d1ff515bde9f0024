/** What asks for exactly one row and answers none or several is taken back as on hosted. */
import { beforeAll, describe, expect, it } from "vitest";
import { createUser, expectData, expectError, type Person, unique } from "../helpers/index.ts";

let person: Person;
let ids: string[];

beforeAll(async () => {
  person = await createUser();
  const rows = [{ name: unique("One") }, { name: unique("Two") }];
  ids = expectData(await person.client.from("leads").insert(rows).select("id")).map(({ id }) => id);
});

const courses = async () =>
  expectData(await person.client.from("leads").select("course").in("id", ids)).map(
    ({ course }) => course,
  );

const change = (course: string, of: string[]) =>
  person.client.from("leads").update({ course }).in("id", of).select("id");

describe("a write that asks for one row", () => {
  it("is kept if it answers one", async () => {
    expect(expectData(await change("MBBS", ids.slice(0, 1)).single()).id).toBe(ids[0]);
    expect((await courses()).sort()).toEqual(["MBBS", null]);
  });

  it("is taken back if it answers several", async () => {
    const before = await courses();
    expectError(await change("Nursing", ids).single(), { code: "PGRST116", status: 406 });
    expect(await courses()).toEqual(before);
    expect(expectData(await change("Nursing", ids))).toHaveLength(2);
  });
});
