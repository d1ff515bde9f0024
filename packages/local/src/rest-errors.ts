import type { DatabaseError } from "./rest-context.ts";

/**
 * The HTTP status PostgREST gives to an SQLSTATE. The emulator knows only some of them and answers
 * the rest with a 500 of its own, so the answer is rewritten from the database's error.
 */
export function statusOf(error: DatabaseError, anonymous: boolean): number {
  const { code } = error;
  if (code in EXACT) return EXACT[code] ?? 400;
  if (code === "42501") return anonymous ? 401 : 403;
  if (code === "21000") return /requires a WHERE clause/.test(error.message) ? 400 : 500;
  if (code.startsWith("PT")) {
    const status = Number(code.slice(2));
    return status >= 200 && status <= 599 ? status : 500;
  }
  return CLASSES[code.slice(0, 2)] ?? 400;
}

const EXACT: Record<string, number> = {
  "23503": 409,
  "23505": 409,
  "25006": 405,
  "42883": 404,
  "42P01": 404,
  "42P17": 500,
  "53400": 500,
  "57P01": 503,
  P0001: 400,
};

const CLASSES: Record<string, number> = {
  "08": 503,
  "09": 500,
  "0L": 403,
  "0P": 403,
  "25": 500,
  "28": 403,
  "2D": 500,
  "38": 500,
  "39": 500,
  "3B": 500,
  "40": 500,
  "53": 503,
  "54": 500,
  "55": 500,
  "57": 500,
  "58": 500,
  F0: 500,
  HV: 500,
  P0: 500,
  XX: 500,
};

/** PostgREST's body for a database error; null where the emulator's own answer is the right one. */
export async function asPostgrest(
  response: Response,
  error: DatabaseError | undefined,
  anonymous: boolean,
): Promise<Response> {
  // `raise sqlstate 'PGRST'` carries its own status and headers, which the emulator honours.
  if (response.ok || !error || error.code === "PGRST") return response;
  const own = (await response
    .clone()
    .json()
    .catch(() => ({}))) as { code?: string; message?: string };
  const body = {
    code: error.code,
    details: error.detail ?? null,
    hint: error.hint ?? null,
    // Where the emulator kept the code it has also worded the message as PostgREST's query would.
    message: own.code === error.code && own.message ? own.message : error.message,
  };
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  headers.set("content-type", "application/json; charset=utf-8");
  return new Response(JSON.stringify(body), { status: statusOf(error, anonymous), headers });
}

/** Query parameters that are not conditions on rows. */
const NO_CONDITION = new Set([
  "apikey",
  "columns",
  "limit",
  "offset",
  "on_conflict",
  "order",
  "select",
]);

/** Hosted loads pg-safeupdate for the Data API: no update or delete of a whole table by accident. */
export function refuseUnfiltered(method: string, url: URL): Response | null {
  if (method !== "PATCH" && method !== "DELETE") return null;
  if ([...url.searchParams.keys()].some((key) => !NO_CONDITION.has(key))) return null;
  const verb = method === "PATCH" ? "UPDATE" : "DELETE";
  return Response.json(
    { code: "21000", details: null, hint: null, message: `${verb} requires a WHERE clause` },
    { status: 400 },
  );
}
