/** A lead is erased for good: rows at once, files by the worker, and nobody but administrators may. */
import { beforeAll, describe, expect, it } from "vitest";
import { leadDeletedSchema } from "../../packages/types/src/batches.ts";
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

let admin: Person;
let manager: Person;
let counselor: Person;

beforeAll(async () => {
  const team = await createTeam();
  [admin, manager, counselor] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ role: "manager", team }),
    createUser({ team }),
  ]);
});

/** Tables and Storage entries whose rows have this text anywhere. */
async function places(text: string): Promise<string[]> {
  const tables = await sql()<{ name: string }[]>`
    select c.oid::regclass::text as name
    from pg_class c
    where c.relnamespace = any (array['public', 'private', 'storage']::regnamespace[]) and c.relkind = 'r'`;
  const found: string[] = [];
  for (const { name } of tables) {
    const [row] = await sql().unsafe(
      `select exists (select from ${name} t where t::text ilike '%' || $1 || '%') as is_there`,
      [text],
    );
    if (row?.is_there) found.push(name);
  }
  return found;
}

describe("erasing a lead", () => {
  it("[D2-006] leaves nothing of the person, files included", { timeout: 60_000 }, async () => {
    const word = unique("Erasmus").replace(" ", "");
    const email = uniqueEmail(word.toLowerCase());
    const lead = expectData(
      await counselor.client
        .from("leads")
        .insert({ name: word, email })
        .select("id, lead_id")
        .single(),
    );
    const note = expectData(
      await counselor.client
        .from("notes")
        .insert({ lead_id: lead.id, content: `${word} wants a visit` })
        .select("id")
        .single(),
    );
    const path = `notes/${note.id}/${word}.txt`;
    const uploaded = await counselor.client.storage
      .from("attachments")
      .upload(path, new Blob([word], { type: "text/plain" }), { contentType: "text/plain" });
    expect(uploaded.error).toBeNull();
    const attached = await counselor.client
      .from("note_attachments")
      .insert({ note_id: note.id, path });
    expect(attached.error).toBeNull();
    const exported = await admin.client.rpc("export_start", {
      p_list: "leads",
      p_filters: { email } as never,
    });
    expect(exported.error).toBeNull();
    const ready = async () => {
      const [row] = await sql()`
        select status from public.exports where filters ->> 'email' = ${email}`;
      return row?.status;
    };
    await expect.poll(ready, { timeout: 20_000 }).toBe("done");
    expect(await places(word)).toEqual(
      expect.arrayContaining(["leads", "notes", "note_attachments", "storage.objects"]),
    );

    const gone = await admin.client.rpc("lead_delete", { p_id: lead.lead_id, p_hard: true });
    expect(leadDeletedSchema.parse(expectData(gone))).toEqual({
      message: "Lead erased for good",
      lead_id: lead.lead_id,
      id: lead.id,
      batch_id: null,
    });
    // The file goes when the worker has its turn; whatever else there is went with the call.
    expect((await places(word)).filter((place) => !place.startsWith("storage."))).toEqual([]);
    await expect.poll(() => places(word), { timeout: 30_000 }).toEqual([]);
    const trail = await admin.client
      .from("audit_logs")
      .select("action, user_id, after")
      .eq("resource", "leads")
      .eq("record_id", lead.id)
      .order("created_at");
    const entries = expectData(trail);
    expect(entries[0]).toMatchObject({
      action: "insert",
      user_id: counselor.id,
      after: { name: "[erased]", email: "[erased]" },
    });
    expect(entries.map((entry) => entry.action)).toContain("erase");
  });

  it("[D4-025] is for administrators", async () => {
    const lead = expectData(
      await counselor.client
        .from("leads")
        .insert({ name: unique("Kept") })
        .select("id")
        .single(),
    );
    for (const person of [counselor, manager]) {
      expectError(await person.client.rpc("lead_delete", { p_id: lead.id, p_hard: true }), {
        code: "42501",
        details: "permission_denied",
        status: 403,
      });
    }
    expect(expectData(await counselor.client.from("leads").select("id").eq("id", lead.id))).toEqual(
      [{ id: lead.id }],
    );
  });

  it("names the lead that a merged one went into", async () => {
    const make = async () =>
      expectData(
        await counselor.client
          .from("leads")
          .insert({ name: unique("Same") })
          .select("id")
          .single(),
      ).id;
    const [target, source] = [await make(), await make()];
    const merged = await admin.client.rpc("merge_leads", {
      p_target: target,
      p_sources: [source],
    });
    expect(merged.error).toBeNull();
    const answer = await admin.client.rpc("lead_delete", { p_id: source, p_hard: true });
    expectError(answer, { code: "PT409", details: "lead_is_merged", status: 409 });
    expect(answer.error?.details).toContain(target);
    expect(
      (await admin.client.rpc("lead_delete", { p_id: target, p_hard: true })).error,
    ).toBeNull();
    const [left] = await sql()`
      select count(*)::int from public.leads where id in ${sql()([target, source])}`;
    expect(left?.count).toBe(0);
  });
});
