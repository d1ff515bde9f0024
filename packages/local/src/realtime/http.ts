import { writePolicies } from "./authorization.ts";
import type { Context } from "./context.ts";
import { roomOf } from "./hub.ts";
import { asObject } from "./join.ts";
import type { UserBroadcast } from "./protocol.ts";
import { identify, isOpaqueKey, type VerifiedToken } from "./tokens.ts";

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "*",
  "access-control-allow-methods": "POST, OPTIONS",
};

/** Broadcast without a socket: a batch of messages, or one message named by the path. */
export async function handleBroadcastRequest(
  context: Context,
  request: Request,
): Promise<Response> {
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: CORS });

  const url = new URL(request.url);
  const path = /\/api\/broadcast(?:\/([^/]+)\/events\/([^/]+))?\/?$/.exec(url.pathname);
  if (!path) return answer(404, { message: "not found" });
  if (request.method !== "POST") return answer(405, { message: "method not allowed" });

  const apiKey = request.headers.get("apikey") ?? url.searchParams.get("apikey");
  const key = apiKey === null ? null : context.isApiKey(apiKey);
  if (apiKey === null) return answer(401, NO_KEY);
  if (!key) return answer(401, INVALID_KEY);

  let caller: VerifiedToken = { role: key.role, claims: { role: key.role } };
  const token = /^bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (token && !isOpaqueKey(token) && token !== apiKey) {
    try {
      caller = await identify(token, context.verifyToken);
    } catch {
      return answer(401, { message: "Unauthorized" });
    }
  }

  const headers = Object.fromEntries(request.headers);
  const mayWrite = async (topic: string): Promise<boolean> => {
    const { sql, log } = context;
    const answers = await writePolicies(sql, { ...caller, headers }, topic, ["broadcast"]).catch(
      (error: Error) => {
        log(`RlsPolicyError: ${error.message} (topic ${topic})`);
        return { broadcast: false };
      },
    );
    return answers.broadcast === true;
  };

  const [, topic, event] = path;
  return topic !== undefined && event !== undefined
    ? sendOne(context, request, url, decodeURIComponent(topic), decodeURIComponent(event), mayWrite)
    : sendBatch(context, request, mayWrite);
}

type MayWrite = (topic: string) => Promise<boolean>;

async function sendOne(
  context: Context,
  request: Request,
  url: URL,
  topic: string,
  event: string,
  mayWrite: MayWrite,
): Promise<Response> {
  const isPrivate = url.searchParams.get("private") === "true";
  const isBinary = request.headers.get("content-type")?.startsWith("application/octet-stream");
  const payload = Buffer.from(await request.arrayBuffer());
  if (!isBinary && parse(payload) === undefined) {
    return answer(422, { errors: { payload: ["can't be blank"] } });
  }
  if (payload.length > context.limits.maxPayloadBytes) {
    return answer(422, { errors: { payload: ["Payload size exceeds tenant limit"] } });
  }
  if (isPrivate && !(await mayWrite(topic))) return answer(403, { message: "Unauthorized" });

  const encoding: UserBroadcast["encoding"] = isBinary ? "binary" : "json";
  context.hub.broadcast(roomOf(topic, isPrivate), { event, encoding, payload });
  return accepted();
}

/** Messages to private topics that the caller may not write to are left out without a word. */
async function sendBatch(
  context: Context,
  request: Request,
  mayWrite: MayWrite,
): Promise<Response> {
  const body = asObject(parse(Buffer.from(await request.arrayBuffer())));
  if (!Array.isArray(body.messages) || body.messages.length === 0) {
    return answer(422, { errors: { messages: ["can't be blank"] } });
  }

  const messages = body.messages.map(asObject);
  const errors = messages.map((message) => problems(message, context.limits.maxPayloadBytes));
  if (errors.some((error) => Object.keys(error).length > 0)) {
    return answer(422, { errors: { messages: errors } });
  }

  const verdicts = new Map<string, boolean>();
  for (const { id, topic, event, payload, private: asked } of messages) {
    const name = String(topic);
    const isPrivate = asked === true || asked === "true";
    if (isPrivate) {
      if (!verdicts.has(name)) verdicts.set(name, await mayWrite(name));
      if (!verdicts.get(name)) continue;
    }
    const meta = typeof id === "string" ? { meta: { id } } : {};
    context.hub.broadcast(roomOf(name, isPrivate), { type: "broadcast", event, payload, ...meta });
  }
  return accepted();
}

function problems(message: Record<string, unknown>, maxPayloadBytes: number) {
  const errors: Record<string, string[]> = {};
  for (const field of ["topic", "event"]) {
    const value = message[field];
    if (value === undefined || value === null || value === "") errors[field] = ["can't be blank"];
    else if (typeof value !== "string") errors[field] = ["is invalid"];
  }
  const { payload } = message;
  if (payload === undefined || payload === null) errors.payload = ["can't be blank"];
  else if (typeof payload !== "object" || Array.isArray(payload)) errors.payload = ["is invalid"];
  else if (Buffer.byteLength(JSON.stringify(payload)) > maxPayloadBytes) {
    errors.payload = ["Payload size exceeds tenant limit"];
  }
  return errors;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

function accepted(): Response {
  return new Response(null, { status: 202, headers: CORS });
}

function answer(status: number, body: unknown): Response {
  return Response.json(body, { status, headers: CORS });
}

/** What the gateway in front of hosted Realtime answers. */
export const NO_KEY = {
  message: "No API key found in request",
  hint: "No `apikey` request header or url param was found.",
};

export const INVALID_KEY = {
  message: "Invalid API key",
  hint: "Double check your Supabase `anon` or `service_role` API key.",
};
