/** Campaigns of Meta: read from the Graph API by the job's own handler, and listed from here. */
import { campaignInsightSchema, campaignWithStatsSchema } from "@intake/types";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../supabase/functions/_shared/db.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createMetaClient } from "../../supabase/functions/_shared/providers/meta.ts";
import { insightHandlers } from "../../supabase/functions/worker/handlers/insights.ts";
import { createUser, expectData, type Person, sql, stack, unique } from "../helpers/index.ts";

const simulator = stack().simulatorUrl;
const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);

describe.skipIf(!simulator)("campaigns of Meta", () => {
  const db = connect(stack().dbUrl, { name: "insights", max: 2 });
  const asked: string[] = [];
  let isDown = false;
  let manager: Person;
  let account: { id: string };

  const control = async <T>(path: string, body?: unknown): Promise<T> => {
    const init = body ? { method: "POST", body: JSON.stringify(body) } : {};
    const answer = await fetch(`${simulator}/_sim/meta/${path}`, init);
    expect(answer.status).toBe(200);
    return (await answer.json()) as T;
  };

  /** What the worker runs, in this process. */
  async function run(): Promise<void> {
    const { access_token: accessToken } = await control<{ access_token: string }>("token");
    const meta = createMetaClient({
      baseUrl: simulator!,
      version: "v23.0",
      credentials: async () => ({ accessToken, appSecret: "another" }),
      fetch: (url, init) => {
        const address = new URL(url);
        asked.push(address.pathname);
        // The stack's app secret is the stack's own.
        address.searchParams.delete("appsecret_proof");
        if (isDown) return Promise.resolve(new Response("{}", { status: 503 }));
        return fetch(address, init);
      },
    });
    await sql()`
      update public.integrations set config = config || ${sql().json({ ad_account_ids: [account.id] })}
      where type = 'facebook'`;
    const job = {
      id: crypto.randomUUID(),
      kind: "meta.insights",
      payload: {},
      attempts: 1,
      max_attempts: 5,
      lease: crypto.randomUUID(),
      request_id: null,
    };
    const signal = new AbortController().signal;
    const handler = insightHandlers(db, meta)["meta.insights"]!;
    const apply = await handler({ job, signal, log: createLogger({}, () => {}) });
    await db.asService(async (tx) => apply?.(tx));
  }

  beforeAll(async () => {
    account = await control<{ id: string }>("account");
    manager = await createUser({ role: "manager" });
  });

  afterAll(async () => {
    await sql()`update public.integrations set config = config - 'ad_account_ids' where type = 'facebook'`;
    await db.close();
  });

  it("[D1-011] [D1-012] [D1-026] [D1-027] [D1-028] are synced, and listed from here with CPL and ROAS", async () => {
    const name = unique("Summer Sale");
    const made = await control<{ id: string }>("campaigns", { name, objective: "OUTCOME_SALES" });
    const idle = await control<{ id: string }>("campaigns", {
      name: unique("Idle"),
      effective_status: "PAUSED",
    });
    const figures = { impressions: 225_000, clicks: 6_000, leads: 225, purchase_value: 21_875 };
    for (const ago of [1, 2]) {
      await control("insights", {
        campaign_id: made.id,
        date: day(ago),
        spend: 6_250,
        ...figures,
      });
    }
    await run();
    // Read once more, as it is every quarter of an hour: nothing counts twice.
    await run();
    const [schedule] = await sql()`
      select cron, kind from private.job_schedules where name = 'meta.insights' and is_enabled`;
    expect(schedule).toEqual({ cron: "*/15 * * * *", kind: "meta.insights" });

    asked.length = 0;
    const list = expectData(
      await manager.client
        .from("campaigns_with_stats")
        .select()
        .in("name", [name])
        .order("created_at", { ascending: false }),
    );
    expect(campaignWithStatsSchema.array().parse(list)).toMatchObject([
      {
        name,
        status: "active",
        objective: "Sales",
        spend: 12_500,
        impressions: 450_000,
        clicks: 12_000,
        leads: 450,
        cpl: 27.78,
        roas: 3.5,
        CPL: 27.78,
        ROAS: 3.5,
      },
    ]);
    const days = expectData(
      await manager.client
        .from("campaign_insights")
        .select()
        .eq("campaign_id", made.id)
        .gte("date_start", day(2))
        .order("date_start"),
    );
    expect(campaignInsightSchema.array().parse(days)).toMatchObject(
      [2, 1].map((ago) => ({
        campaign_name: name,
        date_start: day(ago),
        account_currency: "INR",
        spend: 6_250,
        leads: 225,
        revenue: 21_875,
        CPL: 27.78,
        ROAS: 3.5,
      })),
    );
    const paused = manager.client.from("campaigns").select("status, cpl, roas");
    expect((await paused.eq("external_id", idle.id)).data).toEqual([
      { status: "paused", cpl: null, roas: null },
    ]);
    // Nobody asked Meta to show any of it.
    expect(asked).toEqual([]);
    const logs = await sql()`
      select status, records_processed from public.integration_logs
      where integration_name = 'facebook_ads' and activity_type = 'insights_sync' order by created_at desc limit 1`;
    expect(logs).toMatchObject([{ status: "success" }]);
  });

  it("that cannot be read stay as they were, and the log says so", async () => {
    isDown = true;
    await expect(run()).rejects.toThrow();
    isDown = false;
    const logs = await sql()`
      select status from public.integration_logs where integration_name = 'facebook_ads' and status = 'failure'`;
    expect(logs.length).toBeGreaterThan(0);
  });
});
