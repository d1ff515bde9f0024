/** Holds the conformance ledger against the inventory and against what has just run. */
import inventory from "../conformance/inventory.json" with { type: "json" };
import { type Entry, ledger } from "../conformance/ledger.ts";
import type { Outcome } from "./outcome.ts";

const file = "tests/conformance/ledger.ts";
const claim = /\[(D\d-\d{3}(?:,\s*D\d-\d{3})*)\]/g;

/** Ids that a test claims in its title: "[D3-015] …" or "[D3-015, D1-005] …". */
export function claimedIds(title: string): string[] {
  return [...title.matchAll(claim)].flatMap((match) => match[1]!.split(/,\s*/));
}

/** A test as the ledger names it: "api/leads.test.ts > creates a lead". */
function nameOf(outcome: Outcome): string {
  return `${outcome.file.replace(/^tests\//, "")} > ${outcome.name}`;
}

export function checkLedger(
  ids: string[],
  entries: Record<string, Entry>,
  outcomes: Outcome[],
): Outcome[] {
  const byName = new Map(outcomes.map((outcome) => [nameOf(outcome), outcome]));
  const byClaim = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    for (const id of claimedIds(outcome.name)) {
      byClaim.set(id, [...(byClaim.get(id) ?? []), outcome]);
    }
  }
  const known = new Set(ids);
  const result: Outcome[] = [];
  const fail = (name: string, detail: string) =>
    result.push({ file, name, state: "failed", detail });

  for (const id of Object.keys(entries)) {
    if (!known.has(id)) fail(id, "the inventory has no such requirement");
  }
  for (const [id, tests] of byClaim) {
    if (!known.has(id)) fail(id, `claimed by "${nameOf(tests[0]!)}", unknown to the inventory`);
  }
  for (const id of ids) {
    const entry = entries[id];
    const claims = byClaim.get(id) ?? [];
    if (entry === undefined) {
      fail(id, "has no line in the ledger");
    } else if (entry.state !== "proved") {
      if (claims.length > 0) fail(id, `is "${entry.state}", yet "${nameOf(claims[0]!)}" claims it`);
    } else {
      const named = entry.by.map((name) => byName.get(name));
      const lost = entry.by.filter((_, index) => named[index] === undefined);
      const tests = [...claims, ...named.filter((test) => test !== undefined)];
      const red = tests.filter((test) => test.state !== "passed");
      if (lost.length > 0) fail(id, `no such test ran: ${lost.join("; ")}`);
      else if (tests.length === 0) fail(id, "no test carries it in its title");
      else if (red.length > 0) fail(id, `not passed: ${red.map(nameOf).join("; ")}`);
      else result.push({ file, name: id, state: "passed" });
    }
  }
  return result;
}

export function runConformance(outcomes: Outcome[], say: (line: string) => void): Outcome[] {
  const ids = inventory.map((requirement) => requirement.id);
  const result = checkLedger(ids, ledger, outcomes);
  const count = (state: Entry["state"]) =>
    Object.values(ledger).filter((entry) => entry.state === state).length;
  const proved = result.filter((outcome) => outcome.state === "passed").length;
  say(
    `# ${ids.length} requirements: ${proved} proved, ${count("not yet")} not yet, ` +
      `${count("not software")} not software`,
  );
  return result;
}
