/** API keys: what is shown of them, and the one answer that holds a key. */
import { z } from "zod";

export const apiKeyScopeSchema = z.enum(["leads.create", "forms.read"]);

export type ApiKeyScope = z.infer<typeof apiKeyScopeSchema>;

/** A row of `api_keys`, as far as it is granted. */
export const apiKeySchema = z.object({
  id: z.uuid(),
  name: z.string(),
  key_prefix: z.string(),
  last4: z.string(),
  masked_key: z.string(),
  scopes: z.array(apiKeyScopeSchema),
  expires_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
  last_used_at: z.string().nullable(),
});

export type ApiKey = z.infer<typeof apiKeySchema>;

/** The answer of `api_key_create()` and `api_key_rotate()`: the only one with the key in it. */
export const apiKeyShownSchema = z.object({
  key_id: z.uuid(),
  api_key: z.string().regex(/^intake_[0-9a-f]{8}_[0-9a-f]{64}$/),
  name: z.string(),
  key_prefix: z.string(),
  last4: z.string(),
  scopes: z.array(apiKeyScopeSchema),
  expires_at: z.string().nullable(),
  created_at: z.string(),
});

export type ApiKeyShown = z.infer<typeof apiKeyShownSchema>;

/** The answer of `api_key_revoke()`. */
export const apiKeyRevokedSchema = z.object({ key_id: z.uuid(), revoked_at: z.string() });

export type ApiKeyRevoked = z.infer<typeof apiKeyRevokedSchema>;

/** What the database says of a key to an edge function. */
export const apiKeyVerdictSchema = z.object({
  verdict: z.enum(["ok", "invalid", "revoked", "expired", "scope_missing"]),
  key_id: z.uuid().optional(),
  retry_after: z.number().int(),
});

export type ApiKeyVerdict = z.infer<typeof apiKeyVerdictSchema>;

/** The answer of `settings_config()`. */
export const settingsConfigSchema = z.object({
  webhook_urls: z.array(
    z.object({
      type: z.string(),
      name: z.string(),
      status: z.string(),
      path: z.string(),
      url: z.string(),
      verify_token: z.string().nullable(),
    }),
  ),
  capture_path: z.string(),
  api_keys: z.array(apiKeySchema.omit({ revoked_at: true })),
});

export type SettingsConfig = z.infer<typeof settingsConfigSchema>;
