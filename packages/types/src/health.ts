/** The public health check. It names states, never figures that tell a stranger about the business. */
import { z } from "zod";

export const healthSchema = z.object({
  status: z.enum(["ok", "degraded", "down"]),
  database: z.enum(["ok", "down"]),
  migrations: z.enum(["applied", "missing", "unknown"]),
  queue: z.enum(["idle", "busy", "behind", "stalled", "unknown"]),
  time: z.iso.datetime(),
});

export type Health = z.infer<typeof healthSchema>;
