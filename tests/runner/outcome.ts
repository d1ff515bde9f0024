/** What every runner reports, so that one line can count them all. */
export interface Outcome {
  /** Path from the repository root. */
  file: string;
  name: string;
  state: "passed" | "failed" | "skipped";
  detail?: string;
}

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

export const emptyTally = (): Tally => ({ passed: 0, failed: 0, skipped: 0 });

export function addTally(tally: Tally, outcome: Outcome): Tally {
  return { ...tally, [outcome.state]: tally[outcome.state] + 1 };
}

export function formatTally({ passed, failed, skipped }: Tally): string {
  const line = `${passed} passed, ${failed} failed`;
  return skipped > 0 ? `${line}, ${skipped} skipped` : line;
}
