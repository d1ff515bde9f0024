import { resolve } from "node:path";

/** This repository: holds `supabase/`, and `.local/` for the data. */
export const PROJECT_ROOT = resolve(import.meta.dirname, "..", "..", "..");
