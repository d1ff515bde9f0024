// Meta's Graph API, as far as leads and campaigns need it. Only reads: a call may be made again without harm.

import {
  type MetaCampaign,
  type MetaInsight,
  type MetaLead,
  metaCampaignSchema,
  metaInsightSchema,
  metaLeadSchema,
} from "@intake/types";
import { z } from "zod";
import { hmacSha256Hex } from "../crypto.ts";
import { type Answer, type Fetch, getJson } from "./http.ts";
import {
  NotConnectedError,
  PermanentError,
  RetryAfterError,
  retryAfterSeconds,
  UnknownOutcomeError,
} from "./outcome.ts";

export interface MetaCredentials {
  accessToken: string | undefined;
  appSecret: string | undefined;
}

export interface MetaOptions {
  baseUrl: string;
  version: string;
  credentials(): Promise<MetaCredentials>;
  fetch?: Fetch;
  timeoutMs?: number;
}

export interface Page<Item> {
  items: Item[];
  /** Where the next page starts, null after the last one. */
  cursor: string | null;
}

export interface MetaForm {
  id: string;
  name?: string | undefined;
}

export interface MetaClient {
  lead(leadgenId: string, signal?: AbortSignal): Promise<MetaLead>;
  leadsOfForm(
    formId: string,
    since: Date | null,
    cursor: string | null,
    signal?: AbortSignal,
  ): Promise<Page<MetaLead>>;
  formsOfPage(pageId: string, cursor: string | null, signal?: AbortSignal): Promise<Page<MetaForm>>;
  campaignsOfAccount(
    accountId: string,
    cursor: string | null,
    signal?: AbortSignal,
  ): Promise<Page<MetaCampaign>>;
  /** What each campaign did on each day, both days included. */
  insightsOfAccount(
    accountId: string,
    range: { since: string; until: string },
    cursor: string | null,
    signal?: AbortSignal,
  ): Promise<Page<MetaInsight>>;
}

const leadFields =
  "id,created_time,form_id,ad_id,ad_name,adset_id,adset_name,campaign_id,campaign_name,platform,is_organic,field_data";

const errorSchema = z.object({
  error: z.object({
    code: z.number(),
    error_subcode: z.number().optional(),
    is_transient: z.boolean().optional(),
  }),
});

const id = z.union([z.string(), z.number()]).transform(String);

const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    data: z.array(item),
    paging: z
      .object({
        cursors: z.object({ after: z.string().optional() }).optional(),
        next: z.string().optional(),
      })
      .optional(),
  });

const leadPageSchema = pageOf(metaLeadSchema);

const campaignFields = "id,name,objective,effective_status";

const campaignPageSchema = pageOf(metaCampaignSchema);

const insightFields =
  "campaign_id,campaign_name,objective,account_currency,spend,impressions,clicks,actions,action_values,date_start,date_stop";

const insightPageSchema = pageOf(metaInsightSchema);

const formPageSchema = pageOf(z.looseObject({ id, name: z.string().optional() }));

// Application, user, page and custom rate limits.
const rateCodes = new Set([4, 17, 32, 341, 613, 80000, 80001, 80002, 80003, 80004]);

// The token is expired or was revoked: no call will succeed until somebody connects again.
const tokenCodes = new Set([102, 190]);

function refuse(answer: Answer): never {
  const parsed = errorSchema.safeParse(answer.body);
  const wait = retryAfterSeconds(answer.headers.get("retry-after"));
  if (!parsed.success) {
    if (answer.status === 429) throw new RetryAfterError("HTTP 429", wait ?? 60, true);
    if (answer.status >= 500 && wait !== null)
      throw new RetryAfterError(`HTTP ${answer.status}`, wait);
    throw new UnknownOutcomeError(`HTTP ${answer.status} without a Graph answer`);
  }
  const { code, error_subcode: subcode } = parsed.data.error;
  const what = `Graph error ${code}${subcode ? `/${subcode}` : ""}, HTTP ${answer.status}`;
  if (answer.status === 429 || rateCodes.has(code))
    throw new RetryAfterError(what, wait ?? 60, true);
  if (tokenCodes.has(code)) throw new NotConnectedError(what);
  // "Object does not exist" is often said of a lead that is a few seconds old, or while permissions
  // are being changed: worth coming back, and the queue gives up in the end.
  throw new UnknownOutcomeError(what);
}

