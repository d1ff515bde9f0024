/** Tracking links: what each answers, and that the log does not say whose it was. */
import { describe, expect, it } from "vitest";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createTrack } from "../../supabase/functions/track/app.ts";

const token = "A".repeat(46);

function open(answers: { url?: string | null; page?: string; found?: boolean } = {}) {
  const log: string[] = [];
  const heard: unknown[] = [];
  const app = createTrack({
    open: async (given) => void heard.push(["open", given]),
    click: async (given) => {
      heard.push(["click", given]);
      return answers.url ?? null;
    },
    unsubscribe: async (given, isPost) => {
      heard.push(["unsubscribe", given, isPost]);
      return {
        found: answers.found ?? true,
        ...(answers.page && !isPost ? { page: answers.page } : {}),
      };
    },
    log: createLogger({}, (line) => log.push(line)),
  });
  return { app, log, heard };
}

describe("track", () => {
  it("answers every pixel alike, and lets nobody keep it", async () => {
    const { app, heard, log } = open();
    for (const path of [token, "x"]) {
      const response = await app.request(`/track/o/${path}`);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("image/gif");
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect((await response.arrayBuffer()).byteLength).toBe(42);
    }
    expect(heard).toEqual([
      ["open", token],
      ["open", "x"],
    ]);
    expect(log.join()).not.toContain(token);
  });

  it("leads where the database says, never where the address says", async () => {
    const known = open({ url: "https://a.test/?b=1" });
    const path = `/track/c/${token}?url=https://evil.test`;
    const response = await known.app.request(path);
    expect([response.status, response.headers.get("location")]).toEqual([
      302,
      "https://a.test/?b=1",
    ]);
    const unknown = await open().app.request(path);
    expect([unknown.status, unknown.headers.get("location")]).toEqual([404, null]);
  });

  it("unsubscribes by one POST, as mail programs send it", async () => {
    const { app, heard } = open({ page: "https://front.test/no-more?lang=en" });
    const response = await app.request(`/track/u/${token}`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "List-Unsubscribe=One-Click",
    });
    expect([response.status, await response.text()]).toEqual([200, "You are unsubscribed."]);
    expect(heard).toEqual([["unsubscribe", token, true]]);
  });

  it("asks first by GET where there is a page to ask on", async () => {
    const { app, heard } = open({ page: "https://front.test/no-more?lang=en" });
    const asked = await app.request(`/track/u/${token}`);
    expect([asked.status, asked.headers.get("location")]).toEqual([
      302,
      `https://front.test/no-more?lang=en&token=${token}`,
    ]);
    expect(heard).toEqual([["unsubscribe", token, false]]);
    const without = await open().app.request(`/track/u/${token}`);
    expect([without.status, without.headers.get("location")]).toEqual([200, null]);
    for (const method of ["GET", "POST"]) {
      expect((await open({ found: false }).app.request("/track/u/x", { method })).status).toBe(404);
    }
  });
});
