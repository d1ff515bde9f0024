// What GoTrue refuses or accepts on the public routes and the server behind does not: banned users,
// and the acceptance of an invitation.

import { createHash } from "node:crypto";
import type postgres from "postgres";
import { validRedirect } from "./checks.ts";
import { AuthError } from "./errors.ts";
import type { LinksContext } from "./links.ts";
import type { Sql } from "./store.ts";

export interface GateContext extends LinksContext {
  verifyToken(token: string): Promise<{ role: string; claims: Record<string, unknown> } | null>;
}

const banned = (status: number, message = "User is banned") =>
  new AuthError(status, "user_banned", message);

/** Routes that need a signed-in user. */
const personal = new Set(["user", "logout", "reauthenticate", "factors", "identities"]);

async function bodyOf(request: Request): Promise<Record<string, unknown>> {
  try {
    const value: unknown = await request.clone().json();
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

async function isBanned(sql: Sql, condition: postgres.Fragment): Promise<boolean> {
  const [row] = await sql`
    select 1 from auth.users as users where users.banned_until > now() and ${condition} limit 1`;
  return row !== undefined;
}

async function refuseBannedSignIn({ sql }: GateContext, request: Request): Promise<void> {
  const body = await bodyOf(request);
  const grant = new URL(request.url).searchParams.get("grant_type");
  if (grant === "password" && typeof body.email === "string") {
    const email = body.email.toLowerCase();
    if (
      await isBanned(sql, sql`lower(users.email) = ${email} and users.encrypted_password <> ''`)
    ) {
      throw banned(400);
    }
  }
  if (grant === "refresh_token" && typeof body.refresh_token === "string") {
    const ofToken = sql`exists (
      select from auth.refresh_tokens as tokens
      where tokens.user_id = users.id and tokens.token = ${body.refresh_token}
    )`;
    if (await isBanned(sql, ofToken)) throw banned(400, "Invalid Refresh Token: User Banned");
  }
}

function isBannedByToken(sql: Sql, token: string): Promise<boolean> {
  return isBanned(
    sql,
    sql`${token} in (users.confirmation_token, users.recovery_token,
      users.email_change_token_new, users.email_change_token_current)`,
  );
}

/** A clicked link. The person arrives at the redirect address either way, with or without a session. */
async function followLink(context: GateContext, request: Request): Promise<Response | null> {
  const url = new URL(request.url);
  const { siteUrl, redirectUrls } = context;
  const token = url.searchParams.get("token") ?? "";
  if (await isBannedByToken(context.sql, token)) {
    const wanted = url.searchParams.get("redirect_to") ?? "";
    const target = validRedirect(wanted, siteUrl, redirectUrls) ? wanted : siteUrl;
    const fragment = new URLSearchParams({
      error: "access_denied",
      error_code: "user_banned",
      error_description: "User is banned",
    });
    return new Response(null, { status: 303, headers: { location: `${target}#${fragment}` } });
  }
  if (url.searchParams.get("type") !== "invite") return null;
  url.searchParams.set("type", "signup");
  const answer = await fetch(`${context.url}${url.pathname}${url.search}`, {
    headers: forwardable(request),
    redirect: "manual",
  });
  const location = answer.headers.get("location")?.replace(/\btype=signup\b/, "type=invite");
  return new Response(answer.body, {
    status: answer.status,
    headers: location ? { location } : {},
  });
}

async function verifyCode(context: GateContext, request: Request): Promise<Response | null> {
  const body = await bodyOf(request);
  const email = typeof body.email === "string" ? body.email.toLowerCase() : "";
  const hashed =
    typeof body.token_hash === "string"
      ? body.token_hash
      : createHash("sha256").update(`${email}${body.token}`).digest("hex");
  if (await isBannedByToken(context.sql, hashed)) throw banned(403);
  if (body.type !== "invite") return null;
  // An invitation is a sign-up that somebody else began: same token, same confirmation.
  return await fetch(`${context.url}/auth/v1/verify`, {
    method: "POST",
    headers: { ...forwardable(request), "content-type": "application/json" },
    body: JSON.stringify({ ...body, type: "signup" }),
  });
}

function forwardable(request: Request): Record<string, string> {
  const kept = ["apikey", "authorization", "x-client-info", "x-supabase-api-version"];
  return Object.fromEntries(
    kept.flatMap((name) => {
      const value = request.headers.get(name);
      return value ? [[name, value]] : [];
    }),
  );
}

/** An answer, or null when the server behind is to answer. */
export async function gate(
  context: GateContext,
  request: Request,
  path: string[],
): Promise<Response | null> {
  const route = `${request.method} ${path[0]}`;
  if (route === "POST token") {
    await refuseBannedSignIn(context, request);
    return null;
  }
  if (route === "GET verify") return await followLink(context, request);
  if (route === "POST verify") return await verifyCode(context, request);
  if (!personal.has(path[0] ?? "")) return null;
  const [, token] = /^Bearer\s+(.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  const subject = token && (await context.verifyToken(token))?.claims.sub;
  if (typeof subject === "string") {
    if (await isBanned(context.sql, context.sql`users.id::text = ${subject}`)) throw banned(403);
  }
  return null;
}
