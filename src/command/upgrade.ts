/** `meridian upgrade`: has a running node replaced by the code that is on disk now. */

import { setTimeout as sleep } from "node:timers/promises";
import { complain, print } from "./console.ts";
import { findNode } from "./node.ts";
import { readPid, readUpgradeReport, type UpgradeReport } from "./running.ts";

/** A node gives a successor up before. */
const REPORT_MS = 90_000;
const LOOK_MS = 50;

/** Ends with status 0 once a new process serves, and with 1 if the old one goes on. */
export async function upgrade(options: { readonly config: string }): Promise<void> {
  const node = findNode(options.config);
  if (node === null) return;
  const { pid, stateFolder } = node;
  const askedMs = Date.now();
  process.kill(pid, "SIGUSR2");
  const report = await reportSince(askedMs, stateFolder);
  if (report === null) complain(`process ${pid} has not said how the upgrade went; its log has more`);
  else if (report.problem === null) print(`process ${report.pid} has taken over from ${pid}`);
  else complain(`process ${pid} goes on, because the new one did not take over: ${report.problem}`);
}

/** null: the node has ended, or takes too long. */
async function reportSince(askedMs: number, stateFolder: string): Promise<UpgradeReport | null> {
  const endMs = askedMs + REPORT_MS;
  while (Date.now() < endMs) {
    const isRunning = readPid(stateFolder) !== null;
    const report = readUpgradeReport(stateFolder);
    if (report !== null && report.atMs >= askedMs) return report;
    if (!isRunning) return null;
    await sleep(LOOK_MS);
  }
  return null;
}
