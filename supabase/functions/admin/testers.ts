// How credentials of each integration are tried: by the cheapest call that needs them.

import { createMetaClient } from "../_shared/providers/meta.ts";
import { PermanentError } from "../_shared/providers/outcome.ts";
import { createRazorpay } from "../_shared/providers/razorpay.ts";
import { createStripe } from "../_shared/providers/stripe.ts";
import type { TestCredentials } from "./deps.ts";

export interface MetaTesterOptions {
  baseUrl: string;
  version: string;
  appSecret: string | undefined;
}

const isIds = (value: unknown): value is string[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((id) => typeof id === "string" && /^\d{1,32}$/.test(id));

/** The token must read the lead forms of every page it is to serve. */
export function metaTester(options: MetaTesterOptions): TestCredentials {
  return async (credentials, config) => {
    const accessToken = credentials.access_token;
    if (!accessToken) throw new PermanentError("access_token is missing");
    if (!isIds(config.page_ids)) throw new PermanentError("config.page_ids must name the pages");
    const client = createMetaClient({
      ...options,
      credentials: async () => ({ accessToken, appSecret: options.appSecret }),
    });
    for (const pageId of config.page_ids) await client.formsOfPage(pageId, null);
  };
}

const required = (credentials: Record<string, string>, names: string[]) => {
  for (const name of names) if (!credentials[name]) throw new PermanentError(`${name} is missing`);
};

/** Without the secret of its webhooks nothing would be heard of money that came. */
export function razorpayTester(options: { baseUrl: string }): TestCredentials {
  return async (credentials) => {
    required(credentials, ["key_id", "key_secret", "webhook_secret"]);
    const { key_id: keyId, key_secret: keySecret } = credentials;
    await createRazorpay({ ...options, credentials: async () => ({ keyId, keySecret }) }).check();
  };
}

export function stripeTester(options: { baseUrl: string }): TestCredentials {
  return async (credentials) => {
    required(credentials, ["secret_key", "webhook_secret"]);
    const secretKey = credentials.secret_key;
    await createStripe({ ...options, credentials: async () => ({ secretKey }) }).check();
  };
}
