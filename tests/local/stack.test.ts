/** The stack's API, as a client of hosted sees it, on a small project of its own. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@supabase/supabase-js";
import { SignJWT } from "jose";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { editedMigrations } from "../../packages/local/src/edited-migrations.ts";
import { type Stack, startStack } from "../../packages/local/src/index.ts";
import { makeSmallProject, person, type SmallProject } from "./support/small-project.ts";

const engine = process.env.INTAKE_TEST_ENGINE === "system" ? "system" : "embedded";

let project: SmallProject;
let stack: Stack;
let sql: postgres.Sql;
let token = "";

beforeAll(async () => {
  project = await makeSmallProject();
  stack = await startStack({ root: project.root, ephemeral: true, quiet: true, engine });
  sql = postgres(stack.adminDbUrl, { max: 2, onnotice: () => {} });
  const { data, error } = await client().auth.signInWithPassword(person);
  if (error) throw error;
  token = data.session.access_token;
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
  await project?.remove();
});

function client(key = stack.publishableKey) {
  return createClient(stack.url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: WebSocket as never },
  });
}

async function call(path: string, init: RequestInit & { headers?: Record<string, string> } = {}) {
  const response = await fetch(`${stack.url}${path}`, init);
  const text = await response.text();
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {}
  return { status: response.status, headers: response.headers, body };
}

const keyed = () => ({ apikey: stack.publishableKey });
const signedIn = () => ({ ...keyed(), authorization: `Bearer ${token}` });
const json = { "content-type": "application/json" };

function signToken(claims: Record<string, unknown>, secret = stack.jwtSecret): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret));
}

const soon = () => Math.floor(Date.now() / 1000) + 600;

describe("Auth", () => {
  it("signs in a person whom the seed wrote, with the claims hosted puts into the token", async () => {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    expect(claims).toMatchObject({
      role: "authenticated",
      aud: "authenticated",
      email: person.email,
      iss: `${stack.url}/auth/v1`,
      aal: "aal1",
      app_metadata: { provider: "email" },
      session_id: expect.any(String),
    });
  });

  it("refuses a wrong password", async () => {
    const { error } = await client().auth.signInWithPassword({ ...person, password: "wrong" });
    expect(error).toMatchObject({ status: 400, code: "invalid_credentials" });
  });

  it("refuses sign-up", async () => {
    const { error } = await client().auth.signUp({
      email: "new@small.test",
      password: "Abcdef-12",
    });
    expect(error).toMatchObject({ status: 422, code: "signup_disabled" });
  });

  it("refreshes a session once and ends it", async () => {
    const own = client();
    await own.auth.signInWithPassword(person);
    expect((await own.auth.refreshSession()).error).toBeNull();
    expect((await own.auth.signOut()).error).toBeNull();
    expect((await own.auth.getUser()).data.user).toBeNull();
  });

  it("lets the secret key make a person, who can then sign in", async () => {
    const account = { email: "made@small.test", password: "Made-here-1" };
    const made = await client(stack.secretKey).auth.admin.createUser({
      ...account,
      email_confirm: true,
    });
    expect(made.error).toBeNull();
    expect((await client().auth.signInWithPassword(account)).error).toBeNull();
  });
});

describe("keys and tokens", () => {
  it("asks for an API key", async () => {
    const answer = await call("/rest/v1/notes");
    expect(answer).toMatchObject({ status: 401, body: { message: "No API key found in request" } });
  });

  it("refuses a key of another project", async () => {
    const answer = await call("/rest/v1/notes", { headers: { apikey: "sb_publishable_nope" } });
    expect(answer).toMatchObject({ status: 401, body: { message: "Invalid API key" } });
  });

  it.each([
    [
      "forged",
      () => signToken({ role: "service_role", exp: soon() }, "another-secret-another-secret"),
      "PGRST301",
    ],
    ["expired", () => signToken({ role: "authenticated", exp: soon() - 3600 }), "PGRST303"],
    ["malformed", async () => "not.a-token", "PGRST301"],
  ])("refuses a %s token", async (_what, make, code) => {
    const headers = { ...keyed(), authorization: `Bearer ${await make()}` };
    const answer = await call("/rest/v1/notes", { headers });
    expect(answer).toMatchObject({ status: 401, body: { code } });
  });

  it("takes a good token whatever became of its session, as PostgREST does", async () => {
    const stateless = await signToken({
      role: "authenticated",
      sub: "00000000-0000-4000-8000-0000000000ff",
      session_id: "00000000-0000-4000-8000-0000000000fe",
      exp: soon(),
    });
    const headers = { ...keyed(), authorization: `Bearer ${stateless}` };
    const answer = await call("/rest/v1/rpc/context", { headers });
    expect(answer.body).toMatchObject({
      role: "authenticated",
      uid: "00000000-0000-4000-8000-0000000000ff",
    });
  });

  it("keeps the secret key out of browsers", async () => {
    const headers = { apikey: stack.secretKey, "user-agent": "Mozilla/5.0 (X11; Linux x86_64)" };
    expect((await call("/rest/v1/notes", { headers })).status).toBe(401);
  });
});

describe("the Data API", () => {
  it("gives the request to the database in every statement", async () => {
    const headers = {
      ...signedIn(),
      ...json,
      "x-request-id": "r-1",
      prefer: "return=representation",
    };
    const body = JSON.stringify({ body: "hello" });
    const made = await call("/rest/v1/notes?select=request_id", { method: "POST", headers, body });
    expect(made).toMatchObject({ status: 201, body: [{ request_id: "r-1" }] });
    const context = await call("/rest/v1/rpc/context", {
      headers: { ...signedIn(), "x-request-id": "r-2" },
    });
    expect(context.body).toMatchObject({
      method: "GET",
      path: "/rpc/context",
      request_id: "r-2",
      role: "authenticated",
      timeout: "8s",
      read_only: "on",
      claims: { email: person.email },
    });
  });

  it("gives anonymous callers their own role and timeout", async () => {
    const answer = await call("/rest/v1/rpc/context", { headers: keyed() });
    expect(answer.body).toMatchObject({ role: "anon", uid: null, timeout: "3s" });
  });

  it("never widens the grants of a migration", async () => {
    await call("/rest/v1/notes?select=id", { headers: signedIn() });
    const hidden = await call("/rest/v1/notes?select=hidden", { headers: signedIn() });
    expect(hidden).toMatchObject({ status: 403, body: { code: "42501" } });
    const visitors = await call("/rest/v1/visits", { headers: signedIn() });
    expect(visitors).toMatchObject({ status: 403, body: { code: "42501" } });
    const nobody = await call("/rest/v1/notes", { headers: keyed() });
    expect(nobody).toMatchObject({ status: 401, body: { code: "42501" } });
  });

  it.each([
    ["P0001", 400],
    ["PT404", 404],
    ["PT422", 422],
    ["42501", 403],
    ["23505", 409],
    ["23514", 400],
    ["40001", 500],
    ["57014", 500],
    ["28000", 403],
    ["XX000", 500],
  ])("answers SQLSTATE %s with %i and the whole error", async (code, status) => {
    const answer = await call("/rest/v1/rpc/fail_with", {
      method: "POST",
      headers: { ...signedIn(), ...json },
      body: JSON.stringify({ code }),
    });
    const body = { code, message: "refused", details: "the detail", hint: "the hint" };
    expect(answer).toMatchObject({ status, body });
  });

  it("reads a schema change without a restart", async () => {
    expect((await call("/rest/v1/rpc/added", { headers: keyed() })).body).toMatchObject({
      code: "PGRST202",
    });
    await sql`create function public.added() returns int language sql stable as 'select 1'`;
    await expect
      .poll(async () => (await call("/rest/v1/rpc/added", { headers: keyed() })).body, {
        timeout: 3000,
      })
      .toBe(1);
  });

  it("refuses a body that is not JSON", async () => {
    const init = { method: "POST", headers: { ...signedIn(), ...json }, body: "{nope" };
    expect(await call("/rest/v1/notes", init)).toMatchObject({
      status: 400,
      body: { code: "PGRST102" },
    });
  });

  it("refuses a body that is too large", async () => {
    const init = {
      method: "POST",
      headers: { ...signedIn(), ...json },
      body: "x".repeat(11_000_000),
    };
    expect((await call("/rest/v1/notes", init)).status).toBe(413);
  });

  it.each(["PATCH", "DELETE"])("refuses %s without a condition", async (method) => {
    const init = { method, headers: { ...signedIn(), ...json }, body: '{"body":"x"}' };
    expect(await call("/rest/v1/notes", init)).toMatchObject({
      status: 400,
      body: { code: "21000" },
    });
  });

  it("answers a browser's preflight", async () => {
    const answer = await call("/rest/v1/notes", {
      method: "OPTIONS",
      headers: {
        origin: "https://app.example",
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "apikey,authorization,x-request-id",
      },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect(answer.headers.get("access-control-allow-methods")).toContain("PATCH");
    expect(answer.headers.get("access-control-allow-headers")).toContain("x-request-id");
  });
});

describe("the pre-request function", () => {
  it("runs before writes, in the caller's transaction, and once", async () => {
    await sql`delete from public.visits`;
    const init = {
      method: "POST",
      headers: { ...signedIn(), ...json },
      body: '{"body":"counted"}',
    };
    expect((await call("/rest/v1/notes", init)).status).toBe(201);
    await call("/rest/v1/notes", { ...init, body: '{"body":""}' });
    await call("/rest/v1/notes?select=id", { headers: signedIn() });
    // The second write failed, and with it what the function had noted.
    expect(await sql`select method, role from public.visits`).toEqual([
      { method: "POST", role: "authenticated" },
    ]);
  });

  it.each([
    ["sqlstate", 429, { code: "PT429", details: "rate_limited" }],
    ["headers", 429, { code: "PT429", message: "slow down" }],
    ["forbidden", 403, { code: "42501" }],
  ])("may refuse a request: %s", async (wish, status, body) => {
    const headers = { ...signedIn(), "x-refuse": wish };
    const answer = await call("/rest/v1/notes?select=id", { headers });
    expect(answer).toMatchObject({ status, body });
    if (wish === "headers") expect(answer.headers.get("retry-after")).toBe("7");
  });
});

describe("Storage", () => {
  it("keeps a file under the caller's policies, and signs addresses", async () => {
    const own = client();
    await own.auth.signInWithPassword(person);
    const papers = own.storage.from("papers");
    const file = new Blob(["content"], { type: "text/plain" });
    expect((await papers.upload("folder/one.txt", file)).error).toBeNull();
    expect(await (await papers.download("folder/one.txt")).data?.text()).toBe("content");
    expect((await client().storage.from("papers").download("folder/one.txt")).error).not.toBeNull();
    const signed = await papers.createSignedUrls(["folder/one.txt", "folder/none.txt"], 60);
    expect(await (await fetch(signed.data?.[0]?.signedUrl ?? "")).text()).toBe("content");
    expect(signed.data?.[1]?.error).toBeTruthy();
    // There is no policy for deleting.
    expect((await papers.remove(["folder/one.txt"])).data).toEqual([]);
  });
});

describe("the background workers", () => {
  it("send what pg_net has queued", async () => {
    const seen: string[] = [];
    const receiver = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        seen.push(`${request.method} ${request.url} ${request.headers["x-mark"]} ${body}`);
        response.end("thanks");
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    const [queued] =
      await sql`select net.http_post(${url}, '{"a": 1}', headers => '{"x-mark": "m"}') as id`;
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual(['POST /hook m {"a": 1}']);
    const answers = () =>
      sql`select status_code, content from net._http_response where id = ${queued?.id}`;
    await expect
      .poll(answers, { timeout: 20_000 })
      .toEqual([{ status_code: 200, content: "thanks" }]);
    receiver.closeAllConnections();
    receiver.close();
  });

  // Debian's pg_cron knows minutes only.
  it.runIf(engine === "embedded")("run the jobs of pg_cron as their owners", async () => {
    const owner = postgres(stack.dbUrl, { max: 1, onnotice: () => {} });
    await owner`create table public.ticks (who text)`;
    await owner`select cron.schedule('tick', '1 second', 'insert into public.ticks values (current_user)')`;
    await expect
      .poll(() => owner`select distinct who from public.ticks`, { timeout: 20_000 })
      .toEqual([{ who: "postgres" }]);
    // The run is marked as done after its work was committed.
    const firstRun = () =>
      owner`select status, username from cron.job_run_details order by runid limit 1`;
    await expect
      .poll(firstRun, { timeout: 20_000 })
      .toEqual([{ status: "succeeded", username: "postgres" }]);
    await owner`select cron.unschedule('tick')`;
    await owner.end();
  });

  it("find their address and secret in Vault", async () => {
    const rows =
      await sql`select name, decrypted_secret from vault.decrypted_secrets order by name`;
    expect(rows).toEqual([
      { name: "functions_url", decrypted_secret: `${stack.url}/functions/v1` },
      { name: "worker_secret", decrypted_secret: stack.workerSecret },
    ]);
  });
});

describe("a data folder", () => {
  it("keeps keys and data, takes new migrations, and is seeded once", async () => {
    const own = await makeSmallProject();
    const options = { root: own.root, dataDir: own.dataDir, quiet: true, engine } as const;
    const first = await startStack(options);
    await expect(startStack(options)).rejects.toThrow(/already runs/);
    await first.stop();
    await own.addMigration("20260102000000", "create table public.later (id int);");
    const second = await startStack(options);
    const database = postgres(second.dbUrl, { max: 1, onnotice: () => {} });
    try {
      expect(second).toMatchObject({
        publishableKey: first.publishableKey,
        secretKey: first.secretKey,
        jwtSecret: first.jwtSecret,
        workerSecret: first.workerSecret,
      });
      const [found] = await database`
        select (select count(*)::int from auth.users) as people, to_regclass('public.later')::text as later
      `;
      expect(found).toEqual({ people: 1, later: "later" });
    } finally {
      await database.end();
      await second.stop();
      await own.remove();
    }
  });

  it("is told in one line when a migration is broken, and starts once it is mended", async () => {
    const own = await makeSmallProject();
    const options = { root: own.root, dataDir: own.dataDir, quiet: true, engine } as const;
    await own.addMigration("20260102000000", "create table public.broken (id no_such_type);");
    await expect(startStack(options)).rejects.toThrow(
      /20260102000000_test\.sql[\s\S]*no_such_type/,
    );
    await own.addMigration("20260102000000", "create table public.mended (id int);");
    const mended = await startStack(options);
    await mended.stop();
    await own.remove();
  });

  it("is told which migrations were edited after they were applied", async () => {
    const own = await makeSmallProject();
    expect(await editedMigrations(own.root, own.root)).toEqual([]);
    await own.addMigration("20260102000000", "select 1;");
    expect(await editedMigrations(own.root, own.root)).toEqual([]);
    await own.addMigration("20260102000000", "select 2;");
    expect(await editedMigrations(own.root, own.root)).toEqual(["20260102000000_test.sql"]);
    await own.remove();
  });

  it("is told when the port is taken", async () => {
    const apiPort = Number(new URL(stack.url).port);
    await expect(startStack({ ephemeral: true, quiet: true, apiPort })).rejects.toThrow(
      `Port ${apiPort} is in use`,
    );
    const dbPort = Number(new URL(stack.dbUrl).port);
    await expect(startStack({ ephemeral: true, quiet: true, dbPort })).rejects.toThrow(
      `Port ${dbPort} is in use`,
    );
  });

  it("is left alone when the start is called off", async () => {
    const called = new AbortController();
    const starting = startStack({
      root: project.root,
      ephemeral: true,
      quiet: true,
      signal: called.signal,
    });
    await sleep(300);
    called.abort();
    await expect(starting).rejects.toThrow();
  });
});
