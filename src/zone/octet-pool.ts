/** Keeps the names and RDATA of a large zone in few large pieces of memory. */

/** Octets of a piece; what a zone leaves of its last one is wasted. */
const PIECE_OCTETS = 16 * 1024;

/** An array with memory of its own takes 150 octets more than one that shares a piece. */
export class OctetPool {
  #piece = new Uint8Array(PIECE_OCTETS);
  #used = 0;

  /** A copy that lies beside others; it is never written to. */
  keep<T extends Uint8Array>(octets: T): T {
    if (octets.length > PIECE_OCTETS - this.#used) {
      this.#piece = new Uint8Array(Math.max(PIECE_OCTETS, octets.length));
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += octets.length;
    this.#piece.set(octets, at);
    return this.#piece.subarray(at, this.#used) as T;
  }
}
