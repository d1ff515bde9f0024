// What Meta sends to a subscribed page's webhook, byte for byte signed.

import { createHmac } from "node:crypto";
import type { Lead } from "./objects.ts";

/** Ids are JSON numbers in these payloads, too large for a double: they are written digit by digit. */
function stringify(value: unknown, numericIds: boolean): string {
  const text = JSON.stringify(value);
  return numericIds ? text.replace(/:"(\d{10,20})"/g, ":$1") : text;
}

/** One POST: an entry per page, a change per lead. */
export function leadgenPayload(leads: Lead[], numericIds: boolean): string {
  const time = Math.floor(Date.now() / 1000);
  const pages = new Map<string, Lead[]>();
  for (const lead of leads) pages.set(lead.page_id, [...(pages.get(lead.page_id) ?? []), lead]);
  const entry = [...pages].map(([id, own]) => ({
    id,
    time,
    changes: own.map((lead) => ({
      field: "leadgen",
      value: {
        created_time: lead.created_time,
        leadgen_id: lead.id,
        page_id: lead.page_id,
        form_id: lead.form_id,
        ...(lead.is_organic ? {} : { ad_id: lead.ad_id, adgroup_id: lead.adgroup_id }),
      },
    })),
  }));
  return stringify({ object: "page", entry }, numericIds);
}

export function signedHeaders(body: Buffer, appSecret: string): Record<string, string> {
  const hmac = (algorithm: string) => createHmac(algorithm, appSecret).update(body).digest("hex");
  return {
    "content-type": "application/json",
    "user-agent": "facebookexternalua",
    "x-hub-signature": `sha1=${hmac("sha1")}`,
    "x-hub-signature-256": `sha256=${hmac("sha256")}`,
  };
}
