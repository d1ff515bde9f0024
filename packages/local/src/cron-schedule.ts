/** When a job of pg_cron is due: five cron fields in UTC, a nickname, or an interval in seconds. */
export type Schedule = { everySeconds: number } | { matches(at: Date): boolean };

const NICKNAMES: Record<string, string> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

export function parseSchedule(text: string): Schedule | null {
  const trimmed = text.trim().toLowerCase();
  const seconds = /^(\d+)\s+seconds?$/.exec(trimmed)?.[1];
  if (seconds) return { everySeconds: Number(seconds) };
  const fields = (NICKNAMES[trimmed] ?? trimmed).split(/\s+/);
  if (fields.length !== 5) return null;
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields;
  const minutes = parseField(minute, 0, 59);
  const hours = parseField(hour, 0, 23);
  const lastDay = day === "$";
  const days = lastDay ? new Set<number>() : parseField(day, 1, 31);
  const months = parseField(month, 1, 12, MONTHS, 1);
  const weekdays = parseField(weekday, 0, 7, DAYS);
  if (!minutes || !hours || !days || !months || !weekdays) return null;
  if (weekdays.has(7)) weekdays.add(0);
  return {
    matches(at) {
      const isDay = lastDay ? isLastOfMonth(at) : days.has(at.getUTCDate());
      const isWeekday = weekdays.has(at.getUTCDay());
      // As in every cron: when both are restricted, either is enough.
      const either = day !== "*" && weekday !== "*" ? isDay || isWeekday : isDay && isWeekday;
      return (
        minutes.has(at.getUTCMinutes()) &&
        hours.has(at.getUTCHours()) &&
        months.has(at.getUTCMonth() + 1) &&
        either
      );
    },
  };
}

function isLastOfMonth(at: Date): boolean {
  return new Date(at.getTime() + 24 * 60 * 60 * 1000).getUTCDate() === 1;
}

function parseField(
  text: string,
  low: number,
  high: number,
  names: string[] = [],
  firstName = 0,
): Set<number> | null {
  const values = new Set<number>();
  for (const part of text.split(",")) {
    const match = /^(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:\/(\d+))?$/.exec(part);
    if (!match) return null;
    const [, from = "", to, step] = match;
    const start = from === "*" ? low : ordinal(from, names, firstName);
    const end = from === "*" ? high : to ? ordinal(to, names, firstName) : step ? high : start;
    const stride = step ? Number(step) : 1;
    if (!(start >= low && end <= high && start <= end && stride > 0)) return null;
    for (let value = start; value <= end; value += stride) values.add(value);
  }
  return values;
}

function ordinal(text: string, names: string[], firstName: number): number {
  const index = names.indexOf(text);
  return index >= 0 ? index + firstName : Number(text);
}
