/** Students: listed, entered and changed, and what hangs off them. */
import { studentSchema } from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import {
  addLead,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  timelineOf,
  unique,
  uniqueEmail,
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

describe("STU-CRUD: students", () => {
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
    const lead = await addLead(counselor);
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
});
