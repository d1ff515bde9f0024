import { beforeAll, describe, expect, it } from "vitest";
import {
  crmLeadCreatedSchema,
  leadHistorySchema,
  leadSchema,
  leadsCrmRowSchema,
  leadsListRowSchema,
} from "../../packages/types/src/leads.ts";
import {
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
  uniqueEmail,
  uniquePhone,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let colleague: Person;
let admin: Person;
const course = unique("Course");

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team, fullName: "Chetan Kumar" });
  colleague = await createUser({ team });
  admin = await createUser({ role: "admin" });
});

/** A lead of the counselor's, as they enter it. */
async function addLead(fields: Record<string, unknown> = {}, person: Person = counselor) {
  const made = await person.client
    .from("leads")
    .insert({ name: unique("Lead"), ...fields })
    .select()
    .single();
  return leadSchema.parse(expectData(made));
}

describe("lists", () => {
  const source = unique("Fair");

  beforeAll(async () => {
    const rows = [
      { name: "List Asha", status: "new", assigned_to: counselor.id },
      { name: "List Bala", status: "contacted", assigned_to: counselor.id },
      { name: "List Charu", status: "contacted", assigned_to: colleague.id },
      { name: "List Dev", status: "contacted", assigned_to: counselor.id, source: "Walk-in" },
    ].map((row) => ({ source, course, email: uniqueEmail(), ...row }));
    const { error } = await manager.client.from("leads").insert(rows);
    expect(error).toBeNull();
  });

  it("[D3-001] lists leads by status, source, owner and search, paged with an exact count", async () => {
    const page = await manager.client
      .from("leads")
      .select("*", { count: "exact" })
      .eq("status", "contacted")
      .eq("source", source)
      .order("name")
      .range(0, 0);
    expect(page.count).toBe(2);
    expect(expectData(page).map((lead) => lead.name)).toEqual(["List Bala"]);
    const next = await manager.client
      .from("leads")
      .select("*", { count: "exact" })
      .eq("assigned_to", colleague.id)
      .eq("source", source)
      .or("name.ilike.%charu%,email.ilike.%charu%")
      .range(0, 9);
    expect(next.count).toBe(1);
    expect(leadSchema.parse(next.data?.[0]).name).toBe("List Charu");
  });

  it("[D1-004] lists leads in the columns of the lead table, by status and search", async () => {
    const { data, error } = await manager.client
      .from("leads_list")
      .select()
      .eq("status", "contacted")
      .eq("source", source)
      .or("name.ilike.%bala%,email.ilike.%bala%");
    expect(error).toBeNull();
    const [row] = leadsListRowSchema.array().parse(data);
    expect(row).toMatchObject({ name: "List Bala", status: "contacted", value: 0 });
    expect(row?.lastInteraction).toBeNull();
  });

  it("[D2-001] lists leads in the camelCase columns, with the stage by name and activitiesCount", async () => {
    const { data, error } = await counselor.client
      .from("leads_crm")
      .select()
      .eq("assigned_to", counselor.id)
      .eq("source", source)
      .order("createdAt", { ascending: false });
    expect(error).toBeNull();
    const rows = leadsCrmRowSchema.array().parse(data);
    expect(rows.map((row) => [row.firstName, row.lastName, row.status]).sort()).toEqual([
      ["List", "Asha", "New"],
      ["List", "Bala", "Contacted"],
    ]);
    expect(rows.every((row) => row.leadOwner === "Chetan Kumar")).toBe(true);
    expect(rows.every((row) => row.activitiesCount === 1)).toBe(true);
  });

  it("[D4-020] [D4-021] [D4-031] lists all one may see, by agent, and by status", async () => {
    const all = await manager.client.from("leads").select("name").eq("course", course);
    expect(all.data).toHaveLength(4);
    const agent = await manager.client.from("leads").select("name").eq("assigned_to", colleague.id);
    expect(agent.data).toEqual([{ name: "List Charu" }]);
    const status = await counselor.client
      .from("leads")
      .select("name")
      .eq("status", "contacted")
      .order("name");
    expect(status.data).toEqual([{ name: "List Bala" }, { name: "List Dev" }]);
  });

  it("shows a person of another team nothing of them", async () => {
    const stranger = await createUser({ role: "manager", team: await createTeam() });
    const { client } = stranger;
    const lists = [
      client.from("leads").select("*", { count: "exact" }),
      client.from("leads_list").select("*", { count: "exact" }),
      client.from("leads_crm").select("*", { count: "exact" }),
    ];
    for (const list of lists) expect(await list).toMatchObject({ data: [], count: 0 });
  });
});

