/** The worker function, as somebody on the network meets it. */
import { describe, expect, it } from "vitest";
import { stack } from "../helpers/index.ts";

describe("the worker function", () => {
  const call = (headers: Record<string, string> = {}) =>
    fetch(`${stack().url}/functions/v1/worker`, { method: "POST", headers });

  it("answers nobody without its secret, whatever other key they hold", async () => {
    const keys = [stack().publishableKey, stack().secretKey];
    for (const key of keys) {
      const response = await call({
        apikey: key,
        authorization: `Bearer ${key}`,
        "x-worker-secret": key,
      });
      expect(response.status).toBe(401);
    }
    expect((await call()).status).toBe(401);
  });
});
