/** The files that were in force last, by their texts in the history: what a node begins with that cannot use those which count. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { GivenFiles } from "./files.ts";
import { PastState } from "./history.ts";
import { readTexts } from "./kept-texts.ts";
import { openSqliteStore, STORE_FILE } from "./sqlite-store.ts";

/** Files that came into force as that version. */
export interface FilesBefore {
  readonly version: number;
  readonly files: GivenFiles;
}

/** null: the store does not have them, or cannot be read. It is open for no longer than that takes. */
export async function filesBefore(stateFolder: string): Promise<FilesBefore | null> {
  const path = join(stateFolder, STORE_FILE);
  if (!existsSync(path)) return null;
  try {
    const store = openSqliteStore(path);
    try {
      const state = new PastState();
      for (const entry of store.history.until(Number.MAX_SAFE_INTEGER) ?? []) state.take(entry);
      const last = state.files();
      const texts = last === null ? null : await readTexts(store.history, last);
      if (last === null || texts === null || typeof texts === "string") return null;
      return { version: last.version, files: new GivenFiles(texts) };
    } finally {
      store.close();
    }
  } catch {
    // What is wrong with the store is told by who keeps it.
    return null;
  }
}
