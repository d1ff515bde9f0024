/** What people agreed to and took back. */
import { z } from "zod";
import { leadNumberSchema } from "./leads.ts";
import { messageChannels } from "./templates.ts";

export const consentStates = ["granted", "withdrawn"] as const;

/** marketing: campaigns; all: nothing at all is sent. */
export const consentPurposes = ["marketing", "all"] as const;

export const consentSources = [
  "manual",
  "form",
  "import",
  "keyword",
  "unsubscribe",
  "complaint",
  "bounce",
] as const;

/** A row of `consents`. The newest of an address and purpose counts. */
export const consentSchema = z.object({
  id: z.uuid(),
  channel: z.enum(messageChannels),
  address_hash: z.string().regex(/^[0-9a-f]{64}$/),
  purpose: z.enum(consentPurposes),
  state: z.enum(consentStates),
  source: z.enum(consentSources),
  lead_id: z.uuid().nullable(),
  notice_version: z.string().nullable(),
  language: z.string().nullable(),
  proof: z.string().nullable(),
  recorded_by: z.uuid().nullable(),
  created_at: z.string(),
});

export type Consent = z.infer<typeof consentSchema>;

/** Arguments of `consent_set()`. */
export const consentSetSchema = z.strictObject({
  p_lead_id: z.union([z.uuid(), leadNumberSchema]),
  p_channel: z.enum(messageChannels),
  p_state: z.enum(consentStates),
  p_purpose: z.enum(consentPurposes).optional(),
  p_source: z.enum(["manual", "form", "import"]).optional(),
  p_notice_version: z.string().max(60).optional(),
  p_language: z.string().max(10).optional(),
  p_proof: z.string().max(500).optional(),
});

export type ConsentSet = z.infer<typeof consentSetSchema>;
