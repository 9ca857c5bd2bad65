/** Whether this agent's own network works: when any node last gave a sign of life. */

import type { Clock } from "./clock.ts";
import { SILENCE_MS_MAX } from "./protocol.ts";

export interface ContactOptions {
  readonly clock: Clock;
  /** Called when nodes are heard again, with the last time at which they were, by the clock, and now. */
  readonly onReturn: (lostAtMs: number, nowMs: number) => void;
}

/**
 * Tells an agent that was cut off from what happened to VIPs.
 *
 * An agent that hears none of its nodes may have lost its network, or may have been suspended. What it saw fail meanwhile
 * says nothing of the VIPs, so it must not be told later as if it did. While nodes are up a sign comes every second; one
 * that refuses or resets a connection is a sign too, because somebody out there has answered.
 */
export class Contact {
  readonly #options: ContactOptions;
  #heardAtMs: number;

  constructor(options: ContactOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.now();
  }

  /** Some node has been heard. */
  heard(): void {
    const { clock, onReturn } = this.#options;
    const lostAtMs = this.#heardAtMs;
    this.#heardAtMs = clock.now();
    if (this.#heardAtMs - lostAtMs > SILENCE_MS_MAX) onReturn(lostAtMs, this.#heardAtMs);
  }
}
