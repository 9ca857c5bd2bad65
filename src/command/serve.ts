/** `meridian serve`: one node. */

import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Logger } from "pino";
import type { NodeConfig } from "../config/node.ts";
import { CONFIG_FILE, LAST_GOOD_FILE, lastGoodConfig, loadConfig } from "../control/config-file.ts";
import { type RunningDns, runDns, takesOver } from "../dns.ts";
import { formatProblem, messageOf } from "../problem.ts";
import { newLog } from "../telemetry/log.ts";
import { complain, complainOf } from "./console.ts";
import { removePid, replaceFile, writePid, writeUpgradeReport } from "./running.ts";
import { untilStopped } from "./stop.ts";

/** Runs a node until it is told to stop, or until another has taken over. SIGUSR2 asks for that, SIGHUP to read the files. */
export async function serve(options: { readonly config: string; readonly state?: string }): Promise<void> {
  const log = newLog("dns");
  const folder = resolve(options.config);
  const isSuccessor = takesOver();
  // While another node serves, a config that cannot be used is a reason not to take over.
  const usualState = process.env["STATE_DIRECTORY"] ?? join(folder, "var");
  const lastState = isSuccessor ? null : resolve(options.state ?? usualState);
  const node = nodeConfig(folder, lastState, log);
  if (node === null) return;
  const { stateFolder } = node;
  const dns = await runDns({ node, configFolder: folder, log }).catch((cause) => giveUp(cause, log));
  const pidless = "`meridian upgrade` does not find this node; `kill -USR2` asks for the same";
  keepOn(log, pidless, () => writePid(stateFolder));
  process.on("SIGHUP", () => dns.reload());
  process.on("SIGUSR2", () => void upgrade(dns, stateFolder, log));
  await Promise.race([untilStopped(!isSuccessor), dns.retired]);
  await dns.stop();
  keepOn(log, "the process id of this node is still in its state folder", () => removePid(stateFolder));
  log.info("dns stopped");
}

/** Why an endpoint cannot be listened at, for who has to mend it. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there",
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "ports below 1024 take CAP_NET_BIND_SERVICE",
};

/** Says in a line what keeps a node from serving, and ends the process with all that it has begun. */
function giveUp(cause: unknown, log: Logger): never {
  const reason = REASONS[(cause as NodeJS.ErrnoException | null)?.code ?? ""];
  complain(`Cannot serve: ${messageOf(cause)}${reason === undefined ? "" : ` (${reason})`}`);
  // Where it is a mistake of ours, its place counts.
  log.fatal({ err: cause }, "dns could not start");
  process.exit(1);
}

async function upgrade(dns: RunningDns, stateFolder: string, log: Logger): Promise<void> {
  const outcome = await dns.upgrade();
  if (outcome === null) return;
  const { pid, problem } =
    outcome.kind === "serving"
      ? { pid: outcome.pid, problem: null }
      : { pid: process.pid, problem: outcome.reason };
  keepOn(log, "`meridian upgrade` does not learn how the upgrade went", () =>
    writeUpgradeReport(stateFolder, { atMs: Date.now(), pid, problem }),
  );
}

/** Writes what answers do not need, and so must not end with: the disk may be full, or only to be read. */
function keepOn(log: Logger, otherwise: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    log.error({ cause: messageOf(cause) }, otherwise);
  }
}

/**
 * How this node serves. A config that cannot be used must not keep a node from answering from its last book, so
 * then the copy of the last good one in `lastState` counts, and control says what is wrong until it is mended.
 */
function nodeConfig(folder: string, lastState: string | null, log: Logger): NodeConfig | null {
  const { value, problems } = loadConfig(folder);
  if (value !== null) {
    const { stateFolder } = value.node;
    mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
    keepOn(log, `this node cannot start while ${CONFIG_FILE} is broken: no copy is kept`, () =>
      replaceFile(join(stateFolder, LAST_GOOD_FILE), readFileSync(join(folder, CONFIG_FILE))),
    );
    return value.node;
  }
  const last = lastState === null ? null : lastGoodConfig(folder, lastState);
  if (last === null) {
    complainOf(problems);
    return null;
  }
  log.error(
    { problems: problems.map(formatProblem), instead: join(lastState ?? "", LAST_GOOD_FILE) },
    "the config cannot be used; this node starts as the last good one said",
  );
  return last.node;
}
