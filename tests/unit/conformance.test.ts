import { describe, expect, it } from "vitest";
import { type Entry, proved } from "../conformance/ledger.ts";
import { checkLedger, claimedIds } from "../runner/conformance.ts";
import type { Outcome } from "../runner/outcome.ts";

const test = (name: string, state: Outcome["state"] = "passed"): Outcome => ({
  file: "tests/api/leads.test.ts",
  name,
  state,
});
const verdicts = (entries: Record<string, Entry>, outcomes: Outcome[], ids = ["D0-001"]) =>
  checkLedger(ids, entries, outcomes).map(({ name, state }) => `${state}: ${name}`);

describe("the conformance ledger", () => {
  it("takes a requirement for proved when the test it names has passed", () => {
    const entries = { "D0-001": proved("api/leads.test.ts > creates a lead") };
    expect(verdicts(entries, [test("creates a lead")])).toEqual(["passed: D0-001"]);
    expect(verdicts(entries, [test("creates a lead", "failed")])).toEqual(["failed: D0-001"]);
    expect(verdicts(entries, [test("creates a lead", "skipped")])).toEqual(["failed: D0-001"]);
    expect(verdicts(entries, [test("creates two leads")])).toEqual(["failed: D0-001"]);
  });

  it("takes a test that carries the id in its title", () => {
    expect(claimedIds("[D0-001, D3-015] creates a lead")).toEqual(["D0-001", "D3-015"]);
    expect(verdicts({ "D0-001": proved() }, [test("[D0-001] works")])).toEqual(["passed: D0-001"]);
    expect(verdicts({ "D0-001": proved() }, [test("works")])).toEqual(["failed: D0-001"]);
  });

  it("fails on a requirement without a line and on a line without a requirement", () => {
    expect(verdicts({}, [])).toEqual(["failed: D0-001"]);
    expect(verdicts({ "D9-999": proved() }, [], [])).toEqual(["failed: D9-999"]);
  });

  it("fails when a test proves what the ledger calls missing, or what nobody asked for", () => {
    const missing: Record<string, Entry> = { "D0-001": { state: "not yet", area: "leads" } };
    expect(verdicts(missing, [])).toEqual([]);
    expect(verdicts(missing, [test("[D0-001] works")])).toEqual(["failed: D0-001"]);
    expect(verdicts({}, [test("[D9-999] works")], [])).toEqual(["failed: D9-999"]);
  });
});
