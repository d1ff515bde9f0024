// The part of the Graph API that a lead integration reads: one lead, a form, a form's leads for a
// backfill, a page's forms and its webhook subscription, an ad account's campaigns and what they did.
// Bodies and errors are Graph's.

import { createHmac, timingSafeEqual } from "node:crypto";
import type { Fault } from "../faults.ts";
import { type Exchange, parseObject, sendJson } from "../http.ts";
import { type AdDay, daysIn, insightFields } from "./ads.ts";
import { type Form, isId, type Lead, type Objects } from "./objects.ts";

interface GraphContext {
  objects: Objects;
  accessToken: string;
  appSecret: string;
  /** Pages whose webhooks are subscribed, with their fields. */
  subscriptions: Map<string, string[]>;
}

class GraphError extends Error {
  readonly status: number;
  readonly code: number;
  readonly subcode: number | undefined;
  readonly type: string;
  constructor(
    status: number,
    code: number,
    message: string,
    type = "OAuthException",
    subcode?: number,
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.type = type;
    this.subcode = subcode;
  }
}

const leadFields: Record<string, (lead: Lead) => unknown> = {
  id: (lead) => lead.id,
  created_time: (lead) => graphTime(lead.created_time),
  field_data: (lead) => lead.field_data,
  form_id: (lead) => lead.form_id,
  // Organic leads, and those of a token without ads permission, have none of these.
  ad_id: (lead) => (lead.is_organic ? undefined : lead.ad_id),
  ad_name: (lead) => (lead.is_organic ? undefined : lead.ad_name),
  adset_id: (lead) => (lead.is_organic ? undefined : lead.adgroup_id),
  adset_name: (lead) => (lead.is_organic ? undefined : lead.adset_name),
  campaign_id: (lead) => (lead.is_organic ? undefined : lead.campaign_id),
  campaign_name: (lead) => (lead.is_organic ? undefined : lead.campaign_name),
  is_organic: (lead) => lead.is_organic,
  platform: (lead) => lead.platform,
  custom_disclaimer_responses: () => undefined,
  partner_name: () => undefined,
  home_listing: () => undefined,
  retailer_item_id: () => undefined,
  vehicle: () => undefined,
};

const formFields: Record<string, (form: Form, objects: Objects) => unknown> = {
  id: (form) => form.id,
  name: (form) => form.name,
  status: (form) => form.status,
  locale: (form) => form.locale,
  created_time: (form) => graphTime(form.created_time),
  questions: (form) => form.questions,
  page_id: (form) => form.page_id,
  leads_count: (form, objects) => objects.leadsOf(form.id).length,
};

/** Graph's own way to write a time: 2026-11-21T08:00:00+0000. */
function graphTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d{3}Z$/, "+0000");
}

function select<T>(
  wanted: string | null,
  fallback: string[],
  known: Record<string, (value: T, objects: Objects) => unknown>,
  nodeType: string,
  value: T,
  objects: Objects,
): Record<string, unknown> {
  const names = wanted ? wanted.split(",").map((name) => name.trim()) : fallback;
  const out: Record<string, unknown> = {};
  for (const name of new Set([...names.filter(Boolean), "id"])) {
    const read = known[name];
    if (!read) {
      const message = `(#100) Tried accessing nonexisting field (${name}) on node type (${nodeType})`;
      throw new GraphError(400, 100, message);
    }
    const found = read(value, objects);
    if (found !== undefined) out[name] = found;
  }
  return out;
}

function authorize({ url, headers }: Exchange, context: GraphContext): void {
  const bearer = /^(?:Bearer|OAuth) (.+)$/.exec(headers.authorization ?? "")?.[1];
  const token = url.searchParams.get("access_token") ?? bearer;
  if (!token) {
    const message = "An access token is required to request this resource.";
    throw new GraphError(400, 104, message);
  }
  if (token !== context.accessToken) {
    throw new GraphError(401, 190, "Invalid OAuth access token - Cannot parse access token");
  }
  const proof = url.searchParams.get("appsecret_proof");
  if (proof === null) return;
  const expected = createHmac("sha256", context.appSecret).update(token).digest();
  const given = Buffer.from(proof, "hex");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new GraphError(
      400,
      100,
      "Invalid appsecret_proof provided in the API argument",
      "GraphMethodException",
    );
  }
}

function doesNotExist(method: string, id: string): GraphError {
  return new GraphError(
    400,
    100,
    `Unsupported ${method.toLowerCase()} request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation. Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api`,
    "GraphMethodException",
    33,
  );
}

