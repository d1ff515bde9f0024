import { beforeAll, describe, expect, it } from "vitest";
import { leadSearchRowSchema } from "../../packages/types/src/search.ts";
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

let counselor: Person;
let stranger: Person;
const word = unique("Quetzal").replace(" ", "");
const email = uniqueEmail("quetzal");
const phone = uniquePhone();

beforeAll(async () => {
  counselor = await createUser({ team: await createTeam() });
  stranger = await createUser({ team: await createTeam() });
  const rows = [
    { name: `${word} Rao`, email, phone, organization: "Search Hospital" },
    { name: `${word} Iyer` },
  ];
  const { error } = await counselor.client.from("leads").insert(rows);
  expect(error).toBeNull();
});

const search = async (person: Person, query: string, more: Record<string, unknown> = {}) => {
  const answer = await person.client.rpc("search_leads", { p_query: query, ...more });
  return expectData(answer).map((row) => leadSearchRowSchema.parse(row));
};

describe("search_leads", () => {
  it("[D2-035] [D3-061] [D4-030] finds leads by name, e-mail, phone, its last digits and near misses", async () => {
    expect((await search(counselor, word)).map((row) => row.name)).toEqual([
      `${word} Iyer`,
      `${word} Rao`,
    ]);
    for (const query of [email, email.toUpperCase(), phone, phone.slice(-7)]) {
      expect((await search(counselor, query)).map((row) => row.email)).toEqual([email]);
    }
    const typo = `${word.slice(0, 3)}${word.slice(4)} rao`;
    expect((await search(counselor, typo)).map((row) => row.matched)).toContain("similar");
  });

  it("finds nobody else's", async () => {
    for (const query of [word, email, phone]) expect(await search(stranger, query)).toEqual([]);
  });

  it("pages by the cursor of the last row", async () => {
    const first = await search(counselor, word, { p_limit: 1 });
    const second = await search(counselor, word, { p_limit: 1, p_after: first[0]?.cursor });
    const third = await search(counselor, word, { p_limit: 1, p_after: second[0]?.cursor });
    expect([first, second, third].map((page) => page.map((row) => row.name))).toEqual([
      [`${word} Iyer`],
      [`${word} Rao`],
      [],
    ]);
  });

  it("says what it takes", async () => {
    expectError(await counselor.client.rpc("search_leads", { p_query: "x" }), {
      code: "PT422",
      details: "argument_invalid",
    });
  });
});
