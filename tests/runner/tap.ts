/** Reads the part of TAP that pgTAP writes. */
import type { Outcome } from "./outcome.ts";

const planLine = /^1\.\.(\d+)/;
const testLine = /^(not )?ok (\d+)(?: - (.*?))?(?:\s+# (SKIP|TODO)\b.*)?$/i;

/**
 * Turns the lines of one pgTAP file into outcomes. A plan that was not kept, numbers out of order
 * and a file without any test are failures too: a file that dies early must not look green.
 */
export function parseTap(file: string, lines: string[]): Outcome[] {
  const outcomes: Outcome[] = [];
  let planned: number | null = null;
  let seen = 0;

  for (const line of lines) {
    const plan = planLine.exec(line);
    if (plan) {
      planned = Number(plan[1]);
      continue;
    }
    const test = testLine.exec(line);
    if (test) {
      seen += 1;
      const [, not, number, name = "", directive] = test;
      const todo = directive?.toUpperCase() === "TODO";
      const state = directive ? "skipped" : not ? "failed" : "passed";
      outcomes.push({ file, name: name || `test ${number}`, state: todo ? "failed" : state });
      const last = outcomes[outcomes.length - 1]!;
      if (todo) last.detail = "TODO tests are not allowed";
      if (Number(number) !== seen) last.detail = `number ${number} where ${seen} was due`;
      continue;
    }
    const last = outcomes[outcomes.length - 1];
    if (line.startsWith("#") && last?.state === "failed") {
      const text = line.replace(/^#\s?/, "");
      last.detail = last.detail === undefined ? text : `${last.detail}\n${text}`;
    }
  }

  if (planned === null) {
    outcomes.push({ file, name: "states a plan", state: "failed", detail: "no plan line" });
  } else if (planned !== seen) {
    const detail = `planned ${planned}, ran ${seen}`;
    outcomes.push({ file, name: "keeps its plan", state: "failed", detail });
  } else if (planned === 0) {
    outcomes.push({ file, name: "has a test", state: "failed", detail: "planned 0" });
  }
  return outcomes;
}