function page<T extends { id: string }>(
  all: T[],
  url: URL,
  show: (item: T) => Record<string, unknown>,
): Record<string, unknown> {
  const { searchParams } = url;
  const limit = Math.min(Math.max(Number(searchParams.get("limit")) || 25, 1), 100);
  const cursorOf = (item: T) => Buffer.from(item.id).toString("base64");
  const positionOf = (cursor: string) => {
    const index = all.findIndex((item) => cursorOf(item) === cursor);
    if (index < 0) throw new GraphError(400, 100, "(#100) Invalid cursor");
    return index;
  };
  const after = searchParams.get("after");
  const before = searchParams.get("before");
  let from = 0;
  if (after) from = positionOf(after) + 1;
  else if (before) from = Math.max(positionOf(before) - limit, 0);
  const items = all.slice(from, from + limit);
  const first = items[0];
  const last = items.at(-1);
  if (!first || !last) return { data: [] };
  const link = (name: string, cursor: string) => {
    const target = new URL(url);
    target.searchParams.delete("after");
    target.searchParams.delete("before");
    target.searchParams.set(name, cursor);
    return target.href;
  };
  return {
    data: items.map(show),
    paging: {
      cursors: { before: cursorOf(first), after: cursorOf(last) },
      ...(from + limit < all.length ? { next: link("after", cursorOf(last)) } : {}),
      ...(from > 0 ? { previous: link("before", cursorOf(first)) } : {}),
    },
  };
}

/** `filtering=[{"field":"time_created","operator":"GREATER_THAN","value":…}]`, what a backfill uses. */
function filterLeads(leads: Lead[], filtering: string | null): Lead[] {
  if (!filtering) return leads;
  let rules: { field?: string; operator?: string; value?: unknown }[];
  try {
    rules = JSON.parse(filtering);
  } catch {
    throw new GraphError(400, 100, "(#100) param filtering must be an array.");
  }
  return rules.reduce((left, rule) => {
    if (rule.field !== "time_created") {
      throw new GraphError(400, 100, "(#100) Filtering field is not supported");
    }
    const value = Number(rule.value);
    switch (rule.operator) {
      case "GREATER_THAN":
        return left.filter((lead) => lead.created_time > value);
      case "GREATER_THAN_OR_EQUAL":
        return left.filter((lead) => lead.created_time >= value);
      case "LESS_THAN":
        return left.filter((lead) => lead.created_time < value);
      default:
        throw new GraphError(400, 100, "(#100) Filtering operator is not supported");
    }
  }, leads);
}

function timeRange(text: string | null): { since: string; until: string } {
  try {
    const { since, until } = JSON.parse(text ?? "") as Record<string, unknown>;
    const isDay = (day: unknown): day is string =>
      typeof day === "string" && /^\d{4}-\d{2}-\d{2}$/.test(day);
    if (isDay(since) && isDay(until) && since <= until) return { since, until };
  } catch {
    // Refused below.
  }
  throw new GraphError(400, 100, "(#100) param time_range must be non-empty.");
}

/** An ad account: its campaigns, and per campaign and day what they did. */
function resolveAccount(url: URL, edge: string | undefined, objects: Objects): unknown {
  const { ads } = objects;
  const wanted = url.searchParams.get("fields");
  if (edge === "campaigns") {
    return page([...ads.campaigns.values()], url, (campaign) => {
      const { id, name, objective, effective_status: status } = campaign;
      const known = {
        name: () => name,
        objective: () => objective,
        effective_status: () => status,
        id: () => id,
      };
      return select(wanted, ["id"], known, "Campaign", campaign, objects);
    });
  }
  if (edge !== "insights") throw doesNotExist("GET", ads.accountId);
  if (
    url.searchParams.get("level") !== "campaign" ||
    url.searchParams.get("time_increment") !== "1"
  ) {
    throw new GraphError(400, 100, "(#100) Only campaigns by day are simulated");
  }
  const range = timeRange(url.searchParams.get("time_range"));
  const show = (day: AdDay) => {
    const row: Record<string, unknown> = {};
    for (const name of (wanted ?? "impressions,spend").split(",")) {
      const read = insightFields[name];
      if (!read && !name.startsWith("date_")) {
        throw new GraphError(400, 100, `(#100) ${name} is not valid for fields param.`);
      }
      const value = read?.(day, ads.campaigns.get(day.campaign_id)!);
      if (value !== undefined) row[name] = value;
    }
    return { ...row, date_start: day.date, date_stop: day.date };
  };
  return page(daysIn(ads, range), url, show);
}

/** Graph takes a parameter from the query, from a form or from JSON. */
function parameter({ url, headers, body }: Exchange, name: string): string | null {
  const text = body.toString("utf8");
  if (headers["content-type"]?.startsWith("application/json")) {
    const value = parseObject(body)[name];
    if (value !== undefined) return String(value);
  }
  return url.searchParams.get(name) ?? new URLSearchParams(text).get(name);
}

