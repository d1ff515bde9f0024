// The gateways with their credentials: those that an administrator stored in Vault, else the environment's.

import type { z } from "zod";
import { storedCredentials } from "../credentials.ts";
import type { Database } from "../db.ts";
import type { gatewayEnvSchema } from "../env.ts";
import type { Gateways } from "./gateway.ts";
import { createRazorpay } from "./razorpay.ts";
import { createStripe } from "./stripe.ts";

export function createGateways(db: Database, env: z.output<typeof gatewayEnvSchema>): Gateways {
  const razorpay = storedCredentials(db, "razorpay");
  const stripe = storedCredentials(db, "stripe");
  return {
    razorpay: createRazorpay({
      baseUrl: env.RAZORPAY_API_URL,
      credentials: async () => {
        const stored = await razorpay();
        return {
          keyId: stored.key_id ?? env.RAZORPAY_KEY_ID,
          keySecret: stored.key_secret ?? env.RAZORPAY_KEY_SECRET,
        };
      },
    }),
    stripe: createStripe({
      baseUrl: env.STRIPE_API_URL,
      credentials: async () => ({
        secretKey: (await stripe()).secret_key ?? env.STRIPE_SECRET_KEY,
      }),
    }),
  };
}
