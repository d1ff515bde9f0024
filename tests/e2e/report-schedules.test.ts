/** When reports run: by the clocks of their zone, whatever these do, and once however many look. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { connect } from "../helpers/database.ts";
import { createTeam, createUser, expectData, sql } from "../helpers/index.ts";

const zones = [
  ...[
    "Asia/Kolkata",
    "UTC",
    "America/New_York",
    "Europe/London",
    "Europe/Dublin",
    "Asia/Kathmandu",
  ],
  // Half an hour, two hours, at midnight, and over the date line.
  ...["Australia/Lord_Howe", "Antarctica/Troll", "America/Havana", "Africa/Cairo", "Asia/Beirut"],
  ...["America/St_Johns", "Pacific/Chatham", "Pacific/Apia", "America/Santiago", "Atlantic/Azores"],
];

const minute = 60_000;
const day = 86_400_000;
const formats = new Map(
  zones.map((timeZone) => [
    timeZone,
    new Intl.DateTimeFormat("en-GB", {
      timeZone,
      hourCycle: "h23",
      ...{ year: "numeric", month: "numeric", day: "numeric" },
      ...{ hour: "numeric", minute: "numeric", second: "numeric" },
    }),
  ]),
);

/** What the clocks of the zone show, as if it were UTC. */
function wall(zone: string, instant: number): number {
  const parts = formats.get(zone)!.formatToParts(instant);
  const of = (type: string) => Number(parts.find((part) => part.type === type)!.value);
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
}

/** When they show it: of two moments the later, and of none the one by the clock before. */
function moment(zone: string, shown: number): number {
  const offset = (instant: number) => wall(zone, instant) - instant;
  const [before, after] = [shown - offset(shown - day), shown - offset(shown + day)];
  return wall(zone, after) === shown ? after : before;
}

type Plan = {
  frequency: string;
  time: string | null;
  on: number | null;
  zone: string;
  after: number;
};

const two = (n: number) => String(n).padStart(2, "0");

function runsOn({ frequency, on }: Plan, date: number): boolean {
  const at = new Date(date);
  const weekday = at.getUTCDay();
  if (frequency === "weekdays") return weekday > 0 && weekday < 6;
  if (frequency === "weekly") return weekday === (on ?? 1);
  if (frequency === "monthly") {
    const last = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0)).getUTCDate();
    return at.getUTCDate() === Math.min(on ?? 1, last);
  }
  return true;
}

/** The same by another way: every day from the one before on, every time of that day. */
function expected(plan: Plan): number {
  const times = plan.time
    ? [plan.time]
    : plan.frequency
        .split(" ")[1]!
        .split(",")
        .map((hour) => `${hour}:${plan.frequency.split(" ")[0]}`);
  const start = Math.floor(wall(plan.zone, plan.after) / day) * day - day;
  for (let date = start; ; date += day) {
    if (!runsOn(plan, date)) continue;
    const moments = times.map((time) => {
      const [hours, minutes] = time.split(":").map(Number);
      return moment(plan.zone, date + (hours! * 60 + minutes!) * minute);
    });
    const next = moments.sort((a, b) => a - b).find((one) => one > plan.after);
    if (next !== undefined) return next;
  }
}

const clock = fc
  .tuple(
    fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 23 })),
    fc.constantFrom(0, 15, 30, 59),
  )
  .map(([hours, minutes]) => `${two(hours)}:${two(minutes)}`);

const plan: fc.Arbitrary<Plan> = fc
  .record({
    kind: fc.oneof(
      fc.record({
        frequency: fc.constantFrom("daily", "weekdays"),
        time: clock,
        on: fc.constant(null),
      }),
      fc.record({
        frequency: fc.constant("weekly"),
        time: clock,
        on: fc.option(fc.integer({ min: 0, max: 6 })),
      }),
      fc.record({
        frequency: fc.constant("monthly"),
        time: clock,
        on: fc.option(fc.integer({ min: 1, max: 31 })),
      }),
      fc
        .uniqueArray(fc.integer({ min: 0, max: 23 }), { minLength: 1, maxLength: 5 })
        .map((hours) => ({
          frequency: `30 ${hours.join(",")} * * *`,
          time: null,
          on: null,
        })),
    ),
    zone: fc.constantFrom(...zones),
    // Years whose rules are history.
    after: fc.integer({ min: Date.UTC(2005, 0, 2) / minute, max: Date.UTC(2025, 0, 1) / minute }),
    // A moment that is a slot itself, and the moment before, are where an error would be.
    shift: fc.constantFrom(null, 0, -1, 1),
  })
  .map(({ kind, zone, after, shift }) => {
    const one = { ...kind, zone, after: after * minute };
    return shift === null ? one : { ...one, after: expected(one) + shift * 1000 };
  });

it("the next run is the first moment at which the clocks of the zone show it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 200, maxLength: 300 }), async (plans) => {
      const rows = await sql()<{ next: number }[]>`
        select extract(epoch from private.next_report_run(
          p.frequency, p.time, p.day, p.zone, to_timestamp(p.after::numeric / 1000)
        ))::float8 * 1000 as next
        from unnest(
          ${plans.map(({ frequency }) => frequency)}::text[], ${plans.map(({ time }) => time)}::text[],
          ${plans.map(({ on }) => on)}::integer[], ${plans.map(({ zone }) => zone)}::text[],
          ${plans.map(({ after }) => String(after))}::text[]
        ) with ordinality p (frequency, time, day, zone, after, place)
        order by p.place
      `;
      plans.forEach((one, place) => {
        const shown = `${JSON.stringify(one)} after ${new Date(one.after).toISOString()}`;
        expect(new Date(rows[place]!.next).toISOString(), shown).toBe(
          new Date(expected(one)).toISOString(),
        );
      });
    }),
    { numRuns: 6 },
  );
});

it("ticks that overlap run each schedule that is due exactly once", async () => {
  const manager = await createUser({ role: "manager", team: await createTeam() });
  const built = await manager.client.rpc("report_build", {
    p: { name: "Due", filters: { assigned_to: manager.id }, aggregations: ["count"] },
  });
  const { report_id } = expectData(built) as { report_id: string };
  const made = await sql()<{ id: string }[]>`
    insert into public.scheduled_reports (report_id, created_by, frequency, "time", recipients)
    select ${report_id}, ${manager.id}, 'daily', '09:00', ${[manager.email]}
    from generate_series(1, 12) returning id
  `;
  const ids = made.map(({ id }) => id);
  const pools = Array.from({ length: 4 }, () => connect({ max: 1 }));
  try {
    const now = new Date();
    for (let round = 1; round <= 3; round += 1) {
      await sql()`
        update public.scheduled_reports set next_run = ${now}::timestamptz - make_interval(mins => ${4 - round})
        where id = any (${ids})
      `;
      await Promise.all(pools.map((pool) => pool`select private.report_tick(5)`));
      // A tick takes five; the last ones clear what is left.
      for (let left = 0; left < 3; left += 1) {
        await Promise.all(pools.map((pool) => pool`select private.report_tick(5)`));
      }
      const counts = await sql()`
        select schedule_id, count(*)::integer as runs from public.report_runs
        where schedule_id = any (${ids}) group by schedule_id
      `;
      expect(counts.map(({ runs }) => runs)).toEqual(ids.map(() => round));
    }
  } finally {
    await sql()`delete from public.scheduled_reports where id = any (${ids})`;
    await Promise.all(pools.map((pool) => pool.end()));
  }
});
