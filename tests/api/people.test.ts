import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import {
  contactSchema,
  convertToDealSchema,
  dealSchema,
  leadConvertedSchema,
  leadEnrolledSchema,
  organizationSchema,
  studentSchema,
} from "../../packages/types/src/people.ts";
import {
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  service,
  sql,
  unique,
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
  counselor = await createUser({ team, fullName: "Chetan Kumar" });
  colleague = await createUser({ team });
  stranger = await createUser({ team: await createTeam() });
  admin = await createUser({ role: "admin" });
});

interface Lead {
  id: string;
  lead_id: string;
}

async function addLead(fields: Record<string, unknown> = {}, person = counselor): Promise<Lead> {
  return expectData(
    await person.client
      .from("leads")
      .insert({ name: unique("Lead"), ...fields })
      .select("id, lead_id")
      .single(),
  );
}

async function addContact(fields: Record<string, unknown> = {}, person = counselor) {
  return contactSchema.parse(
    expectData(
      await person.client
        .from("contacts")
        .insert({ name: unique("Contact"), ...fields })
        .select()
        .single(),
    ),
  );
}

async function timelineOf(person: Person, id: string) {
  const { data } = await person.client
    .from("timeline")
    .select("type, title, by")
    .eq("entity_id", id)
    .order("timestamp")
    .order("id");
  return data;
}

