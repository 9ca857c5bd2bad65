/** A keyed hash of what is signed, by which its signature is found. */

import { fold, u8 } from "../wire/bytes.ts";
import type { KeyRef } from "./key-name.ts";
import type { SignedSet } from "./rrsig.ts";

/**
 * HalfSipHash-2-4 with 64 bits of output (Aumasson and Bernstein): 32-bit words are what JavaScript is fast with, and the
 * key keeps strangers from making names whose signatures would push each other out. Refilled for each RRset.
 */
export class ContentHash {
  /** The result, after `finish`. */
  low = 0;
  high = 0;
  readonly #key0: number;
  readonly #key1: number;
  #v0 = 0;
  #v1 = 0;
  #v2 = 0;
  #v3 = 0;

  constructor(key0: number, key1: number) {
    this.#key0 = key0 | 0;
    this.#key1 = key1 | 0;
  }

  begin(): void {
    this.#v0 = this.#key0;
    this.#v1 = this.#key1 ^ 0xee;
    this.#v2 = 0x6c796765 ^ this.#key0;
    this.#v3 = 0x74656462 ^ this.#key1;
  }

  /** One word. */
  add(value: number): void {
    this.#v3 ^= value;
    this.#round();
    this.#round();
    this.#v0 ^= value;
  }

  /** `length` octets from `at`, behind their number, so that parts cannot run into each other. */
  addOctets(bytes: Uint8Array, at: number, length: number): void {
    this.add(length);
    const end = at + length;
    let i = at;
    for (; i + 4 <= end; i += 4) {
      this.add(u8(bytes, i) | (u8(bytes, i + 1) << 8) | (u8(bytes, i + 2) << 16) | (u8(bytes, i + 3) << 24));
    }
    let rest = 0;
    for (let shift = 0; i < end; i += 1, shift += 8) rest |= u8(bytes, i) << shift;
    this.add(rest);
  }

  /** An uncompressed name, folded: its case does not count. */
  addName(bytes: Uint8Array, at: number, length: number): void {
    this.add(length);
    const end = at + length;
    let i = at;
    for (; i + 4 <= end; i += 4) {
      this.add(
        fold(u8(bytes, i)) |
          (fold(u8(bytes, i + 1)) << 8) |
          (fold(u8(bytes, i + 2)) << 16) |
          (fold(u8(bytes, i + 3)) << 24),
      );
    }
    let rest = 0;
    for (let shift = 0; i < end; i += 1, shift += 8) rest |= fold(u8(bytes, i)) << shift;
    this.add(rest);
  }

  /** Leaves the 64 bits in `low` and `high`, as signed integers. */
  finish(): void {
    this.#v2 ^= 0xee;
    for (let i = 0; i < 4; i += 1) this.#round();
    this.low = this.#v1 ^ this.#v3;
    this.#v1 ^= 0xdd;
    for (let i = 0; i < 4; i += 1) this.#round();
    this.high = this.#v1 ^ this.#v3;
  }

  #round(): void {
    let v0 = (this.#v0 + this.#v1) | 0;
    let v1 = (this.#v1 << 5) | (this.#v1 >>> 27);
    v1 ^= v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    let v2 = (this.#v2 + this.#v3) | 0;
    let v3 = (this.#v3 << 8) | (this.#v3 >>> 24);
    v3 ^= v2;
    v0 = (v0 + v3) | 0;
    v3 = (v3 << 7) | (v3 >>> 25);
    v3 ^= v0;
    v2 = (v2 + v1) | 0;
    v1 = (v1 << 13) | (v1 >>> 19);
    v1 ^= v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }
}

/** Leaves in `hash` what tells a signature from all others: all that is signed but the times. */
export function hashSet(hash: ContentHash, set: SignedSet, key: KeyRef): void {
  hash.begin();
  hash.add((key.algorithm << 16) | key.tag);
  hash.add((set.type << 16) ^ set.apexLength);
  hash.add(set.ttlSeconds);
  hash.addName(set.names, set.ownerAt, set.ownerLength);
  hash.addOctets(set.rdatas, set.rdatasAt, set.rdatasLength);
  hash.finish();
}
