/** The page at /docs of a stack: what it names, what it loads, and that calls made from it are answered. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { createUser, type Person, password, stack, unique } from "../helpers/index.ts";
import { expectations } from "../permissions/expectations.ts";
import { createForm, createPage } from "./support/api-page.ts";

const root = join(import.meta.dirname, "..", "..");

/** What the OpenAPI specification asks of a document, as far as ours go. */
const openApiSchema = z.object({
  openapi: z.string().regex(/^3\.1\.\d$/),
  info: z.object({ title: z.string().min(1), version: z.string().min(1) }),
  servers: z.array(z.object({ url: z.string().startsWith("/") })).length(1),
  paths: z.record(
    z.string().startsWith("/"),
    z.partialRecord(
      z.enum(["get", "post", "put", "patch", "delete"]),
      z.object({
        operationId: z.string().min(1),
        summary: z.string().min(1),
        parameters: z.array(
          z.object({
            name: z.string().min(1),
            in: z.enum(["path", "query", "header"]),
            required: z.boolean(),
            schema: z.object({ type: z.string() }),
          }),
        ),
        requestBody: z
          .object({ content: z.record(z.string(), z.object({ schema: z.object() })) })
          .optional(),
        responses: z
          .record(
            z.string().regex(/^([1-5](\d\d|XX)|default)$/),
            z.object({ description: z.string().min(1) }),
          )
          .refine((responses) => Object.keys(responses).length > 0),
      }),
    ),
  ),
  components: z.object().optional(),
});

type Document = z.output<typeof openApiSchema>;

interface Operation {
  method: string;
  path: string;
}

interface PageModule {
  start(
    page: unknown,
    fetch: (path: string, init?: RequestInit) => Promise<Response>,
  ): Promise<void>;
  operationsOf(document: Document): Operation[];
}

const at = (path: string, init?: RequestInit) => fetch(`${stack().url}${path}`, init);
const text = async (path: string) => (await at(path)).text();

