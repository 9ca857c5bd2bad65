/** What the kernel charges processes for: CPU time and memory, from /proc. */

import { readdirSync, readFileSync } from "node:fs";

/** A process and all below it, itself first. */
export function familyOf(pid: number): readonly number[] {
  const children = threadsOf(pid).flatMap((thread) => {
    const list = contentOf(`/proc/${pid}/task/${thread}/children`);
    return list.split(" ").filter(Boolean).map(Number);
  });
  return [pid, ...children.flatMap(familyOf)];
}

/**
 * CPU time of all threads of a process in nanoseconds, in user and kernel mode. From schedstat, because the ticks of
 * /proc/PID/stat are 10 ms wide.
 */
export function cpuNsOf(pid: number): number {
  let sum = 0;
  for (const thread of threadsOf(pid)) {
    sum += Number(contentOf(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]);
  }
  return sum;
}

/** Octets of memory that a process keeps resident. */
export function residentOctetsOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(contentOf(`/proc/${pid}/status`)) ?? [];
  return Number(kilobytes ?? 0) * 1024;
}

/** Octets of memory of a process, what it shares with others in parts (`Pss`). */
export function ownOctetsOf(pid: number): number {
  const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(contentOf(`/proc/${pid}/smaps_rollup`)) ?? [];
  return Number(kilobytes ?? 0) * 1024;
}

/** Time of all cores so far in ticks, and what of it the host of this virtual machine gave to others: proc_stat(5). */
export interface CoreTime {
  readonly all: number;
  readonly stolen: number;
}

/** The cores' time until now. */
export function coreTime(): CoreTime {
  const [, ...ticks] = contentOf("/proc/stat").split("\n", 1)[0]?.split(/\s+/).map(Number) ?? [];
  // user nice system idle iowait irq softirq steal; what guests had is in the first two already.
  const all = ticks.slice(0, 8).reduce((sum, some) => sum + some, 0);
  return { all, stolen: ticks[7] ?? 0 };
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** A file's text; empty when its process or thread has just ended. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
