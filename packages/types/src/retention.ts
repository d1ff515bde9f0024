/** What has been kept long enough goes. */
import { z } from "zod";

/** How many rows of which table a chunk removed; empty when nothing is left to remove. */
export const retentionPurgedSchema = z.record(z.string(), z.number().int().positive());

export type RetentionPurged = z.infer<typeof retentionPurgedSchema>;
