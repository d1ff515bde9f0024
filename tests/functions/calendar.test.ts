/** The calendar feed: what RFC 5545 asks of its text, and that the link stays a secret. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CalendarFeed, CalendarItem } from "../../packages/types/src/calendar.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createCalendar } from "../../supabase/functions/calendar/app.ts";
import { calendar, fold } from "../../supabase/functions/calendar/ics.ts";

const token = "5e".repeat(32);

const item = (changes: Partial<CalendarItem> = {}): CalendarItem => ({
  kind: "task",
  id: "01900000-0000-7000-8000-000000000001",
  title: "Call back",
  lead_number: "LEAD-042",
  starts_at: "2026-03-29T01:30:00+05:30",
  is_urgent: false,
  updated_at: "2026-03-01T10:00:00.123456+00:00",
  version: 3,
  ...changes,
});

function open(
  answer: CalendarFeed = { found: true, retry_after: 0, name: "Asha", items: [item()] },
) {
  const log: string[] = [];
  const asked: { hash: string; headers: Record<string, string> }[] = [];
  const app = createCalendar({
    feed: async (hash, headers) => {
      asked.push({ hash, headers });
      return answer;
    },
    log: createLogger({}, (line) => log.push(line)),
  });
  const get = (path = `/calendar/${token}.ics`, init?: RequestInit) => app.request(path, init);
  return { get, log, asked };
}

/** Reads a calendar as a program does: unfold, split, unescape. */
function read(text: string): { lines: string[]; summaries: string[] } {
  const lines = text.replace(/\r\n[ \t]/g, "").split("\r\n");
  const summaries = lines
    .filter((line) => line.startsWith("SUMMARY:"))
    .map((line) =>
      line
        .slice("SUMMARY:".length)
        .replace(/\\([\\;,nN])/g, (_, one: string) => (one.toLowerCase() === "n" ? "\n" : one)),
    );
  return { lines, summaries };
}

describe("the text of the feed", () => {
  it("has every property that a calendar and an event need, in UTC", () => {
    expect(read(calendar("Asha Rao", [item({ is_urgent: true })])).lines).toEqual([
      "BEGIN:VCALENDAR",
      "VERSION:2.0",
      "PRODID:-//Intake//Calendar//EN",
      "CALSCALE:GREGORIAN",
      "X-WR-CALNAME:Intake: Asha Rao",
      "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
      "X-PUBLISHED-TTL:PT1H",
      "BEGIN:VEVENT",
      "UID:task-01900000-0000-7000-8000-000000000001@intake",
      "DTSTAMP:20260301T100000Z",
      "LAST-MODIFIED:20260301T100000Z",
      "SEQUENCE:2",
      "DTSTART:20260328T200000Z",
      "DTEND:20260328T203000Z",
      "SUMMARY:Call back (LEAD-042)",
      "CATEGORIES:Task",
      "PRIORITY:1",
      "TRANSP:TRANSPARENT",
      "END:VEVENT",
      "END:VCALENDAR",
      "",
    ]);
  });

  it("rings for a reminder", () => {
    const { lines } = read(calendar("", [item({ kind: "reminder", lead_number: null })]));
    expect(lines).toContain("TRIGGER:PT0S");
    expect(lines).toContain("SUMMARY:Call back");
    expect(lines).toContain("DTEND:20260328T201500Z");
  });

  it("keeps the time of calls and meetings", () => {
    const { lines } = read(calendar("", [item({ kind: "meeting", title: "Campus visit" })]));
    expect(lines).toContain("CATEGORIES:Meeting");
    expect(lines).toContain("TRANSP:OPAQUE");
    expect(lines).toContain("DTEND:20260328T210000Z");
    const call = read(calendar("", [item({ kind: "call", title: "Call" })])).lines;
    expect(call).toContain("SUMMARY:Call (LEAD-042)");
    expect(call).toContain("TRANSP:OPAQUE");
  });

  it("is a calendar of one component at least when there is nothing to do", () => {
    const components = (items: CalendarItem[]) =>
      read(calendar("Asha", items)).lines.filter((line) => line.startsWith("BEGIN:"));
    expect(components([])).toEqual(["BEGIN:VCALENDAR", "BEGIN:VTIMEZONE", "BEGIN:STANDARD"]);
    expect(components([item()])).toEqual(["BEGIN:VCALENDAR", "BEGIN:VEVENT"]);
  });

  it("is no message of RFC 5546, which would need an organizer and its method in the content type", () => {
    expect(calendar("Asha", [item()])).not.toMatch(/^METHOD:/m);
  });

  const text = fc.string({ unit: "binary", maxLength: 300 });

  it("gives any title back as it was, and lets none of them add a line", () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), (titles) => {
        const whole = calendar(
          "Asha",
          titles.map((title) => item({ title, lead_number: null })),
        );
        const plain = (title: string) =>
          title.replace(/\r\n?/g, "\n").replace(/(?!\n)\p{Cc}/gu, " ");
        const { lines, summaries } = read(whole);
        expect(summaries).toEqual(titles.map(plain));
        const perEvent = lines.filter((line) => line === "END:VEVENT");
        expect(perEvent).toHaveLength(titles.length);
        if (titles.length > 0) expect(lines).toHaveLength(7 + 11 * titles.length + 2);
      }),
    );
  });

  it("is folded at 75 octets, between characters, with CR LF and nothing else", () => {
    const encoder = new TextEncoder();
    const decoder = new TextDecoder("utf-8", { fatal: true });
    fc.assert(
      fc.property(text, (title) => {
        const whole = calendar("Asha", [item({ title })]);
        expect(whole.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
        for (const line of whole.split("\r\n")) {
          const octets = encoder.encode(line);
          expect(octets.length).toBeLessThanOrEqual(75);
          expect(() => decoder.decode(octets)).not.toThrow();
        }
      }),
    );
    expect(fold("é".repeat(40))).toBe(`${"é".repeat(37)}\r\n ${"é".repeat(3)}`);
  });
});

