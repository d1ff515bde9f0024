// The key of a request: is it one, does it live, may it do this, and not too often.

import type { ApiKeyScope, ErrorCode } from "@intake/types";
import type { Context } from "hono";
import { sha256Hex } from "../_shared/crypto.ts";
import { ApiError } from "../_shared/errors.ts";
import { originOf, refuseToWait } from "../_shared/limit.ts";
import type { Keys } from "./deps.ts";

const form = /^intake_[0-9a-f]{8}_[0-9a-f]{64}$/;

const refusals: Record<string, [status: number, code: ErrorCode, message: string]> = {
  invalid: [401, "api_key_invalid", "Send a valid API key as X-API-Key."],
  revoked: [401, "api_key_revoked", "This API key was revoked."],
  expired: [401, "api_key_expired", "This API key has expired."],
  scope_missing: [403, "scope_missing", "This API key may not do this."],
};

/** The id of the key; refuses in every other case. */
export async function requireKey(
  c: Context,
  keys: Keys,
  given: string | undefined,
  scope: ApiKeyScope,
): Promise<string> {
  // Whatever does not look like a key is looked up all the same: one way for all, and counted.
  const key = given && form.test(given) ? given : "";
  const origin = originOf(c);
  delete origin["x-api-key"];
  const answer = await keys.take(await sha256Hex(new TextEncoder().encode(key)), scope, origin);
  if (answer.retry_after > 0) throw refuseToWait(c, answer.retry_after);
  if (answer.verdict === "ok" && answer.key_id) return answer.key_id;
  const [status, code, message] = refusals[answer.verdict] ?? refusals.invalid!;
  throw new ApiError(status, code, message, code === "scope_missing" ? scope : undefined);
}
