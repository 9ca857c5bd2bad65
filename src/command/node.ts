/** What commands learn from a config folder: its config, and the node that runs with it. */

import { resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../control/config-file.ts";
import { complain, complainOf } from "./console.ts";
import { readPid } from "./running.ts";

/** The config in a folder; null, after complaining, where it has problems. */
export function readConfig(folder: string): Config | null {
  const { value, problems } = loadConfig(resolve(folder));
  if (value === null) complainOf(problems);
  return value;
}

/** The process of the node that runs with the config in a folder; null, after complaining, where none does. */
export function findNode(folder: string): { readonly pid: number; readonly stateFolder: string } | null {
  const config = readConfig(folder);
  if (config === null) return null;
  const { stateFolder } = config.node;
  const pid = readPid(stateFolder);
  if (pid !== null) return { pid, stateFolder };
  complain(`no node runs with the state folder ${stateFolder}`);
  return null;
}