describe("CON-CRUD: contacts", () => {
  it("[D1-008] GET /api/contacts lists those one may see, newest first", async () => {
    const mine = await addContact({ company: "Apollo" });
    const theirs = await addContact({}, stranger);
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
    const contact = await addContact({ role: "Dean", company: "AIIMS" });
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
    const lead = await addLead();
    const email = uniqueEmail();
    const phone = uniquePhone();
    const linked = await addContact({
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
    const separate = await addContact();
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
    const contact = await addContact();
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
    const first = await addContact({ email, phone });
    for (const again of [{ email: email.toUpperCase() }, { phone: phone.slice(3) }]) {
      const answer = await manager.client.from("contacts").insert({ name: "Again", ...again });
      expectError(answer, { code: "PT409", details: "contact_known", status: 409 });
      expect(answer.error?.details).toBe(`contact_known: ${first.id}`);
    }
    const other = await addContact();
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
    await addContact({ email });
    expect((await addContact({ email }, stranger)).email).toBe(email);
    expect((await addContact({ email }, colleague)).email).toBe(email);
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
    const contact = await addContact({ company: "Fortis" });
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

describe("organizations", () => {
  it("belong to whoever enters them, and go to whom a manager gives them", async () => {
    const made = await counselor.client
      .from("organizations")
      .insert({ name: unique("Clinic"), phone: "0484 402 1234", annual_revenue: 1_000_000 })
      .select()
      .single();
    const organization = organizationSchema.parse(expectData(made));
    expect(organization).toMatchObject({ phone: "+914844021234", assigned_to: counselor.id });
    const give = (person: Person, to: Person) =>
      person.client
        .from("organizations")
        .update({ assigned_to: to.id })
        .eq("id", organization.id)
        .select("assigned_to");
    expectError(await give(counselor, colleague), { code: "42501", details: "permission_denied" });
    expectError(await give(manager, stranger), { code: "42501", details: "permission_denied" });
    expect((await give(stranger, stranger)).data).toEqual([]);
    expect((await give(manager, colleague)).data).toEqual([{ assigned_to: colleague.id }]);
    const gone = await counselor.client
      .from("organizations")
      .select("id")
      .eq("id", organization.id);
    expect(gone.data).toEqual([]);
  });

  it("somebody else's cannot be named", async () => {
    const { data: theirs } = await stranger.client
      .from("organizations")
      .insert({ name: unique("Secret") })
      .select("id")
      .single();
    const lead = await addLead();
    for (const answer of [
      await counselor.client
        .from("contacts")
        .insert({ name: "x", organization_id: theirs?.id ?? "" }),
      await counselor.client.from("deals").insert({ name: "x", organization_id: theirs?.id ?? "" }),
      await counselor.client.rpc("lead_convert_to_deal", {
        p_lead_id: lead.id,
        p_organization: { id: theirs?.id ?? "" },
      }),
    ]) {
      expectError(answer, { code: "PT404", details: "not_found", status: 404 });
    }
  });
});

describe("STU-CRUD: students", () => {
  const enrolled = async (fields: Record<string, unknown> = {}) =>
    addLead({ status: "enrolled", ...fields });

  it("[D3-062] students are listed, made, read and changed", async () => {
    const made = await counselor.client
      .from("students")
      .insert({
        name: "Leela Krishnan",
        email: uniqueEmail(),
        course: "Cardiology",
        academic_year: "2025-26",
        semester: "1",
      })
      .select()
      .single();
    const student = studentSchema.parse(expectData(made));
    expect(student).toMatchObject({ status: "active", assigned_to: counselor.id, lead_id: null });
    const list = await manager.client.from("students").select().eq("course", "Cardiology");
    expect(
      studentSchema
        .array()
        .parse(list.data)
        .map((row) => row.id),
    ).toContain(student.id);
    const changed = await counselor.client
      .from("students")
      .update({ semester: "2", status: "on_leave" })
      .eq("id", student.id)
      .select()
      .single();
    expect(studentSchema.parse(changed.data)).toMatchObject({ semester: "2", version: 2 });
    const one = await manager.client
      .from("students")
      .select()
      .eq("student_number", student.student_number)
      .single();
    expect(one.data?.id).toBe(student.id);
    expect((await stranger.client.from("students").select().eq("id", student.id)).data).toEqual([]);
    expect((await timelineOf(counselor, student.id))?.map((row) => row.title)).toEqual([
      "Student Created",
      "Student Status Changed",
    ]);
    expectError(
      await counselor.client.from("students").insert({ name: "x", academic_year: "next" }),
      { code: "23514" },
    );
    expectError(await counselor.client.from("students").delete().eq("id", student.id), {
      code: "42501",
    });
    const remove = (person: Person) =>
      person.client.rpc("soft_delete", { p_table: "students", p_id: student.id });
    expectError(await remove(stranger), { code: "PT404", details: "not_found", status: 404 });
    expectError(await remove(colleague), { code: "PT404", details: "not_found" });
    expect((await remove(counselor)).error).toBeNull();
    expect((await admin.client.from("students").select().eq("id", student.id)).data).toEqual([]);
  });

  it("[D0-050] payments, documents, notes and messages can hang off a student", async () => {
    const { data: student } = await counselor.client
      .from("students")
      .insert({ name: unique("Student") })
      .select("id")
      .single();
    const student_id = student?.id ?? "";
    for (const { error } of [
      await counselor.client.from("notes").insert({ student_id, content: "Hostel" }),
      await counselor.client
        .from("communications")
        .insert({ student_id, type: "call", direction: "outbound", content: "Fees" }),
    ]) {
      expect(error).toBeNull();
    }
    const whole = await counselor.client
      .from("students")
      .select("id, notes(content), communications(content)")
      .eq("id", student_id)
      .single();
    expect(whole.data).toMatchObject({
      notes: [{ content: "Hostel" }],
      communications: [{ content: "Fees" }],
    });
    // Whatever table names a student, tomorrow's payments and documents included, must mean one.
    const loose = await sql()`
      select a.attrelid::regclass::text as relation
      from pg_attribute a
      join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
      where c.relnamespace = 'public'::regnamespace and a.attname = 'student_id' and not a.attisdropped
        and not exists (
          select from pg_constraint k
          where k.contype = 'f' and k.conrelid = a.attrelid and k.conkey = array[a.attnum]
            and k.confrelid = 'public.students'::regclass
        )
    `;
    expect(loose).toEqual([]);
  });

  it("[D3-057] the core tables have the documents' names, and students are linked to leads", async () => {
    const lead = await addLead();
    const { client } = counselor;
    await client.from("students").insert({ lead_id: lead.id, name: "Leela" });
    await client.from("tasks").insert({ lead_id: lead.id, title: "Call" });
    await client.rpc("interaction_log", { p_lead_id: lead.id, p_type: "call", p_content: "Asked" });
    await client.rpc("lead_set_status", { p_lead_id: lead.id, p_status: "contacted" });
    await client.from("notifications").insert({ lead_id: lead.id, title: "Core" });
    for (const table of [
      "students",
      "tasks",
      "interactions",
      "lead_history",
      "notifications",
    ] as const) {
      const { data } = await client
        .from(table as "students")
        .select("id, lead_id")
        .eq("lead_id", lead.id);
      expect(data, table).toEqual([{ id: expect.any(String), lead_id: lead.id }]);
    }
    const whole = await client
      .from("leads")
      .select("id, students(name), profiles!leads_assigned_to_fkey(full_name)")
      .eq("id", lead.id)
      .single();
    expect(whole.data).toMatchObject({
      students: [{ name: "Leela" }],
      profiles: { full_name: "Chetan Kumar" },
    });
  });

  it("a lead that was won is enrolled once, with what the lead says", async () => {
    const email = uniqueEmail();
    const lead = await enrolled({
      name: "Asha Nair",
      email,
      course: "Neurology",
      gender: "Female",
    });
    const enroll = (p_student = {}) =>
      counselor.client.rpc("lead_enroll", { p_lead_id: lead.lead_id, p_student });
    const first = leadEnrolledSchema.parse(
      expectData(await enroll({ academic_year: "2025-26", semester: "1" })),
    );
    expect(first).toMatchObject({ is_new: true, id: lead.id, lead_id: lead.lead_id });
    const again = leadEnrolledSchema.parse(expectData(await enroll()));
    expect(again).toMatchObject({ is_new: false, student_id: first.student_id });
    const { data } = await counselor.client.from("students").select().eq("lead_id", lead.id);
    expect(studentSchema.array().parse(data)).toMatchObject([
      {
        id: first.student_id,
        name: "Asha Nair",
        email,
        course: "Neurology",
        gender: "Female",
        academic_year: "2025-26",
        semester: "1",
      },
    ]);
    expect(await timelineOf(counselor, lead.id)).toContainEqual({
      type: "converted",
      title: "Enrolled as Student",
      by: "Chetan Kumar",
    });
  });

  it("a lead that was not won is not enrolled, nor one that is not there", async () => {
    const lead = await addLead();
    const enroll = (person: Person, p_lead_id: string) =>
      person.client.rpc("lead_enroll", { p_lead_id });
    expectError(await enroll(counselor, lead.id), { code: "PT409", details: "lead_not_won" });
    expectError(await enroll(stranger, lead.id), { code: "PT404", details: "lead_not_found" });
    expectError(await enroll(counselor, "LEAD-000"), { code: "PT404", details: "lead_not_found" });
  });

  it("a parent's lead can have several", async () => {
    const lead = await enrolled({ name: "Mr Rao", phone: uniquePhone() });
    await counselor.client.rpc("lead_enroll", { p_lead_id: lead.id, p_student: { name: "Anu" } });
    const second = await counselor.client
      .from("students")
      .insert({ lead_id: lead.id, name: "Vinu" })
      .select("name, phone")
      .single();
    expect(second.error).toBeNull();
    const { data } = await counselor.client
      .from("students")
      .select("name")
      .eq("lead_id", lead.id)
      .order("name");
    expect(data).toEqual([{ name: "Anu" }, { name: "Vinu" }]);
  });
});

describe("what hangs on a lead", () => {
  it("goes where the lead goes", async () => {
    const lead = await addLead({ status: "enrolled" });
    const contact = await addContact({ lead_id: lead.id });
    await counselor.client.rpc("lead_enroll", { p_lead_id: lead.id });
    await counselor.client.rpc("lead_convert_to_deal", { p_lead_id: lead.id });
    const seen = async (person: Person) => {
      const counts = [];
      for (const table of ["contacts", "students", "deals"] as const) {
        const { data } = await person.client.from(table).select("id").eq("lead_id", lead.id);
        counts.push(data?.length);
      }
      return counts;
    };
    // The deal's contact is the lead's own person, besides the one entered by hand.
    expect(await seen(counselor)).toEqual([2, 1, 1]);
    expect(await seen(stranger)).toEqual([0, 0, 0]);
    const { error } = await admin.client.rpc("lead_assign", {
      p_lead_ids: [lead.id],
      p_user_id: stranger.id,
    });
    expect(error).toBeNull();
    expect(await seen(counselor)).toEqual([0, 0, 0]);
    expect(await seen(stranger)).toEqual([2, 1, 1]);
    const kept = await stranger.client
      .from("contacts")
      .update({ role: "Father" })
      .eq("id", contact.id)
      .select("assigned_to");
    expect(kept.data).toEqual([{ assigned_to: stranger.id }]);
  });

  it("cannot be hung on a lead that one may not see", async () => {
    const lead = await addLead({}, stranger);
    const mine = await addContact();
    for (const answer of [
      await counselor.client.from("contacts").insert({ name: "x", lead_id: lead.id }),
      await counselor.client.from("students").insert({ name: "x", lead_id: lead.id }),
      await counselor.client.from("deals").insert({ name: "x", lead_id: lead.id }),
      await counselor.client.from("contacts").update({ lead_id: lead.id }).eq("id", mine.id),
    ]) {
      expectError(answer, { code: "42501", status: 403 });
    }
  });
});

describe("LEAD-CONVERT", () => {
  const convert = async (person: Person, body: unknown) =>
    await person.client.rpc("lead_convert_to_deal", convertToDealSchema.parse(body) as never);

  it("[D2-016] POST /api/crm/leads/{lead_id}/convert-to-deal makes organization, contact and deal", async () => {
    const email = uniqueEmail();
    const name = unique("Hospital");
    const lead = await addLead({
      name: "Dr Meera Iyer",
      email,
      organization: name,
      job_title: "Registrar",
      value: 250000,
      currency: "INR",
    });
    const answer = leadConvertedSchema.parse(
      expectData(
        await convert(counselor, {
          p_lead_id: lead.lead_id,
          p_deal: { name: "Fellowship 2026", value: 300000, expected_close_date: "2026-12-31" },
        }),
      ),
    );
    expect(answer).toMatchObject({
      message: "Lead converted to deal",
      id: lead.id,
      lead_id: lead.lead_id,
      is_new: true,
    });
    const whole = await counselor.client
      .from("deals")
      .select(
        "*, organizations(name), contacts!deals_contact_id_fkey(name, email, role, company, lead_id)",
      )
      .eq("id", answer.deal_id)
      .single();
    const data = expectData(whole);
    expect(dealSchema.parse(data)).toMatchObject({
      name: "Fellowship 2026",
      value: 300000,
      currency: "INR",
      stage: "qualification",
      status: "open",
      lead_id: lead.id,
    });
    expect(data).toMatchObject({
      organizations: { name },
      contacts: {
        name: "Dr Meera Iyer",
        email,
        role: "Registrar",
        company: name,
        lead_id: lead.id,
      },
    });
  });

  it("[D2-024] sets the status Qualified and the flag convertedToDeal, and tells the timeline", async () => {
    const lead = await addLead();
    const before = await counselor.client.from("leads_crm").select().eq("id", lead.id).single();
    expect(before.data).toMatchObject({ status: "New", convertedToDeal: false, deal_id: null });
    const answer = leadConvertedSchema.parse(
      expectData(await convert(counselor, { p_lead_id: lead.id })),
    );
    expect(answer).toMatchObject({ status: "qualified", convertedToDeal: true });
    const after = await counselor.client.from("leads_crm").select().eq("id", lead.id).single();
    expect(after.data).toMatchObject({
      status: "Qualified",
      convertedToDeal: true,
      deal_id: answer.deal_id,
    });
    const history = await counselor.client
      .from("lead_history")
      .select("to_status, reason")
      .eq("lead_id", lead.id);
    expect(history.data).toEqual([{ to_status: "qualified", reason: "Converted to deal" }]);
    for (const id of [lead.id, answer.deal_id, answer.contact_id ?? ""]) {
      expect(await timelineOf(counselor, id)).toContainEqual({
        type: "converted",
        title: "Converted to Deal",
        by: "Chetan Kumar",
      });
    }
  });

  it.each([
    ["contacted", "qualified"],
    ["qualified", "qualified"],
    ["proposal", "proposal"],
    ["enrolled", "enrolled"],
    ["lost", "qualified"],
  ])("a lead that is %s is %s then", async (status, expected) => {
    const lead = await addLead({ status });
    const answer = expectData(await convert(counselor, { p_lead_id: lead.id }));
    expect(leadConvertedSchema.parse(answer).status).toBe(expected);
  });

  it("answers the same deal when asked again, also at the same time and by somebody else", async () => {
    const lead = await addLead({ email: uniqueEmail(), organization: unique("Org") });
    let calls: ReturnType<typeof convert>[] = [];
    await sql().begin(async (tx) => {
      // Held back together, so that they all find the lead not yet converted.
      await tx`update public.leads set job_title = 'Dean' where id = ${lead.id}`;
      calls = [counselor, manager, counselor, admin, manager, counselor].map((person) =>
        convert(person, { p_lead_id: lead.id }),
      );
      await Promise.race([Promise.all(calls), delay(500)]);
    });
    const answers = await Promise.all(calls);
    const converted = answers.map((answer) => leadConvertedSchema.parse(expectData(answer)));
    expect(new Set(converted.map((answer) => answer.deal_id)).size).toBe(1);
    expect(converted.filter((answer) => answer.is_new)).toHaveLength(1);
    const made = await sql()`
      select (select count(*)::int from public.deals where lead_id = ${lead.id}) as deals,
        (select count(*)::int from public.contacts where lead_id = ${lead.id}) as contacts,
        (select count(*)::int from public.activities where lead_id = ${lead.id} and type = 'converted') as told
    `;
    expect(made).toMatchObject([{ deals: 1, contacts: 1, told: 1 }]);
  });

  it("takes an organization and a contact that are there, by id, by name and by e-mail", async () => {
    const email = uniqueEmail();
    const name = unique("College");
    const { data: organization } = await counselor.client
      .from("organizations")
      .insert({ name })
      .select("id")
      .single();
    const contact = await addContact({ email });
    const first = await addLead();
    const byId = leadConvertedSchema.parse(
      expectData(
        await convert(counselor, {
          p_lead_id: first.id,
          p_organization: { id: organization?.id },
          p_contact: { id: contact.id },
        }),
      ),
    );
    expect(byId).toMatchObject({ organization_id: organization?.id, contact_id: contact.id });
    const second = await addLead();
    const byName = leadConvertedSchema.parse(
      expectData(
        await convert(counselor, {
          p_lead_id: second.id,
          p_organization: { name: name.toUpperCase() },
          p_contact: { name: "Whoever", email: email.toUpperCase() },
        }),
      ),
    );
    expect(byName).toMatchObject({ organization_id: organization?.id, contact_id: contact.id });
    const third = await addLead({ organization: unique("Unwanted"), email: uniqueEmail() });
    const none = leadConvertedSchema.parse(
      expectData(
        await convert(counselor, { p_lead_id: third.id, p_organization: {}, p_contact: {} }),
      ),
    );
    expect(none).toMatchObject({ organization_id: null, contact_id: null });
  });

  it("is all or nothing", async () => {
    const name = unique("Half");
    const lead = await addLead({ organization: name, email: uniqueEmail() });
    const answer = await counselor.client.rpc("lead_convert_to_deal", {
      p_lead_id: lead.id,
      p_deal: { currency: "rupees" },
    });
    expectError(answer, { code: "23514", status: 400 });
    expectError(
      await counselor.client.rpc("lead_convert_to_deal", {
        p_lead_id: lead.id,
        p_deal: { amount: 1 },
      }),
      { code: "PT422", details: "argument_invalid" },
    );
    const [left] = await sql()`
      select l.status, l.converted_to_deal, l.deal_id,
        (select count(*)::int from public.organizations o where o.name = ${name}) as organizations,
        (select count(*)::int from public.contacts c where c.lead_id = l.id) as contacts
      from public.leads l where l.id = ${lead.id}
    `;
    expect(left).toEqual({
      status: "new",
      converted_to_deal: false,
      deal_id: null,
      organizations: 0,
      contacts: 0,
    });
  });

  it("is refused to who may not see the lead", async () => {
    const lead = await addLead();
    expectError(await convert(stranger, { p_lead_id: lead.id }), {
      code: "PT404",
      details: "lead_not_found",
    });
    expectError(await anon().rpc("lead_convert_to_deal", { p_lead_id: lead.id }), {
      code: "42501",
      status: 401,
    });
    expectError(await counselor.client.from("leads").update({ deal_id: null }).eq("id", lead.id), {
      code: "42501",
    });
  });
});

describe("deals", () => {
  it("move through their stages, and say when they were closed", async () => {
    const { data } = await counselor.client
      .from("deals")
      .insert({ name: unique("Deal"), value: 1000 })
      .select()
      .single();
    const deal = dealSchema.parse(data);
    expect(deal).toMatchObject({ stage: "qualification", status: "open", closed_at: null });
    const move = async (stage: string) =>
      dealSchema.parse(
        expectData(
          await counselor.client
            .from("deals")
            .update({ stage })
            .eq("id", deal.id)
            .select()
            .single(),
        ),
      );
    expect(await move("won")).toMatchObject({ status: "won", closed_at: expect.any(String) });
    expect(await move("negotiation")).toMatchObject({ status: "open", closed_at: null });
    expectError(await counselor.client.from("deals").update({ stage: "x" }).eq("id", deal.id), {
      code: "23514",
    });
    expect((await timelineOf(counselor, deal.id))?.map((row) => row.title)).toEqual([
      "Deal Created",
      "Deal Stage Changed",
      "Deal Stage Changed",
    ]);
    expect((await service().from("deals").select("id").eq("id", deal.id)).data).toHaveLength(1);
  });
});
