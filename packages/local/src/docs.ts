// /docs: every endpoint of the project on one page, from which it can be called.

import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Sql } from "postgres";
import { dataApiDocument } from "./docs/openapi.ts";

export interface DocsOptions {
  sql: Sql;
  /** Holds supabase/functions. */
  root: string;
  publishableKey: string;
}

export interface Docs {
  handle(path: string): Promise<Response | null>;
}

const files: Record<string, { file: URL; type: string }> = {
  "/docs": { file: new URL("./docs/page.html", import.meta.url), type: "text/html" },
  "/docs/page.css": { file: new URL("./docs/page.css", import.meta.url), type: "text/css" },
  "/docs/page.js": { file: new URL("./docs/page.js", import.meta.url), type: "text/javascript" },
};

// What the page loads and calls is here, and nowhere else.
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

function functionsOf(root: string): string[] {
  try {
    return readdirSync(join(root, "supabase", "functions"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && /^[A-Za-z]/.test(entry.name))
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}

export function createDocs({ sql, root, publishableKey }: DocsOptions): Docs {
  return {
    async handle(path) {
      if (path === "/docs/openapi.json") return Response.json(await dataApiDocument(sql));
      if (path === "/docs/settings.json") {
        return Response.json({ publishableKey, functions: functionsOf(root) });
      }
      const found = files[path];
      if (!found) return null;
      return new Response(await readFile(found.file, "utf8"), {
        headers: {
          "content-type": `${found.type}; charset=utf-8`,
          "content-security-policy": policy,
        },
      });
    },
  };
}
