// Who calls a function that people call: the person of the token, if Auth still stands by it.

import { z } from "zod";
import type { Claims } from "./db.ts";
import { ApiError } from "./errors.ts";
import { type Fetch, getJson } from "./providers/http.ts";

export type IdentifyCaller = (authorization: string | undefined) => Promise<Claims>;

export interface CallerOptions {
  url: string;
  apiKey: string;
  fetch?: Fetch;
}

const userSchema = z.object({ id: z.uuid() });

const claimsSchema = z.looseObject({
  sub: z.uuid(),
  role: z.literal("authenticated"),
  session_id: z.uuid().optional(),
});

const refused = () =>
  new ApiError(401, "authentication_required", "Sign in and send the access token.");

/** What a token says, unverified. */
export function claimsOf(token: string): Claims | null {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
    return claimsSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return null;
  }
}

/**
 * Auth checks the signature, whatever key it signs with, and that the session is not over. The claims
 * are believed only then, and decide nothing: role and rights are read from the database.
 */
export function createIdentifyCaller({ url, apiKey, ...options }: CallerOptions): IdentifyCaller {
  const fetcher: Fetch = options.fetch ?? ((to, init) => fetch(to, init));
  return async (authorization) => {
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? "")?.[1];
    const claims = token ? claimsOf(token) : null;
    if (!claims) throw refused();
    const headers = { apikey: apiKey, authorization: `Bearer ${token}` };
    const answer = await getJson(fetcher, `${url}/auth/v1/user`, {
      headers,
      timeoutMs: 5_000,
    }).catch(() => null);
    if (!answer || answer.status >= 500) {
      throw new ApiError(503, "service_unavailable", "Auth does not answer. Try again.");
    }
    const user = userSchema.safeParse(answer.body);
    if (answer.status !== 200 || user.data?.id !== claims.sub) throw refused();
    return claims;
  };
}
