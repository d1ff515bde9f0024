// Which state the source files are in, so that a changed function is started anew.

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

function collect(path: string, out: string[]): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) {
    if (stat) out.push(`${path}:${stat.mtimeMs}:${stat.size}`);
    return;
  }
  let names: string[];
  try {
    names = readdirSync(path);
  } catch {
    return;
  }
  for (const name of names) {
    if (name === "node_modules" || name.startsWith(".")) continue;
    collect(join(path, name), out);
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
