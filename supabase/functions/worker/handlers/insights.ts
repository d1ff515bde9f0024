// What Meta says of campaigns: read again and again, written page by page, the same however often.

import { sql } from "kysely";
import { type Database, json } from "../../_shared/db.ts";
import type { MetaClient, Page } from "../../_shared/providers/meta.ts";
import type { Handler, Handlers } from "./handler.ts";
import { showingFailure } from "./meta.ts";

interface Plan {
  accounts: string[];
  since: string;
  until: string;
}

async function everyPage<Item>(
  read: (cursor: string | null) => Promise<Page<Item>>,
  write: (items: Item[]) => Promise<void>,
): Promise<void> {
  let cursor: string | null = null;
  do {
    const page: Page<Item> = await read(cursor);
    if (page.items.length > 0) await write(page.items);
    cursor = page.cursor;
  } while (cursor);
}

function sync(db: Database, meta: MetaClient): Handler {
  return async ({ signal }) => {
    const started = Date.now();
    const { rows } = await db.asService((tx) =>
      sql<{ plan: Plan }>`select private.insights_plan() as plan`.execute(tx),
    );
    const { accounts, since, until } = rows[0]!.plan;
    if (accounts.length === 0) return undefined;
    let days = 0;
    try {
      for (const account of accounts) {
        await everyPage(
          (cursor) => meta.campaignsOfAccount(account, cursor, signal),
          async (items) => {
            await db.asService((tx) =>
              sql`select private.insights_campaigns(${json(items)})`.execute(tx),
            );
          },
        );
        await everyPage(
          (cursor) => meta.insightsOfAccount(account, { since, until }, cursor, signal),
          async (items) => {
            await db.asService((tx) =>
              sql`select private.insights_days(${json(items)})`.execute(tx),
            );
            days += items.length;
          },
        );
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : "unknown";
      await db.asService((tx) =>
        sql`select private.insights_done(${days}::integer, ${Date.now() - started}::integer, ${reason})`.execute(
          tx,
        ),
      );
      throw error;
    }
    return async (tx) => {
      await sql`select private.insights_done(${days}::integer, ${Date.now() - started}::integer)`.execute(
        tx,
      );
    };
  };
}

export function insightHandlers(db: Database, meta: MetaClient): Handlers {
  return { "meta.insights": showingFailure(db, sync(db, meta)) };
}
