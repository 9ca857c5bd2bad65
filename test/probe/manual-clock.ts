/** A clock that stands still until a test moves it. */

import type { Clock } from "../../src/probe/clock.ts";

export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly run: () => void }>();

  readonly now = (): number => this.#nowMs;

  readonly after = (ms: number, run: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /**
   * Runs the timer that falls due first, at its own time, and says whether there was one by `untilMs`; if not, it is
   * `untilMs` now. What the timer has resolved goes on when the caller waits.
   */
  step(untilMs: number): boolean {
    let due: { readonly atMs: number; readonly run: () => void } | null = null;
    for (const timer of this.#timers) if (due === null || timer.atMs < due.atMs) due = timer;
    if (due === null || due.atMs > untilMs) {
      this.#nowMs = untilMs;
      return false;
    }
    this.#timers.delete(due);
    this.#nowMs = due.atMs;
    due.run();
    return true;
  }

  /** Moves on, runs every timer that falls due at its own time, and lets promises settle in between. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    do await settle();
    while (this.step(untilMs));
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await Promise.resolve();
}