describe("one lead", () => {
  it("[D3-003] [D4-022] is read by id", async () => {
    const lead = await addLead();
    const { data } = await counselor.client.from("leads").select().eq("id", lead.id).single();
    expect(leadSchema.parse(data)).toEqual(lead);
  });

  it("[D2-002] is read by its number, with its activities", async () => {
    const lead = await addLead();
    await counselor.client.rpc("lead_set_status", {
      p_lead_id: lead.lead_id,
      p_status: "Contacted",
    });
    const { data, error } = await counselor.client
      .from("leads")
      .select("*, activities(*)")
      .eq("lead_id", lead.lead_id)
      .single();
    expect(error).toBeNull();
    const titles = data?.activities.map((activity) => activity.title).sort();
    expect(titles).toEqual(["Lead Created", "Status Changed"]);
  });

  it("[D2-017] has every key of the CRM document", async () => {
    const lead = await addLead({
      salutation: "Dr",
      name: "Asha Rao",
      email: uniqueEmail(),
      phone: uniquePhone(),
      organization: "AIIMS",
      website: "https://example.test",
      job_title: "Resident",
      industry: "Health",
      source: "Website",
      gender: "Female",
      no_of_employees: "501-1000",
      annual_revenue: 1_500_000.5,
      territory: "North",
    });
    const { data } = await counselor.client.from("leads_crm").select().eq("id", lead.id).single();
    expect(leadsCrmRowSchema.parse(data)).toMatchObject({
      lead_id: lead.lead_id,
      salutation: "Dr",
      firstName: "Asha",
      lastName: "Rao",
      email: lead.email,
      mobile: lead.phone,
      organization: "AIIMS",
      website: "https://example.test",
      jobTitle: "Resident",
      industry: "Health",
      source: "Website",
      status: "New",
      gender: "Female",
      noOfEmployees: "501-1000",
      annualRevenue: 1_500_000.5,
      territory: "North",
      leadOwner: "Chetan Kumar",
      createdBy: "Chetan Kumar",
    });
    const page = await counselor.client.rpc("lead_360", { p_lead_id: lead.lead_id });
    expect(expectData(page)).toMatchObject({
      lead: {
        ...data,
        activities: [
          {
            type: "created",
            description: "Source: Website",
            by: "Chetan Kumar",
            timestamp: data?.createdAt,
          },
        ],
      },
    });
  });

  it("[D3-079] that is not there, or not yours, is not found", async () => {
    const lead = await addLead({}, colleague);
    const hidden = await counselor.client.from("leads").select().eq("id", lead.id).single();
    expectError(hidden, { code: "PGRST116", status: 406 });
    for (const p_lead_id of [lead.id, lead.lead_id, "LEAD-000", crypto.randomUUID()]) {
      const moved = await counselor.client.rpc("lead_set_status", { p_lead_id, p_status: "lost" });
      expectError(moved, { code: "PT404", details: "lead_not_found", status: 404 });
    }
  });
});

