// What the routes of providers need from outside, so that tests can give them something else.

import type { Surroundings } from "../_shared/app.ts";
import type { Bytes } from "../_shared/crypto.ts";

export interface InboxEvent {
  /** What makes the event one event, whatever is delivered how often. */
  id: string;
  raw: Bytes;
  /** Kept, but nothing is done with it. */
  isIgnored?: boolean;
}

export interface Inbox {
  /** Stores the events that are not known yet, all or none; returns how many those are. */
  receive(
    provider: string,
    events: InboxEvent[],
    headers: Record<string, string>,
    requestId: string,
  ): Promise<number>;
  countRejection(provider: string, reason: string): void;
}

export interface WebhooksDeps extends Surroundings {
  inbox: Inbox;
  meta: {
    appSecret?: string | undefined;
    verifyToken?: string | undefined;
    /** Of the connected integration; comes before the environment's. */
    storedVerifyToken?(): Promise<string | undefined>;
  };
  sendgrid: {
    /** Of the signed event webhook, base64 as SendGrid shows it. */
    publicKey(): Promise<string | undefined>;
  };
  twilio: {
    authToken(): Promise<string | undefined>;
    /** Where Twilio believes to be calling: what it signs begins with it. */
    url: string;
  };
  /** Every secret that a delivery may be signed with. */
  razorpay: { secrets(): Promise<string[]> };
  stripe: { secrets(): Promise<string[]> };
}
