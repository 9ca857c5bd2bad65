/** `meridian reload`: has a running node read its files now. */

import { resolve } from "node:path";
import { loadConfig } from "../control/config-file.ts";
import { complain, complainOf, print } from "./console.ts";
import { readPid } from "./running.ts";

/** Ends with status 1 when the config has a problem or no node runs. */
export async function reload(options: { readonly config: string }): Promise<void> {
  const { value, problems } = loadConfig(resolve(options.config));
  if (value === null) return complainOf(problems);
  const { stateFolder } = value.node;
  const pid = readPid(stateFolder);
  if (pid === null) return complain(`no node runs with the state folder ${stateFolder}`);
  process.kill(pid, "SIGHUP");
  print(`process ${pid} reads its files; its log and GET /v1/status say what it found`);
}
