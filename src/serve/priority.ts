/** Who waits for whom on a busy machine: answers come first. */

import { readdirSync, readFileSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import type { SystemCalls } from "./system.ts";

/**
 * How far below dns control runs. On one core with a busy worker it gets a third of the time: with a quarter a failover
 * of 1,000 services took 70 to 115 ms.
 */
const CONTROL_NICER_BY = 3;
/**
 * While it starts it has nothing to do that could not wait, and seconds of work: with a third of the core for so long
 * the slowest 0.1 % of answers would wait 10 ms.
 */
const STARTING_NICER_BY = 10;
/**
 * V8's helper threads collect the garbage of the thread that takes books and patches over. At equal priority three of
 * them beside a worker on one core made answers wait 25 ms.
 */
const HELPERS_NICER_BY = 10;
const NICE_MAX = 19;
/**
 * Who has the shorter slice preempts the other as soon as there is work, and does not wait for the end of its slice of
 * 3 ms, which on many machines is the next tick after 4. With control on the same core the slowest 0.1 % of answers took 12 ms
 * while it compiled a book of 100,000 names, and take 5.
 *
 * UDP workers preempt the parent, which has connections, and that V8's helpers and whatever else has slices of the usual length.
 */
const SLICE_NS = { worker: 100_000n, parent: 500_000n } as const;
/** SCHED_OTHER, SCHED_FIFO and SCHED_IDLE of sched(7). */
const Policy = { ordinary: 0, first: 1, idle: 5 } as const;
/** The lowest of SCHED_FIFO: before all ordinary threads, behind the kernel's own and whatever else has one. */
const FIRST_PRIORITY = 1;

/** What is asked of the kernel here. */
type Scheduler = Pick<SystemCalls, "sched_setattr">;

interface Scheduling {
  readonly policy: (typeof Policy)[keyof typeof Policy];
  /** Of the ordinary policy alone. */
  readonly nice: number;
  /** Of the ordinary policy alone; 0: the usual one. */
  readonly sliceNs: bigint;
}

/**
 * Lowers the priority of control, which has only just been started. A thread keeps the priority of the one that started
 * it, and V8's, which compile and collect garbage, start before the process could do this for itself: where this process
 * had to wait for a core they are there already. Those that come later are started by threads that stand back.
 */
export function putControlBack(pid: number): void {
  const by = mayStepForward() ? STARTING_NICER_BY : CONTROL_NICER_BY;
  stepBack(pid, by);
  for (const thread of threadsOf(pid)) stepBackIfThere(thread, by);
}

/** Lets control, which has started, have the time that a failover needs. */
export function putControlForward(pid: number): void {
  if (mayStepForward()) stepBack(pid, CONTROL_NICER_BY);
}

/** Lowers the priority of V8's helper threads in this process; where threads have no names and files, of none. */
export function putHelpersBack(): void {
  for (const thread of helperThreads()) stepBackIfThere(thread, HELPERS_NICER_BY);
}

/** Lowers the priority of the thread that calls this, for work that can wait; Linux alone has priorities of threads. */
export function putThreadBack(): void {
  // 0 is the calling thread there, and elsewhere the process.
  if (process.platform === "linux") stepBack(0, HELPERS_NICER_BY);
}

/**
 * Has the calling thread, which answers, preempt those that do not: from Linux 6.12 on, where slices of ordinary threads can be
 * set. Older kernels refuse or ignore it. Threads and processes that it starts have its slice until they set their own.
 */
export function shortenSlice(calls: Scheduler, of: keyof typeof SLICE_NS): void {
  schedule(calls, { policy: Policy.ordinary, nice: getPriority(), sliceNs: SLICE_NS[of] });
}

/**
 * Has the calling thread run only while nobody else wants its core, until the function that is returned is called. Whoever wakes up
 * preempts it at once: an ordinary thread, however nice, goes on until the next tick if the other has just had more
 * than its share, 4 ms on many machines.
 */
export function giveWay(calls: Scheduler): () => void {
  const nice = getPriority();
  schedule(calls, { policy: Policy.idle, nice: 0, sliceNs: 0n });
  return () => schedule(calls, { policy: Policy.ordinary, nice, sliceNs: SLICE_NS.parent });
}

/** Has the calling thread preempt every ordinary one, and none of them preempt it, until `shortenSlice`; false: it may not. */
export function goBeforeOthers(calls: Scheduler): boolean {
  return schedule(calls, { policy: Policy.first, nice: 0, sliceNs: 0n });
}

/** Sets how the calling thread is scheduled; false: the kernel refuses. */
function schedule(calls: Scheduler, as: Scheduling): boolean {
  // sched_attr: 0 size:4   4 policy:4   8 flags:8   16 nice:4   20 priority:4   24 runtime:8   32 and on: of other policies
  const attributes = new DataView(new ArrayBuffer(56));
  attributes.setUint32(0, attributes.byteLength, true);
  attributes.setUint32(4, as.policy, true);
  attributes.setInt32(16, as.nice, true);
  attributes.setUint32(20, as.policy === Policy.first ? FIRST_PRIORITY : 0, true);
  attributes.setBigUint64(24, as.sliceNs, true);
  return calls.sched_setattr(new Uint8Array(attributes.buffer)) === 0;
}

/** What `mayStepForward` has found out; null: nobody has asked. */
let isForwardAllowed: boolean | null = null;

/**
 * Only root may raise a priority again, or who has a limit that says so (`LimitNICE=` of systemd): a helper tries it, once, because
 * where it may not it stays a step further back.
 */
function mayStepForward(): boolean {
  isForwardAllowed ??= helperThreads().slice(0, 1).some(stepsBackAndForward);
  return isForwardAllowed;
}

function stepsBackAndForward(thread: number): boolean {
  try {
    const before = getPriority(thread);
    setPriority(thread, before + 1);
    setPriority(thread, before);
    return true;
  } catch {
    return false;
  }
}

function helperThreads(): readonly number[] {
  return threadsOf("self").filter((thread) => nameOf(thread).startsWith("node-V8Worker"));
}

/** None where threads are no files, or the process has ended. */
function threadsOf(process: number | "self"): readonly number[] {
  try {
    return readdirSync(`/proc/${process}/task`).map(Number);
  } catch {
    return [];
  }
}

function stepBackIfThere(thread: number, by: number): void {
  try {
    stepBack(thread, by);
  } catch {
    // It has just ended, or is further back already and may not come forward.
  }
}

/** Sets how far below this process another, or a thread of this one, runs. */
function stepBack(id: number, by: number): void {
  setPriority(id, Math.min(getPriority() + by, NICE_MAX));
}

/** Empty for a thread that has just ended. */
function nameOf(thread: number): string {
  try {
    return readFileSync(`/proc/self/task/${thread}/comm`, "utf8");
  } catch {
    return "";
  }
}
