/** The hashes of what is signed, remembered where it stands in the book, so that a thread works out each but once. */

import { int32 } from "../wire/bytes.ts";
import { ContentHash, hashSet } from "./content-hash.ts";
import type { KeyRef } from "./key-name.ts";
import type { SignedSet } from "./rrsig.ts";

/** An entry, in words: `place | first | second | key | hash low | hash high`, and two that keep it in one cache line. */
const ENTRY_WORDS = 8;
/** 128 KB, which is less than a second-level cache has. What takes another's entry costs that one a hash, no more. */
const ENTRY_BITS = 12;

/** For one thread and one book: what stands at a place of it never changes. */
export class HashMemo {
  /** The result, after `look`. */
  low = 0;
  high = 0;
  readonly #words = new Int32Array(ENTRY_WORDS << ENTRY_BITS);
  readonly #hash: ContentHash;

  constructor(hashKeys: readonly [number, number]) {
    this.#hash = new ContentHash(...hashKeys);
  }

  /** Leaves the hash of `set`, to be signed by `key`, in `low` and `high`. */
  look(set: SignedSet, key: KeyRef): void {
    const { place, first, second } = set;
    const keyWord = (key.algorithm << 16) | key.tag;
    const mixed = Math.imul(place ^ Math.imul(first, 0x85ebca6b) ^ Math.imul(second, 0xc2b2ae35), 0x9e3779b1);
    const at = ((mixed ^ keyWord) >>> (32 - ENTRY_BITS)) * ENTRY_WORDS;
    const words = this.#words;
    const isThere =
      words[at] === place && words[at + 1] === first && words[at + 2] === second && words[at + 3] === keyWord;
    if (isThere && place !== 0) {
      this.low = int32(words, at + 4);
      this.high = int32(words, at + 5);
      return;
    }
    hashSet(this.#hash, set, key);
    this.low = this.#hash.low;
    this.high = this.#hash.high;
    if (place === 0) return;
    words[at] = place;
    words[at + 1] = first;
    words[at + 2] = second;
    words[at + 3] = keyWord;
    words[at + 4] = this.low;
    words[at + 5] = this.high;
  }
}
