/** What forms and programs send to the function `capture`, and what it answers. */
import { z } from "zod";

/** Control characters but tab and line end, and halves of characters, are text nowhere. */
const notText = /(?![\t\n\r])\p{Control}|\p{Surrogate}/u;

const text = (length: number) =>
  z
    .string()
    .max(length)
    .refine((value) => !notText.test(value), "holds what is no text");

const answer = z.union([text(2000), z.number(), z.boolean(), z.null()]);

const consentGivenSchema = z.object({
  given: z.boolean(),
  channels: z.array(z.enum(["email", "sms", "whatsapp"])).optional(),
  notice_version: text(60).optional(),
  text: text(2000).optional(),
});

/** What the body may be about besides answers. */
const about = {
  source: text(100).optional().describe("Where the enquiry comes from; Website by default"),
  form_id: text(64).optional().describe("Which form, for lead_source_mappings"),
  external_id: text(200).optional().describe("What you call it: the same one counts once"),
  consent: z
    .union([z.boolean(), consentGivenSchema])
    .optional()
    .describe("Whether the person agreed to be written to; kept with the enquiry, and in consents"),
  custom_fields: z.record(z.string().regex(/^[a-z][a-z0-9_]{0,62}$/), answer).optional(),
};

/** Of a form with this field filled in nothing is kept: people do not see it, programs fill it. */
export const honeypotField = "_honeypot";

/** Body of `POST /functions/v1/capture/leads`: any answers, by the names lead_source_mappings knows. */
export const captureLeadSchema = z
  .object({ ...about, [honeypotField]: text(2000).optional() })
  .catchall(answer)
  .refine((body) => Object.keys(body).length <= 60, "has more than 60 fields")
  .refine(
    (body) => Object.keys(body).every((key) => key.length <= 100 && !notText.test(key)),
    "has a field whose name is too long",
  );

export type CaptureLead = z.input<typeof captureLeadSchema>;

/** Of an enquiry: what private.capture_lead() takes. */
export interface CapturedEnquiry {
  source?: string | undefined;
  form_id?: string | undefined;
  external_id?: string | undefined;
  consent?: unknown;
  custom_fields?: Record<string, unknown> | undefined;
  answers: Record<string, string>;
}

/** Says nothing about whoever the enquiry is about. */
export const captureAcceptedSchema = z.object({ accepted: z.literal(true), reference: z.uuid() });

export type CaptureAccepted = z.infer<typeof captureAcceptedSchema>;

export const formFieldSchema = z.object({
  key: z.string(),
  label: z.string(),
  kind: z.enum(["text", "number", "boolean", "date", "choice"]),
  options: z.array(z.string()).nullable(),
  is_required: z.boolean(),
});

export type FormField = z.infer<typeof formFieldSchema>;

/** Answer of `GET /functions/v1/capture/form`. */
export const captureFormSchema = z.object({ fields: z.array(formFieldSchema) });
