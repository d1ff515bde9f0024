import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { businessHoursSchema, holidaySchema } from "../../packages/types/src/index.ts";
import {
  createUser,
  expectData,
  expectError,
  type Person,
  service,
  sql,
} from "../helpers/index.ts";

let admin: Person;
let counselor: Person;

beforeAll(async () => {
  admin = await createUser({ role: "admin" });
  counselor = await createUser();
});

const day = "2099-12-25";

// A minute of a Sunday that no other row has: hours are one calendar for everybody.
const hours = { weekday: 7, opens: "23:58", closes: "23:59" };

const clean = async () => {
  await sql()`delete from public.holidays where day = ${day}`;
  await sql()`delete from public.business_hours where weekday = 7 and opens = '23:58'`;
};

beforeAll(clean);
afterAll(clean);

describe("business hours and holidays", () => {
  it("[D3-064] are an administrator's to set and everybody's to read", async () => {
    const made = await admin.client.from("business_hours").insert(hours).select().single();
    expect(businessHoursSchema.parse(made.data)).toMatchObject(hours);
    const { id } = expectData(made);
    const holiday = await admin.client
      .from("holidays")
      .insert({ day, name: "Christmas" })
      .select()
      .single();
    expect(holidaySchema.parse(holiday.data).name).toBe("Christmas");
    const read = await counselor.client.from("business_hours").select().eq("id", id).single();
    expect(read.data).toEqual(made.data);
    expectError(
      await counselor.client.from("holidays").insert({ day: "2099-12-26", name: "Mine" }),
      { code: "42501", status: 403 },
    );
    expect((await counselor.client.from("holidays").delete().eq("day", day).select()).data).toEqual(
      [],
    );
  });

  it("overlap nowhere", async () => {
    await sql()`
      insert into public.business_hours (weekday, opens, closes) values (7, '23:58', '23:59') on conflict do nothing
    `;
    const again = await admin.client.from("business_hours").insert({ ...hours, closes: "24:00" });
    expectError(again, { code: "23P01" });
  });

  it("count for the service too", async () => {
    const { data } = await service().from("business_hours").select("weekday").limit(1);
    expect(data).not.toBeNull();
  });
});
