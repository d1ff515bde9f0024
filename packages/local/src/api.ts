import { App, setExperimental } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import type postgres from "postgres";
import { completeSession } from "./access-token.ts";
import type { KeyRing, Secrets } from "./keys.ts";
import type { ProjectConfig } from "./project-config.ts";
import { loggingTo } from "./request-log.ts";
import {
  extendConnection,
  type RestContext,
  type RestRequest,
  restRequest,
} from "./rest-context.ts";
import { asPostgrest, refuseUnfiltered } from "./rest-errors.ts";
import { keepTextThatLooksNumeric } from "./rest-filters.ts";
import { postgrestTypes } from "./rest-types.ts";
import { createFileStorage } from "./storage-files.ts";
import { asRawUpload, signSeveral, withHostedNames } from "./storage-request.ts";

export interface ApiOptions {
  /** Connected as `supabase_admin`. */
  admin: postgres.Sql;
  /** The connection string of a database role. */
  urlOf(role: string): string;
  secrets: Secrets;
  keys: KeyRing;
  config: ProjectConfig;
  /** The stack's public address. */
  url: string;
  storageFolder: string;
  onMail(message: { to: string; subject: string; text?: string; html?: string }): void;
  onError(line: string): void;
}

export interface Api extends RestContext {
  rest(request: Request, apiRole: "anon" | "service_role"): Promise<Response>;
  auth(request: Request): Promise<Response>;
  storage(request: Request): Promise<Response>;
  close(): Promise<void>;
}

/**
 * Data API, Auth and Storage from `@supabase/lite`: two instances, because Auth must work with the
 * rights of `supabase_auth_admin`, or a trigger on auth.users would be allowed more than on hosted.
 */
export async function createApi(options: ApiOptions): Promise<Api> {
  const { secrets, keys, config } = options;
  setExperimental("storage", true);
  const connect = (role: string) =>
    createPostgresConnection({
      url: options.urlOf(role),
      postgresOptions: { max: 10, onnotice: () => undefined, types: postgrestTypes },
    });
  const data = connect("supabase_admin");
  const people = connect("supabase_auth_admin");
  const context = await extendConnection(data, options.admin);
  Reflect.set(people, "rlsState", "active");

  const auth = {
    enabled: true,
    jwt_secret: secrets.jwtSecret,
    publishable_key: secrets.publishableKey,
    secret_key: secrets.secretKey,
    jwt_expiry: config.jwtExpiry,
    enable_signup: config.enableSignup,
    enable_refresh_token_rotation: true,
    refresh_token_reuse_interval: config.refreshTokenReuseInterval,
    minimum_password_length: config.minimumPasswordLength,
    password_requirements: config.passwordRequirements,
    site_url: config.siteUrl,
    additional_redirect_urls: config.redirectUrls,
    email: {
      enable_signup: true,
      enable_confirmations: config.enableConfirmations,
      otp_length: config.otpLength,
      otp_expiry: config.otpExpiry,
    },
  };
  const email = {
    async send(message: { to: string; subject: string; text?: string; html?: string }) {
      options.onMail(message);
    },
  };
  const dataApp = new App({
    connection: data,
    auth,
    api: { enabled: true, schemas: config.schemas, max_rows: config.maxRows },
    storage: { enabled: true, file_size_limit: config.fileSizeLimit },
    studio: { enabled: false },
    options: {
      drivers: { email },
      server: {
        disableStudio: true,
        apiKeys: { resolver: async (key: string) => resolveKey(key, keys) },
      },
    },
  } as unknown as ConstructorParameters<typeof App>[0]);
  dataApp._storageAdapter = createFileStorage(options.storageFolder);
  const authApp = new App({
    connection: people,
    auth,
    studio: { enabled: false },
    options: {
      drivers: { email },
      server: { apiKeys: { resolver: async (key: string) => resolveKey(key, keys) } },
    },
  } as unknown as ConstructorParameters<typeof App>[0]);
  await loggingTo(options.onError, () => Promise.all([dataApp.init(), authApp.init()]));

  return {
    reload: context.reload,
    async rest(request, apiRole) {
      const caller = await authenticate(request, apiRole, keys);
      if (caller instanceof Response) return caller;
      const url = new URL(request.url);
      const unsafe = refuseUnfiltered(request.method, url);
      if (unsafe) return unsafe;
      const headers = new Headers(request.headers);
      // The caller is known: the emulator is not asked to verify it again, because it would ask for
      // a live session, which PostgREST does not.
      headers.delete("authorization");
      const record: RestRequest = {
        method: request.method,
        path: url.pathname.replace(/^\/rest\/v1/, "") || "/",
        headers: Object.fromEntries(request.headers),
        entered: false,
        ...caller,
      };
      const forwarded = new Request(keepTextThatLooksNumeric(request.url), {
        ...(await bodyOf(request)),
        headers,
      });
      return await restRequest.run(record, async () => {
        const response = await loggingTo(options.onError, () => dataApp.fetch(forwarded));
        return await asPostgrest(response, record.error, record.role === "anon");
      });
    },
    async auth(request) {
      const { pathname, searchParams } = new URL(request.url);
      const response = await loggingTo(options.onError, () => authApp.fetch(request));
      if (!/^\/auth\/v1\/(token|verify|signup)$/.test(pathname)) return response;
      return await completeSession(response, keys, {
        jwtSecret: secrets.jwtSecret,
        issuer: `${options.url}/auth/v1`,
        method: searchParams.get("grant_type") === "password" ? "password" : "otp",
      });
    },
    async storage(request) {
      const answer = (one: Request) => loggingTo(options.onError, () => dataApp.fetch(one));
      const several = await signSeveral(request, answer);
      if (several) return several;
      return await withHostedNames(request, await answer(await asRawUpload(request)));
    },
    async close() {
      await Promise.allSettled([data.close(), people.close()]);
    },
  };
}

