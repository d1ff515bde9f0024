/** Access control: who the caller is, and how access is given. */
import { z } from "zod";
import { availabilitySchema, dataScopeSchema } from "./identity.ts";

/** The answer of `me()`. */
export const meSchema = z.strictObject({
  id: z.uuid(),
  full_name: z.string(),
  email: z.string(),
  role: z.string(),
  data_scope: dataScopeSchema,
  timezone: z.string(),
  availability: availabilitySchema,
  permissions: z.array(z.string()),
  teams: z.array(z.strictObject({ id: z.uuid(), name: z.string(), is_manager: z.boolean() })),
});

export type Me = z.infer<typeof meSchema>;

/** Arguments of `user_set_access()`; what is null or left out stays as it is. */
export const userSetAccessSchema = z.strictObject({
  p_user_id: z.uuid(),
  p_role: z.string().nullish(),
  p_is_active: z.boolean().nullish(),
});

export type UserSetAccess = z.infer<typeof userSetAccessSchema>;
