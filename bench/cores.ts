/** Who runs on which core: the server has one to itself. */

import { type ChildProcess, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setPriority } from "node:os";

export const SERVER_CORE = 0;
/** The load generator's, and that of whoever starts it. */
export const GENERATOR_CORE = 1;

/** How far a generator is put above others. */
const NICE = -10;

/**
 * Keeps every thread of this process off the servers' core, and until it ends those of the kernel's own that may run anywhere, if
 * this user may move them. One that looks for unused memory held a core for up to 4 ms at a time.
 */
export function leaveServerCore(): void {
  pin(process.pid, String(GENERATOR_CORE));
  const moved = movableKernelThreads().filter(([pid]) => pin(pid, String(GENERATOR_CORE)));
  process.once("exit", () => {
    for (const [pid, cores] of moved) pin(pid, cores);
  });
}

/** Kernel threads, which have 2 for a parent (proc_pid_stat(5)), with the cores they may use, if these are several. */
function movableKernelThreads(): readonly (readonly [pid: number, cores: string])[] {
  return readdirSync("/proc").flatMap((entry) => {
    const status = /^\d+$/.test(entry) ? statusOf(entry) : "";
    const cores = /^Cpus_allowed_list:\t(.+)$/m.exec(status)?.[1] ?? "";
    return /^PPid:\t2$/m.test(status) && /[-,]/.test(cores) ? [[Number(entry), cores] as const] : [];
  });
}

/** Empty for a process that has just ended. */
function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

/** Binds every thread of a process to cores; false: it may not be done. */
function pin(pid: number, cores: string): boolean {
  return spawnSync("taskset", ["-acp", cores, String(pid)], { stdio: "ignore" }).status === 0;
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
