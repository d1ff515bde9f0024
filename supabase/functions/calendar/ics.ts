// iCalendar (RFC 5545), as much of it as a feed of moments needs. The libraries for it either ask for a
// newer Node than we support or bring validators of their own along; this is what they would write.

import type { CalendarItem } from "@intake/types";

const encoder = new TextEncoder();

/** A TEXT value: what would end the line, the value or the list is escaped, other controls are dropped. */
export function escapeText(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/(?!\n)\p{Cc}/gu, " ")
    .replace(/[\\;,]/g, "\\$&")
    .replace(/\n/g, "\\n");
}

/** Lines of 75 octets at most, never cut within a character. */
export function fold(line: string): string {
  let folded = "";
  let octets = 0;
  for (const character of line) {
    const size = encoder.encode(character).length;
    if (octets + size > 75) {
      folded += "\r\n ";
      octets = 1;
    }
    folded += character;
    octets += size;
  }
  return folded;
}

/** `20260131T090000Z`. */
export function utc(time: string | number): string {
  return new Date(time).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

const kinds = {
  task: { name: "Task", minutes: 30 },
  reminder: { name: "Reminder", minutes: 15 },
  call: { name: "Call", minutes: 15 },
  meeting: { name: "Meeting", minutes: 60 },
} as const;

function event(item: CalendarItem): string[] {
  const starts = Date.parse(item.starts_at);
  const summary = item.lead_number ? `${item.title} (${item.lead_number})` : item.title;
  return [
    "BEGIN:VEVENT",
    `UID:${item.kind}-${item.id}@intake`,
    `DTSTAMP:${utc(item.updated_at)}`,
    `LAST-MODIFIED:${utc(item.updated_at)}`,
    `SEQUENCE:${item.version - 1}`,
    `DTSTART:${utc(starts)}`,
    `DTEND:${utc(starts + kinds[item.kind].minutes * 60_000)}`,
    `SUMMARY:${escapeText(summary)}`,
    `CATEGORIES:${kinds[item.kind].name}`,
    ...(item.is_urgent ? ["PRIORITY:1"] : []),
    // What is to be done by then makes nobody busy.
    `TRANSP:${item.kind === "call" || item.kind === "meeting" ? "OPAQUE" : "TRANSPARENT"}`,
    ...(item.kind === "reminder"
      ? [
          "BEGIN:VALARM",
          "ACTION:DISPLAY",
          `DESCRIPTION:${escapeText(summary)}`,
          "TRIGGER:PT0S",
          "END:VALARM",
        ]
      : []),
    "END:VEVENT",
  ];
}

/** A calendar has one component at least, and some programs refuse it otherwise: this one shows nothing. */
const nothing = [
  "BEGIN:VTIMEZONE",
  "TZID:UTC",
  "BEGIN:STANDARD",
  "DTSTART:19700101T000000",
  "TZOFFSETFROM:+0000",
  "TZOFFSETTO:+0000",
  "END:STANDARD",
  "END:VTIMEZONE",
];

/** Without METHOD, so that DTSTAMP is when the item last changed and the same twice is the same text. */
export function calendar(name: string, items: CalendarItem[]): string {
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Intake//Calendar//EN",
    "CALSCALE:GREGORIAN",
    `X-WR-CALNAME:${escapeText(name ? `Intake: ${name}` : "Intake")}`,
    "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
    "X-PUBLISHED-TTL:PT1H",
    ...(items.length > 0 ? items.flatMap(event) : nothing),
    "END:VCALENDAR",
  ];
  return lines.map((line) => `${fold(line)}\r\n`).join("");
}
