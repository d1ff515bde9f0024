// Which state the source files are in, so that a changed function is started anew.

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

function collect(path: string, out: string[]): void {
  let entries: import("node:fs").Dirent[];
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) {
    if (entry.name === "node_modules" || entry.name.startsWith(".")) continue;
    const child = join(path, entry.name);
    if (entry.isDirectory()) {
      collect(child, out);
      continue;
    }
    const stat = statSync(child, { throwIfNoEntry: false });
    if (stat) out.push(`${child}:${stat.mtimeMs}:${stat.size}`);
  }
}

/**
 * Reads file times instead of watching: no watcher to leak or to miss an event, and the request
 * after a save always meets the new code. `freshMs` bounds how often the disk is asked.
 */
export function createSources(shared: string[], freshMs: number) {
  const known = new Map<string, { at: number; state: string }>();
  return function stateOf(folder: string): string {
    const last = known.get(folder);
    const now = Date.now();
    if (last && now - last.at < freshMs) return last.state;
    const files: string[] = [];
    for (const path of [folder, ...shared]) collect(path, files);
    const state = files.sort().join("\n");
    known.set(folder, { at: now, state });
    return state;
  };
}
