/**
 * `npm test`: one project, then pgTAP, vitest and the conformance ledger, then one line.
 *
 *   npm test                                     everything, on a stack of its own
 *   npm test -- --engine system                  on Debian's PostgreSQL 15
 *   npm test -- --only database leads            only pgTAP files whose name contains "leads"
 *   npm test -- --only vitest tests/api          only these vitest files
 */
import { parseArgs } from "node:util";
import { type OpenProject, openProject, withTimeout } from "./helpers/environment.ts";
import { runConformance } from "./runner/conformance.ts";
import { runDatabaseTests } from "./runner/database.ts";
import { addTally, emptyTally, formatTally, type Outcome, type Tally } from "./runner/outcome.ts";
import { runVitest, stopChildren } from "./runner/vitest.ts";

const { values, positionals } = parseArgs({
  options: {
    engine: { type: "string", default: process.env.INTAKE_TEST_ENGINE ?? "embedded" },
    only: { type: "string" },
  },
  allowPositionals: true,
});

let project: OpenProject | undefined;
let stopping: Promise<unknown> | undefined;

/** Ends what we started, once, whoever asks: the end, a failure or a signal. */
const stopEverything = (): Promise<unknown> => {
  stopping ??= Promise.allSettled([stopChildren(), project?.close()]);
  return stopping;
};

const say = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<Tally> {
  const engine = values.engine === "system" ? "system" : "embedded";
  const wanted = (stage: string) => values.only === undefined || values.only === stage;
  const outcomes: Outcome[] = [];
  let tally = emptyTally();

  const started = performance.now();
  project = await openProject({ engine });
  const where = project.own ? `own stack (${engine})` : project.url;
  say(`# project: ${where}, ready in ${((performance.now() - started) / 1000).toFixed(1)} s`);

  if (wanted("database")) {
    say("# pgTAP");
    outcomes.push(...(await runDatabaseTests(project, positionals, say)));
  }
  if (wanted("vitest")) {
    say("# vitest");
    outcomes.push(...(await runVitest(project, positionals)));
  }
  if (values.only === undefined && positionals.length === 0) {
    say("# conformance");
    outcomes.push(...runConformance(outcomes, say));
  }
  for (const outcome of outcomes) tally = addTally(tally, outcome);

  const failures = outcomes.filter((outcome) => outcome.state === "failed");
  if (failures.length > 0) {
    say("# failures");
    for (const failure of failures) {
      say(`not ok - ${failure.file}: ${failure.name}`);
      // Of vitest's tests the whole story stands above.
      const detail = failure.file.endsWith(".ts") ? failure.detail?.split("\n")[0] : failure.detail;
      if (detail) say(detail.replaceAll(/^/gm, "    "));
    }
  }
  return tally;
}

async function finish(run: Promise<Tally>): Promise<never> {
  let tally: Tally;
  try {
    tally = await withTimeout(run, 20 * 60_000, "The tests did not end");
    if (tally.passed + tally.failed === 0) throw new Error("No test matched");
  } catch (error) {
    say(`not ok - ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    tally = { passed: 0, failed: 1, skipped: 0 };
  }
  await stopEverything();
  say(formatTally(tally));
  // Whatever a test left open must not keep the process: everything of ours is stopped by now.
  process.exit(tally.failed === 0 ? 0 : 1);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    say(`# ${signal}: stopping`);
    stopEverything().finally(() => process.exit(130));
  });
}

await finish(main());
