// What deliveries of gateways are signed with: the secret that an administrator stored, and the environment's.

import type { z } from "zod";
import { storedCredentials } from "../credentials.ts";
import type { Database } from "../db.ts";
import type { gatewayEnvSchema } from "../env.ts";

/** Every secret that a delivery may be signed with. */
export function createWebhookSecrets(db: Database, env: z.output<typeof gatewayEnvSchema>) {
  const read = (type: string, known: string[]) => {
    const stored = storedCredentials(db, type);
    return async () => {
      const secret = (await stored()).webhook_secret;
      return secret ? [secret, ...known] : known;
    };
  };
  return {
    razorpay: read("razorpay", env.RAZORPAY_WEBHOOK_SECRET),
    stripe: read("stripe", env.STRIPE_WEBHOOK_SECRET),
  };
}
