// Messages: sent, and heard of.
//
// That the provider is about to be called is committed before it is called, and what it answered at once
// afterwards, whoever holds the job by then. A worker that dies in between leaves a message of which nobody
// knows whether it went; it is not sent again.

import {
  type InboundMessage,
  jobPayloads,
  messageBegunSchema,
  type OutgoingMessage,
} from "@intake/types";
import { sql } from "kysely";
import { type Database, json, type Tx } from "../../_shared/db.ts";
import type { AttachedFile, Carrier } from "../../_shared/providers/carrier.ts";
import {
  NotConnectedError,
  PermanentError,
  RetryAfterError,
  UnknownOutcomeError,
} from "../../_shared/providers/outcome.ts";
import type { Storage } from "../../_shared/storage.ts";
import type { Heard, InboundFile } from "../messages/heard.ts";
import { heardFromSendGrid } from "../messages/sendgrid.ts";
import { heardFromTwilio } from "../messages/twilio.ts";
import { heardFromWhatsApp } from "../messages/whatsapp.ts";
import type { Handler, Handlers } from "./handler.ts";

/** One for each channel. */
export type Carriers = Record<OutgoingMessage["type"], Carrier>;

/** A file that came in with a message. */
export type FetchMedia = (
  id: string,
  maxBytes: number,
) => Promise<{ mimeType: string; bytes: Uint8Array } | null>;

const bucket = "messages";

const maxFileBytes = 10 * 1024 * 1024;

const integrationOf = { email: "sendgrid", sms: "twilio", whatsapp: "whatsapp" } as const;

async function read(storage: Storage, message: OutgoingMessage): Promise<AttachedFile[]> {
  const files: AttachedFile[] = [];
  for (const { path, name, mime_type: mimeType } of message.files) {
    const piece = await storage.read(bucket, path, 0, maxFileBytes);
    if (!piece) throw new PermanentError("attachment_missing");
    files.push({ name, mimeType, bytes: piece.bytes });
  }
  return files;
}

function sendMessage(db: Database, carriers: Carriers, storage: Storage): Handler {
  const write = <T>(work: (tx: Tx) => Promise<T>) => db.asService(work);

  /** What is known after a call that ended badly; an error is for the queue to act on. */
  async function ended(message: OutgoingMessage, error: unknown): Promise<void> {
    const { id } = message;
    if (error instanceof PermanentError) {
      await write((tx) =>
        sql`select private.message_fail(${id}::uuid, ${error.message})`.execute(tx),
      );
      return;
    }
    if (error instanceof UnknownOutcomeError) {
      // To begin what has begun is how the database learns that it never ended.
      await write((tx) => sql`select private.message_begin(${id}::uuid)`.execute(tx));
      return;
    }
    await write((tx) => sql`select private.message_put_back(${id}::uuid)`.execute(tx));
    if (error instanceof NotConnectedError) {
      const type = integrationOf[message.type];
      await write((tx) =>
        sql`select private.integration_failed(${type}, ${error.message})`.execute(tx),
      );
    }
    throw error;
  }

  return async ({ job, log }) => {
    const { communication_id: id } = jobPayloads.send_message.parse(job.payload);
    const { rows } = await write((tx) =>
      sql<{ begun: unknown }>`select private.message_begin(${id}::uuid) as begun`.execute(tx),
    );
    const begun = messageBegunSchema.parse(rows[0]?.begun);
    if (begun.verdict === "defer") {
      return async (tx) => {
        await sql`select private.message_defer(${id}::uuid, ${begun.until}::timestamptz)`.execute(
          tx,
        );
      };
    }
    if (begun.verdict !== "send") {
      if (begun.verdict === "unknown") log.log("warn", "a message may have been sent", { id });
      return undefined;
    }
    const { message } = begun;
    let files: AttachedFile[];
    try {
      files = await read(storage, message);
    } catch (error) {
      // Nobody was called yet, so there is no doubt.
      await ended(
        message,
        error instanceof UnknownOutcomeError ? new RetryAfterError(error.message, 30) : error,
      );
      return undefined;
    }
    let sent: Awaited<ReturnType<Carrier>>;
    try {
      sent = await carriers[message.type](message, files);
    } catch (error) {
      await ended(message, error);
      return undefined;
    }
    await write((tx) =>
      sql`select private.message_sent(${id}::uuid, ${sent.provider}, ${sent.messageId ?? null})`.execute(
        tx,
      ),
    );
    return undefined;
  };
}

