import { readdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { createUser, expectData, expectError, type Person, sql, stack } from "../helpers/index.ts";

let busy: Person;
let calm: Person;

beforeAll(async () => {
  [busy, calm] = await Promise.all([createUser(), createUser()]);
  // As if they had written all they may, in this minute and, should it end now, in the next.
  await sql()`
    insert into private.rate_limits (bucket, slot, window_start, hits)
    select ${`user:${busy.id}`}, 100 + n, date_trunc('minute', now()) + make_interval(mins => n), 100000
    from generate_series(0, 1) n
  `;
});

const write = (person: Person) => person.client.from("notifications").insert({ title: "Hit" });

describe("somebody who has written all they may in a minute", () => {
  it("[D3-070] is refused with 429 and told when to come back", async () => {
    expectError(await write(busy), { code: "PT429", details: "rate_limited", status: 429 });

    const { data } = await busy.client.auth.getSession();
    const response = await fetch(`${stack().url}/rest/v1/notifications`, {
      method: "POST",
      headers: {
        apikey: stack().publishableKey,
        authorization: `Bearer ${data.session?.access_token}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ title: "Hit" }),
    });
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    const body = (await response.json()) as { hint: string };
    expect(body.hint).toMatch(/^Retry after \d+ seconds\.$/);
  });

  it("still reads", async () => {
    expect(expectData(await busy.client.from("notifications").select("id"))).toEqual([]);
    expect((await busy.client.rpc("notification_stats")).error).toBeNull();
  });

  it("does not hold up anybody else", async () => {
    expect((await write(calm)).error).toBeNull();
  });
});

// The address is the network edge's word, which the local stack alone lets us choose.
describe.runIf(stack().simulatorUrl && process.platform === "linux")(
  "a network that calls a function too often",
  () => {
    /** Of this test alone. */
    const network = "127.87.4.86";
    const folder = join(import.meta.dirname, "../../supabase/functions");
    // The worker knows its caller by a secret, and has nothing to ask the database before.
    const functions = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !["_shared", "worker"].includes(entry.name))
      .map((entry) => entry.name);

    async function call(name: string, localAddress: string) {
      const { data } = await calm.client.auth.getSession();
      return new Promise<{ status: number; retryAfter: string; body: string }>(
        (resolve, reject) => {
          const outgoing = request(`${stack().url}/functions/v1/${name}/openapi.json`, {
            localAddress,
            agent: false,
            headers: { authorization: `Bearer ${data.session?.access_token}` },
          });
          outgoing.on("error", reject);
          outgoing.on("response", (incoming) => {
            let body = "";
            incoming.setEncoding("utf8");
            incoming.on("data", (part: string) => {
              body += part;
            });
            incoming.on("end", () => {
              const retryAfter = incoming.headers["retry-after"] ?? "";
              resolve({ status: incoming.statusCode ?? 0, retryAfter, body });
            });
          });
          outgoing.end();
        },
      );
    }

    beforeAll(async () => {
      await sql()`
        insert into private.rate_limits (bucket, slot, window_start, hits)
        select 'function:' || f || ${`:${network}`}, 100 + n, date_trunc('minute', now()) + make_interval(mins => n), 1000000
        from unnest(${functions}::text[]) f, generate_series(0, 2) n
      `;
    });

    it.each(functions)("is refused by %s, and told when to come back", async (name) => {
      const { status, retryAfter, body } = await call(name, network);
      expect(status, body).toBe(429);
      expect(Number(retryAfter)).toBeGreaterThan(0);
      expect(Number(retryAfter)).toBeLessThanOrEqual(60);
      expect(JSON.parse(body)).toEqual({
        code: "PT429",
        message: "Too many requests.",
        details: "rate_limited",
        hint: `Retry after ${retryAfter} seconds.`,
      });
      expect((await call(name, "127.87.4.87")).status).toBe(200);
    });
  },
);
