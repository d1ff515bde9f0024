/** Contacts: people one is in touch with, and what happened with them. */
import { setTimeout as delay } from "node:timers/promises";
import { contactSchema } from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import {
  addContact,
  addLead,
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  uniqueEmail,
  uniquePhone,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let colleague: Person;
let stranger: Person;
let admin: Person;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team });
  colleague = await createUser({ team });
  stranger = await createUser({ team: await createTeam() });
  admin = await createUser({ role: "admin" });
});

describe("CON-CRUD: contacts", () => {
  it("[D1-008] GET /api/contacts lists those one may see, newest first", async () => {
    const mine = await addContact(counselor, { company: "Apollo" });
    const theirs = await addContact(stranger);
    const list = await counselor.client
      .from("contacts")
      .select()
      .order("created_at", { ascending: false });
    const ids = contactSchema
      .array()
      .parse(expectData(list))
      .map((row) => row.id);
    expect(ids).toContain(mine.id);
    expect(ids).not.toContain(theirs.id);
    const ofAdmin = await admin.client.from("contacts").select("id").in("id", [mine.id, theirs.id]);
    expect(ofAdmin.data).toHaveLength(2);
    expectError(await anon().from("contacts").select(), { code: "42501", status: 401 });
  });

  it("[D1-009] GET /api/contacts/:id answers everything, notes included", async () => {
    const contact = await addContact(counselor, { role: "Dean", company: "AIIMS" });
    expectData(
      await counselor.client
        .from("notes")
        .insert({ contact_id: contact.id, content: "Prefers mornings" })
        .select("id")
        .single(),
    );
    const one = expectData(
      await counselor.client
        .from("contacts")
        .select("*, notes:notes(*)")
        .eq("id", contact.id)
        .single(),
    );
    expect(contactSchema.parse(one)).toMatchObject({ role: "Dean", company: "AIIMS" });
    expect(one.notes.map((note) => note.content)).toEqual(["Prefers mornings"]);
    expectError(
      await stranger.client
        .from("contacts")
        .select("*, notes:notes(*)")
        .eq("id", contact.id)
        .single(),
      { code: "PGRST116", status: 406 },
    );
  });

  it("[D1-019] a contact has the model's fields, and a lead or none", async () => {
    const lead = await addLead(counselor);
    const email = uniqueEmail();
    const phone = uniquePhone();
    const linked = await addContact(counselor, {
      name: "  Mrs   Nair ",
      email: ` ${email.toUpperCase()} `,
      phone: phone.replace("+91", "0"),
      role: "Mother",
      company: "Kerala High School",
      lead_id: lead.id,
    });
    expect(linked).toMatchObject({
      name: "Mrs Nair",
      email,
      phone,
      role: "Mother",
      company: "Kerala High School",
      last_contacted: null,
      lead_id: lead.id,
      assigned_to: counselor.id,
    });
    const separate = await addContact(counselor);
    expect(separate).toMatchObject({ lead_id: null, email: null, phone: null });
    expect(separate.assigned_to).toBe(counselor.id);

    const changed = await counselor.client
      .from("contacts")
      .update({ role: "Guardian", phone: null })
      .eq("id", linked.id)
      .select()
      .single();
    expect(contactSchema.parse(changed.data)).toMatchObject({ role: "Guardian", phone: null });
    expectError(await counselor.client.from("contacts").insert({ name: "x", phone: "12" }), {
      code: "PT422",
      details: "phone_invalid",
    });
    expectError(await counselor.client.from("contacts").insert({ name: "  " }), {
      code: "23514",
      status: 400,
    });
  });

  it("last_contacted follows what is logged, and never goes back", async () => {
    const contact = await addContact(counselor);
    const at = async () => {
      const { data } = await counselor.client
        .from("contacts")
        .select("last_contacted")
        .eq("id", contact.id)
        .single();
      return data?.last_contacted ? new Date(data.last_contacted).toISOString() : null;
    };
    const log = (sent_at: string) =>
      counselor.client.from("communications").insert({
        contact_id: contact.id,
        type: "call",
        direction: "outbound",
        content: "Called",
        sent_at,
      });
    expect((await log("2026-05-02T10:00:00Z")).error).toBeNull();
    expect(await at()).toBe("2026-05-02T10:00:00.000Z");
    expect((await log("2026-04-01T10:00:00Z")).error).toBeNull();
    expect(await at()).toBe("2026-05-02T10:00:00.000Z");
    expectError(
      await counselor.client
        .from("contacts")
        .update({ last_contacted: "2030-01-01" })
        .eq("id", contact.id),
      { code: "42501" },
    );
  });

  it("a second contact with the same e-mail or phone is refused with the id of the first", async () => {
    const email = uniqueEmail();
    const phone = uniquePhone();
    const first = await addContact(counselor, { email, phone });
    for (const again of [{ email: email.toUpperCase() }, { phone: phone.slice(3) }]) {
      const answer = await manager.client.from("contacts").insert({ name: "Again", ...again });
      expectError(answer, { code: "PT409", details: "contact_known", status: 409 });
      expect(answer.error?.details).toBe(`contact_known: ${first.id}`);
    }
    const other = await addContact(counselor);
    expectError(await counselor.client.from("contacts").update({ email }).eq("id", other.id), {
      code: "PT409",
      details: "contact_known",
    });
    const twice = [uniqueEmail()].flatMap((same) => [
      { name: "One", email: same },
      { name: "Two", email: same },
    ]);
    expectError(await counselor.client.from("contacts").insert(twice), {
      code: "PT409",
      details: "contact_known",
    });
  });

  it("who may not see the first learns nothing of it", async () => {
    const email = uniqueEmail();
    await addContact(counselor, { email });
    expect((await addContact(stranger, { email })).email).toBe(email);
    expect((await addContact(colleague, { email })).email).toBe(email);
  });

  it("somebody else's stands in the way of none that comes back or out of a merge", async () => {
    const email = uniqueEmail();
    const deleted = { p_table: "contacts", p_id: (await addContact(counselor, { email })).id };
    expect((await counselor.client.rpc("soft_delete", deleted)).error).toBeNull();
    await addContact(stranger, { email });
    expect((await counselor.client.rpc("restore", deleted)).error).toBeNull();

    const [target, source] = [await addLead(counselor), await addLead(counselor)];
    const other = uniqueEmail();
    const mine = await addContact(counselor, { email: other, lead_id: source.id });
    await addContact(stranger, { email: other });
    const merge = { p_target: target.id, p_sources: [source.id] };
    const { merge_id } = expectData(await manager.client.rpc("merge_leads", merge)) as {
      merge_id: string;
    };
    expect((await manager.client.rpc("unmerge", { p_merge_id: merge_id })).error).toBeNull();
    const back = await counselor.client.from("contacts").select("lead_id").eq("id", mine.id);
    expect(expectData(back)).toEqual([{ lead_id: source.id }]);
  });

  it("of two that are there a manager changes each, but not its address to the other's", async () => {
    const email = uniqueEmail();
    await addContact(colleague, { email });
    const { id } = await addContact(counselor, { email });
    const change = (fields: { email: string; role: string }) =>
      manager.client.from("contacts").update(fields).eq("id", id).select("role");
    expect(expectData(await change({ email, role: "Dean" }))).toEqual([{ role: "Dean" }]);
    expectData(await change({ email: uniqueEmail(), role: "Dean" }));
    expectError(await change({ email, role: "Dean" }), { code: "PT409", details: "contact_known" });
  });

  it("the second of two at once waits for the first, and is refused", async () => {
    const email = uniqueEmail();
    let second: Promise<string> | undefined;
    await sql().begin(async (tx) => {
      await tx`insert into public.contacts (name, email) values ('First', ${email})`;
      second = sql()`insert into public.contacts (name, email) values ('Second', ${email})`.then(
        () => "made",
        (error: { code?: string }) => error.code ?? String(error),
      );
      await Promise.race([second, delay(300)]);
    });
    expect(await second).toBe("PT409");
  });
});

describe("CON-HISTORY", () => {
  it("[D1-010] GET /api/contacts/:id/history has the structure of a lead's activity", async () => {
    const contact = await addContact(counselor, { company: "Fortis" });
    await counselor.client.from("notes").insert({ contact_id: contact.id, content: "Met them" });
    const history = expectData(
      await counselor.client
        .from("timeline")
        .select("id, title, timestamp, type, entity_type, entity_id")
        .eq("entity_type", "contact")
        .eq("entity_id", contact.id)
        .order("timestamp"),
    );
    expect(history.map((row) => [row.type, row.title])).toEqual([
      ["created", "Contact Created"],
      ["note_created", "Note Added"],
    ]);
    expect(history.every((row) => row.timestamp && row.id && row.entity_id === contact.id)).toBe(
      true,
    );
    const same = await counselor.client
      .from("activities")
      .select()
      .eq("entity_type", "contact")
      .eq("entity_id", contact.id);
    expect(same.data).toHaveLength(2);
    const hidden = await stranger.client
      .from("activities")
      .select()
      .eq("entity_type", "contact")
      .eq("entity_id", contact.id);
    expect(hidden.data).toEqual([]);
  });
});
