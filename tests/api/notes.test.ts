/** Notes and their files, as the documents ask for them. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  leadNoteSchema,
  noteAttachmentPath,
  noteAttachmentSchema,
  noteSchema,
} from "../../packages/types/src/notes.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let colleague: Person;
let lead: { id: string; lead_id: string };

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team, fullName: "Chetan Kumar" });
  colleague = await createUser({ team });
  const made = await counselor.client
    .from("leads")
    .insert({ name: unique("Noted") })
    .select("id, lead_id")
    .single();
  lead = expectData(made);
});

async function addNote(fields: Record<string, unknown> = {}) {
  const made = await counselor.client
    .from("notes")
    .insert({ lead_id: lead.id, content: unique("Called the lead"), ...fields })
    .select()
    .single();
  return noteSchema.parse(expectData(made));
}

describe("notes", () => {
  it("[D0-034] are written with every field of the document", async () => {
    const body = {
      content:
        "Called the lead, very interested in cardiology program. Follow up next week. " +
        crypto.randomUUID(),
      lead_id: lead.id,
      user_id: counselor.id,
      author_id: counselor.id,
      note_type: "follow_up",
      priority: "normal",
      is_private: false,
      reminder_at: "2036-09-20T10:00:00+00:00",
      tags: ["follow-up", "cardiology", "interested"],
    };
    const { data, error } = await counselor.client.from("notes").insert(body).select().single();
    expect(error).toBeNull();
    expect(noteSchema.parse(data)).toMatchObject(body);
    const timeline = await counselor.client
      .from("timeline")
      .select("type, title, description, by")
      .eq("source_id", data?.id ?? "");
    expect(timeline.data).toEqual([
      {
        type: "note_created",
        title: "Note Added",
        description: body.content,
        by: "Chetan Kumar",
      },
    ]);
  });

  it("[D0-033] are listed by lead and by person", async () => {
    const note = await addNote({ user_id: colleague.id });
    const byLead = await manager.client.from("notes").select().eq("lead_id", lead.id);
    expect(noteSchema.array().parse(byLead.data)).toContainEqual(note);
    const byPerson = await manager.client
      .from("notes")
      .select("id")
      .eq("lead_id", lead.id)
      .eq("user_id", colleague.id);
    expect(byPerson.data).toEqual([{ id: note.id }]);
  });

  it("[D0-035] are changed by their author", async () => {
    const note = await addNote();
    const change = { content: "Updated note content", priority: "high" };
    const byManager = await manager.client.from("notes").update(change).eq("id", note.id).select();
    expect(byManager).toMatchObject({ data: [], error: null });
    const { data } = await counselor.client
      .from("notes")
      .update(change)
      .eq("id", note.id)
      .select()
      .single();
    expect(noteSchema.parse(data)).toMatchObject({ ...change, version: note.version + 1 });
  });

  it("[D0-076] may be private, tagged, prioritised and carry a reminder", async () => {
    const note = await addNote({
      is_private: true,
      tags: ["budget"],
      priority: "Urgent",
      reminder_at: "2036-01-01T09:00:00Z",
    });
    expect(note).toMatchObject({ is_private: true, tags: ["budget"], priority: "urgent" });
    expect(note.reminder_at).not.toBeNull();
    const seen = await manager.client.from("notes").select().eq("id", note.id);
    expect(seen.data).toEqual([]);
    const told = await manager.client.from("timeline").select().eq("source_id", note.id);
    expect(told.data).toEqual([]);
    const tagged = await counselor.client
      .from("notes")
      .select("id")
      .eq("lead_id", lead.id)
      .contains("tags", ["budget"]);
    expect(tagged.data).toEqual([{ id: note.id }]);
  });

  it("[D2-015] [D2-014] [D2-022] of a lead have title, content, createdAt and createdBy", async () => {
    const title = unique("Call notes");
    const made = await counselor.client
      .from("notes")
      .insert({ lead_id: lead.id, title, content: "Discussed project requirements..." })
      .select()
      .single();
    expect(made.error).toBeNull();
    const { data } = await manager.client
      .from("lead_notes")
      .select()
      .eq("lead_id", lead.lead_id)
      .eq("title", title);
    expect(leadNoteSchema.array().parse(data)).toMatchObject([
      {
        lead_id: lead.lead_id,
        title,
        content: "Discussed project requirements...",
        createdBy: "Chetan Kumar",
      },
    ]);
  });

  it("[D0-036] are deleted by their author, and by who may delete leads", async () => {
    const note = await addNote();
    const remove = (person: Person, id = note.id) =>
      person.client.rpc("soft_delete", { p_table: "notes", p_id: id });
    expectError(await remove(colleague), { code: "PT404", details: "not_found", status: 404 });
    expect((await remove(counselor)).error).toBeNull();
    const left = await counselor.client.from("notes").select().eq("id", note.id);
    expect(left.data).toEqual([]);
    const told = await counselor.client.from("timeline").select().eq("source_id", note.id);
    expect(told.data).toEqual([]);
    expectError(await remove(counselor), { code: "PT404", details: "not_found", status: 404 });
    const another = await addNote();
    expect((await remove(manager, another.id)).error).toBeNull();
    const [kept] = await sql()`
      select count(*)::int from public.notes where id in ${sql()([note.id, another.id])} and deleted_at is not null
    `;
    expect(kept?.count).toBe(2);
  });

  it("are written in one's own name, about what one may see", async () => {
    const forged = { lead_id: lead.id, content: "Forged" };
    const inAnothersName = { ...forged, author_id: counselor.id };
    expectError(await manager.client.from("notes").insert(inAnothersName), { code: "42501" });
    expectError(await colleague.client.from("notes").insert(forged), { code: "42501" });
    const [stored] = await sql()`select count(*)::int from public.notes where content = 'Forged'`;
    expect(stored?.count).toBe(0);
  });
});

describe("files of notes", () => {
  const pdf = new Blob(["%PDF-1.4"], { type: "application/pdf" });

  it("[D2-032] are uploaded, listed and reached by who sees the note", async () => {
    const note = await addNote();
    const path = noteAttachmentPath(note.id, "brochure.pdf");
    const uploaded = await counselor.client.storage.from("attachments").upload(path, pdf);
    expect(uploaded.error).toBeNull();
    const attached = await counselor.client
      .from("note_attachments")
      .insert({ note_id: note.id, path })
      .select()
      .single();
    expect(noteAttachmentSchema.parse(attached.data)).toMatchObject({
      note_id: note.id,
      file_name: "brochure.pdf",
      mime_type: "application/pdf",
      size_bytes: 8,
      created_by: counselor.id,
    });
    const listed = await manager.client
      .from("notes")
      .select("id, note_attachments(file_name)")
      .eq("id", note.id)
      .single();
    expect(listed.data?.note_attachments).toEqual([{ file_name: "brochure.pdf" }]);
    const file = await manager.client.storage.from("attachments").download(path);
    expect(await file.data?.text()).toBe("%PDF-1.4");
    const hidden = await colleague.client.storage.from("attachments").download(path);
    expect(hidden.error).not.toBeNull();
    const signed = await colleague.client.storage.from("attachments").createSignedUrl(path, 60);
    expect(signed.error).not.toBeNull();
    const removed = await manager.client.storage.from("attachments").remove([path]);
    expect(removed.data).toEqual([]);
    const own = await counselor.client.storage.from("attachments").remove([path]);
    expect(own.data).toHaveLength(1);
  });

  it("of a private note are the author's alone", async () => {
    const note = await addNote({ is_private: true });
    const path = noteAttachmentPath(note.id, "letter.pdf");
    await counselor.client.storage.from("attachments").upload(path, pdf);
    const asked = await manager.client.storage.from("attachments").download(path);
    expect(asked.error).not.toBeNull();
  });

  it("are refused outside of the convention, of another kind, on another's note, or when missing", async () => {
    const note = await addNote();
    const bucket = counselor.client.storage.from("attachments");
    for (const path of ["brochure.pdf", "notes/x/brochure.pdf", `notes/${note.id}/a/b.pdf`]) {
      expect((await bucket.upload(path, pdf)).error, path).not.toBeNull();
    }
    const page = new Blob(["<script>"], { type: "text/html" });
    expect((await bucket.upload(noteAttachmentPath(note.id, "x.html"), page)).error).not.toBeNull();
    const byManager = manager.client.storage.from("attachments");
    const path = noteAttachmentPath(note.id, "x.pdf");
    expect((await byManager.upload(path, pdf)).error).not.toBeNull();
    const missing = await counselor.client
      .from("note_attachments")
      .insert({ note_id: note.id, path });
    expectError(missing, { code: "PT422", details: "attachment_missing", status: 422 });
  });
});
