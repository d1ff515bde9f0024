/**
 * Every route of every edge function × every credential a caller may come with. The platform checks
 * no token where verify_jwt is off, so each has to look for itself: a route without a line here
 * fails, and so does one that lets anybody in who should not be.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { SignJWT, UnsecuredJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { as, stack } from "../helpers/index.ts";

const credentials = [
  "nothing",
  "publishable key",
  "expired token",
  "unsigned token",
  "forged service token",
  "counselor",
  "admin",
  "secret key",
] as const;

type Credential = (typeof credentials)[number];

/** The status for each credential, in their order; a single one stands for all. */
const expectations: Record<string, string> = {
  // The platform lets people through, the function administrators; what they ask for is not there.
  "admin POST /integrations/{type}/connect": "401 401 401 401 401 403 404 401",
  "admin PATCH /users/{id}": "401 401 401 401 401 422 422 401",
  "admin DELETE /users/{id}": "401 401 401 401 401 422 422 401",
  "admin POST /users/bulk-action": "401 401 401 401 401 403 422 401",
  "admin POST /users/{id}/impersonate": "401 401 401 401 401 422 422 401",
  "admin POST /users": "401 401 401 401 401 403 422 401",
  "admin GET /openapi.json": "401 401 401 401 401 200 200 401",
  // Whether the backend lives is for everybody; nothing else is told.
  "health GET /": "200",
  "health GET /openapi.json": "200",
  // A secret of its own, which the schedule holds.
  "worker POST /": "401",
  "worker GET /openapi.json": "200",
  // Meta proves itself by a signature over the body, and once by a token of ours.
  "webhooks GET /meta": "403",
  "webhooks POST /meta": "401",
  "webhooks GET /openapi.json": "200",
  "webhooks POST /razorpay": "401",
  "webhooks POST /sendgrid": "401",
  "webhooks POST /stripe": "401",
  "webhooks POST /twilio": "401",
  "webhooks GET /whatsapp": "403",
  "webhooks POST /whatsapp": "401",
  // The platform lets people through; what they ask for is no order, and the payment is not there.
  "payments POST /create-order": "401 401 401 401 401 422 422 401",
  "payments POST /{id}/process": "401 401 401 401 401 404 404 401",
  "payments POST /{id}/refund": "401 401 401 401 401 404 404 401",
  "payments GET /openapi.json": "401 401 401 401 401 200 200 401",
  // The path is the secret; one that is none is not there.
  "calendar GET /{file}": "404",
  "calendar GET /openapi.json": "200",
  // Each link is signed: one that is not leads nowhere, and every pixel is the same.
  "track GET /o/{token}": "200",
  "track GET /c/{token}": "404",
  "track GET /u/{token}": "404",
  "track POST /u/{token}": "404",
  "track GET /openapi.json": "200",
  // Who signed in exports what they see; a link sent outside is the secret itself.
  "reports POST /export": "401 401 401 401 401 422 422 401",
  "reports GET /runs/{id}/file": "401 401 401 401 401 404 404 401",
  "reports GET /files/{token}": "404",
  "reports GET /openapi.json": "200",
  // A program has a key of its own kind; what people or the platform's keys hold is none.
  "capture POST /leads": "401",
  "capture GET /form": "401",
  "capture GET /openapi.json": "200",
};

const folder = join(import.meta.dirname, "../../supabase/functions");
const names = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith("_"))
  .map((entry) => entry.name)
  .sort();

const base = () => `${stack().url}/functions/v1`;
const headers = new Map<Credential, Record<string, string>>();
const routes: string[] = [];

async function tokens(): Promise<void> {
  const bearer = (token: string, key = stack().publishableKey) => ({
    apikey: key,
    authorization: `Bearer ${token}`,
  });
  const claims = { role: "service_role", sub: "00000000-0000-4000-8000-000000000001" };
  const session = async (person: "counselor.a1" | "admin") =>
    (await (await as(person)).auth.getSession()).data.session?.access_token ?? "";
  const sign = (secret: string, expires: string) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256" })
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(new TextEncoder().encode(secret));
  headers.set("nothing", {});
  headers.set("publishable key", { apikey: stack().publishableKey });
  const secret = stack().jwtSecret ?? "a secret of our own that is long enough";
  headers.set("expired token", bearer(await sign(secret, "-1h")));
  headers.set("unsigned token", bearer(new UnsecuredJWT(claims).encode()));
  const forged = await sign("another secret that is long enough for HS256", "1h");
  headers.set("forged service token", bearer(forged));
  headers.set("counselor", bearer(await session("counselor.a1")));
  headers.set("admin", bearer(await session("admin")));
  headers.set("secret key", { apikey: stack().secretKey });
}

async function listRoutes(): Promise<void> {
  for (const name of names) {
    const response = await fetch(`${base()}/${name}/openapi.json`, {
      headers: headers.get("admin")!,
    });
    const document = (await response.json()) as { paths: Record<string, object> };
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const method of Object.keys(methods)) {
        const route = path.replace(new RegExp(`^/(functions/v1/)?${name}(?=/|$)`), "") || "/";
        routes.push(`${name} ${method.toUpperCase()} ${route}`);
      }
    }
  }
}

beforeAll(async () => {
  await tokens();
  await listRoutes();
}, 120_000);

it("every route of every function is in the table, and nothing else is", () => {
  expect(routes.sort()).toEqual(Object.keys(expectations).sort());
});

describe.each(Object.entries(expectations))("%s", (route, statuses) => {
  const [name = "", method = "", path = ""] = route.split(" ");
  const expected = statuses.split(" ");

  it.each(credentials)("with %s", async (credential) => {
    const rest = path === "/" ? "" : path.replace(/\{\w+\}/, "guess");
    const response = await fetch(`${base()}/${name}${rest}`, {
      method,
      headers: { "content-type": "application/json", ...headers.get(credential) },
      ...(method === "POST" ? { body: "{}" } : {}),
    });
    await response.body?.cancel();
    const wanted = expected[credentials.indexOf(credential)] ?? expected[0];
    expect(response.status).toBe(Number(wanted));
  });
});
