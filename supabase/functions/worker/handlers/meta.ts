// Leads of Meta: those that were delivered, and those whose delivery never came.

import { jobPayloads, type MetaLead, metaDeliverySchema } from "@intake/types";
import { sql } from "kysely";
import { type Database, json } from "../../_shared/db.ts";
import { parseJsonBytes } from "../../_shared/json.ts";
import type { MetaClient } from "../../_shared/providers/meta.ts";
import {
  NotConnectedError,
  PermanentError,
  UnknownOutcomeError,
} from "../../_shared/providers/outcome.ts";
import type { Apply, Handler, Handlers } from "./handler.ts";

interface Opened {
  event_id: string;
  raw: Uint8Array;
}

async function open(db: Database, inboxId: string): Promise<Opened | null> {
  const result = await db.asService((tx) =>
    sql<Opened>`select event_id, raw from private.inbox_open(${inboxId}::uuid)`.execute(tx),
  );
  return result.rows[0] ?? null;
}

/** The ids that the delivery itself gives: they stand when the Graph API leaves them out. */
function toldBy(raw: Uint8Array, leadgenId: string): Partial<MetaLead> {
  const delivery = metaDeliverySchema.safeParse(parseJsonBytes(raw));
  if (!delivery.success) throw new PermanentError("the stored delivery cannot be read");
  const change = delivery.data.entry
    .flatMap((entry) => entry.changes ?? [])
    .find((one) => one.value?.leadgen_id === leadgenId);
  const { form_id: formId } = change?.value ?? {};
  return formId === undefined ? {} : { form_id: String(formId) };
}

function deliveredLead(db: Database, meta: MetaClient): Handler {
  return async ({ job, signal }) => {
    const { inbox_id: inboxId } = jobPayloads["inbox.meta"].parse(job.payload);
    const event = await open(db, inboxId);
    // Finished by an earlier run whose acknowledgement was lost.
    if (!event) return undefined;
    const leadgenId = /^leadgen:(\d+)$/.exec(event.event_id)?.[1];
    if (!leadgenId) throw new PermanentError("the event names no lead");
    const told = toldBy(event.raw, leadgenId);
    const lead = { ...told, ...(await meta.lead(leadgenId, signal)) };
    return async (tx) => {
      await sql`select private.meta_apply_lead(${json(lead)}, ${inboxId}::uuid)`.execute(tx);
    };
  };
}

async function pageIds(db: Database): Promise<string[]> {
  const result = await db.asService((tx) =>
    sql<{ id: string }>`
      select jsonb_array_elements_text(config -> 'page_ids') as id
      from public.integrations
      where type = 'facebook' and jsonb_typeof(config -> 'page_ids') = 'array'`.execute(tx),
  );
  return result.rows.map((row) => row.id);
}

/** Learns the forms of the configured pages, then queues the comparison of every form. */
function backfillForms(db: Database, meta: MetaClient): Handler {
  return async ({ signal }) => {
    const found: { pageId: string; id: string; name: string | null }[] = [];
    for (const pageId of await pageIds(db)) {
      let cursor: string | null = null;
      do {
        const page = await meta.formsOfPage(pageId, cursor, signal);
        for (const form of page.items) found.push({ pageId, id: form.id, name: form.name ?? null });
        cursor = page.cursor;
      } while (cursor);
    }
    const apply: Apply = async (tx) => {
      for (const form of found) {
        await sql`select private.meta_register_form(${form.id}, ${form.pageId}, ${form.name})`.execute(
          tx,
        );
      }
      await sql`select private.meta_backfill_forms()`.execute(tx);
    };
    return apply;
  };
}

/** The cursor of a run that was cut off may be too old for Meta: the comparison then starts again. */
async function pageFrom(
  meta: MetaClient,
  formId: string,
  opened: { since: Date | null; cursor: string | null },
  cursor: string | null,
  signal: AbortSignal,
) {
  try {
    return await meta.leadsOfForm(formId, opened.since, cursor, signal);
  } catch (error) {
    const isResumed = cursor !== null && cursor === opened.cursor;
    if (!isResumed || !(error instanceof UnknownOutcomeError)) throw error;
    return meta.leadsOfForm(formId, opened.since, null, signal);
  }
}

/** Compares the leads of one form with ours, page by page; a run that is cut off goes on later. */
function backfillForm(db: Database, meta: MetaClient): Handler {
  return async ({ job, signal }) => {
    const { form_id: formId } = jobPayloads["meta.backfill_form"].parse(job.payload);
    const opened = await db.asService((tx) =>
      sql<{ since: Date | null; cursor: string | null }>`
        select nullif(since, '-infinity') as since, cursor from private.meta_backfill_open(${formId})`.execute(
        tx,
      ),
    );
    const [form] = opened.rows;
    if (!form) throw new PermanentError("the form is not known");
    let { cursor } = form;
    for (;;) {
      const page = await pageFrom(meta, formId, form, cursor, signal);
      const write: Apply = async (tx) => {
        await sql`select private.meta_backfill_page(${formId}, ${json(page.items)}, ${page.cursor})`.execute(
          tx,
        );
      };
      if (!page.cursor) return write;
      await db.asService(write);
      ({ cursor } = page);
    }
  };
}

/** Shows the integration as failing when Meta does not take our credentials. */
export function showingFailure(db: Database, handler: Handler): Handler {
  return async (context) => {
    try {
      return await handler(context);
    } catch (error) {
      if (error instanceof NotConnectedError) {
        await db.asService((tx) =>
          sql`select private.integration_failed('facebook', ${error.message})`.execute(tx),
        );
      }
      throw error;
    }
  };
}

export function metaHandlers(db: Database, meta: MetaClient): Handlers {
  return {
    "inbox.meta": showingFailure(db, deliveredLead(db, meta)),
    "meta.backfill": showingFailure(db, backfillForms(db, meta)),
    "meta.backfill_form": showingFailure(db, backfillForm(db, meta)),
  };
}
