/** Imports as people with leads.import do them: upload, map, dry run, commit, undo. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  importProgressSchema,
  importRowSchema,
  importSchema,
} from "../../packages/types/src/imports.ts";
import { map, settled, start, step } from "../helpers/imports.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  type Team,
  unique,
  uniqueEmail,
  uniquePhone,
} from "../helpers/index.ts";

let team: Team;
let manager: Person;
let counselor: Person;
let stranger: Person;

beforeAll(async () => {
  team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ role: "counselor", team });
  stranger = await createUser({ role: "counselor", team: await createTeam() });
});

const leadsOf = (source: string) =>
  sql()`select * from public.leads where source = ${source} and deleted_at is null order by lead_no`;

describe("an import", () => {
  it("[D2-034] takes a file from the upload to leads, and back", async () => {
    const source = unique("Fair");
    const known = uniqueEmail();
    await sql()`
      insert into public.leads (name, email, source, status, assigned_to)
      values ('Known Person', ${known}, ${source}, 'lost', ${counselor.id})
    `;
    const [before] = await leadsOf(source);
    const twin = uniquePhone();
    const csv = [
      "Full Name,E-mail,Mobile No,Course,Owner,Fees",
      `Asha Nair,${uniqueEmail()},${twin},MBBS,${counselor.email},"1,20,000.50"`,
      `=cmd|x,${uniqueEmail()},,BDS,${counselor.email},`,
      `Known Person,${known.toUpperCase()},,MBBS,,`,
      `Asha Again,,${twin},MBBS,,`,
      "Broken,not an address,,,,",
      "Too few,cells",
    ].join("\r\n");

    const read = await start(manager, csv);
    expect(importSchema.parse(await one(manager, read.id))).toMatchObject({
      status: "read",
      columns: ["Full Name", "E-mail", "Mobile No", "Course", "Owner", "Fees"],
      suggested_mapping: {
        "Full Name": "name",
        "E-mail": "email",
        "Mobile No": "phone",
        Course: "course",
        Owner: "assigned_to",
      },
      rows_total: 6,
    });

    await map(
      manager,
      read,
      { ...(read.suggested_mapping as Record<string, string>), Fees: "value" },
      { source },
    );
    const checked = await step(manager, "import_dry_run", read.id);
    expect(checked.status).toBe("checked");
    expect(checked.counts).toEqual({ new: 2, enquiry: 1, duplicate: 1, invalid: 2 });
    expect(await leadsOf(source)).toEqual([before]);

    const rows = await report(manager, read.id);
    expect(rows.map((row) => [row.row_no, row.decision, row.code, row.field])).toEqual([
      [1, "new", null, null],
      [2, "new", null, null],
      [3, "enquiry", null, null],
      [4, "duplicate", null, null],
      [5, "invalid", "email_invalid", "email"],
      [6, "invalid", "row_ragged", "2 cells, 6 columns"],
    ]);
    expect(rows[2]?.lead_id).toBe(before!.id);
    expect(rows[3]?.duplicate_of).toBe(1);

    const committed = await step(manager, "import_commit", read.id);
    expect(committed.results).toEqual({ created: 2, enquiries: 2 });
    const leads = await leadsOf(source);
    expect(leads.map((lead) => [lead.name, lead.status, lead.value, lead.enquiries_count])).toEqual(
      [
        ["Known Person", "new", "0.00", 2],
        ["Asha Nair", "new", "120000.50", 2],
        ["=cmd|x", "new", "0.00", 1],
      ],
    );
    expect(leads[1]).toMatchObject({ assigned_to: counselor.id, team_id: team.id });
    expect(leads[1]).toMatchObject({ created_by: manager.id });

    const undone = await step(manager, "import_undo", read.id);
    expect(undone).toMatchObject({ status: "undone" });
    expect(undone.results).toMatchObject({ erased: 2, withdrawn: 2 });
    expect(await leadsOf(source)).toEqual([before]);
  });

  it("[D2-034] is for people with leads.import, and shows nobody another's", async () => {
    const path = `${counselor.id}/mine.csv`;
    const denied = await counselor.client.storage.from("imports").upload(path, new Blob(["a"]));
    expect(denied.error?.message).toMatch(/row-level security/);
    expectError(await counselor.client.rpc("import_start", { p_storage_path: path }), {
      code: "42501",
      details: "permission_denied",
    });
    const read = await start(manager, "Name\nSomebody\n");
    const other = await createUser({ role: "manager", team: await createTeam() });
    for (const name of ["import_dry_run", "import_commit", "import_undo"] as const) {
      expectError(await other.client.rpc(name, { p_import_id: read.id }), {
        code: "PT404",
        details: "not_found",
      });
    }
    expectError(await other.client.rpc("import_report", { p_import_id: read.id }), {
      code: "PT404",
      details: "not_found",
    });
    expect((await other.client.from("imports").select().eq("id", read.id)).data).toEqual([]);
    expectError(await other.client.rpc("import_start", { p_storage_path: read.storage_path }), {
      code: "PT404",
      details: "import_file_missing",
    });
    expect((await other.client.storage.from("imports").download(read.storage_path)).error).not.toBe(
      null,
    );
  });

  it("opens nobody the way past the triggers that its chunks take", async () => {
    const { error } = await manager.client.rpc(
      "set_config" as never,
      {
        setting_name: "intake.prepared",
        new_value: "on",
        is_local: false,
      } as never,
    );
    expect(error?.code).toBe("PGRST202");
    const [reachable] = await sql()`
      select count(*)::int as functions from pg_proc p
      where p.pronamespace = 'public'::regnamespace and p.prosrc ~ 'intake\\.(prepared|restore|importing)'`;
    expect(reachable?.functions).toBe(0);
    // What a client enters is prepared whatever it says.
    const email = uniqueEmail();
    const { data } = await manager.client
      .from("leads")
      .insert({ name: "By hand", email: ` ${email.toUpperCase()} ` })
      .select("email, status")
      .single();
    expect(data).toEqual({ email, status: "new" });
  });

  it("names no lead that the importer may not see", async () => {
    const email = uniqueEmail();
    await sql()`insert into public.leads (name, email, assigned_to) values ('Hidden', ${email}, ${stranger.id})`;
    const read = await start(manager, `Name,Email\nHidden,${email}\n`);
    await map(manager, read);
    await step(manager, "import_dry_run", read.id);
    await step(manager, "import_commit", read.id);
    expect(await report(manager, read.id)).toMatchObject([
      { decision: "enquiry", outcome: "enquiry", lead_id: null, lead_number: null },
    ]);
  });

  it("refuses a mapping that cannot be meant", async () => {
    const read = await start(manager, "Name,Email,Email\nA,a@example.test,b@example.test\n");
    const refused = async (p_mapping: object, code: string) => {
      const answer = await manager.client.rpc("import_map", {
        p_import_id: read.id,
        p_mapping: p_mapping as never,
      });
      expectError(answer, { code: "PT422", details: code });
    };
    await refused({ Nobody: "name" }, "import_column_unknown");
    await refused({ Name: "password" }, "import_field_unknown");
    await refused({ Email: "email" }, "import_column_ambiguous");
    await refused({ "#2": "email", "#3": "email" }, "import_field_mapped_twice");
    await refused(
      [
        { column: "Name", field: "name" },
        { column: "Name", field: "organization" },
      ],
      "import_column_mapped_twice",
    );
    await refused({}, "argument_invalid");
    expectError(await manager.client.rpc("import_commit", { p_import_id: read.id }), {
      code: "PT409",
      details: "import_state",
    });
  });

  it("gives the leads of a file that names nobody in turn", async () => {
    const own = await createTeam();
    const importer = await createUser({ role: "manager", team: own });
    const takers = [
      await createUser({ role: "counselor", team: own }),
      await createUser({ role: "counselor", team: own }),
    ];
    const source = unique("Turns");
    const lines = Array.from({ length: 4 }, (_, n) => `Person ${n},${uniqueEmail()}`);
    const read = await start(importer, `Name,Email\n${lines.join("\n")}\n`);
    await map(importer, read, undefined, { source });
    await step(importer, "import_dry_run", read.id);
    expect(await step(importer, "import_commit", read.id)).toMatchObject({
      results: { created: 4 },
    });

    const given = await sql()`
      select a.to_user_id, a.team_id, l.assigned_to, l.team_id as lead_team, a.method, a.reason, a.assigned_by
      from public.lead_assignments a join public.leads l on l.id = a.lead_id
      where l.source = ${source} order by l.lead_no`;
    expect(given).toHaveLength(4);
    expect(new Set(given.map((one) => one.to_user_id))).toEqual(
      new Set(takers.map((one) => one.id)),
    );
    for (const [n, one] of given.entries()) {
      expect(one).toMatchObject({
        team_id: own.id,
        lead_team: own.id,
        assigned_to: one.to_user_id,
      });
      expect(one).toMatchObject({
        method: "automatic",
        reason: "Next in turn",
        assigned_by: importer.id,
      });
      expect(one.to_user_id).toBe(given[n % 2]!.to_user_id);
    }
  });

  it("keeps a mapping for the next file", async () => {
    const name = unique("Fair");
    const read = await start(manager, "Wer,Wo\nAsha,Kochi\n");
    expectData(
      await manager.client.rpc("import_map", {
        p_import_id: read.id,
        p_mapping: { Wer: "name", Wo: "territory" },
        p_save_as: name,
      }),
    );
    const kept = await manager.client.from("import_mappings").select("mapping").eq("name", name);
    expect(kept.data).toEqual([{ mapping: { Wer: "name", Wo: "territory" } }]);
    const other = await counselor.client.from("import_mappings").select().eq("name", name);
    expect(other.data).toEqual([]);
  });

  it("tells the importer's browsers how far it is, in ids and counts", async () => {
    const events: unknown[] = [];
    await manager.client.realtime.setAuth();
    const channel = manager.client
      .channel(`user:${manager.id}`, { config: { private: true } })
      .on("broadcast", { event: "import_progress" }, ({ payload }) => events.push(payload));
    await new Promise<void>((resolve, reject) => {
      channel.subscribe((status) => {
        if (status === "SUBSCRIBED") resolve();
        else if (status !== "CLOSED") reject(new Error(status));
      });
    });
    const read = await start(manager, "Name\nNews\n");
    await expect.poll(() => events.length, { timeout: 10_000 }).toBeGreaterThan(0);
    await manager.client.removeChannel(channel);
    const { id: _, ...progress } = events.at(-1) as Record<string, unknown>;
    expect(importProgressSchema.parse({ ...progress, id: read.id })).toMatchObject({
      status: "read",
      rows_total: 1,
    });
    expect(JSON.stringify(events)).not.toContain("News");
  });
});

describe("an import's file", () => {
  const read = (content: string | Uint8Array, options = {}) => start(manager, content, options);
  const cells = async (id: string) => (await report(manager, id)).map((row) => row.cells);

  it.each([
    ["UTF-8 with a mark", Buffer.from("\ufeffName,City\nZoë,Köln\n"), "utf-8"],
    ["UTF-16, as Excel's Unicode text is", utf16("\ufeffName\tCity\r\nZoë\tKöln\r\n"), "utf-16le"],
    ["Windows-1252", Buffer.from("Name;City\r\nZoë;Köln\r\n", "latin1"), "windows-1252"],
  ])("is read in %s", async (_, content, encoding) => {
    const imported = await read(content);
    expect(imported).toMatchObject({ status: "read", encoding, columns: ["Name", "City"] });
    expect(await cells(imported.id)).toEqual([["Zoë", "Köln"]]);
  });

  it("with bytes that are no text names the rows that have them", async () => {
    const broken = Buffer.concat([
      Buffer.from("Name,City\nZoë,Köln\n"),
      Buffer.from("Ravi,K\u00f6ln\n", "latin1"),
    ]);
    // What the first piece is decides for the file: here the mark says UTF-8.
    const imported = await read(Buffer.concat([Buffer.from("\ufeff"), broken]));
    expect((await report(manager, imported.id)).map((row) => row.code)).toEqual([
      null,
      "encoding_invalid",
    ]);
  });

  it("keeps quotes, line breaks and formulas as what they are", async () => {
    const imported = await read('Name,Note\r\n"Nair, ""Asha""","two\r\nlines"\r\n=1+1,@x\r\n\r\n');
    expect(await cells(imported.id)).toEqual([
      ['Nair, "Asha"', "two\r\nlines"],
      ["=1+1", "@x"],
    ]);
  });

  it("may be JSON: a list, or an object per line", async () => {
    const list = JSON.stringify([
      { name: "Asha", tags: ["a", "b"], custom_fields: { rank: 7 } },
      "nobody",
      { name: "Ravi", phone: 9876543210 },
    ]);
    const imported = await read(list, { name: `${unique("list")}.json` });
    expect(imported.columns).toEqual(["name", "tags", "custom_fields.rank", "phone"]);
    const rows = await report(manager, imported.id);
    expect(rows.map((row) => [row.cells, row.code])).toEqual([
      [["Asha", "a;b", "7", ""], null],
      [[], "row_not_an_object"],
      [["Ravi", "", "", "9876543210"], null],
    ]);
    const lines = await read('{"name":"A"}\n{"name":"B"}\n', { format: "json" });
    expect(await cells(lines.id)).toEqual([["A"], ["B"]]);
  });

  it.each([
    ["is empty", "", {}, "import_file_empty"],
    ["has headers alone", "Name,Email\n", {}, "import_file_empty"],
    [
      "has no headers",
      "Asha,asha@example.test\nRavi,ravi@example.test\n",
      {},
      "import_header_missing",
    ],
    ["is a spreadsheet", "PK\u0003\u0004rest", {}, "import_file_unreadable"],
    ["is no JSON", "{", { format: "json" }, "import_file_unreadable"],
    ["never ends a quote", `Name\n"${"x".repeat(1_100_000)}`, {}, "quote_unclosed"],
  ])("that %s is refused with a code", async (_, content, options, code) => {
    expect(await read(content, options)).toMatchObject({ status: "failed", failure: code });
  });

  it("without headers is read if that is said", async () => {
    const imported = await read("Asha,asha@example.test\n", { hasHeader: false });
    expect(imported.columns).toEqual(["Column 1", "Column 2"]);
  });

  it("of 100 MB is refused before it is read", async () => {
    const path = `${manager.id}/large.csv`;
    const large = new Uint8Array(21 * 1024 * 1024).fill(97);
    const { error } = await manager.client.storage.from("imports").upload(path, new Blob([large]));
    // Storage itself refuses it where its bucket's limit is enforced.
    if (error) {
      expect(error.message).toMatch(/exceeded|too large/i);
      return;
    }
    await sql()`
      update storage.objects
      set metadata = metadata || '{"size": 104857600}'
      where bucket_id = 'imports' and name = ${path}
    `;
    expectError(await manager.client.rpc("import_start", { p_storage_path: path }), {
      code: "PT413",
      details: "import_too_large",
      status: 413,
    });
  });

  it("has its faults in a file of their own", async () => {
    const imported = await read('Name,Phone\nAsha,12\n"Ravi",\n');
    await map(manager, imported);
    await step(manager, "import_dry_run", imported.id);
    await expect
      .poll(async () => (await settled(imported.id)).error_path, { timeout: 10_000 })
      .toBe(`${manager.id}/${imported.id}/errors.csv`);
    const file = await manager.client.storage
      .from("imports")
      .download(`${manager.id}/${imported.id}/errors.csv`);
    expect(await file.data?.text()).toBe(
      "row,code,field,message\r\n1,phone_invalid,phone,This is not a phone number.\r\n",
    );

    // Without the column that was wrong nothing is, and the file goes.
    await map(manager, imported, { Name: "name" });
    await step(manager, "import_dry_run", imported.id);
    await expect
      .poll(async () => (await settled(imported.id)).error_path, { timeout: 10_000 })
      .toBeNull();
    const gone = await manager.client.storage
      .from("imports")
      .download(`${manager.id}/${imported.id}/errors.csv`);
    expect(gone.error).not.toBeNull();
  });
});

function utf16(text: string): Buffer {
  return Buffer.from(text, "utf16le");
}

async function one(person: Person, id: string) {
  return expectData(await person.client.from("imports").select().eq("id", id).single());
}

async function report(person: Person, id: string) {
  const rows = expectData(await person.client.rpc("import_report", { p_import_id: id }));
  return (rows as unknown[]).map((row) => importRowSchema.parse(row));
}
