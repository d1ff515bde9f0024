import { describe, expect, it } from "vitest";
import { parseSchedule } from "../../packages/local/src/cron-schedule.ts";

function isDue(schedule: string, at: string): boolean {
  const parsed = parseSchedule(schedule);
  if (!parsed || !("matches" in parsed)) throw new Error(`not five fields: ${schedule}`);
  return parsed.matches(new Date(at));
}

describe("a schedule of pg_cron", () => {
  it.each([
    ["* * * * *", "2026-11-21T08:00:00Z", true],
    ["*/15 * * * *", "2026-11-21T08:45:00Z", true],
    ["*/15 * * * *", "2026-11-21T08:46:00Z", false],
    ["5,10-12 8 * * *", "2026-11-21T08:11:00Z", true],
    ["0 8 * * mon-fri", "2026-11-21T08:00:00Z", false],
    ["0 8 * * sat", "2026-11-21T08:00:00Z", true],
    ["0 8 * nov 7", "2026-11-22T08:00:00Z", true],
    ["0 0 $ * *", "2026-02-28T00:00:00Z", true],
    ["0 0 $ * *", "2026-02-27T00:00:00Z", false],
    ["@hourly", "2026-11-21T08:00:00Z", true],
  ])("%s at %s: %s", (schedule, at, due) => {
    expect(isDue(schedule, at)).toBe(due);
  });

  it("takes either day when the day of the month and of the week are both given", () => {
    expect(isDue("0 0 13 * fri", "2026-11-13T00:00:00Z")).toBe(true);
    expect(isDue("0 0 13 * fri", "2026-11-20T00:00:00Z")).toBe(true);
    expect(isDue("0 0 13 * fri", "2026-11-21T00:00:00Z")).toBe(false);
  });

  it("may be seconds", () => {
    expect(parseSchedule("10 seconds")).toEqual({ everySeconds: 10 });
  });

  it.each(["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "x * * * *", "5-1 * * * *"])(
    "is not: %j",
    (text) => {
      expect(parseSchedule(text)).toBeNull();
    },
  );
});
