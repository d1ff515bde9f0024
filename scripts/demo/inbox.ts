// Looks into the private inbox, which no API shows to a frontend.

import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";

export interface InboxRow {
  id: string;
  event_id: string;
  state: string;
  attempts: number;
  error: string | null;
  bytes: number;
  received_at: Date;
}

export function openInbox(dbUrl: string) {
  const sql = postgres(dbUrl, { max: 2, onnotice: () => undefined });

  async function find(leadgenId: string): Promise<InboxRow | undefined> {
    const [row] = await sql<InboxRow[]>`
      select id, event_id, state, attempts, error, octet_length(raw) as bytes, received_at
      from private.webhook_inbox
      where provider = 'meta' and event_id = ${`leadgen:${leadgenId}`}
    `;
    return row;
  }

  return {
    find,
    async waitFor(
      leadgenId: string,
      isReached: (row: InboxRow) => boolean,
      what: string,
    ): Promise<InboxRow> {
      const deadline = performance.now() + 60_000;
      while (performance.now() < deadline) {
        const row = await find(leadgenId);
        if (row && isReached(row)) return row;
        if (row?.state === "dead") throw new Error(`The inbox row is dead: ${row.error}`);
        await delay(25);
      }
      const row = await find(leadgenId);
      throw new Error(
        `${what} did not happen within 60 s. The inbox row: ${row ? `${row.state}, ${row.attempts} attempts, ${row.error ?? "no error"}` : "there is none"}`,
      );
    },
    async count(): Promise<{ inbox: number; leads: number }> {
      const [row] = await sql<{ inbox: number; leads: number }[]>`
        select (select count(*)::integer from private.webhook_inbox) as inbox,
          (select count(*)::integer from public.leads) as leads
      `;
      return row ?? { inbox: 0, leads: 0 };
    },
    close: () => sql.end({ timeout: 2 }),
  };
}

export type Inbox = ReturnType<typeof openInbox>;
