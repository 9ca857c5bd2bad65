/** Growing sequences of words and octets: each in one piece of memory, however many there are. */

import { word } from "./bytes.ts";
import { viewOf } from "./packet.ts";

/**
 * Gives the memory of an array back at once. As garbage, arrays of a hundred megabytes outlive their use by far: they are
 * no burden for the collector, which an idle process does not run.
 */
export function release(array: Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): void {
  array.buffer.transfer(0);
}

/** Words written one after the other. */
export class WordSink {
  #words = new Uint32Array(1024);
  length = 0;

  /** Appends words and returns where the first of them stands. */
  push(...values: readonly number[]): number {
    const at = this.reserve(values.length);
    this.#words.set(values, at);
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
      const before = this.#words;
      this.#words = new Uint32Array(Math.max(this.length, 2 * before.length));
      this.#words.set(before);
      release(before);
    }
    return at;
  }

  at(at: number): number {
    return word(this.#words, at);
  }

  set(at: number, value: number): void {
    this.#words[at] = value;
  }

  /** All words; gone once more have been written. */
  words(): Uint32Array {
    return this.#words.subarray(0, this.length);
  }

  /** Gives the memory back; there are no words any more. */
  release(): void {
    release(this.#words);
    this.length = 0;
  }
}

/** Octets written one after the other. The first octet is never used, so that offset 0 can mean "none". */
export class OctetSink {
  #octets = new Uint8Array(4096);
  #view = viewOf(this.#octets);
  length = 1;

  /** The memory itself, gone once more have been written. What is written ends at `length`. */
  get memory(): Uint8Array {
    return this.#octets;
  }

  /** A view of all of it. */
  get view(): DataView {
    return this.#view;
  }

  /** Appends octets and returns where they begin. */
  append(octets: Uint8Array): number {
    const at = this.length;
    this.length += octets.length;
    if (this.length > this.#octets.length) {
      const before = this.#octets;
      this.#octets = new Uint8Array(Math.max(this.length, 2 * before.length));
      this.#octets.set(before);
      this.#view = viewOf(this.#octets);
      release(before);
    }
    this.#octets.set(octets, at);
    return at;
  }

  /** All octets; gone once more have been written. */
  octets(): Uint8Array {
    return this.#octets.subarray(0, this.length);
  }

  /** Gives the memory back; there are no octets any more. */
  release(): void {
    release(this.#octets);
    this.length = 0;
  }
}
