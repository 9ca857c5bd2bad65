/** Two words of shared memory by which the parent reaches workers that are blocked in a system call. */

const STOP = 0;
const MAIL = 1;

/** Orders to all workers of one `UdpWorkers`. */
export class Orders {
  /** To be passed to a worker, which makes its own `Orders` of it. */
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
  }

  /** Asks the workers to return from their loops. */
  stop(): void {
    Atomics.store(this.#words, STOP, 1);
  }

  isStopped(): boolean {
    return Atomics.load(this.#words, STOP) === 1;
  }

  /** Says that messages were posted to the workers. */
  announceMail(): void {
    Atomics.add(this.#words, MAIL, 1);
  }

  /** Changes with each announcement: a worker that sees a new number reads its messages. */
  mail(): number {
    return Atomics.load(this.#words, MAIL);
  }
}
