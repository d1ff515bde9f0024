// Runs in the database, and links to their files in Storage.

import { type ReportLink, reportLinkSchema, type reportRunStatusSchema } from "@intake/types";
import { sql } from "kysely";
import { z } from "zod";
import { type Claims, type Database, json } from "../_shared/db.ts";
import { ApiError } from "../_shared/errors.ts";

export interface Run {
  id: string;
  status: z.infer<typeof reportRunStatusSchema>;
  failure: string | null;
  storage_path: string | null;
  /** 0 when the file is over. */
  seconds_left: number;
}

/** Always in the name and with the rights of the caller. */
export interface Runs {
  start(caller: Claims, reportId: string, format: string, requestId: string): Promise<string>;
  /** Null when it is nobody's, somebody else's, or no longer the caller's to see. */
  look(caller: Claims, id: string): Promise<Run | null>;
  /** What a link that was sent outside opens. */
  open(tokenHash: string, headers: Record<string, string>): Promise<ReportLink>;
}

export interface Files {
  /** Signed as the person whose token it is, so that Storage's own policy decides. */
  signAs(authorization: string, path: string, seconds: number): Promise<string>;
  /** Signed in the service's name, for a link that stands for itself. */
  sign(path: string, seconds: number): Promise<string>;
}

export function createRuns(db: Database): Runs {
  return {
    async start(caller, reportId, format, requestId) {
      const { rows } = await db.asUser(
        caller,
        (tx) =>
          sql<{ id: string }>`
            select (public.report_export(${reportId}::uuid, ${format})).id`.execute(tx),
        { requestId },
      );
      return z.object({ id: z.uuid() }).parse(rows[0]).id;
    },
    async look(caller, id) {
      const { rows } = await db.asUser(caller, (tx) =>
        sql<Run>`
          select r.id, r.status, r.failure, r.storage_path,
            greatest(floor(extract(epoch from r.expires_at - now())), 0)::integer as seconds_left
          from public.report_runs r
          where r.id = ${id}::uuid`.execute(tx),
      );
      return rows[0] ?? null;
    },
    async open(tokenHash, headers) {
      const { rows } = await db.asService((tx) =>
        sql<{ link: unknown }>`
          select private.report_link_open(${tokenHash}, ${json(headers)}) as link`.execute(tx),
      );
      return reportLinkSchema.parse(rows[0]?.link);
    },
  };
}

const signedSchema = z.object({ signedURL: z.string().startsWith("/object/sign/") });

export interface FilesOptions {
  url: string;
  anonKey: string;
  serviceKey: string;
  fetch?: typeof fetch;
}

export function createFiles({ url, anonKey, serviceKey, ...options }: FilesOptions): Files {
  const send = options.fetch ?? fetch;

  async function sign(headers: Record<string, string>, path: string, expiresIn: number) {
    const place = path.split("/").map(encodeURIComponent).join("/");
    const response = await send(`${url}/storage/v1/object/sign/reports/${place}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ expiresIn }),
      signal: AbortSignal.timeout(5_000),
    }).catch(() => null);
    if (!response || response.status >= 500) {
      await response?.body?.cancel();
      throw new ApiError(503, "service_unavailable", "Storage does not answer. Try again.");
    }
    const signed = signedSchema.safeParse(await response.json().catch(() => null));
    if (!signed.success) throw new ApiError(404, "not_found", "There is no such file.");
    return `${url}/storage/v1${signed.data.signedURL}`;
  }

  return {
    signAs: (authorization, path, seconds) =>
      sign({ apikey: anonKey, authorization }, path, seconds),
    sign: (path, seconds) =>
      sign({ apikey: serviceKey, authorization: `Bearer ${serviceKey}` }, path, seconds),
  };
}
