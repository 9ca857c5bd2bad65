/** `meridian audit`: whether what a node has on record is what it has written. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { STORE_FILE } from "../control/sqlite-store.ts";
import { formatStoreReport, type StoreReport, verifyStore } from "../control/verify-store.ts";
import { messageOf } from "../problem.ts";
import { finish } from "../steps.ts";
import { complain, print } from "./console.ts";
import { readConfig } from "./node.ts";

/** Checks the chains in a store, which may be a copy and which a node may be writing; ends with status 1 when anything is wrong. */
export function verifyAudit(options: {
  readonly config: string;
  readonly state?: string;
  readonly head: readonly string[];
  readonly json?: boolean;
}): void {
  const folder = options.state ?? readConfig(options.config)?.node.stateFolder;
  if (folder === undefined) return;
  const path = join(folder, STORE_FILE);
  const report = existsSync(path) ? readReport(path, options.head) : "there is none";
  if (typeof report === "string") {
    complain(`Cannot check ${path}: ${report}; expected the store in the state folder of a node`);
    return;
  }
  if (!report.sound) process.exitCode = 1;
  if (options.json === true) print(JSON.stringify(report, null, 2));
  else for (const line of formatStoreReport(report, options.head.length)) print(line);
}

/** A string says why there is none. */
function readReport(path: string, heads: readonly string[]): StoreReport | string {
  try {
    return finish(verifyStore(path, heads));
  } catch (cause) {
    return messageOf(cause);
  }
}
