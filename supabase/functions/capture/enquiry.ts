// The body of an enquiry, as JSON or as a form of a website sends it, in the one shape that the database takes.

import { type CapturedEnquiry, captureLeadSchema, honeypotField } from "@intake/types";
import type { Context } from "hono";
import type { Bytes } from "../_shared/crypto.ts";
import { ApiError } from "../_shared/errors.ts";
import { parseJsonBytes } from "../_shared/json.ts";

export interface Body {
  raw: Bytes;
  isForm: boolean;
  fields: Record<string, unknown>;
}

/** Names that a plain form of a website uses for what a program says in headers. */
export const formFields = { key: "_key", next: "_next", once: "_idempotency_key" };

const invalid = () =>
  new ApiError(422, "body_invalid", "The body is not of the expected form.", "body");

function formOf(raw: Bytes): Record<string, unknown> {
  const fields: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(
    new TextDecoder("utf-8", { fatal: true }).decode(raw),
  )) {
    // Boxes that are ticked come one by one.
    fields[name] = name in fields ? `${fields[name]}, ${value}` : value;
  }
  return { ...fields };
}

export async function readBody(c: Context): Promise<Body> {
  const type = (c.req.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  const isForm = type === "application/x-www-form-urlencoded";
  if (!isForm && type !== "application/json") {
    throw new ApiError(
      415,
      "content_type_refused",
      "Send application/json or application/x-www-form-urlencoded.",
    );
  }
  const raw = new Uint8Array(await c.req.arrayBuffer());
  if (!isForm) {
    const fields = parseJsonBytes(raw);
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) throw invalid();
    return { raw, isForm, fields: fields as Record<string, unknown> };
  }
  try {
    return { raw, isForm, fields: formOf(raw) };
  } catch {
    throw invalid();
  }
}

/** Null when a program fell into the honeypot. */
export function enquiryOf(body: Body): CapturedEnquiry | null {
  const {
    [formFields.key]: _k,
    [formFields.next]: _n,
    [formFields.once]: _o,
    ...sent
  } = body.fields;
  if (body.isForm && typeof sent.consent === "string") {
    sent.consent = !["", "0", "false", "no", "off"].includes(sent.consent.toLowerCase());
  }
  const {
    [honeypotField]: trap,
    source,
    form_id,
    external_id,
    consent,
    custom_fields,
    ...answers
  } = captureLeadSchema.parse(sent);
  if (trap) return null;
  const given = Object.entries(answers).filter(([, value]) => value !== null && value !== "");
  return {
    source,
    form_id,
    external_id,
    consent,
    custom_fields,
    answers: Object.fromEntries(given.map(([name, value]) => [name, String(value)])),
  };
}
