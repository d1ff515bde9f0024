/** Notes on leads, contacts and students, and the files beside them. */
import { z } from "zod";
import { leadNumberSchema } from "./leads.ts";

export const noteTypes = [
  "general",
  "follow_up",
  "important",
  "meeting",
  "call",
  "reminder",
] as const;

export const notePriorities = ["low", "normal", "high", "urgent"] as const;

/** A row of `notes`. */
export const noteSchema = z.object({
  id: z.uuid(),
  lead_id: z.uuid().nullable(),
  contact_id: z.uuid().nullable(),
  student_id: z.uuid().nullable(),
  author_id: z.uuid().nullable(),
  user_id: z.uuid().nullable(),
  title: z.string().nullable(),
  content: z.string(),
  note_type: z.enum(noteTypes),
  priority: z.enum(notePriorities),
  is_private: z.boolean(),
  reminder_at: z.string().nullable(),
  tags: z.array(z.string()),
  created_at: z.string(),
  updated_at: z.string(),
  deleted_at: z.string().nullable(),
  deleted_by: z.uuid().nullable(),
  version: z.number().int(),
});

export type Note = z.infer<typeof noteSchema>;

/** What the author may change. `medium` is stored as `normal`. */
export const noteUpdateSchema = z
  .strictObject({
    user_id: z.uuid().nullable(),
    title: z.string().max(200).nullable(),
    content: z.string().trim().min(1).max(20_000),
    note_type: z.enum(noteTypes),
    priority: z.enum([...notePriorities, "medium"]),
    is_private: z.boolean(),
    reminder_at: z.iso.datetime({ offset: true }).nullable(),
    tags: z.array(z.string()).max(50),
  })
  .partial();

export type NoteUpdate = z.infer<typeof noteUpdateSchema>;

/** What a client may insert: about a lead, a contact or a student at least. */
export const noteInsertSchema = noteUpdateSchema
  .extend({
    id: z.uuid().optional(),
    content: z.string().trim().min(1).max(20_000),
    lead_id: z.uuid().nullish(),
    contact_id: z.uuid().nullish(),
    student_id: z.uuid().nullish(),
    /** Oneself; the default. */
    author_id: z.uuid().nullish(),
  })
  .refine((note) => note.lead_id || note.contact_id || note.student_id, {
    message: "A note is about a lead, a contact or a student.",
  });

export type NoteInsert = z.infer<typeof noteInsertSchema>;

/** A row of the view `lead_notes`. */
export const leadNoteSchema = z.strictObject({
  id: z.uuid(),
  lead_id: leadNumberSchema,
  title: z.string().nullable(),
  content: z.string(),
  createdAt: z.string(),
  createdBy: z.string().nullable(),
});

export type LeadNote = z.infer<typeof leadNoteSchema>;

/** Where a file of a note lies in the bucket `attachments`. */
export const noteAttachmentPath = (noteId: string, fileName: string): string =>
  `notes/${noteId}/${fileName}`;

/** A row of `note_attachments`. */
export const noteAttachmentSchema = z.strictObject({
  id: z.uuid(),
  note_id: z.uuid(),
  path: z.string(),
  file_name: z.string(),
  mime_type: z.string(),
  size_bytes: z.number().int(),
  created_by: z.uuid().nullable(),
  created_at: z.string(),
});

export type NoteAttachment = z.infer<typeof noteAttachmentSchema>;
