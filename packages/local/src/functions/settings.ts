// What supabase/config.toml and the folder say about each function.

import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "smol-toml";

export interface FunctionSettings {
  name: string;
  entry: string;
  /** The function's deno.json, which holds its import map. */
  configFile: string | undefined;
  verifyJwt: boolean;
}

interface Section {
  enabled?: boolean;
  verify_jwt?: boolean;
  entrypoint?: string;
  import_map?: string;
}

export function createSettings(functionsDir: string, supabaseDir: string) {
  const configPath = join(supabaseDir, "config.toml");
  let readAt = -1;
  let sections: Record<string, Section> = {};

  function refresh() {
    const changedAt = existsSync(configPath) ? statSync(configPath).mtimeMs : 0;
    if (changedAt === readAt) return;
    const config = changedAt ? parse(readFileSync(configPath, "utf8")) : {};
    sections = (config.functions ?? {}) as Record<string, Section>;
    readAt = changedAt;
  }

  return {
    /** The settings of a function, or null when there is none of that name. */
    find(name: string): FunctionSettings | null {
      // Folders that start with an underscore hold shared code and are never deployed.
      if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(name)) return null;
      refresh();
      const section = sections[name] ?? {};
      if (section.enabled === false) return null;
      const folder = join(functionsDir, name);
      const entry = section.entrypoint
        ? resolve(supabaseDir, section.entrypoint)
        : join(folder, "index.ts");
      if (!existsSync(entry)) return null;
      const candidates = section.import_map
        ? [resolve(supabaseDir, section.import_map)]
        : [join(folder, "deno.json"), join(folder, "deno.jsonc")];
      return {
        name,
        entry,
        configFile: candidates.find((path) => existsSync(path)),
        verifyJwt: section.verify_jwt ?? true,
      };
    },
  };
}
