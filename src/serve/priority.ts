/** Who waits for whom on a busy machine: answers come first. */

import { readdirSync, readFileSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/**
 * How far below dns control runs. On one core with a busy worker it gets a fifth of the time: with less a failover of
 * 1,000 services takes more than 100 ms, with a quarter the slowest 0.1 % of answers wait longer.
 */
const CONTROL_NICER_BY = 6;
/**
 * V8's helper threads collect the garbage of the thread that takes books and patches over. At equal priority three of
 * them beside a worker on one core made answers wait 25 ms.
 */
const HELPERS_NICER_BY = 10;
const NICE_MAX = 19;

/**
 * Lowers the priority of control, which has only just been started. A thread keeps the priority of the one that started
 * it, and V8's, which compile and collect garbage, start before the process could do this for itself.
 */
export function putControlBack(pid: number): void {
  stepBack(pid, CONTROL_NICER_BY);
}

/** Lowers the priority of V8's helper threads in this process; where threads have no names and files, of none. */
export function putHelpersBack(): void {
  if (process.platform !== "linux") return;
  const threads = readdirSync("/proc/self/task");
  const isHelper = (thread: string): boolean => nameOf(thread).startsWith("node-V8Worker");
  for (const thread of threads.filter(isHelper)) stepBack(Number(thread), HELPERS_NICER_BY);
}

function stepBack(id: number, by: number): void {
  setPriority(id, Math.min(getPriority() + by, NICE_MAX));
}

/** Empty for a thread that has just ended. */
function nameOf(thread: string): string {
  try {
    return readFileSync(`/proc/self/task/${thread}/comm`, "utf8");
  } catch {
    return "";
  }
}
