/** What a filter says about a text that looks like a number is as on hosted: the text. */
import { beforeAll, describe, expect, it } from "vitest";
import { createUser, expectData, type Person, uniquePhone } from "../helpers/index.ts";

let person: Person;
const phone = uniquePhone();
const other = uniquePhone();

beforeAll(async () => {
  person = await createUser();
  const rows = [
    { name: "1e3", phone },
    { name: "0x10", phone: other },
  ];
  expectData(await person.client.from("leads").insert(rows).select("id"));
});

const names = async (filter: Record<string, string>) => {
  const query = person.client.from("leads").select("name").order("name");
  const { searchParams } = Reflect.get(query, "url") as URL;
  for (const [name, value] of Object.entries(filter)) searchParams.append(name, value);
  return expectData(await query).map((lead) => lead.name);
};

describe("a text that looks like a number", () => {
  it.each([
    [{ phone: `eq.${phone}` }, ["1e3"]],
    [{ phone: `neq.${phone}` }, ["0x10"]],
    [{ phone: `not.eq.${phone}` }, ["0x10"]],
    [{ phone: `in.(${phone},"${other}")` }, ["0x10", "1e3"]],
    [{ phone: `not.in.(${phone})` }, ["0x10"]],
    [{ phone: `gte.${phone}`, name: "eq.1e3" }, ["1e3"]],
    [{ or: `(phone.eq.${phone},name.eq.nobody)` }, ["1e3"]],
    [{ or: `(phone.eq."${phone}",name.eq.0x10)` }, ["0x10", "1e3"]],
    [{ or: `(phone.in.(${phone},${other}),name.eq.nobody)` }, ["0x10", "1e3"]],
    [{ or: `(and(phone.eq.${phone},name.eq.1e3),name.eq."a,b)(")` }, ["1e3"]],
    [{ and: `(phone.not.eq.${phone},or(name.eq.0x10,name.is.null))` }, ["0x10"]],
    [{ "not.or": `(phone.eq.${phone})` }, ["0x10"]],
    [{ or: `(name.ilike.*1E3*,tags.cs.{007})` }, ["1e3"]],
  ])("is found by %j", async (filter, wanted) => {
    expect(await names(filter)).toEqual(wanted);
  });

  it("is still a number where the column is one", async () => {
    expect(await names({ or: "(value.eq.0.00,score.gt.+100)" })).toEqual(["0x10", "1e3"]);
    expect(await names({ version: "gte.+1", value: "lt.1e3" })).toEqual(["0x10", "1e3"]);
  });
});
