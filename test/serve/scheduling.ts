/** How the kernel schedules the calling thread: sched_getattr(2). */

import { createRequire } from "node:module";

/** Of a sched_attr. */
export interface Scheduled {
  /** SCHED_OTHER 0, SCHED_FIFO 1, SCHED_IDLE 5. */
  readonly policy: number;
  readonly nice: number;
  readonly priority: number;
  readonly sliceNs: bigint;
}

/** Of the calling thread; Linux on x64 and arm64. */
export function ownScheduling(): Scheduled {
  const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
  const number = process.arch === "x64" ? 315 : 275;
  const attributes = new Uint8Array(56);
  const get = koffi
    .load(null)
    .func("long syscall(long number, int thread, void *attributes, uint size, uint flags)");
  if (get(number, 0, attributes, attributes.length, 0) !== 0) throw new Error("sched_getattr was refused");
  const view = new DataView(attributes.buffer);
  return {
    policy: view.getUint32(4, true),
    nice: view.getInt32(16, true),
    priority: view.getUint32(20, true),
    sliceNs: view.getBigUint64(24, true),
  };
}