function resolve(exchange: Exchange, context: GraphContext): unknown {
  const { method, url } = exchange;
  const { objects, subscriptions } = context;
  const [, , id = "", edge, ...rest] = url.pathname.split("/");
  authorize(exchange, context);
  if (rest.length > 0) {
    throw new GraphError(400, 2500, `Unknown path components: /${[edge, ...rest].join("/")}`);
  }
  const wanted = url.searchParams.get("fields");
  const showLead = (lead: Lead) =>
    select(wanted, ["created_time", "id", "field_data"], leadFields, "LeadGenData", lead, objects);
  const showForm = (form: Form) =>
    select(wanted, ["id", "name", "status", "locale"], formFields, "LeadGenForm", form, objects);

  const lead = isId(id) ? objects.leads.get(id) : undefined;
  const form = isId(id) ? objects.forms.get(id) : undefined;
  const isPage = [...objects.forms.values()].some((candidate) => candidate.page_id === id);

  if (method === "GET") {
    if (id === objects.ads.accountId) return resolveAccount(url, edge, objects);
    if (lead && !edge) return showLead(lead);
    if (form && !edge) return showForm(form);
    if (form && edge === "leads") {
      const leads = filterLeads(objects.leadsOf(id), url.searchParams.get("filtering"));
      return page(leads, url, showLead);
    }
    if (isPage && edge === "leadgen_forms") {
      const forms = [...objects.forms.values()].filter((candidate) => candidate.page_id === id);
      return page(forms, url, showForm);
    }
    if (isPage && edge === "subscribed_apps") {
      const fields = subscriptions.get(id);
      return { data: fields ? [{ name: "Intake", subscribed_fields: fields }] : [] };
    }
  }
  if (isPage && edge === "subscribed_apps") {
    if (method === "DELETE") subscriptions.delete(id);
    else if (method === "POST") {
      const fields = parameter(exchange, "subscribed_fields");
      if (!fields)
        throw new GraphError(400, 100, "(#100) The parameter subscribed_fields is required.");
      subscriptions.set(id, fields.split(","));
    }
    return { success: true };
  }
  throw doesNotExist(method, id);
}

const trace = () => `A${Math.random().toString(36).slice(2, 12).padEnd(10, "x")}`;

function sendError(
  exchange: Exchange,
  error: GraphError,
  headers: Record<string, string> = {},
): void {
  const body = {
    error: {
      message: error.message,
      type: error.type,
      code: error.code,
      ...(error.subcode === undefined ? {} : { error_subcode: error.subcode }),
      fbtrace_id: trace(),
    },
  };
  sendJson(exchange.response, error.status, body, {
    ...(error.status === 401 || error.code === 190
      ? { "www-authenticate": `OAuth "Facebook Platform" "invalid_token" "${error.message}"` }
      : {}),
    ...headers,
  });
}

/** Faults that only Graph words this way. */
export function answerFault(exchange: Exchange, fault: Fault): void {
  const id = exchange.url.pathname.split("/")[2] ?? "";
  switch (fault.kind) {
    case "rate_limit": {
      const minutes = Math.max(1, Math.ceil(fault.retryAfterSeconds / 60));
      const usage = { type: "leadgen", call_count: 100, total_cputime: 10, total_time: 10 };
      sendError(
        exchange,
        new GraphError(
          fault.status ?? 429,
          4,
          "(#4) Application request limit reached",
          "OAuthException",
          1504022,
        ),
        {
          "retry-after": String(fault.retryAfterSeconds),
          "x-app-usage": JSON.stringify({ call_count: 100, total_time: 10, total_cputime: 10 }),
          "x-business-use-case-usage": JSON.stringify({
            "1": [{ ...usage, estimated_time_to_regain_access: minutes }],
          }),
        },
      );
      return;
    }
    case "not_found":
      sendError(exchange, doesNotExist(exchange.method, id));
      return;
    case "token_expired":
      sendError(
        exchange,
        new GraphError(
          401,
          190,
          "Error validating access token: Session has expired",
          "OAuthException",
          463,
        ),
      );
      return;
    default:
      sendError(exchange, new GraphError(fault.status ?? 500, 1, "An unknown error occurred"));
  }
}

export function answerGraph(exchange: Exchange, context: GraphContext): void {
  try {
    const value = resolve(exchange, context);
    sendJson(exchange.response, 200, value, { "facebook-api-version": "v23.0" });
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    sendError(exchange, error);
  }
}
