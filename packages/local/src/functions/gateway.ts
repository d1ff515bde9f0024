// What the hosted gateway does before and after a function: JWT check, error bodies, HTML as text.

export type VerifyToken = (
  token: string,
) => Promise<{ role: string; claims: Record<string, unknown> } | null>;

const servedBy = { "x-served-by": "supabase-edge-runtime" };

export function gatewayError(status: number, code: string, message: string): Response {
  return Response.json(
    { code, message },
    { status, headers: { ...servedBy, "sb-error-code": code } },
  );
}

export const notFound = () => gatewayError(404, "NOT_FOUND", "Requested function was not found");

export const bootError = () =>
  gatewayError(503, "BOOT_ERROR", "Function failed to start (please check logs)");

export const workerError = () =>
  gatewayError(500, "WORKER_ERROR", "Function exited due to an error (please check logs)");

export const resourceLimit = () =>
  gatewayError(
    546,
    "WORKER_RESOURCE_LIMIT",
    "Function failed due to not having enough compute resources (please check logs)",
  );

export const idleTimeout = (limitMs: number) =>
  gatewayError(504, "IDLE_TIMEOUT", `Request idle timeout limit (${limitMs / 1000}s) reached`);

const unauthorized = (code: string, message: string) =>
  gatewayError(401, `UNAUTHORIZED_${code}`, message);

function algorithmOf(token: string): string | null {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  try {
    const header: unknown = JSON.parse(Buffer.from(parts[0] ?? "", "base64url").toString("utf8"));
    const algorithm = (header as { alg?: unknown } | null)?.alg;
    return typeof algorithm === "string" ? algorithm : null;
  } catch {
    return null;
  }
}

/** `verify_jwt`: null when the request may pass. An API key of the new kind is no JWT and may not. */
export async function refuseUnverified(
  headers: Headers,
  verifyToken: VerifyToken,
): Promise<Response | null> {
  const authorization = headers.get("authorization");
  if (!authorization) return unauthorized("NO_AUTH_HEADER", "Missing authorization header");
  const [scheme, token] = authorization.split(" ");
  if (scheme !== "Bearer" || !token) {
    return unauthorized("INVALID_JWT_FORMAT", "Auth header is not 'Bearer {token}'");
  }
  const algorithm = algorithmOf(token);
  if (!algorithm) return unauthorized("INVALID_JWT_FORMAT", "Invalid JWT");
  const isLegacy = algorithm === "HS256";
  if (!isLegacy && algorithm !== "ES256" && algorithm !== "RS256") {
    return unauthorized("UNSUPPORTED_TOKEN_ALGORITHM", `Unsupported JWT algorithm ${algorithm}`);
  }
  if (await verifyToken(token)) return null;
  return unauthorized(isLegacy ? "LEGACY_JWT" : "ASYMMETRIC_JWT", "Invalid JWT");
}

/** Hosted functions cannot serve web pages: HTML answered to a GET arrives as plain text. */
export function rewriteHtml(method: string, headers: Headers): void {
  const type = headers.get("content-type");
  if (method !== "GET" || !type) return;
  if (/^text\/html\b/i.test(type)) {
    headers.set("content-type", type.replace(/^text\/html/i, "text/plain"));
  }
}

export { servedBy };
