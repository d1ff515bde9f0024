/** The calendar link through the whole stack. */
import { describe, expect, it } from "vitest";
import {
  calendarLinkCreatedSchema,
  calendarLinkSchema,
} from "../../packages/types/src/calendar.ts";
import { createUser, expectData, type Person, sql, stack } from "../helpers/index.ts";

const link = async (person: Person) =>
  calendarLinkCreatedSchema.parse(expectData(await person.client.rpc("calendar_link_create")));

const fetchFeed = (path: string) => fetch(`${stack().url}${path}`);

const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();

describe("the calendar link", { timeout: 30_000 }, () => {
  it("[D4-102] shows a person's tasks, reminders, calls and meetings to their calendar, and nobody else's", async () => {
    const [person, other] = await Promise.all([createUser({}), createUser({})]);
    const tasks = person.client.from("tasks");
    expectData(
      await tasks
        .insert([
          { title: "Send offer; then call, twice", due_date: inHours(2), priority: "high" },
          { title: "Already done", due_date: inHours(2), completed: true },
          { title: "Without a date" },
        ])
        .select(),
    );
    const reminders = person.client.from("reminders");
    expectData(await reminders.insert({ title: "Stand up", remind_at: inHours(3) }).select());
    expectData(
      await person.client
        .from("calls")
        .insert({ scheduled_at: inHours(4) })
        .select(),
    );
    const meeting = { type: "meeting", subject: "Campus visit", scheduled_at: inHours(5) };
    expectData(await person.client.from("communications").insert(meeting).select());
    await other.client.from("tasks").insert({ title: "Of another", due_date: inHours(2) });

    const { path } = await link(person);
    const response = await fetchFeed(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/calendar; charset=utf-8");
    const text = await response.text();
    expect(text.match(/^SUMMARY:.*$/gm)).toEqual([
      "SUMMARY:Send offer\\; then call\\, twice",
      "SUMMARY:Stand up",
      "SUMMARY:Call",
      "SUMMARY:Campus visit",
    ]);
    expect(text.startsWith("BEGIN:VCALENDAR\r\n")).toBe(true);
  });

  it("is kept as a hash, and replaced by the next one", async () => {
    const person = await createUser({});
    const first = await link(person);
    const rows =
      await sql()`select to_jsonb(k)::text as row from private.calendar_links k where k.user_id = ${person.id}`;
    expect(rows).toHaveLength(1);
    expect(rows[0]?.row).not.toContain(first.token);
    const second = await link(person);
    expect((await fetchFeed(first.path)).status).toBe(404);
    expect((await fetchFeed(second.path)).status).toBe(200);
    const known = calendarLinkSchema.parse(
      (await person.client.rpc("calendar_link")).data as unknown,
    );
    expect(Date.parse(known?.last_used_at ?? "")).toBeGreaterThan(Date.now() - 60_000);
  });

  it("answers a revoked one, an inactive person and an unknown one alike", async () => {
    const [leaving, revoking] = await Promise.all([createUser({}), createUser({})]);
    const [ofLeaving, ofRevoking] = await Promise.all([link(leaving), link(revoking)]);
    expect(expectData(await revoking.client.rpc("calendar_link_revoke"))).toBe(true);
    expect((await revoking.client.rpc("calendar_link_revoke")).data).toBe(false);
    expect((await revoking.client.rpc("calendar_link")).data).toBeNull();
    await sql()`update public.profiles set is_active = false where id = ${leaving.id}`;
    const unknown = ofLeaving.path.replace(/[0-9a-f]{64}/, "0".repeat(64));
    const answers = await Promise.all(
      [ofLeaving.path, ofRevoking.path, unknown].map(async (path) => {
        const response = await fetchFeed(path);
        return [response.status, await response.json()];
      }),
    );
    const same = [404, expect.objectContaining({ code: "PT404", details: "not_found" })];
    expect(answers).toEqual([same, same, same]);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });

  it("limits how often one link is read, and guessing by where it comes from", async () => {
    const person = await createUser({});
    const { token } = await link(person);
    const ask = async (secret: string, address: string) => {
      const hash = Buffer.from(
        await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret)),
      ).toString("hex");
      const [row] = await sql()<{ feed: { found: boolean; retry_after: number } }[]>`
        select private.calendar_feed(${hash}, ${sql().json({ "cf-connecting-ip": address })}) as feed
      `;
      return row!.feed;
    };
    let answer = await ask(token, "192.0.2.1");
    for (let times = 1; answer.retry_after === 0 && times < 200; times++) {
      answer = await ask(token, "192.0.2.1");
    }
    expect(answer).toMatchObject({ found: true });
    expect(answer).not.toHaveProperty("items");
    expect(answer.retry_after).toBeGreaterThan(0);

    const guesser = `198.51.100.${1 + (Date.now() % 250)}`;
    let guess = await ask("guess", guesser);
    for (let times = 1; guess.retry_after === 0 && times < 100; times++) {
      guess = await ask(`guess ${times}`, guesser);
    }
    expect(guess).toMatchObject({ found: false });
    expect(guess.retry_after).toBeGreaterThan(0);
    expect(await ask("guess", "203.0.113.9")).toMatchObject({ found: false, retry_after: 0 });
  });
});
