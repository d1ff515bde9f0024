/** The words that TypeScript and the database both know: neither may learn one alone. */
import { describe, expect, it } from "vitest";
import {
  activityTypes,
  automationTriggers,
  communicationDirections,
  communicationStatuses,
  communicationTypes,
  dealStages,
  errorCodes,
  knownSettings,
  metricTypes,
  notePriorities,
  noteTypes,
  notificationChannels,
  notificationPriorities,
  notificationTypes,
  paymentGateways,
  paymentMethods,
  paymentStatuses,
  refundStatuses,
  softDeletableTables,
  studentStatuses,
} from "../../packages/types/src/index.ts";
import { sql } from "../helpers/index.ts";

/** `'a'` and `'b'` of a CHECK such as `type in ('a', 'b')`. */
async function wordsOfCheck(name: string): Promise<string[]> {
  const [check] = await sql()<{ definition: string }[]>`
    select pg_get_constraintdef(c.oid) as definition from pg_constraint c where c.conname = ${name}
  `;
  return [...(check?.definition.matchAll(/'([^']+)'::text/g) ?? [])].map((match) => match[1]!);
}

describe("TypeScript and the database know the same", () => {
  it("[D0-084] error codes", async () => {
    const rows = await sql()<{ code: string }[]>`select code from public.error_codes`;
    expect([...errorCodes].sort()).toEqual(rows.map((row) => row.code).sort());
  });

  it("settings with a rule", async () => {
    const rows = await sql()<{ key: string }[]>`select key from private.setting_rules`;
    expect(Object.keys(knownSettings).sort()).toEqual(rows.map((row) => row.key).sort());
  });

  it("tables that are deleted softly", async () => {
    const rows = await sql()<
      { name: string }[]
    >`select table_name as name from private.soft_deletable`;
    expect([...softDeletableTables].sort()).toEqual(rows.map((row) => row.name).sort());
  });

  it("kinds of measurements", async () => {
    const rows = await sql().begin(async (tx) => {
      await tx`select private.record_metrics()`;
      return tx<{ metric_type: string }[]>`select distinct metric_type from public.system_metrics`;
    });
    expect([...metricTypes].sort()).toEqual(rows.map((row) => row.metric_type).sort());
  });

  it.each([
    ["activities_type_is_known", activityTypes],
    ["automation_workflows_trigger_type_is_known", automationTriggers],
    ["notification_rules_channel_is_known", notificationChannels],
    ["communications_type_is_known", communicationTypes],
    ["communications_direction_is_known", communicationDirections],
    ["communications_status_is_known", communicationStatuses],
    ["deals_stage_is_known", dealStages],
    ["notes_note_type_is_known", noteTypes],
    ["notes_priority_is_known", notePriorities],
    ["notifications_type_is_known", notificationTypes],
    ["payments_payment_gateway_is_known", paymentGateways],
    ["payments_payment_method_is_known", paymentMethods],
    ["payments_status_is_known", paymentStatuses],
    ["refunds_status_is_known", refundStatuses],
    ["students_status_is_known", studentStatuses],
    ["notifications_priority_is_known", notificationPriorities],
  ] as const)("words of %s", async (check, words) => {
    expect([...words].sort()).toEqual((await wordsOfCheck(check)).sort());
  });
});