describe("creating", () => {
  it("[D1-005] [D3-002] [D4-023] answers the lead as it was stored", async () => {
    const email = uniqueEmail();
    const phone = uniquePhone();
    const lead = await addLead({
      name: "  Asha   Devi Rao ",
      email: ` ${email.toUpperCase()} `,
      phone: `0${phone.slice(3, 8)} ${phone.slice(8)}`,
      status: "Qualified",
      value: 185_000.5,
      tags: ["mbbs"],
      custom_fields: { city: "Pune" },
    });
    expect(lead).toMatchObject({
      name: "Asha Devi Rao",
      first_name: "Asha",
      last_name: "Devi Rao",
      email,
      phone,
      status: "qualified",
      source: "Manual",
      value: 185_000.5,
      currency: "INR",
      tags: ["mbbs"],
      custom_fields: { city: "Pune" },
      assigned_to: counselor.id,
      created_by: counselor.id,
    });
  });

  it("[D1-018] keeps the lead model, whose e-mail is one person's and whose stage and score have limits", async () => {
    const email = uniqueEmail();
    const model = {
      name: "Alice Johnson",
      email,
      phone: uniquePhone(),
      organization: "Sociovia",
      job_title: "Director",
      status: "new",
      source: "LinkedIn",
      value: 1200.5,
    };
    const { id } = await addLead(model);
    const called = { p_lead_id: id, p_type: "call", p_content: "Interested" };
    expect((await counselor.client.rpc("interaction_log", called)).error).toBeNull();
    const { data } = await counselor.client
      .from("leads")
      .select(
        "id, name, email, phone, company:organization, job_title, status, source, score, value, owner_id:assigned_to, created_at, updated_at, last_interaction_at",
      )
      .eq("id", id)
      .single();
    const { organization: company, ...kept } = model;
    expect(data).toEqual({
      ...kept,
      id,
      company,
      owner_id: counselor.id,
      score: expect.any(Number),
      created_at: expect.any(String),
      updated_at: expect.any(String),
      last_interaction_at: expect.any(String),
    });

    const rest = { phone: null, organization: null, job_title: null };
    const bare = await addLead({ name: "Bob", email: uniqueEmail() });
    expect(bare).toMatchObject({ ...rest, status: "new", value: 0, last_interaction_at: null });
    const second = await counselor.client.from("leads").insert({ name: "Al", email }).select("id");
    expect(second.data).toEqual([]);
    const taken = await counselor.client.from("leads").update({ email }).eq("id", bare.id);
    expectError(taken, { code: "PT409", details: "person_known", status: 409 });

    for (const status of ["contacted", "qualified", "proposal", "closed"]) {
      const moved = await counselor.client.from("leads").update({ status }).eq("id", id);
      expect(moved.error).toBeNull();
    }
    const elsewhere = await counselor.client
      .from("leads")
      .update({ status: "won" })
      .eq("id", bare.id);
    expectError(elsewhere, { code: "PT422", details: "stage_unknown", status: 422 });
    for (const wanted of [-1, 101]) {
      const [stored] = await sql()`
        update public.leads set score = ${wanted} where id = ${id} returning score`;
      expect(stored!.score).toBeGreaterThanOrEqual(0);
      expect(stored!.score).toBeLessThanOrEqual(100);
    }
  });

  it("[D2-003] answers message, lead_id and id", async () => {
    const email = uniqueEmail();
    const phone = uniquePhone();
    const { data, error } = await counselor.client.rpc("crm_create_lead", {
      p_lead: {
        firstName: "Jo",
        lastName: "Doe",
        email,
        mobile: phone,
        jobTitle: "CTO",
      },
    });
    expect(error).toBeNull();
    const answer = crmLeadCreatedSchema.parse(data);
    const made = await counselor.client.from("leads").select().eq("id", answer.id).single();
    expect(made.data).toMatchObject({
      lead_id: answer.lead_id,
      name: "Jo Doe",
      email,
      phone,
      job_title: "CTO",
    });
  });

  it("[D2-018] [D2-043] numbers every lead LEAD-001, LEAD-002, … one by one", async () => {
    const leads = [];
    for (let n = 0; n < 3; n++) leads.push(await addLead());
    const numbers = leads.map((lead) => Number(lead.lead_id.replace("LEAD-", "")));
    expect([...numbers].sort((a, b) => a - b)).toEqual(numbers);
    expect(new Set(numbers).size).toBe(3);
    for (const lead of leads) {
      expect(lead.lead_id).toBe(`LEAD-${String(lead.lead_no).padStart(3, "0")}`);
    }
    const [all] =
      await sql()`select count(*) = count(distinct lead_id) as unique from public.leads`;
    expect(all?.unique).toBe(true);
  });

  it("takes what a manager enters for the team, and gives it to a member", async () => {
    const lead = await addLead({}, manager);
    expect(lead.created_by).toBe(manager.id);
    expect(lead.team_id).not.toBeNull();
    const routed = await manager.client.from("leads").select().eq("id", lead.id).single();
    expect([counselor.id, colleague.id]).toContain(routed.data?.assigned_to);
  });

  it("makes none for a colleague, for another team, or by anon", async () => {
    const name = unique("Forged");
    const forColleague = { name, assigned_to: colleague.id };
    expectError(await counselor.client.from("leads").insert(forColleague), { code: "42501" });
    const { id } = await createTeam();
    expectError(await manager.client.from("leads").insert({ name, team_id: id }), {
      code: "42501",
    });
    expectError(await anon().from("leads").insert({ name }), { code: "42501", status: 401 });
    expect((await admin.client.from("leads").select().eq("name", name)).data).toEqual([]);
  });

  it("does not let an upsert reach a lead that is not one's own", async () => {
    const lead = await addLead({}, colleague);
    const taken = await counselor.client.from("leads").upsert({ id: lead.id, name: "Taken over" });
    expectError(taken, { code: "42501" });
    const { data } = await colleague.client.from("leads").select().eq("id", lead.id).single();
    expect(data?.name).toBe(lead.name);
  });
});

