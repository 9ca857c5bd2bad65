/** Keeps the audit list to a size that can be reckoned with, whatever strangers do and however long a node runs. */

import { MERIDIAN } from "./author.ts";
import type { Store } from "./store.ts";

/** Strangers add one entry in so long, which counts what came meanwhile. */
const LOCKS_MS = 3_600_000;

/** So many addresses are named in one entry. */
const ADDRESSES_MAX = 10;

const PRUNE_MS = 60_000;
/** So long after the store has failed it is tried again, however many are locked out meanwhile. */
const RETRY_MS = 60_000;

/** That somebody may show no tokens for a while, because so many were none. */
export interface Lock {
  readonly failures: number;
  readonly untilMs: number;
}

/** Locks that are not on record yet. */
interface Locks {
  count: number;
  readonly sinceMs: number;
  /** The last. */
  lock: Lock;
  /** Of the first few. */
  readonly addresses: Set<string>;
  areAllNamed: boolean;
}

/**
 * 1. Locks are on record at once, then for an hour together: who has many addresses adds an entry an hour, and nothing of what others did
 *    gives way to it.
 * 2. What is older than it has to be is forgotten, whoever did it. There is no other limit, or who has stolen a token could bury
 *    what was done with it.
 */
export class AuditKeeper {
  readonly #store: Pick<Store, "audit" | "version" | "exclusively">;
  readonly #keepMs: number;
  readonly #nowMs: () => number;
  #locks: Locks | null = null;
  #locksDueMs = Number.NEGATIVE_INFINITY;
  #pruneMs = Number.NEGATIVE_INFINITY;

  constructor(store: Pick<Store, "audit" | "version" | "exclusively">, keepMs: number, nowMs: () => number) {
    this.#store = store;
    this.#keepMs = keepMs;
    this.#nowMs = nowMs;
  }

  lockedOut(address: string, lock: Lock): void {
    this.#locks ??= { count: 0, sinceMs: this.#nowMs(), lock, addresses: new Set(), areAllNamed: true };
    const locks = this.#locks;
    locks.count += 1;
    locks.lock = lock;
    if (locks.addresses.size < ADDRESSES_MAX) locks.addresses.add(address);
    else if (!locks.addresses.has(address)) locks.areAllNamed = false;
    this.#saveLocks(false);
  }

  /** Writes locks and forgets what is old, if it is time; `now`: the locks whether or not. For once a second. */
  keep(now = false): void {
    this.#saveLocks(now);
    const nowMs = this.#nowMs();
    if (nowMs < this.#pruneMs) return;
    this.#pruneMs = nowMs + PRUNE_MS;
    this.#store.audit.prune(this.#keepMs, nowMs, this.#store.version());
  }

  #saveLocks(now: boolean): void {
    const [locks, atMs] = [this.#locks, this.#nowMs()];
    if (locks === null || (!now && atMs < this.#locksDueMs)) return;
    this.#locksDueMs = atMs + RETRY_MS;
    const entry = { atMs, author: MERIDIAN, reason: "guessing", event: "address-locked" } as const;
    const detail = describe(locks);
    this.#store.exclusively(() => ({ ...entry, detail, version: this.#store.version() }));
    this.#locks = null;
    this.#locksDueMs = atMs + LOCKS_MS;
  }
}

function describe({ count, sinceMs, lock, addresses, areAllNamed }: Locks): string {
  const until = `until ${new Date(lock.untilMs).toISOString()}`;
  const named = [...addresses, ...(areAllNamed ? [] : ["others"])].join(", ");
  return count === 1
    ? `${named} ${until}, after ${lock.failures} tokens that are not known`
    : `${count} times since ${new Date(sinceMs).toISOString()}, the last ${until}: ${named}`;
}