export function createMetaClient(options: MetaOptions): MetaClient {
  const fetcher: Fetch = options.fetch ?? ((url, init) => fetch(url, init));

  async function get<Schema extends z.ZodType>(
    path: string,
    query: Record<string, string>,
    schema: Schema,
    signal: AbortSignal | undefined,
  ): Promise<z.output<Schema>> {
    const { accessToken, appSecret } = await options.credentials();
    if (!accessToken || !appSecret) throw new NotConnectedError("Meta is not set up");
    const url = new URL(`${options.baseUrl}/${options.version}/${path}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    url.searchParams.set("appsecret_proof", await hmacSha256Hex(appSecret, accessToken));
    const answer = await getJson(fetcher, url.href, {
      // In a header, because addresses end up in logs.
      headers: { authorization: `Bearer ${accessToken}` },
      timeoutMs: options.timeoutMs ?? 10_000,
      signal,
    });
    if (answer.status !== 200) refuse(answer);
    const parsed = schema.safeParse(answer.body);
    if (!parsed.success)
      throw new UnknownOutcomeError("the Graph answer is not of the expected form");
    return parsed.data;
  }

  const isId = (text: string) => /^\d{1,32}$/.test(text);

  const accountOf = (text: string) => {
    const digits = /^(?:act_)?(\d{1,32})$/.exec(text)?.[1];
    if (!digits) throw new PermanentError("an ad account id is act_ and digits");
    return `act_${digits}`;
  };

  return {
    async lead(leadgenId, signal) {
      if (!isId(leadgenId)) throw new PermanentError("a leadgen id has digits only");
      const lead = await get(leadgenId, { fields: leadFields }, metaLeadSchema, signal);
      if (lead.id !== leadgenId) throw new UnknownOutcomeError("the answer is about another lead");
      return lead;
    },
    async leadsOfForm(formId, since, cursor, signal) {
      if (!isId(formId)) throw new PermanentError("a form id has digits only");
      const query: Record<string, string> = { fields: leadFields, limit: "50" };
      if (since) query.filtering = newerThan(since);
      if (cursor) query.after = cursor;
      const page = await get(`${formId}/leads`, query, leadPageSchema, signal);
      return { items: page.data, cursor: nextCursor(page.paging) };
    },
    async formsOfPage(pageId, cursor, signal) {
      if (!isId(pageId)) throw new PermanentError("a page id has digits only");
      const query = { fields: "id,name", limit: "100", ...(cursor ? { after: cursor } : {}) };
      const page = await get(`${pageId}/leadgen_forms`, query, formPageSchema, signal);
      return { items: page.data, cursor: nextCursor(page.paging) };
    },
    async campaignsOfAccount(accountId, cursor, signal) {
      const query = { fields: campaignFields, limit: "100", ...(cursor ? { after: cursor } : {}) };
      const path = `${accountOf(accountId)}/campaigns`;
      const page = await get(path, query, campaignPageSchema, signal);
      return { items: page.data, cursor: nextCursor(page.paging) };
    },
    async insightsOfAccount(accountId, range, cursor, signal) {
      const query = {
        level: "campaign",
        time_increment: "1",
        time_range: JSON.stringify(range),
        fields: insightFields,
        limit: "100",
        ...(cursor ? { after: cursor } : {}),
      };
      const path = `${accountOf(accountId)}/insights`;
      const page = await get(path, query, insightPageSchema, signal);
      return { items: page.data, cursor: nextCursor(page.paging) };
    },
  };
}

function newerThan(since: Date): string {
  const value = Math.floor(since.getTime() / 1000);
  return JSON.stringify([{ field: "time_created", operator: "GREATER_THAN", value }]);
}

/** Meta gives an `after` on the last page as well; only with `next` is there another. */
function nextCursor(
  paging:
    | { cursors?: { after?: string | undefined } | undefined; next?: string | undefined }
    | undefined,
): string | null {
  return paging?.next ? (paging.cursors?.after ?? null) : null;
}
