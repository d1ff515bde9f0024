/** Agents: whether people can be had, and how a new person is made. */
import { z } from "zod";
import { availabilities, availabilitySchema, phoneSchema } from "./identity.ts";

/** What `agent_set_status()` takes: online is another word for available. */
export const agentStatusInputSchema = z.enum([...availabilities, "online"]);

export type AgentStatusInput = z.infer<typeof agentStatusInputSchema>;

/** A row of the view `agents`, and the answer of `agent_set_status()`. */
export const agentSchema = z.strictObject({
  id: z.uuid(),
  full_name: z.string(),
  email: z.string(),
  phone: phoneSchema.nullable(),
  role: z.string(),
  department: z.string().nullable(),
  designation: z.string().nullable(),
  avatar_url: z.string().nullable(),
  team_id: z.uuid().nullable(),
  team_name: z.string().nullable(),
  is_active: z.boolean(),
  /** `availability`, but offline for somebody who is not active or was not seen of late. */
  status: availabilitySchema,
  availability: availabilitySchema,
  status_changed_at: z.string().nullable(),
  last_seen_at: z.string().nullable(),
  max_open_leads: z.number().int().positive().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
});

export type Agent = z.infer<typeof agentSchema>;

/** The answer of `agent_heartbeat()`. */
export const agentHeartbeatSchema = z.strictObject({
  status: availabilitySchema,
  last_seen_at: z.string(),
});

export type AgentHeartbeat = z.infer<typeof agentHeartbeatSchema>;

/** What comes on the private topic `agents:<team id>`, beside Presence. */
export const agentEvents = {
  agent_status_changed: z.object({ user_id: z.uuid() }),
} as const;

/** Body of `POST /functions/v1/admin/users`. */
export const userCreateSchema = z
  .strictObject({
    full_name: z.string().trim().min(1).max(200),
    email: z.string().trim().min(3).max(254),
    phone: z.string().max(40).nullish(),
    role: z.string().min(1).max(63).default("counselor"),
    status: z.enum(["active", "inactive"]).default("active"),
    department: z.string().max(120).nullish(),
    designation: z.string().max(120).nullish(),
    team_id: z.uuid().nullish(),
    is_manager: z.boolean().optional(),
    /** Instead of an invitation. */
    password: z.string().min(8).max(72).optional(),
    /** By mail, if no password is given; false answers the link instead. */
    send_invite: z.boolean().optional(),
    /** Where the invitation leads: one of the addresses that Auth allows. */
    redirect_to: z.url().optional(),
  })
  .refine((user) => user.password === undefined || user.send_invite !== true, {
    message: "A password or an invitation, not both",
    path: ["send_invite"],
  });

export type UserCreate = z.infer<typeof userCreateSchema>;

/** Its answer. `invite_link` is there when neither a password was given nor mail wanted. */
export const userCreatedSchema = z.strictObject({
  user_id: z.uuid(),
  invite_sent: z.boolean(),
  invite_link: z.url().optional(),
});

export type UserCreated = z.infer<typeof userCreatedSchema>;
