import { SignJWT } from "jose";
import type { KeyRing } from "./keys.ts";

interface Session {
  access_token: string;
  user?: Record<string, unknown>;
}

/**
 * The emulator's access token lacks claims that hosted's has, and that policies and functions may
 * read: it is issued again with them.
 */
export async function completeSession(
  response: Response,
  keys: KeyRing,
  options: { jwtSecret: string; issuer: string; method: string },
): Promise<Response> {
  const session = (await response
    .clone()
    .json()
    .catch(() => null)) as Session | null;
  if (!response.ok || typeof session?.access_token !== "string") return response;
  const token = await keys.verifyToken(session.access_token);
  if (!token) return response;
  const user = session.user ?? {};
  const { iat } = token.claims;
  const claims = {
    iss: options.issuer,
    ...token.claims,
    phone: user.phone ?? "",
    app_metadata: user.app_metadata ?? {},
    user_metadata: user.user_metadata ?? {},
    aal: "aal1",
    amr: [{ method: options.method, timestamp: iat }],
    is_anonymous: user.is_anonymous === true,
  };
  const access_token = await new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(new TextEncoder().encode(options.jwtSecret));
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  return Response.json({ ...session, access_token }, { status: response.status, headers });
}