describe("changing", () => {
  it("[D2-004] [D3-004] [D4-024] changes any field, by id or number, and raises the version", async () => {
    const lead = await addLead({ name: "Asha Rao" });
    const byId = await counselor.client
      .from("leads")
      .update({ last_name: "Iyer", job_title: "Registrar" })
      .eq("id", lead.id)
      .select()
      .single();
    expect(byId.data).toMatchObject({ name: "Asha Iyer", job_title: "Registrar" });
    const byNumber = await counselor.client
      .from("leads")
      .update({ name: "Asha Devi" })
      .eq("lead_id", lead.lead_id)
      .select()
      .single();
    expect(byNumber.data).toMatchObject({ last_name: "Devi", version: lead.version + 2 });
  });

  it("lets a client write only over the version it has read", async () => {
    const lead = await addLead();
    const write = (version: number) =>
      counselor.client
        .from("leads")
        .update({ territory: `seen ${version}` })
        .eq("id", lead.id)
        .eq("version", version)
        .select();
    expect((await write(lead.version)).data).toHaveLength(1);
    expect((await write(lead.version)).data).toEqual([]);
  });

  it("[D1-006] moves a card by a plain update, and history and timeline follow", async () => {
    const lead = await addLead();
    const moved = await counselor.client
      .from("leads")
      .update({ status: "contacted" })
      .eq("id", lead.id)
      .select("status")
      .single();
    expect(moved.data).toEqual({ status: "contacted" });
    const history = await counselor.client.from("lead_history").select().eq("lead_id", lead.id);
    expect(leadHistorySchema.array().parse(history.data)).toMatchObject([
      { from_status: "new", to_status: "contacted", reason: null, changed_by: counselor.id },
    ]);
    const activity = await counselor.client
      .from("activities")
      .select("title, description")
      .eq("lead_id", lead.id)
      .eq("type", "status_change");
    expect(activity.data).toEqual([{ title: "Status Changed", description: "New to Contacted" }]);
  });

  it("[D2-005] [D3-011] [D4-027] moves a lead by RPC, by id or number, and answers it", async () => {
    const lead = await addLead();
    for (const [p_lead_id, p_status] of [
      [lead.id, "contacted"],
      [lead.lead_id, "Qualified"],
    ] as const) {
      const { data, error } = await counselor.client.rpc("lead_set_status", {
        p_lead_id,
        p_status,
      });
      expect(error).toBeNull();
      expect(leadSchema.parse(data)).toMatchObject({
        id: lead.id,
        status: p_status.toLowerCase(),
      });
    }
  });

  it("[D3-059] records every change of stage, with who and why", async () => {
    const lead = await addLead();
    const move = (p_status: string, p_reason?: string) =>
      counselor.client.rpc("lead_set_status", { p_lead_id: lead.id, p_status, p_reason });
    await move("contacted", "Called back");
    await move("lost", "Fees above budget");
    const { data } = await manager.client
      .from("lead_history")
      .select("from_status, to_status, reason, changed_by")
      .eq("lead_id", lead.id)
      .order("changed_at");
    expect(data).toEqual([
      {
        from_status: "new",
        to_status: "contacted",
        reason: "Called back",
        changed_by: counselor.id,
      },
      {
        from_status: "contacted",
        to_status: "lost",
        reason: "Fees above budget",
        changed_by: counselor.id,
      },
    ]);
    const forged = counselor.client.from("lead_history").insert({
      lead_id: lead.id,
      from_status: "new",
      to_status: "enrolled",
    });
    expectError(await forged, { code: "42501" });
  });

  it("changes nothing of a colleague's", async () => {
    const lead = await addLead({}, colleague);
    const update = await counselor.client
      .from("leads")
      .update({ name: "Changed" })
      .eq("id", lead.id)
      .select();
    expect(update).toMatchObject({ data: [], error: null });
  });
});
