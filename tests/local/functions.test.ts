import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { jwtVerify, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { packageSource } from "../../packages/local/src/functions/deno.ts";
import {
  createFunctions,
  type Functions,
  type FunctionsOptions,
} from "../../packages/local/src/functions.ts";
import { createFunctionProject, repository } from "./support/function-project.ts";

const secret = new TextEncoder().encode("a-secret-of-at-least-thirty-two-characters");

const config = `
[functions.open]
verify_jwt = false
[functions.broken]
verify_jwt = false
[functions.silent]
verify_jwt = false
[functions.packages]
verify_jwt = false
[functions.unlisted]
verify_jwt = false
[functions.moving]
verify_jwt = false
[functions.hungry]
verify_jwt = false
[functions.switched-off]
enabled = false
`;

const open = `
import { name } from "../_shared/name.ts";
Deno.serve(async (request) => {
  const url = new URL(request.url);
  switch (url.pathname) {
    case "/open/echo":
      return Response.json({
        url: request.url, method: request.method, body: await request.text(), name,
        host: request.headers.get("host"), forwarded: request.headers.get("x-forwarded-host"),
      });
    case "/open/env":
      return Response.json({ all: Deno.env.toObject(), args: Deno.args });
    case "/open/page":
      return new Response("<h1>hi</h1>", { headers: { "content-type": "text/html; charset=utf-8" } });
    case "/open/upper":
      return new Response(request.body.pipeThrough(new TransformStream({
        transform: (chunk, out) => out.enqueue(new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase())),
      })));
    case "/open/later":
      EdgeRuntime.waitUntil(new Promise((done) => setTimeout(done, 150)).then(() => console.log("later is done")));
      return new Response("first");
    case "/open/throw":
      throw new Error("thrown on purpose");
    case "/open/exit":
      Deno.exit(7);
    case "/open/never":
      return await new Promise(() => {});
    case "/open/cookies":
      return new Response(null, { status: 204, headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]] });
    case "/open/write":
      return Response.json({ written: await Deno.writeTextFile("/tmp/intake-not-allowed", "x").then(() => true, (e) => e.name) });
  }
  return new Response("none", { status: 418 });
});
`;

const orphan = `
import { createFunctions } from "../../packages/local/src/functions.ts";
const functions = createFunctions({
  root: process.env.PROJECT, env: {}, verifyToken: async () => null, onLog: () => {},
});
await (await functions.handle(new Request("http://localhost/functions/v1/open/echo"))).text();
process.stdout.write(String(functions.pids()[0]));
`;

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("edge functions", () => {
  const lines: string[] = [];
  const project = createFunctionProject(
    {
      "config.toml": config,
      "functions/.env": "MY_SECRET=from-file\nSUPABASE_URL=never\n",
      "functions/_shared/name.ts": `export const name: string = "one";`,
      "functions/open/index.ts": open,
      "functions/guarded/index.ts": `Deno.serve(() => new Response("inside"));`,
      "functions/moving/index.ts": `Deno.serve(() => new Response("old"));`,
      "functions/broken/index.ts": `import { nothing } from "../_shared/name.ts"; Deno.serve(() => new Response(nothing));`,
      "functions/silent/index.ts": `export const nothing = 1;`,
      "functions/hungry/index.ts": `Deno.serve(() => { const all = []; for (;;) all.push(new Array(1e5).fill(Math.random())); });`,
      "functions/switched-off/index.ts": `Deno.serve(() => new Response("on"));`,
      "functions/unlisted/deno.json": `{ "imports": { "left-pad": "npm:left-pad@1.3.0" } }`,
      "functions/unlisted/index.ts": `import "left-pad"; Deno.serve(() => new Response("hi"));`,
      "functions/packages/deno.json": `{ "imports": { "hono": "npm:hono@4.13.19", "hono/": "npm:/hono@4.13.19/" } }`,
      "functions/packages/index.ts": `
        import { Hono } from "hono";
        import { cors } from "hono/cors";
        const app = new Hono().basePath("/packages");
        app.use(cors());
        app.get("/items/:id", (c) => c.json({ id: c.req.param("id") }));
        export default { fetch: app.fetch };`,
    },
    { hono: "4.13.19" },
  );
  let functions: Functions;

  const options = (): FunctionsOptions => ({
    root: project.root,
    env: { SUPABASE_URL: "http://127.0.0.1:54321", SUPABASE_ANON_KEY: "sb_publishable_x" },
    verifyToken: (token) =>
      jwtVerify(token, secret).then(
        ({ payload }) => ({ role: String(payload.role), claims: payload }),
        () => null,
      ),
    onLog: (name, line) => lines.push(`${name}: ${line}`),
    idleLimitMs: 1_500,
    freshMs: 0,
  });

  beforeAll(() => {
    functions = createFunctions(options());
  });

  afterAll(async () => {
    await functions.close();
    project.remove();
  });

  const call = (path: string, init?: RequestInit) =>
    functions.handle(new Request(`http://127.0.0.1:54321/functions/v1/${path}`, init));

  const token = (expires: string, key = secret) =>
    new SignJWT({ role: "authenticated" })
      .setProtectedHeader({ alg: "HS256" })
      .setExpirationTime(expires)
      .sign(key);

  const bearer = (value: string) => ({ headers: { authorization: `Bearer ${value}` } });

  it("passes method, path without prefix, query and body, under hosted's internal host", async () => {
    const response = await call("open/echo?a=1&a=2", { method: "POST", body: "päyload" });
    expect(response.status).toBe(200);
    expect(response.headers.get("x-served-by")).toBe("supabase-edge-runtime");
    expect(await response.json()).toEqual({
      url: "http://edge-runtime.supabase.com/open/echo?a=1&a=2",
      method: "POST",
      body: "päyload",
      name: "one",
      host: "edge-runtime.supabase.com",
      forwarded: "edge-runtime.supabase.com",
    });
  });

  it("keeps one warm process per function", async () => {
    await Promise.all([call("open/echo"), call("open/echo"), call("open/echo")]);
    const before = functions.pids();
    await call("open/echo");
    expect(functions.pids()).toEqual(before);
  });

  it("gives the platform's variables and the local secrets, and nothing of the caller's", async () => {
    const found = await (await call("open/env")).json();
    expect(found).toMatchObject({
      all: { SUPABASE_URL: "http://127.0.0.1:54321", MY_SECRET: "from-file" },
      args: [],
    });
    expect(found).not.toHaveProperty("all.PATH");
    expect(found).not.toHaveProperty("all.INTAKE_BOOT");
  });

  it("refuses to write files", async () => {
    expect(await (await call("open/write")).json()).toEqual({ written: "NotCapable" });
  });

  it("keeps several cookies apart and an empty answer empty", async () => {
    const response = await call("open/cookies");
    expect(response.status).toBe(204);
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
  });

  it("turns HTML answered to a GET into plain text, and only that", async () => {
    const page = await call("open/page");
    expect(page.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await page.text()).toBe("<h1>hi</h1>");
    const posted = await call("open/page", { method: "POST" });
    expect(posted.headers.get("content-type")).toBe("text/html; charset=utf-8");
  });

  it("streams both ways", async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const encode = (text: string) => new TextEncoder().encode(text);
    const init = { method: "POST", body: readable, duplex: "half" };
    const pending = call("open/upper", init as RequestInit);
    await writer.write(encode("one"));
    const reader = (await pending).body!.getReader();
    const next = async () => new TextDecoder().decode((await reader.read()).value);
    expect(await next()).toBe("ONE");
    await writer.write(encode("two"));
    expect(await next()).toBe("TWO");
    await writer.close();
    expect((await reader.read()).done).toBe(true);
  });

  it("finishes waitUntil after the answer", async () => {
    expect(await (await call("open/later")).text()).toBe("first");
    expect(lines).not.toContain("open: later is done");
    await expect.poll(() => lines).toContain("open: later is done");
  });

  it("answers 500 to an exception, as Deno.serve does, and logs it", async () => {
    const response = await call("open/throw");
    expect(response.status).toBe(500);
    await expect.poll(() => lines.join("\n")).toContain("thrown on purpose");
  });

  it("answers WORKER_ERROR when the process ends, and starts it again for the next request", async () => {
    const response = await call("open/exit");
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ code: "WORKER_ERROR" });
    expect((await call("open/echo")).status).toBe(200);
  });

  it("answers IDLE_TIMEOUT when nothing comes within the limit", async () => {
    const response = await call("open/never");
    expect(response.status).toBe(504);
    expect(await response.json()).toEqual({
      code: "IDLE_TIMEOUT",
      message: "Request idle timeout limit (1.5s) reached",
    });
  });

  it("answers NOT_FOUND for no such function, shared code and a disabled function", async () => {
    for (const path of ["missing", "_shared/name.ts", "switched-off", "..%2fopen", ""]) {
      const response = await call(path);
      expect(response.status, path).toBe(404);
      expect(await response.json()).toEqual({
        code: "NOT_FOUND",
        message: "Requested function was not found",
      });
    }
  });

  it.each([
    ["no header", async () => ({}), "UNAUTHORIZED_NO_AUTH_HEADER"],
    [
      "no scheme",
      async () => ({ headers: { authorization: "abc" } }),
      "UNAUTHORIZED_INVALID_JWT_FORMAT",
    ],
    ["an API key", async () => bearer("sb_publishable_x"), "UNAUTHORIZED_INVALID_JWT_FORMAT"],
    [
      "a forged token",
      async () => bearer(await token("1h", new TextEncoder().encode("b".repeat(32)))),
      "UNAUTHORIZED_LEGACY_JWT",
    ],
    ["an expired token", async () => bearer(await token("-1m")), "UNAUTHORIZED_LEGACY_JWT"],
    [
      "alg none",
      async () => bearer("eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0."),
      "UNAUTHORIZED_UNSUPPORTED_TOKEN_ALGORITHM",
    ],
  ])("verify_jwt refuses %s", async (_case, init, code) => {
    const response = await call("guarded", await init());
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code });
  });

  it("verify_jwt lets a valid token and a preflight in", async () => {
    expect(await (await call("guarded", bearer(await token("1h")))).text()).toBe("inside");
    expect((await call("guarded", { method: "OPTIONS" })).status).toBe(200);
  });

  it("answers BOOT_ERROR and says in one line what is wrong", async () => {
    const response = await call("broken");
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({
      code: "BOOT_ERROR",
      message: "Function failed to start (please check logs)",
    });
    const said = lines.filter((line) => line.startsWith("broken: cannot start"));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/does not provide an export named 'nothing'.*broken\/index\.ts:1:10/);
  });

  it("names a function that never serves", async () => {
    expect((await call("silent")).status).toBe(503);
    expect(lines).toContain("silent: cannot start: it never calls Deno.serve");
  });

  it("recovers from a boot error once the file is right", async () => {
    project.write("functions/broken/index.ts", `Deno.serve(() => new Response("whole"));`);
    expect(await (await call("broken")).text()).toBe("whole");
  });

  it("serves the new code after a file of the function or of _shared changed", async () => {
    expect(await (await call("moving")).text()).toBe("old");
    project.write("functions/moving/index.ts", `Deno.serve(() => new Response("new!"));`);
    expect(await (await call("moving")).text()).toBe("new!");

    await call("open/echo");
    project.write("functions/_shared/name.ts", `export const name: string = "another";`);
    expect(await (await call("open/echo")).json()).toMatchObject({ name: "another" });
  });

  it("lets a replaced process finish what it has begun", async () => {
    project.write(
      "functions/moving/index.ts",
      `Deno.serve(async () => { await new Promise((done) => setTimeout(done, 400)); return new Response("slow"); });`,
    );
    const begun = call("moving");
    await delay(250);
    project.write("functions/moving/index.ts", `Deno.serve(() => new Response("fast"));`);
    expect(await (await call("moving")).text()).toBe("fast");
    expect(await (await begun).text()).toBe("slow");
  });

  it("answers WORKER_RESOURCE_LIMIT when the heap is full", async () => {
    const patient = createFunctions({ ...options(), idleLimitMs: 20_000 });
    try {
      const request = new Request("http://127.0.0.1:54321/functions/v1/hungry");
      const response = await patient.handle(request);
      expect(response.status).toBe(546);
      expect(await response.json()).toMatchObject({ code: "WORKER_RESOURCE_LIMIT" });
    } finally {
      await patient.close();
    }
  });

  it("takes npm packages from node_modules and mounts a default export", async () => {
    const response = await call("packages/items/7");
    expect(await response.json()).toEqual({ id: "7" });
    expect(lines.filter((line) => line.startsWith("packages:"))).toEqual([]);
  });

  it("says in one line that packages are neither installed nor to be had", async () => {
    vi.stubEnv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/");
    try {
      expect((await call("unlisted")).status).toBe(503);
    } finally {
      vi.unstubAllEnvs();
    }
    const said = lines.filter((line) => line.startsWith("unlisted: "));
    expect(said).toContain(
      "unlisted: npm packages come from Deno's cache: package.json does not list left-pad",
    );
    expect(said.at(-1)).toMatch(
      /^unlisted: cannot start: its npm packages are not in Deno's cache/,
    );
  });

  it.each(
    readdirSync(join(repository, "supabase/functions"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !/^[._]/.test(entry.name))
      .map((entry) => entry.name),
  )("this repository's function %s needs no network", (name) => {
    const configFile = join(repository, "supabase/functions", name, "deno.json");
    expect(packageSource(repository, configFile)).toEqual({ from: "node_modules" });
  });

  it("ends with its parent, even one that is killed", async () => {
    const parent = spawn(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "-e", orphan],
      {
        cwd: import.meta.dirname,
        env: { ...process.env, PROJECT: project.root },
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const [output] = await once(parent.stdout, "data");
    const pid = Number(String(output));
    expect(isAlive(pid)).toBe(true);
    parent.kill("SIGKILL");
    await expect.poll(() => isAlive(pid), { timeout: 5_000 }).toBe(false);
  });

  it("leaves no process behind", async () => {
    const pids = functions.pids();
    expect(pids.length).toBeGreaterThan(2);
    await functions.close();
    expect(pids.filter(isAlive)).toEqual([]);
    expect((await call("open/echo")).status).toBe(404);
  });
});
