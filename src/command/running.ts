/** Where commands find a node that runs: two small files in its state folder. */

import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readIfThere } from "../control/files.ts";

/** The process id, and on Linux when that process started, so that another one with the same id is told apart. */
const PID_FILE = "pid";
/** How the last upgrade went. */
const UPGRADE_FILE = "upgrade.json";

/** How an upgrade ended, and when by `Date.now`. */
export interface UpgradeReport {
  readonly atMs: number;
  /** The process that serves now. */
  readonly pid: number;
  /** Why it is still the same; null: it is a new one. */
  readonly problem: string | null;
}

/** Says that this process is the node of the folder. */
export function writePid(stateFolder: string): void {
  replaceFile(join(stateFolder, PID_FILE), `${process.pid}\n${startOf(process.pid) ?? ""}\n`);
}

/** Takes that back, unless a successor has said it since. */
export function removePid(stateFolder: string): void {
  if (readPid(stateFolder) === process.pid) rmSync(join(stateFolder, PID_FILE), { force: true });
}

/** The process id of the node of the folder; null: none runs. */
export function readPid(stateFolder: string): number | null {
  const [pid = "", start] = readIfThere(join(stateFolder, PID_FILE))?.split("\n") ?? [];
  const isTheirs = /^[1-9]\d*$/.test(pid) && start !== undefined && startOf(Number(pid)) === start;
  return isTheirs ? Number(pid) : null;
}

export function writeUpgradeReport(stateFolder: string, report: UpgradeReport): void {
  replaceFile(join(stateFolder, UPGRADE_FILE), `${JSON.stringify(report)}\n`);
}

/** null: there was no upgrade yet. */
export function readUpgradeReport(stateFolder: string): UpgradeReport | null {
  const text = readIfThere(join(stateFolder, UPGRADE_FILE));
  return text === null ? null : JSON.parse(text);
}

/** A reader finds the old content or the new one. What is there already is not written again: a full disk takes it too. */
export function replaceFile(file: string, content: string | Uint8Array): void {
  if (readIfThere(file) === content.toString()) return;
  writeFileSync(`${file}.tmp`, content);
  renameSync(`${file}.tmp`, file);
}

/**
 * When a process started, in ticks since boot: field 22 of proc_pid_stat(5), behind a name that may hold anything.
 * Undefined: there is no such process. Empty where the system has no such file.
 */
function startOf(pid: number): string | undefined {
  if (process.platform !== "linux") return isAlive(pid) ? "" : undefined;
  return readIfThere(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, "")
    .split(" ")[19];
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
