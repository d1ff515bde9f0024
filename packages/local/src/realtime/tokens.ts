/** Tokens as Realtime judges them, with the words hosted uses when it refuses one. */

export interface VerifiedToken {
  role: string;
  claims: Record<string, unknown>;
}

export type VerifyToken = (token: string) => Promise<VerifiedToken | null>;

export interface Identity extends VerifiedToken {
  /** Seconds since the epoch; an API key does not expire. */
  expiresAt: number | null;
}

export class TokenError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export async function identify(token: string, verifyToken: VerifyToken): Promise<Identity> {
  const claims = peek(token);
  if (!claims) throw new TokenError("MalformedJWT", "The token provided is not a valid JWT");

  const expired = secondsSince(claims.exp);
  if (expired !== null && expired >= 0) {
    throw new TokenError("InvalidJWTToken", `Token has expired ${expired} seconds ago`);
  }

  const verified = await verifyToken(token);
  if (!verified) throw new TokenError("JwtSignatureError", "Failed to validate JWT signature");
  if (typeof verified.claims.role !== "string" || typeof verified.claims.exp !== "number") {
    throw new TokenError("InvalidJWTToken", "Fields `role` and `exp` are required in JWT");
  }
  return { ...verified, expiresAt: verified.claims.exp };
}

/** A publishable or secret key stands for a role, and the gateway answers for it. */
export function isOpaqueKey(token: string): boolean {
  return token.startsWith("sb_");
}

function secondsSince(exp: unknown): number | null {
  return typeof exp === "number" ? Math.floor(Date.now() / 1000) - Math.floor(exp) : null;
}

function peek(token: string): Record<string, unknown> | null {
  const part = token.split(".")[1];
  if (!part) return null;
  try {
    const claims: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof claims === "object" && claims !== null && !Array.isArray(claims)
      ? (claims as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
