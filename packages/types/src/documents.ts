/** Documents of students and leads, their files and versions. */
import { z } from "zod";

export const documentStatuses = ["pending", "verified", "rejected"] as const;

export const documentAccessLevels = ["standard", "restricted", "private"] as const;

export const documentVersionStates = ["uploading", "checking", "ready", "refused"] as const;

/** What the bucket takes. */
export const documentMimeTypes = [
  "application/pdf",
  "image/png",
  "image/jpeg",
  "image/webp",
  "image/heic",
  "application/msword",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  "application/vnd.ms-excel",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  "application/vnd.ms-powerpoint",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation",
] as const;

/** Why a file was refused. */
export const documentFaults = [
  "document_file_missing",
  "document_empty",
  "document_too_large",
  "document_content_mismatch",
  "document_unreadable",
] as const;

export type DocumentFault = (typeof documentFaults)[number];

/** A row of `documents`. */
export const documentSchema = z.object({
  id: z.uuid(),
  lead_owner_id: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  uploaded_by: z.uuid().nullable(),
  created_at: z.string(),
  deleted_at: z.string().nullable(),
  deleted_by: z.uuid().nullable(),
  is_required: z.boolean(),
  is_confidential: z.boolean(),
  lead_id: z.uuid().nullable(),
  student_id: z.uuid().nullable(),
  access_level: z.enum(documentAccessLevels),
  document_name: z.string(),
  document_type: z.string(),
  notes: z.string().nullable(),
  status: z.enum(documentStatuses),
  verification_notes: z.string().nullable(),
  verified_by: z.uuid().nullable(),
  verified_at: z.string().nullable(),
  version_no: z.number().int().nullable(),
  storage_path: z.string().nullable(),
  file_name: z.string().nullable(),
  mime_type: z.string().nullable(),
  size_bytes: z.number().int().nullable(),
  updated_at: z.string(),
  version: z.number().int(),
});

export type Document = z.infer<typeof documentSchema>;

/** What may be changed. A `status` other than the present one needs `documents.verify`. */
export const documentUpdateSchema = z
  .strictObject({
    document_name: z.string().trim().min(1).max(300),
    document_type: z.string().trim().min(1).max(60),
    is_required: z.boolean(),
    is_confidential: z.boolean(),
    access_level: z.enum(documentAccessLevels),
    notes: z.string().max(4000).nullable(),
    status: z.enum(documentStatuses),
    verification_notes: z.string().max(4000).nullable(),
  })
  .partial();

export type DocumentUpdate = z.infer<typeof documentUpdateSchema>;

/** A row of `document_versions`, and the answer of `document_complete_upload()`. */
export const documentVersionSchema = z.strictObject({
  id: z.uuid(),
  document_id: z.uuid(),
  version_no: z.number().int().positive(),
  storage_path: z.string(),
  file_name: z.string(),
  mime_type: z.enum(documentMimeTypes),
  size_bytes: z.number().int().positive(),
  checksum: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  state: z.enum(documentVersionStates),
  fault: z.enum(documentFaults).nullable(),
  fault_detail: z.string().nullable(),
  uploaded_by: z.uuid().nullable(),
  created_at: z.string(),
  expires_at: z.string(),
  checked_at: z.string().nullable(),
});

export type DocumentVersion = z.infer<typeof documentVersionSchema>;

/** The answer of `document_begin_upload()`: where the file goes. */
export const documentUploadSchema = z.strictObject({
  document_id: z.uuid(),
  version_no: z.number().int().positive(),
  bucket: z.literal("documents"),
  path: z.string(),
  mime_type: z.enum(documentMimeTypes),
  expires_at: z.string(),
});

export type DocumentUpload = z.infer<typeof documentUploadSchema>;

/** The answer of `document_open()`: where the file lies. */
export const documentFileSchema = z.strictObject({
  document_id: z.uuid(),
  version_no: z.number().int().positive(),
  bucket: z.literal("documents"),
  path: z.string(),
  file_name: z.string(),
  mime_type: z.enum(documentMimeTypes),
  size_bytes: z.number().int().positive(),
  checksum: z.string(),
});

export type DocumentFile = z.infer<typeof documentFileSchema>;

/** `document_checked` on `user:<id>`: ids and outcome only. */
export const documentCheckedSchema = z.object({
  document_id: z.uuid(),
  version_no: z.number().int().positive(),
  state: z.enum(["ready", "refused"]),
  fault: z.enum(documentFaults).nullable(),
});
