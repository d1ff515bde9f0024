/** Administration of people, roles and sessions, and impersonation. */
import { z } from "zod";
import { dataScopeSchema } from "./identity.ts";

const statusSchema = z.enum(["active", "inactive"]);

/** One of `users` in the answer of `admin_list_users()`. */
export const adminUserSchema = z.strictObject({
  id: z.uuid(),
  full_name: z.string(),
  email: z.string(),
  phone: z.string().nullable(),
  role: z.string(),
  status: statusSchema,
  department: z.string().nullable(),
  designation: z.string().nullable(),
  last_sign_in_at: z.string().nullable(),
  created_at: z.string(),
  teams: z.array(z.strictObject({ id: z.uuid(), name: z.string(), is_manager: z.boolean() })),
});

export type AdminUser = z.infer<typeof adminUserSchema>;

/** The answer of `admin_list_users()`. */
export const adminUserPageSchema = z.strictObject({
  users: z.array(adminUserSchema),
  total: z.number().int(),
  page: z.number().int(),
  limit: z.number().int(),
});

export type AdminUserPage = z.infer<typeof adminUserPageSchema>;

/** Body of `PATCH /functions/v1/admin/users/{id}`; what is left out stays. */
export const userUpdateSchema = z
  .strictObject({
    full_name: z.string().trim().min(1).max(200),
    email: z.string().trim().min(3).max(254),
    phone: z.string().max(40),
    role: z.string().min(1).max(63),
    status: statusSchema,
  })
  .partial()
  .refine((body) => Object.keys(body).length > 0, "Say what is to change.");

export type UserUpdate = z.infer<typeof userUpdateSchema>;

/** Answer of `PATCH /functions/v1/admin/users/{id}`. */
export const userUpdatedSchema = adminUserSchema.pick({
  id: true,
  full_name: true,
  email: true,
  phone: true,
  role: true,
  status: true,
});

export type UserUpdated = z.infer<typeof userUpdatedSchema>;

/** Query of `DELETE /functions/v1/admin/users/{id}`: who takes over the open leads. */
export const userDeleteSchema = z.strictObject({ reassign_to: z.uuid().optional() });

/** Body of `POST /functions/v1/admin/users/bulk-action`. */
export const userBulkSchema = z.strictObject({
  user_ids: z.array(z.uuid()).min(1).max(100),
  action: z.enum(["activate", "deactivate", "delete"]),
  /** With delete: who takes over their open leads. */
  reassign_to: z.uuid().optional(),
});

export type UserBulk = z.infer<typeof userBulkSchema>;

/** Answer of `POST /functions/v1/admin/users/bulk-action`: each person is dealt with alone. */
export const userBulkResultSchema = z.strictObject({
  succeeded: z.number().int(),
  failed: z.number().int(),
  results: z.array(
    z.strictObject({
      user_id: z.uuid(),
      ok: z.boolean(),
      /** The error's details: a stable code, and what it is about. */
      error: z.string().optional(),
    }),
  ),
});

export type UserBulkResult = z.infer<typeof userBulkResultSchema>;

/** Body of `POST /functions/v1/admin/users/{id}/impersonate`. */
export const impersonateSchema = z.strictObject({ reason: z.string().trim().min(1).max(500) });

export type Impersonate = z.infer<typeof impersonateSchema>;

/** A token with which supabase-js reads as that person for ten minutes, and writes nothing. */
export const impersonatedSchema = z.strictObject({
  impersonation_token: z.string(),
  expires_at: z.string(),
});

export type Impersonated = z.infer<typeof impersonatedSchema>;

/** A row of `impersonations`, in the columns that may be read. */
export const impersonationSchema = z.strictObject({
  id: z.uuid(),
  user_id: z.uuid(),
  impersonator_id: z.uuid(),
  reason: z.string(),
  started_at: z.string(),
  expires_at: z.string(),
  ended_at: z.string().nullable(),
});

export type Impersonation = z.infer<typeof impersonationSchema>;

/** A row of the view `roles_with_permissions`. */
export const roleSchema = z.strictObject({
  id: z.uuid(),
  key: z.string(),
  name: z.string(),
  description: z.string(),
  data_scope: dataScopeSchema,
  is_system: z.boolean(),
  permissions: z.array(z.string()),
  created_at: z.string(),
  updated_at: z.string(),
});

export type Role = z.infer<typeof roleSchema>;

/** The answer of `role_upsert()`. */
export const roleUpsertedSchema = roleSchema.omit({ created_at: true, updated_at: true });

/** A row of the view `user_sessions`, and of `list_sessions()`. */
export const userSessionSchema = z.strictObject({
  id: z.uuid(),
  user_id: z.uuid(),
  created_at: z.string(),
  last_active_at: z.string(),
  expires_at: z.string().nullable(),
  user_agent: z.string().nullable(),
  ip: z.string().nullable(),
  is_current: z.boolean(),
});

export type UserSession = z.infer<typeof userSessionSchema>;
