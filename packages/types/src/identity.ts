/** Identity: profiles, teams, roles. */
import { z } from "zod";

/** The built-in roles. An organisation may add its own, so a role that is read is a plain text. */
export const builtInRoles = ["admin", "manager", "counselor"] as const;

export type BuiltInRole = (typeof builtInRoles)[number];

/** own: what is assigned to the person. team: that and the teams they manage. all: everything. */
export const dataScopes = ["own", "team", "all"] as const;

export const dataScopeSchema = z.enum(dataScopes);

export type DataScope = z.infer<typeof dataScopeSchema>;

export const availabilities = ["available", "busy", "away", "offline"] as const;

export const availabilitySchema = z.enum(availabilities);

export type Availability = z.infer<typeof availabilitySchema>;

/** E.164, as every number is stored. */
export const phoneSchema = z.string().regex(/^\+[1-9][0-9]{7,14}$/);

/** The person's own settings; further keys are the client's to choose. */
export const preferencesSchema = z
  .object({
    notifications: z.object({ email: z.boolean(), sms: z.boolean() }).partial().optional(),
  })
  .catchall(z.json());

export type Preferences = z.infer<typeof preferencesSchema>;

/** A row of `profiles`. */
export const profileSchema = z.object({
  id: z.uuid(),
  email: z.string(),
  full_name: z.string(),
  phone: phoneSchema.nullable(),
  department: z.string().nullable(),
  designation: z.string().nullable(),
  avatar_url: z.string().nullable(),
  preferences: preferencesSchema,
  timezone: z.string().nullable(),
  availability: availabilitySchema,
  role_id: z.uuid(),
  is_active: z.boolean(),
  max_open_leads: z.number().int().positive().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  version: z.number().int(),
});

export type Profile = z.infer<typeof profileSchema>;

/** What a person may change of their own profile. */
export const profileUpdateSchema = z
  .strictObject({
    full_name: z.string().max(200),
    phone: z.string().nullable(),
    department: z.string().max(120).nullable(),
    designation: z.string().max(120).nullable(),
    avatar_url: z.string().max(2048).nullable(),
    preferences: preferencesSchema,
    timezone: z.string().nullable(),
    availability: availabilitySchema,
  })
  .partial();

export type ProfileUpdate = z.infer<typeof profileUpdateSchema>;

/** A row of the view `user_profiles`. */
export const userProfileSchema = z.strictObject({
  ...profileSchema.pick({
    id: true,
    full_name: true,
    email: true,
    phone: true,
    department: true,
    designation: true,
    avatar_url: true,
    preferences: true,
    timezone: true,
    created_at: true,
    updated_at: true,
  }).shape,
  user_id: z.uuid(),
  role: z.string(),
  status: z.enum(["active", "inactive"]),
});

export type UserProfile = z.infer<typeof userProfileSchema>;

/** A row of `teams`. */
export const teamSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  is_auto_assigned: z.boolean(),
  created_at: z.string(),
  updated_at: z.string(),
});

export type Team = z.infer<typeof teamSchema>;

export const teamInsertSchema = z.strictObject({
  id: z.uuid().optional(),
  name: z.string().trim().min(1).max(120),
  description: z.string().optional(),
  is_auto_assigned: z.boolean().optional(),
});

export type TeamInsert = z.infer<typeof teamInsertSchema>;

/** A row of `team_members`. */
export const teamMemberSchema = z.object({
  team_id: z.uuid(),
  user_id: z.uuid(),
  is_manager: z.boolean(),
  created_at: z.string(),
});

export type TeamMember = z.infer<typeof teamMemberSchema>;
