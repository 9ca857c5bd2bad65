/** Has a worker go before whoever else wants its core, as long as it leaves the others a twentieth of it. */

import { goBeforeOthers, shortenSlice } from "./priority.ts";
import type { SystemCalls } from "./system.ts";

/**
 * Used of a core: above it a worker is one of many. The kernel charges a thread that preempts another from when it was woken up: on a
 * virtual machine, with control busy on the same core, it called 0.93 what was 0.68, so a lower limit would be one for loads that leave room.
 */
const SHARE_MAX = 0.95;
/**
 * Over so long it is measured. A flood is not to hold others up for longer, and a worker that catches up after a pause of the
 * machine has done so by then.
 */
const WINDOW_MS = 50;

/** What is asked of the worker's surroundings. */
export interface PrecedenceOptions {
  readonly calls: Pick<SystemCalls, "sched_setattr">;
  /** Workers for each core that they may run on, at least one. */
  readonly workersOnCore: number;
  /** CPU time that the calling thread has used so far. */
  readonly usedUs: () => number;
}

/**
 * Of the thread that makes it. With slices alone (`shortenSlice`) a thread that has just had more than its share, as after a pause of
 * the machine, waits for the kernel's next tick, 4 ms on many machines, while control works on the same core.
 *
 * It takes root or `LimitRTPRIO=1` of systemd; without it slices are all there is. A worker that hangs leaves the others the
 * twentieth of its core that the kernel keeps for them (sched(7)), until it is replaced.
 */
export class Precedence {
  readonly #options: PrecedenceOptions;
  readonly #mayGoFirst: boolean;
  #isFirst = false;
  #keepsUp = false;
  #lookedMs = 0;
  #usedUs = 0;

  constructor(options: PrecedenceOptions) {
    this.#options = options;
    this.#mayGoFirst = goBeforeOthers(options.calls);
    shortenSlice(options.calls, "worker");
  }

  /**
   * To be called after each batch that was received, with the time now, by the clock of the machine, which may be set meanwhile.
   * `isBehind`: more may have come than the batch holds.
   */
  look(nowMs: number, isBehind: boolean): void {
    if (!this.#mayGoFirst) return;
    this.#keepsUp ||= !isBehind;
    const passedMs = nowMs - this.#lookedMs;
    if (passedMs >= 0 && passedMs < WINDOW_MS) return;
    const usedUs = this.#options.usedUs();
    const share = ((usedUs - this.#usedUs) / (passedMs * 1_000)) * this.#options.workersOnCore;
    // As one of many it has its share of a flood, and no more.
    const goesFirst = share <= SHARE_MAX && (this.#isFirst || this.#keepsUp);
    this.#lookedMs = nowMs;
    this.#usedUs = usedUs;
    this.#keepsUp = false;
    if (goesFirst === this.#isFirst) return;
    this.#isFirst = goesFirst && goBeforeOthers(this.#options.calls);
    if (!goesFirst) shortenSlice(this.#options.calls, "worker");
  }
}
