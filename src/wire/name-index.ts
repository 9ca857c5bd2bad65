/** Finds what belongs to a name: a hash table in one array, as books have it too. */

import { copyFolded, word } from "./bytes.ts";
import { nameLengthMax } from "./name.ts";
import { hashName, isNameAt } from "./name-hash.ts";
import { viewOf } from "./packet.ts";
import { type OctetSink, release } from "./sink.ts";

/** Numbers by name, whatever its case. The names themselves are kept by its owner, in wire form. */
export class NameIndex {
  /** Pairs of `hashName` and number, which is 0 in a free one. Where a pair is taken, the name's is the next free one. */
  #pairs: Uint32Array<ArrayBuffer>;
  #count = 0;
  readonly #names: OctetSink;
  readonly #nameOf: (number: number) => number;

  /** `nameOf` tells where in `names` the name of a number begins. There is room for `expected` names at once. */
  constructor(names: OctetSink, nameOf: (number: number) => number, expected: number) {
    this.#pairs = new Uint32Array(2 * 2 ** Math.ceil(Math.log2(2 * expected + 2)));
    this.#names = names;
    this.#nameOf = nameOf;
  }

  /** How many names there are. */
  get count(): number {
    return this.#count;
  }

  /** The table: a power of two of pairs, less than half of them taken. */
  get pairs(): Uint32Array {
    return this.#pairs;
  }

  /** Gives the memory of the table back; nothing can be found any more. */
  release(): void {
    release(this.#pairs);
  }

  /** The number of the name of `length` octets at `at`; 0: none. */
  find(bytes: Uint8Array, at: number, length: number): number {
    const pairs = this.#pairs;
    const mask = pairs.length / 2 - 1;
    const hash = fold(bytes, at, length);
    for (let pair = hash & mask; ; pair = (pair + 1) & mask) {
      const number = word(pairs, 2 * pair + 1);
      if (number === 0) return 0;
      if ((word(pairs, 2 * pair) | 0) === hash && this.#isNamed(number, length)) return number;
    }
  }

  /** Adds a name that is not there yet. */
  add(bytes: Uint8Array, at: number, length: number, number: number): void {
    this.#count += 1;
    if (2 * this.#count >= this.#pairs.length / 2) {
      const before = this.#pairs;
      this.#pairs = new Uint32Array(2 * before.length);
      for (let i = 0; i < before.length; i += 2) {
        if (before[i + 1] !== 0) this.#put(word(before, i), word(before, i + 1));
      }
      release(before);
    }
    this.#put(fold(bytes, at, length), number);
  }

  #put(hash: number, number: number): void {
    const mask = this.#pairs.length / 2 - 1;
    let pair = hash & mask;
    while (this.#pairs[2 * pair + 1] !== 0) pair = (pair + 1) & mask;
    this.#pairs[2 * pair] = hash;
    this.#pairs[2 * pair + 1] = number;
  }

  /** Whether it is the name of a number. A shorter name with the same hash may be the last of all. */
  #isNamed(number: number, length: number): boolean {
    const { view } = this.#names;
    const at = this.#nameOf(number);
    return at + length <= view.byteLength && isNameAt(folded, 0, view, at, length);
  }
}

/** The name that is looked for; one for all calls. */
const foldedOctets = new Uint8Array(nameLengthMax);
const folded = viewOf(foldedOctets);

/** Leaves a name in `folded`, and returns its hash. */
function fold(bytes: Uint8Array, at: number, length: number): number {
  copyFolded(bytes, at, foldedOctets, 0, length);
  return hashName(folded, 0, length);
}
