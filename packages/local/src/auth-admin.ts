// The part of the Auth API that the local sign-in server lacks: administration of users, invitations
// and links, and bans. Answers as GoTrue does; what it does not handle is left to the server behind.

import { type Body, readBody } from "./auth-admin/checks.ts";
import { AuthError, errorResponse } from "./auth-admin/errors.ts";
import { type GateContext, gate } from "./auth-admin/gate.ts";
import { generateLink, inviteUser, type RecordedMail } from "./auth-admin/links.ts";
import { present, type Sql } from "./auth-admin/store.ts";
import * as users from "./auth-admin/users.ts";

export type { RecordedMail } from "./auth-admin/links.ts";

export interface AuthAdminOptions {
  /** Connected as supabase_admin; every write is done as supabase_auth_admin. */
  sql: Sql;
  isApiKey(key: string): { role: "anon" | "service_role" } | null;
  verifyToken(token: string): Promise<{ role: string; claims: Record<string, unknown> } | null>;
  /** Public address of the API. */
  url: string;
  siteUrl: string;
  redirectUrls?: string[];
  otpLength?: number;
  minimumPasswordLength?: number;
  passwordRequirements?: string;
  onMail?(mail: RecordedMail): void;
  onError?(line: string): void;
}

export interface AuthAdmin {
  handle(request: Request): Promise<Response | null>;
  /** What would have been mailed, newest last. */
  mails: RecordedMail[];
}

const adminRoles = new Set(["service_role", "supabase_admin"]);
const keptMails = 500;

export function createAuthAdmin(options: AuthAdminOptions): AuthAdmin {
  const { sql } = options;
  const mails: RecordedMail[] = [];
  const context: GateContext = {
    sql,
    verifyToken: options.verifyToken,
    url: options.url,
    siteUrl: options.siteUrl,
    redirectUrls: options.redirectUrls ?? [],
    otpLength: options.otpLength ?? 6,
    rules: {
      minimumPasswordLength: options.minimumPasswordLength ?? 6,
      passwordRequirements: options.passwordRequirements ?? "",
    },
    onMail(mail) {
      mails.push(mail);
      if (mails.length > keptMails) mails.shift();
      options.onMail?.(mail);
    },
    onError: (error) => options.onError?.(error instanceof Error ? error.message : String(error)),
  };

  /** Hosted's gateway turns an API key into a token of its role, unless the caller brings a token. */
  async function requireAdmin(request: Request): Promise<void> {
    const key = request.headers.get("apikey") ?? new URL(request.url).searchParams.get("apikey");
    const [, bearer] = /^Bearer\s+(.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
    const known = key ? options.isApiKey(key) : null;
    if (!key) throw new AuthError(401, "no_api_key", "No API key found in request");
    if (!known) throw new AuthError(401, "invalid_api_key", "Invalid API key");
    const ofBearer = bearer ? options.isApiKey(bearer) : known;
    const role = ofBearer?.role ?? (await options.verifyToken(bearer ?? ""))?.role;
    if (!role) {
      throw new AuthError(
        403,
        "bad_jwt",
        "invalid JWT: unable to parse or verify signature, token signature is invalid: signature is invalid",
      );
    }
    if (!adminRoles.has(role)) throw new AuthError(403, "not_admin", "User not allowed");
  }

  async function answerUsers(request: Request, path: string[]): Promise<Response> {
    const { method } = request;
    const [id, edge] = path;
    if (id === undefined) {
      if (method === "GET") return await list(request);
      if (method === "POST") {
        return Response.json(present(await users.createUser(context, await readBody(request))));
      }
      throw new AuthError(405, "unknown", "Method not allowed");
    }
    const user = await users.loadUser(sql, id);
    if (edge === "factors" && method === "GET") {
      const factors = await sql`
        select id, friendly_name, factor_type, status, created_at, updated_at
        from auth.mfa_factors where user_id = ${user.id}`;
      return Response.json(factors);
    }
    if (edge !== undefined) throw new AuthError(404, "unknown", "Not found");
    switch (method) {
      case "GET":
        return Response.json(present(user));
      case "PUT":
        return Response.json(
          present(await users.updateUser(context, user, await readBody(request))),
        );
      case "DELETE": {
        const isEmpty = request.headers.get("content-length") === "0" || request.body === null;
        const body: Body = isEmpty ? {} : await readBody(request);
        await users.deleteUser(context, user, body.should_soft_delete === true);
        return Response.json({});
      }
      default:
        throw new AuthError(405, "unknown", "Method not allowed");
    }
  }

  async function list(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const { users: found, total, page, perPage } = await users.listUsers(context, url.searchParams);
    const pages = Math.ceil(total / perPage);
    const link = (target: number, rel: string) => {
      const query = new URLSearchParams(url.searchParams);
      query.set("page", String(target));
      query.sort();
      return `</admin/users?${query}>; rel="${rel}"`;
    };
    return Response.json(
      { users: found.map(present), aud: "authenticated" },
      {
        headers: {
          "x-total-count": String(total),
          link: [...(pages > page ? [link(page + 1, "next")] : []), link(pages, "last")].join(", "),
        },
      },
    );
  }

  async function answer(request: Request, path: string[]): Promise<Response | null> {
    const [first, second, ...rest] = path;
    if (first === "invite" && request.method === "POST") {
      await requireAdmin(request);
      return Response.json(present(await inviteUser(context, request, await readBody(request))));
    }
    if (first === "admin") {
      await requireAdmin(request);
      if (second === "users") return await answerUsers(request, rest);
      if (second === "generate_link" && request.method === "POST") {
        return Response.json(await generateLink(context, request, await readBody(request)));
      }
      throw new AuthError(404, "unknown", "Not found");
    }
    return await gate(context, request, path);
  }

  return {
    mails,
    async handle(request) {
      const { pathname } = new URL(request.url);
      const path = pathname.replace(/^\/auth\/v1\//, "").split("/");
      try {
        return await answer(request, path);
      } catch (error) {
        if (error instanceof AuthError) return errorResponse(error, request);
        context.onError(error);
        const message = "Unexpected failure, please check server logs for more information";
        return errorResponse(new AuthError(500, "unexpected_failure", message), request);
      }
    },
  };
}