describe("GET /calendar/<token>.ics", () => {
  it("answers text/calendar, by the hash of the token alone", async () => {
    const { get, asked } = open();
    const response = await get();
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/calendar; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("private, max-age=300");
    expect(await response.text()).toContain("SUMMARY:Call back (LEAD-042)\r\n");
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
    expect(asked[0]?.hash).toBe(Buffer.from(digest).toString("hex"));
  });

  it("answers HEAD without a body", async () => {
    const response = await open().get(undefined, { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
  });

  it("answers whatever is no link alike", async () => {
    const { get } = open({ found: false, retry_after: 0 });
    const paths = [`${token}.ics`, token, "x.ics", `${token.toUpperCase()}.ics`, "..%2f.ics"];
    const answers = await Promise.all(
      paths.map(async (path) => {
        const response = await get(`/calendar/${path}`);
        const { "x-request-id": _, ...headers } = Object.fromEntries(response.headers);
        return JSON.stringify([response.status, headers, await response.text()]);
      }),
    );
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain("404");
    expect(answers[0]).toContain("not_found");
  });

  it("says how long to wait", async () => {
    for (const found of [true, false]) {
      const response = await open({ found, retry_after: 17 }).get();
      expect(response.status).toBe(429);
      expect(response.headers.get("retry-after")).toBe("17");
      expect(await response.json()).toMatchObject({ code: "PT429", details: "rate_limited" });
    }
  });

  it("writes the token into no log and hands on no credentials", async () => {
    const { get, log, asked } = open();
    const headers = { authorization: "Bearer x", cookie: "a=b", "cf-connecting-ip": "192.0.2.1" };
    await get(undefined, { headers });
    await get(`/calendar/${token}`, { method: "POST" });
    expect(log).toHaveLength(2);
    expect(log.join()).not.toContain(token);
    expect(asked[0]?.headers).toEqual({ "cf-connecting-ip": "192.0.2.1" });
  });
});
