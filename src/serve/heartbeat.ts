/** One word of shared memory by which a worker shows that it goes round its loop. */

/** A batch loop and a beating event loop go round at least this often. */
export const BEAT_MS = 100;

/** The worker's and the parent's view of one worker. */
export class Heartbeat {
  /** To be passed to the worker, which makes its own `Heartbeat` of it. */
  readonly shared: SharedArrayBuffer;
  readonly #word: Int32Array;
  #seen = 0;
  #looks = 0;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#word = new Int32Array(shared);
  }

  /** Once a round. */
  beat(): void {
    this.#word[0] = ((this.#word[0] ?? 0) + 1) | 0;
  }

  /**
   * How many looks in a row have found no beat. Looks count and not the time that has passed: a machine that stood still
   * stood still for both.
   */
  look(): number {
    const now = Atomics.load(this.#word, 0);
    this.#looks = now === this.#seen ? this.#looks + 1 : 0;
    this.#seen = now;
    return this.#looks;
  }
}
