// Files are removed through Storage, and are gone when the database says so, not when Storage answered.

import { UnknownOutcomeError } from "../../_shared/providers/outcome.ts";
import type { Storage } from "../../_shared/storage.ts";

export interface StoredFile {
  bucket: string;
  name: string;
}

/** Removes until the database knows of no more. */
export async function removeListed(
  storage: Storage,
  list: () => Promise<StoredFile[]>,
  signal: AbortSignal,
): Promise<void> {
  let removed = new Set<string>();
  for (;;) {
    const files = await list();
    if (files.length === 0) return;
    signal.throwIfAborted();
    const names = new Set(files.map((file) => `${file.bucket}/${file.name}`));
    if ([...names].every((name) => removed.has(name))) {
      throw new UnknownOutcomeError("Storage keeps files that it was asked to remove");
    }
    for (const bucket of new Set(files.map((file) => file.bucket))) {
      const paths = files.filter((file) => file.bucket === bucket).map((file) => file.name);
      await storage.remove(bucket, paths);
    }
    removed = names;
  }
}
