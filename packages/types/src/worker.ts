/** The `worker` function. */
import { z } from "zod";

export const workerAcceptedSchema = z.object({
  accepted: z.literal(true),
  draining: z.boolean().describe("False when another worker drains already"),
});

export type WorkerAccepted = z.infer<typeof workerAcceptedSchema>;
