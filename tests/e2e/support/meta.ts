/** The Meta that a stack's simulators play, and what the stack made of it. */
import type postgres from "postgres";
import { expect } from "vitest";

/**
 * How long anything here may take. A call of the worker is a hint that may come while the last one goes
 * to rest: then the schedule calls again within a minute.
 */
export const patience = { timeout: 100_000, interval: 100 };

export interface SimulatedLead {
  id: string;
  form_id: string;
  page_id: string;
}

export interface Outcome {
  name: string;
  email: string | null;
  phone: string | null;
  source: string;
  custom_fields: Record<string, unknown>;
}

export function createMeta(simulatorUrl: string, sql: postgres.Sql) {
  async function control<T>(method: string, path: string, input?: unknown): Promise<T> {
    const response = await fetch(`${simulatorUrl}/_sim/${path}`, {
      method,
      ...(input === undefined ? {} : { body: JSON.stringify(input) }),
    });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  return {
    form: () => control<{ id: string; page_id: string }>("POST", "meta/forms", {}),
    /** Makes a lead over there, and tells nobody. */
    async lead(input: Record<string, unknown>): Promise<SimulatedLead> {
      const made = await control<{ lead: SimulatedLead }>("POST", "meta/leads", {
        deliver: false,
        ...input,
      });
      return made.lead;
    },
    /** One POST about these leads, tried again until it is taken. */
    deliver: (...ids: string[]) =>
      control<{ state: string }>("POST", "meta/deliver", { leadgen_ids: ids }),
    fault: (fault: Record<string, unknown>) =>
      control("POST", "faults", { provider: "meta", ...fault }),
    verify: (token?: string) =>
      control<{ ok: boolean; status: number }>("POST", "meta/verify", token ? { token } : {}),

    /** Waits until nothing is left to do about these leads. */
    async settled(ids: string[]): Promise<void> {
      await expect
        .poll(async () => {
          const rows = await sql`
              select state from private.webhook_inbox
              where event_id = any(${ids.map((id) => `leadgen:${id}`)}) and state in ('received', 'processing')`;
          return rows.length;
        }, patience)
        .toBe(0);
    },

    /** The leads that these ids became, in the order of the ids. */
    async outcomes(ids: string[]): Promise<(Outcome | null)[]> {
      const rows = await sql<(Outcome & { external_id: string })[]>`
        select r.external_id, l.name, l.email, l.phone, l.source, l.custom_fields
        from public.lead_enquiries r join public.leads l on l.id = r.lead_id
        where r.source = 'Facebook Ad' and r.external_id = any(${ids})`;
      return ids.map((id) => {
        const row = rows.find((one) => one.external_id === id);
        if (!row) return null;
        const { external_id: _, ...outcome } = row;
        return outcome;
      });
    },

    /** Compares the leads of a form with ours now, as the schedule does every hour. */
    async backfill(formId: string): Promise<void> {
      await sql`select private.enqueue('meta.backfill_form', ${sql.json({ form_id: formId })}, p_dedupe_key => ${formId})`;
      await expect
        .poll(
          () =>
            sql`select 1 from private.jobs where kind = 'meta.backfill_form' and dedupe_key = ${formId}`.then(
              (rows) => rows.length,
            ),
          patience,
        )
        .toBe(0);
    },
  };
}
