// What the demo prints: steps with the time since the last start of the clock, and checks that count.

export function createReport(write: (line: string) => void) {
  let startedAt = performance.now();
  let failed = 0;
  let held = 0;

  return {
    get failed() {
      return failed;
    },
    get held() {
      return held;
    },
    heading(text: string) {
      write(`\n${text}\n${"-".repeat(text.length)}`);
    },
    line(text: string) {
      write(`  ${text}`);
    },
    startClock() {
      startedAt = performance.now();
    },
    /** Something that happened, by default just now. */
    step(what: string, details: Record<string, unknown> = {}, at = performance.now()) {
      const ms = Math.round(at - startedAt);
      write(`${String(ms).padStart(7)} ms  ${what}`);
      for (const [name, value] of Object.entries(details)) {
        write(`            ${name.padEnd(14)} ${String(value)}`);
      }
    },
    check(holds: boolean, what: string) {
      if (holds) held += 1;
      else failed += 1;
      write(`  ${holds ? "ok     " : "NOT OK "} ${what}`);
    },
    table(headings: string[], rows: (string | number)[][]) {
      const cells = [headings, ...rows.map((row) => row.map(String))];
      const widths = headings.map((_, column) =>
        Math.max(...cells.map((row) => row[column]?.length ?? 0)),
      );
      write("");
      for (const row of cells) {
        write(
          `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ")}`,
        );
      }
      write("");
    },
  };
}
