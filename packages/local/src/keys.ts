import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errors, jwtVerify, SignJWT } from "jose";
import { StackError } from "./errors.ts";

/** What a data folder remembers, so that a client's configuration stays valid between starts. */
export interface Secrets {
  jwtSecret: string;
  publishableKey: string;
  secretKey: string;
  /** The keys of older projects, which hosted still gives to edge functions. */
  anonKey: string;
  serviceRoleKey: string;
  workerSecret: string;
  metaAppSecret: string;
  metaVerifyToken: string;
  metaAccessToken: string;
  /** Passwords of database roles; `postgres` keeps the one everybody's tools expect. */
  passwords: Record<string, string>;
  /** As chosen at the first start: default privileges are made then. */
  exposeNewTables: boolean;
}

const YEARS = 365 * 24 * 60 * 60;

export async function loadSecrets(dataDir: string, exposeNewTables: boolean): Promise<Secrets> {
  const file = join(dataDir, "secrets.json");
  const stored = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new StackError(`${file} cannot be read (${error.code}): use another --data-dir.`);
  });
  if (stored) return JSON.parse(stored) as Secrets;
  const secrets = await createSecrets(exposeNewTables);
  await mkdir(dataDir, { recursive: true });
  await writeFile(`${file}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return secrets;
}

async function createSecrets(exposeNewTables: boolean): Promise<Secrets> {
  const jwtSecret = random(32);
  return {
    jwtSecret,
    publishableKey: apiKey("sb_publishable"),
    secretKey: apiKey("sb_secret"),
    anonKey: await legacyKey("anon", jwtSecret),
    serviceRoleKey: await legacyKey("service_role", jwtSecret),
    workerSecret: random(32),
    metaAppSecret: randomBytes(16).toString("hex"),
    metaVerifyToken: random(18),
    metaAccessToken: `EAAG${random(40)}`,
    passwords: {
      postgres: "postgres",
      supabase_admin: random(24),
      authenticator: random(24),
      supabase_auth_admin: random(24),
      supabase_storage_admin: random(24),
    },
    exposeNewTables,
  };
}

function random(bytes: number): string {
  return randomBytes(bytes).toString("base64url");
}

/** Hosted's form: prefix, 22 random characters, a short checksum that finds typing errors. */
function apiKey(prefix: string): string {
  const body = `${prefix}_${random(17).slice(0, 22)}`;
  return `${body}_${createHash("sha256").update(body).digest("base64url").slice(0, 8)}`;
}

async function legacyKey(role: string, secret: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return await new SignJWT({ iss: "supabase", ref: "local", role, iat: now, exp: now + 10 * YEARS })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(new TextEncoder().encode(secret));
}

export type ApiRole = "anon" | "service_role";

export type TokenCheck =
  | { ok: true; role: string; claims: Record<string, unknown> }
  | { ok: false; reason: "expired" | "early" | "invalid" | "malformed" };

export interface KeyRing {
  /** The role an API key stands for, of either generation; null if it is not one of ours. */
  isApiKey(key: string): { role: ApiRole } | null;
  checkToken(token: string): Promise<TokenCheck>;
  /** For the parts that only want to know whether a token is good. */
  verifyToken(token: string): Promise<{ role: string; claims: Record<string, unknown> } | null>;
}

export function createKeyRing(secrets: Secrets): KeyRing {
  const roles = new Map<string, ApiRole>([
    [secrets.publishableKey, "anon"],
    [secrets.anonKey, "anon"],
    [secrets.secretKey, "service_role"],
    [secrets.serviceRoleKey, "service_role"],
  ]);
  const secret = new TextEncoder().encode(secrets.jwtSecret);

  async function checkToken(token: string): Promise<TokenCheck> {
    const parts = token.split(".");
    if (parts.length !== 3 || parts.includes("")) return { ok: false, reason: "malformed" };
    try {
      const { payload } = await jwtVerify(token, secret, {
        algorithms: ["HS256"],
        clockTolerance: 30,
      });
      if (typeof payload.iat === "number" && payload.iat > Date.now() / 1000 + 30) {
        return { ok: false, reason: "early" };
      }
      const role = typeof payload.role === "string" ? payload.role : "anon";
      return { ok: true, role, claims: payload };
    } catch (error) {
      return { ok: false, reason: error instanceof errors.JWTExpired ? "expired" : "invalid" };
    }
  }

  return {
    isApiKey(key) {
      const role = roles.get(key);
      return role ? { role } : null;
    },
    checkToken,
    async verifyToken(token) {
      const result = await checkToken(token);
      return result.ok ? { role: result.role, claims: result.claims } : null;
    },
  };
}
