// Accounts on the Auth server, by its admin API. The service's key is used for nothing else here, and
// only after the database has let the caller.

import { z } from "zod";
import { ApiError } from "../_shared/errors.ts";
import type { Accounts } from "./deps.ts";

export interface AccountsOptions {
  url: string;
  key: string;
  fetch?: typeof fetch;
  timeoutMs?: number;
}

const userSchema = z.object({ id: z.uuid() });

const linkSchema = z.object({ action_link: z.url() });

const tokenSchema = z.object({ hashed_token: z.string().min(1) });

const sessionSchema = z.object({ access_token: z.string().min(1) });

/** GoTrue says what is wrong in `error_code`, newer versions of its API in `code`. */
const faultSchema = z
  .object({ error_code: z.string().optional(), code: z.union([z.string(), z.number()]).optional() })
  .transform((fault) => fault.error_code ?? String(fault.code ?? ""));

const silent = () => new ApiError(503, "service_unavailable", "Auth does not answer. Try again.");

export function createAccounts({ url, key, timeoutMs = 10_000, ...options }: AccountsOptions) {
  const send = options.fetch ?? fetch;

  async function call(method: string, path: string, body?: unknown) {
    const response = await send(`${url}/auth/v1${path}`, {
      method,
      headers: {
        apikey: key,
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
      },
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch(() => {
      throw silent();
    });
    const answer: unknown = await response.json().catch(() => null);
    return { ok: response.ok, status: response.status, answer };
  }

  const to = (redirectTo: string | undefined) =>
    redirectTo === undefined ? "" : `?redirect_to=${encodeURIComponent(redirectTo)}`;

  const uninvited = () =>
    new ApiError(502, "invitation_failed", "The invitation could not be made. Nobody was added.");

  const accounts: Accounts = {
    async create(email, fullName, password) {
      const { ok, status, answer } = await call("POST", "/admin/users", {
        email,
        user_metadata: { full_name: fullName },
        // A password that an administrator chose needs no proof of the address; an invitation is one.
        ...(password === undefined ? {} : { password, email_confirm: true }),
      });
      if (ok) return userSchema.parse(answer).id;
      const fault = faultSchema.safeParse(answer).data;
      if (fault === "email_exists") {
        throw new ApiError(409, "user_exists", "Somebody has this e-mail address already.", email);
      }
      if (fault === "weak_password") {
        throw new ApiError(422, "password_refused", "The password is too weak.");
      }
      throw status >= 500 ? silent() : new ApiError(422, "body_invalid", "Auth refuses this.");
    },
    async invite(email, { redirectTo }) {
      const { ok } = await call("POST", `/invite${to(redirectTo)}`, { email });
      if (!ok) throw uninvited();
    },
    async link(email, { redirectTo }) {
      const path = `/admin/generate_link${to(redirectTo)}`;
      const { answer } = await call("POST", path, { type: "invite", email });
      const made = linkSchema.safeParse(answer);
      if (!made.success) throw uninvited();
      return made.data.action_link;
    },
    async setEmail(id, email) {
      const { ok, status, answer } = await call("PUT", `/admin/users/${id}`, {
        email,
        email_confirm: true,
      });
      if (ok) return;
      if (faultSchema.safeParse(answer).data === "email_exists") {
        throw new ApiError(409, "user_exists", "Somebody has this e-mail address already.", email);
      }
      throw status >= 500 ? silent() : new ApiError(422, "email_invalid", "Auth refuses this.");
    },
    async signInAs(email) {
      const made = await call("POST", "/admin/generate_link", { type: "magiclink", email });
      const token = tokenSchema.safeParse(made.answer).data?.hashed_token;
      const { answer } = await call("POST", "/verify", { type: "magiclink", token_hash: token });
      const session = sessionSchema.safeParse(answer);
      if (!session.success) throw silent();
      return session.data.access_token;
    },
    async remove(id) {
      const { ok, status } = await call("DELETE", `/admin/users/${id}`, {});
      if (!ok) throw new Error(`Auth did not delete the account: HTTP ${status}`);
    },
    async empty(id) {
      const { ok } = await call("DELETE", `/admin/users/${id}`, { should_soft_delete: true });
      if (!ok) throw silent();
    },
  };
  return accounts;
}
