/** Growing sequences of words and octets: each in one piece of memory, however many there are. */

import { word } from "./bytes.ts";

/** Words written one after the other. */
export class WordSink {
  #words = new Uint32Array(1024);
  length = 0;

  /** Appends words and returns where the first of them stands. */
  push(...values: readonly number[]): number {
    const at = this.reserve(values.length);
    for (let i = 0; i < values.length; i += 1) this.#words[at + i] = values[i] ?? 0;
    return at;
  }

  /** Appends a whole array and returns where it begins. */
  append(words: Uint32Array): number {
    const at = this.reserve(words.length);
    this.#words.set(words, at);
    return at;
  }

  /** Makes room for `count` zero words. */
  reserve(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.#words.length) {
      const grown = new Uint32Array(Math.max(this.length, 2 * this.#words.length));
      grown.set(this.#words);
      this.#words = grown;
    }
    return at;
  }

  at(at: number): number {
    return word(this.#words, at);
  }

  set(at: number, value: number): void {
    this.#words[at] = value;
  }

  words(): Uint32Array {
    return this.#words.subarray(0, this.length);
  }
}

/** Octets written one after the other. The first octet is never used, so that offset 0 can mean "none". */
export class OctetSink {
  #octets = new Uint8Array(4096);
  length = 1;

  /** The memory itself, which is another one after octets were appended; what is written ends at `length`. */
  get memory(): Uint8Array {
    return this.#octets;
  }

  /** Appends octets and returns where they begin. */
  append(octets: Uint8Array): number {
    const at = this.length;
    this.length += octets.length;
    if (this.length > this.#octets.length) {
      const grown = new Uint8Array(Math.max(this.length, 2 * this.#octets.length));
      grown.set(this.#octets);
      this.#octets = grown;
    }
    this.#octets.set(octets, at);
    return at;
  }

  octets(): Uint8Array {
    return this.#octets.subarray(0, this.length);
  }
}
