/** Clients whose connections again and again come to nothing: they have to wait before they get another. */

/** One connection that came to nothing is forgiven in so long. */
const FORGIVEN_MS = 1_000;
/** Clients that are remembered; one more, and the one is forgotten that has closed nothing for longest. */
const CLIENTS_MAX = 10_000;

/**
 * What clients have wasted. A connection that came to nothing adds a second to when all will be forgiven, one that was
 * of use takes a second off: a resolver that gives up some of its connections is not one that attacks.
 */
export class Wasters {
  readonly #debtMaxMs: number;
  /** By client, in the order of their last change. */
  readonly #forgivenAtMs: Map<string, number> = new Map();

  /** `max`: what a client may waste before it has to wait. */
  constructor(max: number) {
    this.#debtMaxMs = max * FORGIVEN_MS;
  }

  /** Whether a client has wasted so much that its next connection is one too many. */
  mustWait(client: string, nowMs: number): boolean {
    const forgivenAtMs = this.#forgivenAtMs.get(client) ?? 0;
    return forgivenAtMs - nowMs > this.#debtMaxMs - FORGIVEN_MS;
  }

  /** A connection of a client's has ended; it never owes more than `max`, so it never waits for more than a second. */
  note(client: string, wasUseful: boolean, nowMs: number): void {
    const before = Math.max(this.#forgivenAtMs.get(client) ?? 0, nowMs);
    const after = wasUseful ? before - FORGIVEN_MS : Math.min(before + FORGIVEN_MS, nowMs + this.#debtMaxMs);
    this.#forgivenAtMs.delete(client);
    if (after > nowMs) this.#forgivenAtMs.set(client, after);
    if (this.#forgivenAtMs.size > CLIENTS_MAX) this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const client of this.#forgivenAtMs.keys()) {
      this.#forgivenAtMs.delete(client);
      return;
    }
  }
}
