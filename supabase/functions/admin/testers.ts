// How credentials of each integration are tried: by the cheapest call that needs them.

import { createMetaClient } from "../_shared/providers/meta.ts";
import { PermanentError } from "../_shared/providers/outcome.ts";
import type { TestCredentials } from "./deps.ts";

export interface MetaTesterOptions {
  baseUrl: string;
  version: string;
  appSecret: string | undefined;
}

const isIds = (value: unknown): value is string[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((id) => typeof id === "string" && /^\d{1,32}$/.test(id));

/** The token must read the lead forms of every page it is to serve. */
export function metaTester(options: MetaTesterOptions): TestCredentials {
  return async (credentials, config) => {
    const accessToken = credentials.access_token;
    if (!accessToken) throw new PermanentError("access_token is missing");
    if (!isIds(config.page_ids)) throw new PermanentError("config.page_ids must name the pages");
    const client = createMetaClient({
      ...options,
      credentials: async () => ({ accessToken, appSecret: options.appSecret }),
    });
    for (const pageId of config.page_ids) await client.formsOfPage(pageId, null);
  };
}
