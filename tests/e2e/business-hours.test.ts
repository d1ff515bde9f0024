/** Working time against a model that looks at the clock on the wall minute by minute. */
import fc from "fast-check";
import type postgres from "postgres";
import { afterAll, describe, expect, it } from "vitest";
import { connect, rolledBack } from "../helpers/database.ts";

const sql = connect({ max: 2 });
const seed = Number(process.env.INTAKE_TEST_SEED ?? 20_261_121);

afterAll(() => sql.end());

interface Hours {
  weekday: number;
  opens: number;
  closes: number;
}

interface Organisation {
  zone: string;
  hours: Hours[];
  holidays: string[];
}

const minute = 60_000;
const at = (iso: string) => new Date(iso).getTime();

/** Around these moments the clocks of these zones change; Kolkata's never do. */
const changes: [zone: string, around: string][] = [
  ["Europe/Berlin", "2026-03-29T01:00:00Z"],
  ["Europe/Berlin", "2026-10-25T01:00:00Z"],
  ["America/New_York", "2026-03-08T07:00:00Z"],
  ["America/New_York", "2026-11-01T06:00:00Z"],
  ["Australia/Lord_Howe", "2026-04-04T15:00:00Z"],
  ["Australia/Lord_Howe", "2026-10-03T15:30:00Z"],
  // At midnight: a day that begins at one, and one that ends twice.
  ["America/Havana", "2026-03-08T05:00:00Z"],
  ["Atlantic/Azores", "2026-10-25T01:00:00Z"],
  ["Asia/Kolkata", "2026-11-09T18:30:00Z"],
];

const formats = new Map<string, Intl.DateTimeFormat>();

/** The wall clock of a zone: day, ISO weekday and minutes since midnight. */
function wall(zone: string, moment: number): { day: string; weekday: number; minutes: number } {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-CA", {
      timeZone: zone,
      hourCycle: "h23",
      ...{ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" },
    });
    formats.set(zone, format);
  }
  const [date = "", time = ""] = format.format(moment).split(", ");
  const [hour = 0, minutes = 0] = time.split(":").map(Number);
  return {
    day: date,
    weekday: new Date(`${date}T00:00:00Z`).getUTCDay() || 7,
    minutes: hour * 60 + minutes,
  };
}

function isOpen({ zone, hours, holidays }: Organisation, moment: number): boolean {
  if (hours.length === 0) return true;
  const { day, weekday, minutes } = wall(zone, moment);
  return (
    !holidays.includes(day) &&
    hours.some((row) => row.weekday === weekday && row.opens <= minutes && minutes < row.closes)
  );
}

function minutesBetween(organisation: Organisation, from: number, to: number): number {
  let open = 0;
  for (let moment = from; moment < to; moment += minute) {
    if (isOpen(organisation, moment)) open += 1;
  }
  return open;
}

/** The first moment by which so many open minutes have passed, or null if not before the limit. */
function addMinutes(organisation: Organisation, from: number, wanted: number, limit: number) {
  let left = wanted;
  let moment = from;
  for (; left > 0 && moment < limit; moment += minute) {
    if (isOpen(organisation, moment)) left -= 1;
  }
  return left > 0 ? null : moment;
}

const clock = (minutes: number) =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

async function settle(tx: postgres.TransactionSql, organisation: Organisation): Promise<void> {
  await tx`delete from public.business_hours`;
  await tx`delete from public.holidays`;
  await tx`update public.system_settings set value = ${tx.json(organisation.zone)} where key = 'organization.timezone'`;
  for (const { weekday, opens, closes } of organisation.hours) {
    await tx`insert into public.business_hours (weekday, opens, closes) values (${weekday}, ${clock(opens)}, ${clock(closes)})`;
  }
  for (const day of organisation.holidays) {
    await tx`insert into public.holidays (day, name) values (${day}, 'Holiday')`;
  }
}

async function compare(
  organisation: Organisation,
  from: number,
  to: number,
  wanted: number,
): Promise<void> {
  const limit = from + 4 * 24 * 60 * minute;
  const [answer] = await rolledBack(sql, async (tx) => {
    await settle(tx, organisation);
    return tx<{ between: number; moment: Date | null }[]>`
      select private.business_minutes(${new Date(from)}, ${new Date(to)})::float8 as between,
        nullif(private.business_add(${new Date(from)}, ${wanted}), 'infinity') as moment
    `;
  });
  expect(answer?.between).toBe(minutesBetween(organisation, from, to));
  const moment = answer?.moment?.getTime() ?? Number.POSITIVE_INFINITY;
  const expected = addMinutes(organisation, from, wanted, limit);
  if (expected === null) expect(moment).toBeGreaterThan(limit);
  else expect(new Date(moment).toISOString()).toBe(new Date(expected).toISOString());
}

