/** Reports as files: written by the worker with their owner's rights, behind links that end. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  type ReportRun,
  reportExportedSchema,
  reportRunSchema,
} from "../../packages/types/src/report-runs.ts";
import { reportBuiltSchema } from "../../packages/types/src/reports.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  stack,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
const source = unique("Run");
let report: string;

async function bearer(person: Person): Promise<Record<string, string>> {
  const { data } = await person.client.auth.getSession();
  return {
    apikey: stack().publishableKey,
    authorization: `Bearer ${data.session!.access_token}`,
    "content-type": "application/json",
  };
}

async function request(person: Person, path: string, body?: object): Promise<Response> {
  return fetch(`${stack().url}/functions/v1/reports${path}`, {
    headers: await bearer(person),
    redirect: "manual",
    ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
  });
}

const exported = async (person: Person, body: object) =>
  reportExportedSchema.parse(await (await request(person, "/export", body)).json());

const details = async (response: Response) =>
  ((await response.json()) as { details: string }).details;

const text = async (url: string) =>
  Buffer.from(await (await fetch(url)).arrayBuffer()).toString("utf8");

const history = async (person: Person, of = report): Promise<ReportRun[]> =>
  expectData(
    await person.client
      .from("report_runs")
      .select()
      .eq("report_id", of)
      .order("created_at", { ascending: false }),
  ).map((row) => reportRunSchema.parse(row));

beforeAll(async () => {
  const team = await createTeam();
  [manager, counselor] = await Promise.all([
    createUser({ role: "manager", team }),
    createUser({ team }),
  ]);
  await sql()`
    insert into public.leads (name, source, value, assigned_to)
    values ('=cmd()', ${source}, 10, ${manager.id}), ('Bala', ${source}, 20, ${counselor.id})
  `;
  const built = await manager.client.rpc("report_build", {
    p: { name: "Run", fields: ["name", "value"], filters: { source }, sorting: ["name"] },
  });
  report = reportBuiltSchema.parse(expectData(built)).report_id;
});

describe("an export", () => {
  it("[D3-076] answers download_url and expires_at, and the link ends", async () => {
    const asked = Date.now();
    const { download_url, expires_at } = await exported(manager, { report_id: report });
    expect(await text(download_url)).toBe(
      "\ufeffcurrency,name,value\r\nINR,'=cmd(),10.00\r\nINR,Bala,20.00\r\n",
    );
    // The link's own end, as Storage holds it, is the one that was answered.
    const token = new URL(download_url).searchParams.get("token")!;
    const { exp } = JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString("utf8"));
    expect(Math.abs(exp * 1000 - Date.parse(expires_at))).toBeLessThan(5_000);
    expect(Date.parse(expires_at) - asked).toBeLessThan(16 * 60_000);
    // So is the file's: when it is over, no new link is made, and none can be signed.
    const [run] = await history(manager);
    const sign = () =>
      manager.client.storage.from("reports").createSignedUrl(run!.storage_path!, 60);
    expect((await sign()).error).toBeNull();
    await sql()`update public.report_runs set expires_at = now() where id = ${run!.id}`;
    expect((await sign()).error).not.toBeNull();
    expect((await request(manager, `/runs/${run!.id}/file`)).status).toBe(404);
    await sql()`
      update private.jobs set run_at = now()
      where kind = 'report.expire' and payload ->> 'run_id' = ${run!.id}
    `;
    await sql()`select private.kick_worker(true)`;
    await expect
      .poll(async () => (await history(manager))[0]!.status, { timeout: 20_000 })
      .toBe("expired");
    const left = await sql()`select from storage.objects where name = ${run!.storage_path!}`;
    expect(left).toHaveLength(0);
  });

  it("is written as JSON, too, and in no format there is not", async () => {
    const { download_url } = await exported(manager, { report_id: report, format: "json" });
    expect(JSON.parse(await text(download_url))).toMatchObject({
      name: "Run",
      rows: [
        { currency: "INR", name: "=cmd()", value: 10 },
        { currency: "INR", name: "Bala", value: 20 },
      ],
    });
    for (const format of ["pdf", "xlsx", "sheets"]) {
      const refused = await request(manager, "/export", { report_id: report, format });
      expect(refused.status).toBe(422);
      expect(await details(refused)).toBe(`report_format_unavailable: ${format}`);
    }
  });

  it("is refused without reports.export, as the function and as the RPC", async () => {
    const refused = await request(counselor, "/export", { report_id: report });
    expect(refused.status).toBe(403);
    expect(await details(refused)).toMatch(/^permission_denied/);
    expectError(await counselor.client.rpc("report_export", { p_report_id: report }), {
      code: "42501",
      details: "permission_denied",
    });
  });

  it("says why it was not written", async () => {
    const [role] = await sql()<{ key: string }[]>`
      with made as (
        insert into public.roles (key, name, data_scope)
        values (${`r_${crypto.randomUUID().replaceAll("-", "_")}`}, ${unique("Role")}, 'own') returning id, key
      ), granted as (
        insert into public.role_permissions (role_id, permission)
        select made.id, p from made, unnest(array['reports.view', 'reports.export']) p
      )
      select key from made
    `;
    const person = await createUser({ role: role!.key });
    const built = await person.client.rpc("report_build", { p: { name: "x", fields: ["name"] } });
    const { report_id } = reportBuiltSchema.parse(expectData(built));
    // A list of leads needs leads.export as well.
    expect((await request(person, "/export", { report_id })).status).toBe(403);
    expect((await history(person, report_id))[0]).toMatchObject({
      status: "failed",
      failure: "permission_denied",
      download_url: null,
    });
  });
});

describe("the history", () => {
  it("[D3-028] lists past runs of a report page by page, with links to their files", async () => {
    const built = await manager.client.rpc("report_build", {
      p: { name: "History", grouping: ["source"], filters: { source }, aggregations: ["count"] },
    });
    const { report_id } = reportBuiltSchema.parse(expectData(built));
    for (const format of ["csv", "json", "csv"]) await exported(manager, { report_id, format });
    const runs = await history(manager, report_id);
    expect(runs.map(({ format, status, row_count }) => [format, status, row_count])).toEqual([
      ["csv", "done", 1],
      ["json", "done", 1],
      ["csv", "done", 1],
    ]);
    const page = await manager.client
      .from("report_runs")
      .select("id, report_id, row_count, download_url, expires_at, created_at", { count: "exact" })
      .eq("report_id", report_id)
      .order("created_at", { ascending: false })
      .range(1, 1);
    expect(page.count).toBe(3);
    expect(page.data).toEqual([
      {
        id: runs[1]!.id,
        report_id,
        row_count: 1,
        download_url: `/functions/v1/reports/runs/${runs[1]!.id}/file`,
        expires_at: runs[1]!.expires_at,
        created_at: runs[1]!.created_at,
      },
    ]);
    // The link, with the person's token, leads to the file.
    const link = `${stack().url}${runs[0]!.download_url}`;
    const followed = await fetch(link, { headers: await bearer(manager) });
    expect(Buffer.from(await followed.arrayBuffer()).toString("utf8")).toBe(
      `\ufeffsource,count\r\n${source},2\r\n`,
    );
    // Nobody else's.
    const admin = await createUser({ role: "admin" });
    expect(await history(admin, report_id)).toEqual([]);
    expect((await fetch(link, { headers: await bearer(admin) })).status).toBe(404);
    expect((await fetch(link)).status).toBe(401);
  });
});
