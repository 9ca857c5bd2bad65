/** `meridian serve`: one node. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Logger } from "pino";
import type { NodeConfig } from "../config/config.ts";
import { CONFIG_FILE, loadConfig, parseConfigText } from "../control/config-file.ts";
import { runDns } from "../dns.ts";
import { formatProblem } from "../problem.ts";
import { newLog } from "../telemetry/log.ts";
import { complainOf } from "./console.ts";
import { untilStopped } from "./stop.ts";

/** Where serve keeps a copy of the last config it could use. */
const LAST_GOOD = "last-good.yaml";

/** Runs a node until it is told to stop. */
export async function serve(options: { readonly config: string; readonly state?: string }): Promise<void> {
  const log = newLog("dns");
  const folder = resolve(options.config);
  const node = nodeConfig(folder, resolve(options.state ?? join(folder, "var")), log);
  if (node === null) return;
  const dns = await runDns({ node, configFolder: folder, log });
  await untilStopped();
  await dns.stop();
  log.info("dns stopped");
}

/**
 * How this node serves. A config that cannot be used must not keep a node from answering from its last book, so
 * then the copy of the last good one counts, and control says what is wrong until it is mended.
 */
function nodeConfig(folder: string, lastState: string, log: Logger): NodeConfig | null {
  const { value, problems } = loadConfig(folder);
  if (value !== null) {
    const { stateFolder } = value.node;
    mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
    writeFileSync(join(stateFolder, LAST_GOOD), readFileSync(join(folder, CONFIG_FILE)));
    return value.node;
  }
  const lastGood = join(lastState, LAST_GOOD);
  const last = readIfThere(lastGood);
  const node = last === null ? null : (parseConfigText(lastGood, last, folder).value?.node ?? null);
  if (node === null) {
    complainOf(problems);
    return null;
  }
  log.error(
    { problems: problems.map(formatProblem), instead: lastGood },
    "the config cannot be used; this node starts as the last good one said",
  );
  return node;
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
