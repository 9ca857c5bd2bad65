/** The CNAMEs and DNAMEs that an answer has followed, so that it goes round no loop and has no RR twice (RFC 2181 §5). */

import { sameFolded, word } from "../wire/bytes.ts";

/** CNAMEs and DNAMEs followed for one query; what grows without end stops here (RFC 1034 §3.6.2 asks for a limit). */
export const LINKS_MAX = 8;

/** Refilled for each query. */
export class Links {
  /** How many names have led on to another. */
  count = 0;
  /** Where these names stand in the packet, uncompressed, and how long they are. */
  readonly #at = new Uint32Array(LINKS_MAX + 1);
  readonly #length = new Uint32Array(LINKS_MAX + 1);
  /** The node of the DNAME that led on, or 0, and where its RR stands. */
  readonly #dname = new Uint32Array(LINKS_MAX + 1);
  readonly #dnameAt = new Uint32Array(LINKS_MAX + 1);

  /** Notes a name that led on; `dname` is 0 where it was a CNAME of the zone. */
  add(at: number, length: number, dname: number, dnameAt: number): void {
    this.#at[this.count] = at;
    this.#length[this.count] = length;
    this.#dname[this.count] = dname;
    this.#dnameAt[this.count] = dnameAt;
    this.count += 1;
  }

  /** Whether the name at `at` is one that has led on already: it would do so for ever. */
  hasName(packet: Uint8Array, at: number, length: number): boolean {
    for (let link = 0; link < this.count; link += 1) {
      if (word(this.#length, link) === length && sameFolded(packet, word(this.#at, link), packet, at, length))
        return true;
    }
    return false;
  }

  /** Where the DNAME of a node stands in the answer; 0: it is not there yet. */
  dnameAt(node: number): number {
    for (let link = 0; link < this.count; link += 1) {
      if (word(this.#dname, link) === node) return word(this.#dnameAt, link);
    }
    return 0;
  }
}