/** Two or three stretches a day that do not overlap, from boundaries in order. */
const hoursOfDay = fc
  .uniqueArray(
    fc.oneof(fc.integer({ min: 0, max: 1440 }), fc.constantFrom(0, 60, 120, 180, 1440)),
    {
      maxLength: 6,
    },
  )
  .map((bounds) => bounds.sort((one, other) => one - other))
  .map((bounds) =>
    Array.from({ length: Math.floor(bounds.length / 2) }, (_, n) => ({
      opens: bounds[2 * n]!,
      closes: bounds[2 * n + 1]!,
    })),
  );

const week = fc
  .array(hoursOfDay, { minLength: 7, maxLength: 7 })
  .map((days) => days.flatMap((rows, day) => rows.map((row) => ({ weekday: day + 1, ...row }))));

const world = fc.record({
  change: fc.constantFrom(...changes),
  hours: fc.oneof(
    { weight: 8, arbitrary: week },
    { weight: 1, arbitrary: fc.constant<Hours[]>([]) },
  ),
  holidayOffsets: fc.uniqueArray(fc.integer({ min: -2, max: 3 }), { maxLength: 2 }),
  before: fc.integer({ min: 0, max: 2 * 1440 }),
  length: fc.integer({ min: -60, max: 3 * 1440 }),
  wanted: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 4000 })),
});

describe("working time", () => {
  it("is what the clock on the wall shows, minute by minute, also where clocks change", async () => {
    const property = fc.asyncProperty(world, async (given) => {
      const [zone, around] = given.change;
      const from = at(around) - given.before * minute;
      const holidays = given.holidayOffsets.map(
        (days) => wall(zone, at(around) + days * 1440 * minute).day,
      );
      const organisation = { zone, hours: given.hours, holidays: [...new Set(holidays)] };
      await compare(organisation, from, from + given.length * minute, given.wanted);
    });
    await fc.assert(property, { seed, numRuns: 120 });
  });

  const nights = Array.from({ length: 7 }, (_, n) => ({ weekday: n + 1, opens: 60, closes: 180 }));

  it.each([
    ["an hour that is left out does not count", "Europe/Berlin", "2026-03-28T23:00:00Z", 60],
    ["an hour that comes twice counts twice", "Europe/Berlin", "2026-10-24T22:00:00Z", 180],
    [
      "half an hour that comes twice counts twice",
      "Australia/Lord_Howe",
      "2026-04-04T13:00:00Z",
      150,
    ],
  ])("%s", async (_, zone, iso, open) => {
    const organisation = { zone, hours: nights, holidays: [] };
    const from = at(iso);
    expect(minutesBetween(organisation, from, from + 1380 * minute)).toBe(open);
    await compare(organisation, from, from + 1380 * minute, open);
    await compare(organisation, from, from + 1380 * minute, open + 1);
  });

  it("without hours is round the clock, on holidays too", async () => {
    const organisation = { zone: "Asia/Kolkata", hours: [], holidays: ["2026-11-09"] };
    await compare(organisation, at("2026-11-08T00:00:00Z"), at("2026-11-10T00:00:00Z"), 2880);
  });

  it("passes over a long row of holidays, and knows when it would never come", async () => {
    const [answer] = await rolledBack(sql, async (tx) => {
      await settle(tx, {
        zone: "Asia/Kolkata",
        hours: [{ weekday: 1, opens: 540, closes: 600 }],
        holidays: [],
      });
      await tx`
        insert into public.holidays (day, name)
        select d::date, 'Closed' from generate_series(timestamp '2026-01-01', '2027-12-31', '1 day') d
      `;
      return tx<{ moment: Date; never: string }[]>`
        select private.business_add('2026-03-01T00:00:00Z', 30) as moment,
          (select private.business_add('2026-03-01T00:00:00Z', 2147483) > '2600-01-01') as never
      `;
    });
    expect(answer).toEqual({ moment: new Date("2028-01-03T04:00:00Z"), never: true });
  });
});
