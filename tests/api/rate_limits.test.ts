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
