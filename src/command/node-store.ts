/** Opens the store of a node for a command, which needs no token for that: it may read the files. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { openSqliteStore, STORE_FILE } from "../control/sqlite-store.ts";
import type { Store } from "../control/store.ts";

/** Does something with the store; nothing without a config (null), which has been complained of. */
export function withStore(config: Config | null, use: (store: Store) => void): void {
  if (config === null) return;
  mkdirSync(config.node.stateFolder, { recursive: true, mode: 0o700 });
  const store = openSqliteStore(join(config.node.stateFolder, STORE_FILE));
  try {
    use(store);
  } finally {
    store.close();
  }
}
