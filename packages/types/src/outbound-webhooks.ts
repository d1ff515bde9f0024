/** Webhooks to outside systems: what is sent, and what is kept of the sending. */
import { z } from "zod";

/** The body of a delivery. Ids and stages alone: whoever wants more asks with rights of their own. */
export const webhookMessageSchema = z.object({
  type: z.string(),
  timestamp: z.iso.datetime(),
  data: z.record(z.string(), z.unknown()),
});

export type WebhookMessage = z.infer<typeof webhookMessageSchema>;

/** What a client may insert into `webhooks`. */
export const webhookInsertSchema = z.object({
  endpoint_url: z.url().max(2048),
  events: z.array(z.string()).min(1).max(100),
  secret: z.string().min(16).max(256).optional(),
  name: z.string().max(100).optional(),
  is_active: z.boolean().optional(),
});

export type WebhookInsert = z.infer<typeof webhookInsertSchema>;

export const webhookDeliveryStatusSchema = z.enum(["pending", "delivered", "failed"]);

/** A row of `webhook_deliveries`. */
export const webhookDeliverySchema = z.object({
  id: z.uuid(),
  webhook_id: z.uuid(),
  event_id: z.uuid(),
  event: z.string(),
  payload: webhookMessageSchema,
  status: webhookDeliveryStatusSchema,
  attempts: z.number().int(),
  next_at: z.string().nullable(),
  last_attempt_at: z.string().nullable(),
  response_code: z.number().int().nullable(),
  error: z.string().nullable(),
  duration_ms: z.number().int().nullable(),
  delivered_at: z.string().nullable(),
  created_at: z.string(),
});

export type WebhookDelivery = z.infer<typeof webhookDeliverySchema>;

/** The answer of `webhook_secret_rotate()`: the only one with the secret in it. */
export const webhookSecretSchema = z.object({
  id: z.uuid(),
  secret: z.string(),
  previous_secret_until: z.string().nullable(),
});

export type WebhookSecret = z.infer<typeof webhookSecretSchema>;

/** The answer of `webhook_test()`, `webhook_redeliver()` and `webhook_replay()`. */
export const webhookSentSchema = z.object({
  webhook_id: z.uuid(),
  delivery_id: z.uuid().optional(),
  count: z.number().int(),
});

export type WebhookSent = z.infer<typeof webhookSentSchema>;

/** What the worker is to send; null when nothing is due. */
export const webhookAttemptSchema = z
  .object({
    id: z.uuid(),
    attempt: z.number().int(),
    url: z.string(),
    body: z.string(),
    secrets: z.array(z.string()),
  })
  .nullable();

export type WebhookAttempt = NonNullable<z.infer<typeof webhookAttemptSchema>>;
