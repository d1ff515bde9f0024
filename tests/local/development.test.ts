/** Working on a function: saved, it answers anew; configured by a file; told in detail; described. */
import { appendFile, cp, readFile, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Stack, startStack } from "../../packages/local/src/index.ts";
import { makeSmallProject, type SmallProject } from "./support/small-project.ts";

const repository = resolve(import.meta.dirname, "../..");
const engine = process.env.INTAKE_TEST_ENGINE === "system" ? "system" : "embedded";

let project: SmallProject;
let stack: Stack;

// A changed function starts anew.
const patient = { timeout: 10_000 };

const functions = (path: string) => join(project.root, "supabase/functions", path);

beforeAll(async () => {
  project = await makeSmallProject();
  for (const path of [
    "supabase/functions/_shared",
    "supabase/functions/health",
    "packages/types",
    "package.json",
  ]) {
    await cp(join(repository, path), join(project.root, path), { recursive: true });
  }
  await appendFile(
    join(project.root, "supabase/config.toml"),
    "[functions.health]\nverify_jwt = false\n",
  );
  await symlink(join(repository, "node_modules"), join(project.root, "node_modules"), "junction");
  const { root, dataDir } = project;
  stack = await startStack({ root, dataDir, ephemeral: true, quiet: true, engine, seed: false });
});

afterAll(async () => {
  await stack?.stop();
  await project?.remove();
});

const call = (path: string, init?: RequestInit) => fetch(`${stack.url}${path}`, init);

const log = async () => {
  const text = await readFile(join(project.dataDir, "logs/functions.log"), "utf8").catch(() => "");
  return [...text.matchAll(/(\{"time".*\})$/gm)].map(([, line = ""]) => JSON.parse(line));
};

it("[D4-090] a function is changed, configured, followed and read about while it runs", async () => {
  const title = async () => {
    const response = await call("/functions/v1/health/openapi.json");
    return ((await response.json()) as { info: { title: string } }).info.title;
  };
  expect(await title()).toBe("Intake health");

  // Hot reload.
  const code = await readFile(functions("health/app.ts"), "utf8");
  await writeFile(
    functions("health/app.ts"),
    code.replace('"Intake health"', '"Changed while it ran"'),
  );
  await expect.poll(title, patient).toBe("Changed while it ran");

  // Configuration, and hot as well.
  const origin = "https://one.example.test";
  const allowed = async () => {
    const { headers } = await call("/functions/v1/health", { headers: { origin } });
    return headers.get("access-control-allow-origin");
  };
  expect(await allowed()).toBeNull();
  await writeFile(functions(".env"), `ALLOWED_ORIGINS=${origin}\n`);
  await expect.poll(allowed, patient).toBe(origin);

  // Detailed logging, for whoever asks for it, without a value.
  await expect
    .poll(async () => (await log()).some((line) => line.message === "request"))
    .toBe(true);
  expect((await log()).filter((line) => line.level === "debug")).toEqual([]);
  await writeFile(functions(".env"), `ALLOWED_ORIGINS=${origin}\nLOG_LEVEL=debug\n`);
  const statement = async () => {
    await call("/functions/v1/health");
    return (await log()).find((line) => line.level === "debug");
  };
  await expect.poll(statement, patient).toMatchObject({
    function: "health",
    message: "statement",
    sql: expect.stringMatching(/^select set_config\('request\.jwt\.claims', \$1, true\)/),
    ms: expect.any(Number),
  });

  // Documentation, of the database's own catalogue and of the function as it is now.
  const page = await call("/docs");
  expect(page.headers.get("content-type")).toContain("text/html");
  expect(await (await call("/docs/settings.json")).json()).toMatchObject({ functions: ["health"] });
  const described = (await (await call("/docs/openapi.json")).json()) as { paths: object };
  expect(Object.keys(described.paths)).toEqual(
    expect.arrayContaining(["/notes", "/rpc/fail_with"]),
  );
});
