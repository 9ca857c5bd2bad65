/** Who runs on which core: the server has one to itself. */

import { type ChildProcess, execFileSync } from "node:child_process";
import { setPriority } from "node:os";

export const SERVER_CORE = 0;
/** The load generator's, and that of whoever starts it. */
export const GENERATOR_CORE = 1;

/** How far a generator is put above others. */
const NICE = -10;

/** Keeps every thread of this process off the servers' core. */
export function leaveServerCore(): void {
  execFileSync("taskset", ["-acp", String(GENERATOR_CORE), String(process.pid)], { stdio: "ignore" });
}

/**
 * Puts a generator above whoever else is on its core: what it has to wait counts as the server's delay. Only root may;
 * for others the figures are a little worse.
 */
export function putFirst({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) setPriority(pid, NICE);
  } catch {
    // Measured without.
  }
}
