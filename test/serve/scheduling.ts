import { readFileSync } from "node:fs";

/** SCHED_OTHER and SCHED_IDLE of sched(7). */
export const Policy = { ordinary: 0, idle: 5 } as const;

/** How a process, or one thread of it, is scheduled: fields 41 and 19 of its stat (proc_pid_stat(5)), behind a name that may hold anything. */
export function schedulingOf(
  pid: number,
  thread: number | string = pid,
): { readonly policy: number; readonly nice: number } {
  const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { policy: Number(fields[38]), nice: Number(fields[16]) };
}
