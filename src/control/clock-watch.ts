/** Notices when the clock of the system is set, by the one that only counts. */

/** What a leap second, and two clocks that are read one after the other, can come to. */
const TOLERANCE_MS = 1_500;

/** Compares both clocks from one look to the next, so that a clock that is slewed is not taken for one that was set. */
export class ClockWatch {
  readonly #nowMs: () => number;
  readonly #elapsedMs: () => number;
  #aheadMs: number;

  constructor(nowMs: () => number, elapsedMs: () => number) {
    this.#nowMs = nowMs;
    this.#elapsedMs = elapsedMs;
    this.#aheadMs = nowMs() - elapsedMs();
  }

  /** By how much the clock was set ahead since the last look, or back where it is negative; 0: it was not. */
  jumpMs(): number {
    const aheadMs = this.#nowMs() - this.#elapsedMs();
    const jumpMs = aheadMs - this.#aheadMs;
    this.#aheadMs = aheadMs;
    return Math.abs(jumpMs) > TOLERANCE_MS ? jumpMs : 0;
  }
}