interface Opened {
  raw: Uint8Array;
  headers: Record<string, string>;
  received_at: string;
}

async function receive(tx: Tx, provider: string, one: InboundMessage): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`
    select private.message_receive(
      ${provider}, ${one.channel}, ${one.message_id}, ${one.from}, ${one.to}, ${one.subject ?? null}, ${one.text},
      ${one.at ?? null}::timestamptz, ${one.references ?? null}, ${json(one.data ?? {})}
    ) as id`.execute(tx);
  return rows[0]?.id;
}

function hear(db: Database, provider: string, read: (opened: Opened) => Heard): Handler {
  return async ({ job }) => {
    const { inbox_id: inboxId } = jobPayloads["inbox.sendgrid_events"].parse(job.payload);
    const { rows } = await db.asService((tx) =>
      sql<Opened>`
        select raw, headers, received_at::text as received_at from private.inbox_open(${inboxId}::uuid)`.execute(
        tx,
      ),
    );
    const [opened] = rows;
    // Finished by an earlier run whose acknowledgement was lost.
    if (!opened) return undefined;
    const { reports, messages } = read(opened);
    return async (tx) => {
      if (reports.length > 0) {
        await sql`select private.message_report(${provider}, ${json(reports)})`.execute(tx);
      }
      for (const { message, files } of messages) {
        const id = await receive(tx, provider, message);
        if (id && files.length > 0) {
          const payload = json({ communication_id: id, files });
          await sql`select private.enqueue('message.files', ${payload}, p_dedupe_key => ${id}, p_provider => ${provider})`.execute(
            tx,
          );
        }
      }
      await sql`select private.inbox_heard(${inboxId}::uuid)`.execute(tx);
    };
  };
}

const fileName = (name: string) => name.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(-120) || "file";

/** Brings the files of a message that came in to where its readers are. */
function fetchFiles(storage: Storage, media: FetchMedia): Handler {
  return async ({ job, log }) => {
    const { communication_id: id, files } = jobPayloads["message.files"].parse(job.payload);
    const stored: (InboundFile & { path: string; mimeType: string; size: number })[] = [];
    for (const file of files) {
      const found = await media(file.media_id, maxFileBytes);
      if (!found) {
        log.log("warn", "a file is not to be had", { id });
        continue;
      }
      const mimeType = found.mimeType.split(";")[0]?.trim() ?? "";
      const path = `inbound/${id}/${file.media_id}-${fileName(file.name)}`;
      await storage.write(bucket, path, found.bytes, mimeType);
      stored.push({ ...file, path, mimeType, size: found.bytes.length });
    }
    return async (tx) => {
      for (const { path, name, mimeType, size } of stored) {
        await sql`select private.attach_inbound(${id}::uuid, ${path}, ${name}, ${mimeType}, ${size}::bigint)`.execute(
          tx,
        );
      }
    };
  };
}

export function messageHandlers(
  db: Database,
  storage: Storage,
  carriers: Carriers,
  media: FetchMedia,
): Handlers {
  return {
    send_message: sendMessage(db, carriers, storage),
    "inbox.sendgrid_events": hear(db, "sendgrid", ({ raw }) => heardFromSendGrid(raw)),
    "inbox.twilio_events": hear(db, "twilio", ({ raw, headers, received_at: at }) =>
      heardFromTwilio(raw, headers.communication_id, at),
    ),
    "inbox.whatsapp_events": hear(db, "whatsapp", ({ raw }) => heardFromWhatsApp(raw)),
    "message.files": fetchFiles(storage, media),
  };
}
