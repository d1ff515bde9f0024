import { describe, expect, it } from "vitest";
import { parseTap } from "../runner/tap.ts";

const states = (lines: string[]) =>
  parseTap("file.sql", lines).map(({ name, state }) => `${state}: ${name}`);

describe("the TAP reader", () => {
  it("reads passed, failed and skipped tests by their names", () => {
    expect(states(["1..3", "ok 1 - one", "not ok 2 - two", "ok 3 - three # SKIP no cron"])).toEqual(
      ["passed: one", "failed: two", "skipped: three"],
    );
  });

  it("keeps the diagnosis of a failed test", () => {
    const [test] = parseTap("file.sql", ["1..1", "not ok 1 - one", "# have: 1", "# want: 2"]);
    expect(test?.detail).toBe("have: 1\nwant: 2");
  });

  it("does not take a file that stops early for a green one", () => {
    expect(states(["1..2", "ok 1 - one"])).toContain("failed: keeps its plan");
    expect(states(["ok 1 - one"])).toContain("failed: states a plan");
    expect(states([])).toEqual(["failed: states a plan"]);
  });

  it("refuses tests marked TODO, which would stay green for ever", () => {
    expect(states(["1..1", "not ok 1 - one # TODO later"])).toEqual(["failed: one"]);
  });
});
