/** Exports as people make them: what they may see, as a file of their own that expires. */
import { beforeAll, describe, expect, it } from "vitest";
import { type Export, exportSchema } from "../../packages/types/src/exports.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
  uniqueEmail,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
const source = unique("Export");

async function ended(person: Person, id: string): Promise<Export> {
  const ask = async () =>
    exportSchema.parse(
      expectData(await person.client.from("exports").select().eq("id", id).single()),
    );
  await expect.poll(async () => (await ask()).status, { timeout: 20_000 }).not.toBe("running");
  return ask();
}

async function run(person: Person, list: string, filters: object, columns?: string[]) {
  const started = await person.client.rpc("export_start", {
    p_list: list,
    p_filters: filters as never,
    ...(columns ? { p_columns: columns } : {}),
  });
  return ended(person, (expectData(started) as unknown as Export).id);
}

async function text(person: Person, made: Export): Promise<string> {
  const { data, error } = await person.client.storage
    .from("exports")
    .createSignedUrl(made.storage_path!, 60);
  expect(error).toBeNull();
  const response = await fetch(data!.signedUrl);
  return Buffer.from(await response.arrayBuffer()).toString("utf8");
}

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ role: "counselor", team });
  const stranger = await createUser({ role: "counselor", team: await createTeam() });
  await sql()`
    insert into public.leads (name, email, phone, organization, source, value, tags, assigned_to)
    values
      ('=HYPERLINK("x")', ${uniqueEmail()}, '+919876500011', 'Nair, "Sons"', ${source}, 1500.5, '{a,b}', ${counselor.id}),
      ('Zoë', ${uniqueEmail()}, null, '@here', ${source}, 0, '{}', ${manager.id}),
      ('Not theirs', ${uniqueEmail()}, null, null, ${source}, 0, '{}', ${stranger.id})
  `;
});

describe("an export", () => {
  it("[D2-034] [D4-099] holds the rows the caller sees, as CSV without formulas", async () => {
    const made = await run(manager, "leads", { source }, [
      "name",
      "phone",
      "organization",
      "value",
      "tags",
    ]);
    expect(made).toMatchObject({ status: "done", row_count: 2, list: "leads" });
    expect(await text(manager, made)).toBe(
      [
        "\ufeffname,phone,organization,value,tags",
        `"'=HYPERLINK(""x"")",'+919876500011,"Nair, ""Sons""",1500.50,a;b`,
        "Zoë,,'@here,0.00,",
        "",
      ].join("\r\n"),
    );
    const [entry] = await sql()`
      select user_id, action, resource, after from public.audit_logs where record_id = ${made.id}
    `;
    expect(entry).toMatchObject({
      user_id: manager.id,
      action: "export",
      resource: "leads",
      after: { rows: 2, filters: { source } },
    });
  });

  it("filters by value, by several, and by bounds", async () => {
    const names = async (filters: object) =>
      (await text(manager, await run(manager, "leads", filters, ["name"]))).split("\r\n").slice(1);
    expect(await names({ source, value: { gte: 1000 } })).toHaveLength(2);
    expect(await names({ source: [source, "x"], phone: null })).toEqual(["Zoë", ""]);
    expect(await names({ source, phone: { neq: null } })).toHaveLength(2);
    expect(await names({ source, tags: "b" })).toHaveLength(2);
    expect(await names({ source, tags: ["b", "c"] })).toHaveLength(2);
    expect(await names({ source, tags: "c" })).toEqual([""]);
  });

  it("[D4-099] holds other lists, of which everybody has their own part", async () => {
    const [theirs] = await sql()<{ id: string }[]>`
      select id from public.leads where source = ${source} and assigned_to = ${counselor.id}`;
    const amounts = async (person: Person, lead_id: string) =>
      text(person, await run(person, "payments", { lead_id }, ["amount", "currency", "notes"]));
    await sql()`
      insert into public.payments (lead_id, amount, currency, notes)
      select id, 50000, 'INR', 'x;=1+1' from public.leads where source = ${source}`;
    const header = "\ufeffamount,currency,notes\r\n";
    expect(await amounts(manager, theirs!.id)).toBe(`${header}50000.00,INR,x;'=1+1\r\n`);
    const [others] = await sql()<{ id: string }[]>`
      select id from public.leads where source = ${source} and name = 'Not theirs'`;
    expect(await amounts(manager, others!.id)).toBe(header);
  });

  it("[D4-099] is refused without leads.export, of lists that are none, and of columns nobody sees", async () => {
    const ask = (person: Person, p_list: string, more: object = {}) =>
      person.client.rpc("export_start", { p_list, ...more });
    const denied = { code: "42501", details: "permission_denied" };
    expectError(await ask(counselor, "leads"), denied);
    expectError(await ask(manager, "audit_logs"), {
      code: "PT404",
      details: "export_list_unknown",
    });
    expectError(await ask(manager, "leads", { p_columns: ["password"] }), {
      code: "PT422",
      details: "export_column_unknown",
    });
    expectError(await ask(manager, "leads", { p_filters: { "1=1 or name": "x" } }), {
      code: "PT422",
      details: "export_column_unknown",
    });
    expectError(await ask(manager, "leads", { p_filters: { created_at: "soon" } }), {
      code: "PT422",
      details: "export_filter_invalid",
    });
  });

  it("is nobody else's, and not to be read once it expired", async () => {
    const made = await run(manager, "leads", { source });
    const path = made.storage_path!;
    const { client } = await createUser({ role: "admin" });
    expect((await client.from("exports").select().eq("id", made.id)).data).toEqual([]);
    expect((await client.storage.from("exports").download(path)).error).not.toBeNull();
    expect((await manager.client.storage.from("exports").download(path)).error).toBeNull();
    await sql()`update public.exports set expires_at = now() where id = ${made.id}`;
    expect((await manager.client.storage.from("exports").download(path)).error).not.toBeNull();
    await sql()`
      update private.jobs set run_at = now()
      where kind = 'export.expire' and payload ->> 'export_id' = ${made.id}
    `;
    await sql()`select private.kick_worker(true)`;
    expect(await expired(made.id)).toBe(true);
    const objects = await sql()`select from storage.objects where name = ${path}`;
    expect(objects).toHaveLength(0);
  });

  it("shows nothing to somebody who signed out before it ran", async () => {
    const leaver = await createUser({ role: "manager", team: await createTeam() });
    const [made] = await sql().begin(async (tx) => {
      // Within one transaction the worker sees the export and the end of the session together.
      const [session] = await tx`select id from auth.sessions where user_id = ${leaver.id}`;
      const claims = { sub: leaver.id, role: "authenticated", session_id: session!.id };
      await tx`select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
      const rows = await tx<Export[]>`select * from private.export_start('leads', '{}', null)`;
      await tx`delete from auth.sessions where user_id = ${leaver.id}`;
      return rows;
    });
    await expect
      .poll(
        async () =>
          (await sql()`select status, failure from public.exports where id = ${made!.id}`)[0],
        {
          timeout: 20_000,
        },
      )
      .toEqual({ status: "failed", failure: "permission_denied" });
  });
});

async function expired(id: string): Promise<boolean> {
  for (let tries = 0; tries < 200; tries += 1) {
    const [row] = await sql()`select status from public.exports where id = ${id}`;
    if (row?.status === "expired") return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}
