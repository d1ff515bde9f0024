// What the routes of programs need from outside, so that tests can give them something else.

import type { ApiKeyScope, ApiKeyVerdict, CapturedEnquiry, FormField } from "@intake/types";
import type { Surroundings } from "../_shared/app.ts";

export interface Keys {
  /** `headers` say where the request comes from, to whoever limits guessing. */
  take(hash: string, scope: ApiKeyScope, headers: Record<string, string>): Promise<ApiKeyVerdict>;
}

export interface Once {
  key: string;
  bodyHash: string;
}

export interface Enquiries {
  /** Answers the reference, whoever the enquiry is about. */
  take(
    keyId: string,
    channel: "api" | "form",
    enquiry: CapturedEnquiry,
    once: Once | null,
    requestId: string,
  ): Promise<string>;
  fields(): Promise<FormField[]>;
}

export interface CaptureDeps extends Surroundings {
  keys: Keys;
  enquiries: Enquiries;
}
