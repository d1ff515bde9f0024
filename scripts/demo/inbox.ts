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
    /** How many events are stored that name this lead. */
    async countOf(leadgenId: string): Promise<number> {
      const [row] = await sql<{ events: number }[]>`
        select count(*)::integer as events
        from private.webhook_inbox
        where event_id like ${`%${leadgenId}%`} or position(${leadgenId}::bytea in raw) > 0
      `;
      return row?.events ?? 0;
    },
    close: () => sql.end({ timeout: 2 }),
  };
}

export type Inbox = ReturnType<typeof openInbox>;
