/** The function `reports`: what it waits for, what it refuses, and that its links stay secrets. */
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../supabase/functions/_shared/crypto.ts";
import { ApiError } from "../../supabase/functions/_shared/errors.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createReports } from "../../supabase/functions/reports/app.ts";
import { createFiles, type Run } from "../../supabase/functions/reports/store.ts";

const id = "01900000-0000-7000-8000-000000000001";
const token = "5e".repeat(32);

const run = (changes: Partial<Run> = {}): Run => ({
  id,
  status: "done",
  failure: null,
  storage_path: "p/r/report.csv",
  seconds_left: 86_400,
  ...changes,
});

/** `seen` is what one look after the other finds; the last goes on. */
function open(seen: (Run | null)[] = [run()], waitMs = 1_000) {
  const log: string[] = [];
  const hashes: string[] = [];
  const signed: { path: string; seconds: number; as: string }[] = [];
  let looks = 0;
  const app = createReports({
    identify: async (authorization) => {
      if (authorization !== "Bearer good") {
        throw new ApiError(401, "authentication_required", "Sign in.");
      }
      return { sub: id, role: "authenticated" };
    },
    runs: {
      start: async () => id,
      look: async () => seen[Math.min(looks++, seen.length - 1)] ?? null,
      open: async (hash) => {
        hashes.push(hash);
        return hash === (await sha256Hex(new TextEncoder().encode(token)))
          ? { found: true, retry_after: 0, path: "p/r/report.csv" }
          : { found: false, retry_after: hashes.length > 2 ? 30 : 0 };
      },
    },
    files: {
      signAs: async (as, path, seconds) => {
        signed.push({ path, seconds, as });
        return `https://x.test/${path}?token=t`;
      },
      sign: async (path, seconds) => {
        signed.push({ path, seconds, as: "service" });
        return `https://x.test/${path}?token=s`;
      },
    },
    waitMs,
    pauseMs: 1,
    log: createLogger({}, (line) => log.push(line)),
  });
  const send = (body: unknown, authorization = "Bearer good") =>
    app.request("/reports/export", {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const get = (path: string, authorization = "Bearer good") =>
    app.request(path, { headers: { authorization } });
  return { send, get, log, hashes, signed, looks: () => looks };
}

describe("an export", () => {
  it("waits for the worker and answers a link of fifteen minutes, signed as the caller", async () => {
    const { send, signed, looks } = open([
      run({ status: "queued" }),
      run({ status: "running" }),
      run(),
    ]);
    const response = await send({ report_id: id });
    expect(response.status).toBe(200);
    const body = (await response.json()) as { download_url: string; expires_at: string };
    expect(Object.keys(body)).toEqual(["download_url", "expires_at"]);
    expect(body.download_url).toBe("https://x.test/p/r/report.csv?token=t");
    expect(Date.parse(body.expires_at) - Date.now()).toBeLessThanOrEqual(900_000);
    expect(signed).toEqual([{ path: "p/r/report.csv", seconds: 900, as: "Bearer good" }]);
    expect(looks()).toBe(3);
  });

  it("gives a link no longer life than its file has", async () => {
    const { send, signed } = open([run({ seconds_left: 60 })]);
    await send({ report_id: id });
    expect(signed[0]!.seconds).toBe(60);
  });

  it("answers 202 when it takes longer", async () => {
    const response = await open([run({ status: "running" })], 0).send({ report_id: id });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ run_id: id, status: "running" });
  });

  it.each([
    [run({ status: "failed", failure: "permission_denied" }), 403, "permission_denied"],
    [run({ status: "failed", failure: "export_too_large" }), 413, "export_too_large"],
    [run({ status: "failed", failure: "report_too_slow" }), 422, "report_too_slow"],
    [run({ status: "failed", failure: "nobody_knows" }), 422, "report_invalid"],
    [run({ status: "expired", storage_path: null, seconds_left: 0 }), 404, "not_found"],
    [run({ seconds_left: 0 }), 404, "not_found"],
    [null, 404, "not_found"],
  ])("refuses what was not written: %o", async (found, status, code) => {
    const response = await open([found]).send({ report_id: id });
    expect(response.status).toBe(status);
    expect(((await response.json()) as { details: string }).details.split(":")[0]).toBe(code);
  });

  it("asks who calls before it reads what they want", async () => {
    expect((await open().send({}, "Bearer bad")).status).toBe(401);
    expect((await open().send({})).status).toBe(422);
    expect((await open().send({ report_id: id, format: "doc" })).status).toBe(422);
  });
});

describe("a file", () => {
  it("is redirected to for who may see the run", async () => {
    const response = await open().get(`/reports/runs/${id}/file`);
    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe("https://x.test/p/r/report.csv?token=t");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect((await open([null]).get(`/reports/runs/${id}/file`)).status).toBe(404);
    expect((await open().get("/reports/runs/none/file")).status).toBe(404);
    expect((await open().get(`/reports/runs/${id}/file`, "")).status).toBe(401);
  });

  it("opens by a link that was sent, looked up by its hash, and never logged", async () => {
    const { get, hashes, signed, log } = open();
    const response = await get(`/reports/files/${token}`, "");
    expect(response.status).toBe(302);
    expect(signed).toEqual([{ path: "p/r/report.csv", seconds: 60, as: "service" }]);
    expect(hashes[0]).not.toContain(token);
    expect(log.join()).toContain("/files/:token");
    expect(log.join()).not.toContain(token);
    expect((await get("/reports/files/guess", "")).status).toBe(404);
    const limited = await get("/reports/files/guess", "");
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "30"]);
  });
});

describe("signing", () => {
  const files = (answer: () => Promise<Response>, asked: unknown[] = []) =>
    createFiles({
      url: "https://x.test",
      anonKey: "anon",
      serviceKey: "service",
      fetch: async (url, init) => {
        asked.push([url, init?.headers]);
        return answer();
      },
    });

  it("is asked for as the person, or in the service's name", async () => {
    const asked: unknown[] = [];
    const ok = async () => Response.json({ signedURL: "/object/sign/reports/a?token=1" });
    const link = await files(ok, asked).signAs("Bearer me", "a b/c", 60);
    expect(link).toBe("https://x.test/storage/v1/object/sign/reports/a?token=1");
    await files(ok, asked).sign("a", 60);
    const type = { "content-type": "application/json" };
    expect(asked).toEqual([
      [
        "https://x.test/storage/v1/object/sign/reports/a%20b/c",
        { ...type, apikey: "anon", authorization: "Bearer me" },
      ],
      [
        "https://x.test/storage/v1/object/sign/reports/a",
        { ...type, apikey: "service", authorization: "Bearer service" },
      ],
    ]);
  });

  it.each([
    ["refuses", async () => Response.json({ error: "not_found" }, { status: 400 }), "not_found"],
    ["breaks", async () => new Response("", { status: 502 }), "service_unavailable"],
    ["is away", () => Promise.reject(new Error("down")), "service_unavailable"],
  ])("says so when Storage %s", async (_, answer, code) => {
    await expect(files(answer).signAs("Bearer me", "a", 60)).rejects.toMatchObject({ code });
  });
});
