/** `meridian reload`: has a running node read its files now. */

import { print } from "./console.ts";
import { findNode } from "./node.ts";

/** Ends with status 1 when the config has a problem or no node runs. */
export async function reload(options: { readonly config: string }): Promise<void> {
  const node = findNode(options.config);
  if (node === null) return;
  process.kill(node.pid, "SIGHUP");
  print(`process ${node.pid} reads its files; its log and GET /v1/status say what it found`);
}
