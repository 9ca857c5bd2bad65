/** Tells from counters when the rate limit starts to act, and when it has stopped. */

import { Counter } from "./counters.ts";

/** What deserves a line in the log. */
export type LimitEvent =
  | { readonly kind: "started"; readonly isDryRun: boolean }
  /** The responses held back since the start; it ended when the last of them was seen. */
  | { readonly kind: "ended"; readonly held: number; readonly seconds: number };

/** So long nothing is held back before a limit has ended: attacks come in waves. */
const QUIET_MS = 60_000;

/** Looks at sums of counters from time to time. */
export class LimitWatch {
  #held = 0;
  /** null: no limit acts. */
  #since: { readonly ms: number; readonly held: number } | null = null;
  #lastMs = 0;

  /** `sums` as `sumCounters` gives them; null: nothing has changed. */
  look(sums: readonly number[], nowMs: number): LimitEvent | null {
    const before = this.#held;
    const limited = (sums[Counter.limitDropped] ?? 0) + (sums[Counter.limitTruncated] ?? 0);
    this.#held = limited + (sums[Counter.wouldDrop] ?? 0) + (sums[Counter.wouldTruncate] ?? 0);
    if (this.#held > before) {
      this.#lastMs = nowMs;
      if (this.#since !== null) return null;
      this.#since = { ms: nowMs, held: before };
      return { kind: "started", isDryRun: limited === 0 };
    }
    if (this.#since === null || nowMs - this.#lastMs < QUIET_MS) return null;
    const { ms, held } = this.#since;
    this.#since = null;
    return { kind: "ended", held: this.#held - held, seconds: Math.round((this.#lastMs - ms) / 1000) };
  }
}
