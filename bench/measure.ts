/** Middle value; of an even number the mean of the two in the middle. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** Runs the cases in turn, A B A B …, so that a machine that slows down slows all of them. */
export async function interleaved(
  rounds: number,
  cases: (() => Promise<number>)[],
): Promise<number[]> {
  const times = cases.map((): number[] => []);
  for (let round = -2; round < rounds; round += 1) {
    for (const [index, run] of cases.entries()) {
      const time = await run();
      if (round >= 0) times[index]?.push(time);
    }
  }
  return times.map(median);
}

export function table(rows: Record<string, string | number>[]): string {
  const head = Object.keys(rows[0] ?? {});
  const lines = [head, ...rows.map((row) => head.map((name) => String(row[name] ?? "")))];
  const widths = head.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function progress(label: string, done: number, total: number): void {
  const share = Math.min(1, done / total);
  const bar = "█".repeat(Math.round(share * 30)).padEnd(30, "░");
  const line = `${label} ${bar} ${Math.round(share * 100)} %`;
  process.stderr.write(
    process.stderr.isTTY ? `\r${line}${done >= total ? "\n" : ""}` : `${line}\n`,
  );
}