describe.runIf(stack().simulatorUrl)("the page at /docs", () => {
  let person: Person;
  let module: PageModule;
  const documents: Document[] = [];

  beforeAll(async () => {
    person = await createUser({ role: "admin" });
    const code = await text("/docs/page.js");
    module = await import(`data:text/javascript,${encodeURIComponent(code)}`);
    const { data } = await person.client.auth.getSession();
    const headers = { authorization: `Bearer ${data.session?.access_token}` };
    const functions = readdirSync(join(root, "supabase/functions")).filter(
      (name) => /^\w/.test(name) && !name.startsWith("_"),
    );
    for (const path of [
      "/docs/openapi.json",
      ...functions.map((name) => `/functions/v1/${name}/openapi.json`),
    ]) {
      documents.push(openApiSchema.parse(await (await at(path, { headers })).json()));
    }
  });

  it("[D3-077] is made of documents that are valid: each id once, each parameter of a path described, each reference there", () => {
    expect(documents.length).toBeGreaterThan(8);
    const all = documents.flatMap((document) => Object.entries(document.paths));
    for (const { info, paths } of documents) {
      const ids = Object.values(paths).flatMap((methods) =>
        Object.values(methods).map((operation) => operation.operationId),
      );
      expect(new Set(ids).size, info.title).toBe(ids.length);
    }
    for (const [path, methods] of all) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const operation of Object.values(methods)) {
        const described = operation.parameters.filter((one) => one.in === "path");
        expect(
          described.map((one) => one.name),
          path,
        ).toEqual(inPath);
      }
    }
    for (const document of documents) {
      for (const [, reference = ""] of JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)) {
        const steps = reference.split("/");
        expect(steps.shift()).toBe("#");
        const found = steps.reduce<unknown>(
          (here, step) => (here as Record<string, unknown>)?.[step],
          document,
        );
        expect(found, reference).toBeDefined();
      }
    }
  });

  it("[D3-077] names all that a person who is signed in may use, and nothing else", () => {
    const named = module.operationsOf(documents[0]!);
    const tables = Object.entries(expectations.relations).flatMap(([name, { grants }]) => {
      const granted = grants.authenticated ?? "";
      const verbs = { GET: "select", POST: "insert", PATCH: "update", DELETE: "delete" };
      return Object.entries(verbs)
        .filter(([, verb]) => new RegExp(`\\b${verb}\\b`).test(granted))
        .filter(() => /\bselect\b/.test(granted))
        .map(([method]) => `${method} /rest/v1/${name.replace("public.", "")}`);
    });
    const lists = named.filter(({ path }) => !path.includes("/rpc/"));
    expect(lists.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(tables.sort());
    const verbs = Object.entries(expectations.functions)
      .filter(([, { execute }]) =>
        execute[1]
          .split(/\s+/)
          .slice(1, 8)
          .some((cell) => cell !== "-"),
      )
      .map(([name]) => `POST /rest/v1/rpc/${name.replace(/^public\.(\w+)\(.*$/, "$1")}`);
    const calls = named.filter(({ path }) => path.includes("/rpc/"));
    expect(calls.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(
      [...new Set(verbs)].sort(),
    );
  });

  it("[D3-077] loads nothing from elsewhere", async () => {
    const page = await at("/docs");
    expect([page.status, page.headers.get("content-type")]).toEqual([
      200,
      "text/html; charset=utf-8",
    ]);
    expect(page.headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; script-src 'self';/,
    );
    const source = await page.text();
    const loaded = [...source.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, path = ""]) => path);
    expect(loaded).toEqual(["/docs/page.css", "/docs/page.js"]);
    for (const path of ["/docs", ...loaded]) {
      expect((await text(path)).match(/https?:|url\(|@import|\bimport\b|"\/\//g), path).toBeNull();
    }
  });

  it("[D3-077] is signed in on, shows every operation as a form, sends it and shows the answer", async () => {
    const page = createPage();
    const asked: string[] = [];
    await module.start(page, (path, init) => {
      asked.push(path);
      return at(path, init);
    });
    await page.submit(createForm("sign-in", "", { email: person.email, password: "wrong" }));
    expect(page.querySelector("#who").textContent).not.toContain("Signed in");
    await page.submit(createForm("sign-in", "", { email: person.email, password }));
    expect(page.querySelector("#who").textContent).toBe(`Signed in as ${person.email}.`);

    const forms = page.querySelector("#operations").innerHTML;
    const operations = documents.flatMap((document) => module.operationsOf(document));
    for (const { method, path } of operations) {
      expect(forms).toContain(`<form data-id="${method} ${path}">`);
    }
    const send = async (operation: string, values: Record<string, string>) => {
      const form = createForm("", operation, values);
      await page.submit(form);
      return form.shown.textContent;
    };
    expect(await send("POST /rest/v1/rpc/me", { body: "{}" })).toMatch(
      /^200 OK$[\s\S]*"role": "admin"/m,
    );
    const name = unique("From the page");
    const added = { "header Prefer": "return=representation", body: JSON.stringify({ name }) };
    expect(await send("POST /rest/v1/organizations", added)).toMatch(/^201 /m);
    const read = { "query select": "name", "query name": `eq.${name}`, "query limit": "5" };
    expect(await send("GET /rest/v1/organizations", read)).toContain(`"name": "${name}"`);
    const user = { "path id": person.id, body: JSON.stringify({ full_name: "Renamed" }) };
    expect(await send("PATCH /functions/v1/admin/users/{id}", user)).toMatch(
      /^200 [\s\S]*"Renamed"/m,
    );
    expect(
      await send("POST /rest/v1/rpc/lead_360", { body: '{"p_lead_id": "LEAD-000"}' }),
    ).toContain("lead_not_found");
    expect(asked.every((path) => path.startsWith("/"))).toBe(true);
  });

  it("[D3-077] is for trying by hand what the suite tries by itself: each folder of CONTRIBUTING.md has its tests", () => {
    const guide = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
    const folders = [...guide.matchAll(/^\| `(tests\/\w+)` \|/gm)].map(([, folder = ""]) => folder);
    expect(folders.length).toBeGreaterThan(5);
    for (const folder of folders) {
      expect(readdirSync(join(root, folder)).length, folder).toBeGreaterThan(0);
    }
  });
});
