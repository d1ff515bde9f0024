/** Imports through the stack: a file goes up, the worker does its part, the test waits. */
import type { Tables } from "../../packages/types/src/database.ts";
import type { Person } from "./people.ts";
import { sql } from "./sql.ts";

export type ImportRow = Tables<"imports">;

let files = 0;

export async function upload(
  person: Person,
  content: string | Uint8Array,
  name = `people-${process.pid}-${files++}.csv`,
): Promise<string> {
  const path = `${person.id}/${name}`;
  const type = name.endsWith(".json") ? "application/json" : "text/csv";
  const { error } = await person.client.storage
    .from("imports")
    .upload(
      path,
      new Blob([typeof content === "string" ? content : new Uint8Array(content)], { type }),
      { contentType: type },
    );
  if (error) throw new Error(`${path} cannot be uploaded: ${error.message}`);
  return path;
}

const passing = ["reading", "checking", "committing", "undoing"];

/** Waits for the end of the phase that runs. */
export async function settled(id: string, ms = 25_000): Promise<ImportRow> {
  const until = Date.now() + ms;
  for (;;) {
    const [row] = await sql()<ImportRow[]>`select * from public.imports where id = ${id}`;
    if (row && !passing.includes(row.status)) return row;
    if (Date.now() > until) throw new Error(`Import ${id} is still ${row?.status}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

type Step = "import_dry_run" | "import_commit" | "import_undo";

export async function step(person: Person, name: Step, id: string): Promise<ImportRow> {
  const { error } = await person.client.rpc(name, { p_import_id: id });
  if (error) throw new Error(`${name}: ${error.message} ${error.details}`);
  return settled(id);
}

export interface StartOptions {
  format?: "csv" | "json";
  hasHeader?: boolean;
  name?: string;
}

/** Uploads a file and waits until it is read. */
export async function start(
  person: Person,
  content: string | Uint8Array,
  { format, hasHeader, name }: StartOptions = {},
): Promise<ImportRow> {
  const path = await upload(person, content, name);
  const { data, error } = await person.client.rpc("import_start", {
    p_storage_path: path,
    ...(format ? { p_format: format } : {}),
    ...(hasHeader === undefined ? {} : { p_has_header: hasHeader }),
  });
  if (error) throw new Error(`import_start: ${error.message} ${error.details}`);
  return settled((data as unknown as ImportRow).id);
}

/** Maps as the file suggests, or as said. */
export async function map(
  person: Person,
  read: ImportRow,
  mapping: Record<string, string> = read.suggested_mapping as Record<string, string>,
  defaults: Record<string, string> = {},
): Promise<void> {
  const { error } = await person.client.rpc("import_map", {
    p_import_id: read.id,
    p_mapping: mapping,
    p_defaults: defaults,
  });
  if (error) throw new Error(`import_map: ${error.message} ${error.details}`);
}
