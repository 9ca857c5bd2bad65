/** Remembers who tries tokens that are none, and locks them out for longer each time. */

import type { Lock } from "../audit-keeper.ts";

/** So many may fail before the first lock: a secret pasted wrongly, a token that was replaced on half the agents. */
const FREE_FAILURES = 10;

/** The first lock; each one after it lasts twice as long, up to the longest. */
const LOCK_MS = { first: 1_000, longest: 15 * 60_000 };

/** Who has not failed for so long, after the end of a lock, begins anew. */
const FORGIVEN_MS = 60 * 60_000;

/** Addresses that are remembered: some 2 MB. With more, who failed longest ago is forgotten. */
const SOURCES_MAX = 10_000;

interface Source {
  failures: number;
  failedMs: number;
  /** Until when it is locked out; in the past: it is not. */
  lockedMs: number;
}

/** Who failed how often. A source is an address, or the network that one customer has. */
export class Lockout {
  /** Who failed last at the end. */
  readonly #sources = new Map<string, Source>();
  /** All there were. */
  failures = 0;

  /** How much longer a source is locked out; 0: it is not. */
  remainingMs(source: string, nowMs: number): number {
    return Math.max(0, (this.#sources.get(source)?.lockedMs ?? 0) - nowMs);
  }

  /** Counts a failure of a source that is not locked out; null: it may try again at once. */
  failed(source: string, nowMs: number): Lock | null {
    this.failures += 1;
    const before = this.#sources.get(source);
    const isForgiven =
      before === undefined || nowMs > Math.max(before.failedMs, before.lockedMs) + FORGIVEN_MS;
    const failures = isForgiven ? 1 : before.failures + 1;
    const locks = failures - FREE_FAILURES;
    const lockedMs = locks < 0 ? 0 : nowMs + Math.min(LOCK_MS.longest, LOCK_MS.first * 2 ** locks);
    this.#sources.delete(source);
    this.#sources.set(source, { failures, failedMs: nowMs, lockedMs });
    const [oldest] = this.#sources.keys();
    if (this.#sources.size > SOURCES_MAX && oldest !== undefined) this.#sources.delete(oldest);
    return lockedMs === 0 ? null : { failures, untilMs: lockedMs };
  }

  /** How many sources are locked out. */
  locked(nowMs: number): number {
    return this.#sources
      .values()
      .filter(({ lockedMs }) => lockedMs > nowMs)
      .reduce((count) => count + 1, 0);
  }
}
