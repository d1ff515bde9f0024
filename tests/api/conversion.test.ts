/** Conversion: a lead becomes a deal, or a student. */
import { setTimeout as delay } from "node:timers/promises";
import {
  convertToDealSchema,
  dealSchema,
  leadConvertedSchema,
  leadEnrolledSchema,
  studentSchema,
} from "@intake/types";
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
  timelineOf,
  unique,
  uniqueEmail,
  uniquePhone,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let stranger: Person;
let admin: Person;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team, fullName: "Chetan Kumar" });
  stranger = await createUser({ team: await createTeam() });
  admin = await createUser({ role: "admin" });
});

describe("LEAD-CONVERT", () => {
  const convert = async (person: Person, body: unknown) =>
    await person.client.rpc("lead_convert_to_deal", convertToDealSchema.parse(body) as never);

  it("[D2-016] POST /api/crm/leads/{lead_id}/convert-to-deal makes organization, contact and deal", async () => {
    const email = uniqueEmail();
    const name = unique("Hospital");
    const lead = await addLead(counselor, {
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
    const lead = await addLead(counselor);
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
    const lead = await addLead(counselor, { status });
    const answer = expectData(await convert(counselor, { p_lead_id: lead.id }));
    expect(leadConvertedSchema.parse(answer).status).toBe(expected);
  });

  it("answers the same deal when asked again, also at the same time and by somebody else", async () => {
    const lead = await addLead(counselor, { email: uniqueEmail(), organization: unique("Org") });
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
    const contact = await addContact(counselor, { email });
    const first = await addLead(counselor);
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
    const second = await addLead(counselor);
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
    const third = await addLead(counselor, {
      organization: unique("Unwanted"),
      email: uniqueEmail(),
    });
    const none = leadConvertedSchema.parse(
      expectData(
        await convert(counselor, { p_lead_id: third.id, p_organization: {}, p_contact: {} }),
      ),
    );
    expect(none).toMatchObject({ organization_id: null, contact_id: null });
  });

  it("is all or nothing", async () => {
    const name = unique("Half");
    const lead = await addLead(counselor, { organization: name, email: uniqueEmail() });
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
    const lead = await addLead(counselor);
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

  it("makes one organization of one name, however many leads name it at the same moment", async () => {
    const name = unique("Same Hospital");
    const theirs = expectData(
      await stranger.client.from("organizations").insert({ name }).select("id").single(),
    );
    const leads = await Promise.all(
      Array.from({ length: 5 }, (_, n) =>
        addLead(counselor, {
          organization: n === 0 ? name.replace(" ", "  ").toUpperCase() : name,
        }),
      ),
    );
    const answers = await Promise.all(
      leads.map(async ({ id }) =>
        leadConvertedSchema.parse(expectData(await convert(counselor, { p_lead_id: id }))),
      ),
    );
    const made = new Set(answers.map(({ organization_id }) => organization_id));
    expect(made.size).toBe(1);
    expect(made).not.toContain(theirs.id);
  });
});

describe("enrolling", () => {
  const enrolled = async (fields: Record<string, unknown> = {}) =>
    addLead(counselor, { status: "enrolled", ...fields });

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
    const lead = await addLead(counselor);
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
