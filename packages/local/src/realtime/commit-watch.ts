import { setTimeout as sleep } from "node:timers/promises";
import type { Sql } from "postgres";

const MOST_ATTEMPTS = 1_000;

/**
 * Replication tells of a commit a moment before other sessions see its rows. Whoever asks the
 * database about such a row has to wait that moment, or the row does not exist yet.
 */
export class CommitWatch {
  readonly #sql: Sql;
  #end = 0;
  #inProgress: Set<number> | null = null;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async untilVisible(transactionId: number): Promise<void> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      // One snapshot answers for everything that had been committed when it was taken.
      if (this.#isVisible(transactionId)) return;
      if (attempt > 0) await sleep(1);
      await this.#look();
    }
  }

  #isVisible(transactionId: number): boolean {
    if (!this.#inProgress) return false;
    // Ids go round after 2^32: which of two is older is decided by the shorter way between them.
    const isBeforeEnd = ((transactionId - this.#end) | 0) < 0;
    return isBeforeEnd && !this.#inProgress.has(transactionId);
  }

  async #look(): Promise<void> {
    const [row] = await this.#sql<{ end: string; inProgress: string[] }[]>`
      select
        pg_snapshot_xmax(s)::text::int8 & 4294967295 as "end",
        array(select x::text::int8 & 4294967295 from pg_snapshot_xip(s) as x) as "inProgress"
      from pg_current_snapshot() as s`;
    if (!row) return;
    this.#end = Number(row.end);
    this.#inProgress = new Set(row.inProgress.map(Number));
  }
}