async function bodyOf(request: Request): Promise<{ method: string; body?: ArrayBuffer }> {
  if (request.method === "GET" || request.method === "HEAD") return { method: request.method };
  const body = await request.arrayBuffer();
  return body.byteLength > 0 ? { method: request.method, body } : { method: request.method };
}

/** Inside a Data API request the key has done its work: the emulator gets the caller it found. */
function resolveKey(key: string, keys: KeyRing) {
  const known = keys.isApiKey(key);
  if (!known) return null;
  const type = known.role === "service_role" ? ("secret" as const) : ("publishable" as const);
  const request = restRequest.getStore();
  return { type, claims: request ? request.claims : { role: known.role } };
}

interface Caller {
  role: string;
  claims: Record<string, unknown>;
}

/** Who calls: the bearer token if there is one, else the role of the API key. */
async function authenticate(
  request: Request,
  apiRole: "anon" | "service_role",
  keys: KeyRing,
): Promise<Caller | Response> {
  const [scheme, token] = (request.headers.get("authorization") ?? "").split(/\s+/);
  if (!token || scheme?.toLowerCase() !== "bearer" || token.startsWith("sb_")) {
    return { role: apiRole, claims: { role: apiRole } };
  }
  const result = await keys.checkToken(token);
  if (result.ok) return { role: result.role, claims: result.claims };
  switch (result.reason) {
    case "expired":
      return unauthorized("PGRST303", "JWT expired", null);
    case "early":
      return unauthorized("PGRST303", "JWT issued at future", null);
    case "malformed": {
      const parts = token.split(".").filter(Boolean).length;
      return unauthorized("PGRST301", `Expected 3 parts in JWT; got ${parts}`, null);
    }
    default:
      return unauthorized(
        "PGRST301",
        "No suitable key or wrong key type",
        "None of the keys was able to decode the JWT",
      );
  }
}

function unauthorized(code: string, message: string, details: string | null): Response {
  return Response.json(
    { code, details, hint: null, message },
    {
      status: 401,
      headers: {
        "www-authenticate": `Bearer error="invalid_token", error_description="${message}"`,
        "access-control-allow-origin": "*",
      },
    },
  );
}
