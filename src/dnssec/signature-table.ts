/** The signatures of a node in memory that all its threads share, found by the hash of what they sign. */

import { int32, putU32, u32 } from "../wire/bytes.ts";
import { SIGNATURE_LENGTH } from "./algorithm.ts";

/**
 * A slot, in words: `hash low | hash high | inception | expiration | check | signature (16)`.
 *
 * Nobody locks a slot, and words are read and written plainly, because Atomics.load is a call of 12 ns. The check is a sum
 * of all other words: who reads a slot while another writes it, or finds what two wrote at a time, sees that it is
 * wrong and has found nothing, whatever order a machine gives its reads. The hash of an empty slot is 0.
 *
 * Two parts hold slots. The *prepared* part is what the signer thread, its only writer, made ahead for the books in
 * force: it is found by linear probing and never loses anything. The *fleeting* part is what workers had to make for
 * a query: each signature has four places there, and when others have them all a newer one takes one. So whatever
 * strangers ask for, what was prepared stays.
 */
const SLOT_WORDS = 5 + SIGNATURE_LENGTH / 4;
const HASH_LOW = 0;
const HASH_HIGH = 1;
const INCEPTION = 2;
const EXPIRATION = 3;
const CHECK = 4;
const SIGNATURE = 5;

/** Words of the header. */
const Header = { preparedSlots: 0, key0: 1, key1: 2, occupied: 3 } as const;
const HEADER_WORDS = 4;

/** Prepared slots for each signature that can be prepared: with fewer, probing would get slow. */
const SLOTS_PER_SIGNATURE = 4 / 3;
/** 1.4 MB: a second's worth of fresh signatures of many workers. */
const FLEETING_SLOTS = 1 << 14;
/** Places of a signature in the fleeting part: with one, a tenth of 3,000 signatures would push each other out. */
const WAYS = 4;

/** One thread's view of the table. */
export class SignatureTable {
  /** To be passed to other threads, which make their own view of it. */
  readonly shared: SharedArrayBuffer;
  /** Of the signature that `read` has found last, in seconds since 1970. */
  inception = 0;
  expiration = 0;
  readonly #words: Int32Array;
  readonly #preparedSlots: number;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
    this.#preparedSlots = int32(this.#words, Header.preparedSlots);
  }

  /** An empty table with room for `capacity` prepared signatures; `keys` are 64 random bits, the key of the hash. */
  static create(capacity: number, keys: readonly [number, number]): SignatureTable {
    const preparedSlots = Math.ceil(capacity * SLOTS_PER_SIGNATURE);
    const words = HEADER_WORDS + (preparedSlots + FLEETING_SLOTS) * SLOT_WORDS;
    const shared = new SharedArrayBuffer(4 * words);
    new Int32Array(shared).set([preparedSlots, ...keys]);
    return new SignatureTable(shared);
  }

  /** The key of the hash: as long as the process lives, so that a greater table can take signatures over. */
  get keys(): readonly [number, number] {
    return [int32(this.#words, Header.key0), int32(this.#words, Header.key1)];
  }

  /** How many signatures can be prepared. */
  get capacity(): number {
    return Math.trunc(this.#preparedSlots / SLOTS_PER_SIGNATURE);
  }

  /** How many are there, those included that no book wants any more. */
  get prepared(): number {
    return int32(this.#words, Header.occupied);
  }

  /**
   * Copies the signature of that hash to `target`, and its times to this object; false: there is none that holds now, and
   * until after `until`.
   */
  read(low: number, high: number, moment: number, until: number, target: Uint8Array, at: number): boolean {
    const prepared = this.#find(low, high);
    if (this.#copy(prepared, low, high, target, at) && this.#holds(moment, until)) return true;
    return this.#copy(this.#fleetingAt(low, high), low, high, target, at) && this.#holds(moment, until);
  }

  /** Copies a prepared signature as `read` does, whenever it holds; false: there is none. */
  readPrepared(low: number, high: number, target: Uint8Array): boolean {
    return this.#copy(this.#find(low, high), low, high, target, 0);
  }

  /** Whether there is no room to prepare another signature. */
  isFullFor(low: number, high: number): boolean {
    return this.prepared >= this.capacity && this.#isEmpty(this.#find(low, high));
  }

  /** Writes a prepared signature, unless the table is full. For the signer thread alone. */
  prepare(low: number, high: number, inception: number, expiration: number, signature: Uint8Array): void {
    if (this.isFullFor(low, high)) return;
    const slot = this.#find(low, high);
    if (this.#isEmpty(slot)) this.#words[Header.occupied] = this.prepared + 1;
    this.#write(slot, low, high, inception, expiration, signature);
  }

  /** Keeps a signature that a query needed, until another takes its place. */
  keep(low: number, high: number, inception: number, expiration: number, signature: Uint8Array): void {
    this.#write(this.#fleetingAt(low, high), low, high, inception, expiration, signature);
  }

  /** Offset of the prepared slot of a hash, or of the empty one where it would go. */
  #find(low: number, high: number): number {
    // The slots are not a power of two: half of such a table could be in vain.
    for (let i = Math.trunc((low >>> 0) * (this.#preparedSlots / 2 ** 32)); ; i += 1) {
      if (i === this.#preparedSlots) i = 0;
      const slot = HEADER_WORDS + i * SLOT_WORDS;
      if (this.#isAt(slot, low, high) || this.#isEmpty(slot)) return slot;
    }
  }

  #isAt(slot: number, low: number, high: number): boolean {
    return int32(this.#words, slot + HASH_LOW) === low && int32(this.#words, slot + HASH_HIGH) === high;
  }

  #isEmpty(slot: number): boolean {
    return this.#isAt(slot, 0, 0);
  }

  /** Offset of the fleeting slot of a hash, or of the one where it would go: an empty one, else any of its four. */
  #fleetingAt(low: number, high: number): number {
    const set = high & (FLEETING_SLOTS - 1) & ~(WAYS - 1);
    let place = (high >>> 28) & (WAYS - 1);
    for (let way = WAYS - 1; way >= 0; way -= 1) {
      const slot = this.#fleetingSlot(set + way);
      if (this.#isEmpty(slot)) place = way;
      else if (this.#isAt(slot, low, high)) return slot;
    }
    return this.#fleetingSlot(set + place);
  }

  #fleetingSlot(i: number): number {
    return HEADER_WORDS + (this.#preparedSlots + i) * SLOT_WORDS;
  }

  #holds(moment: number, until: number): boolean {
    return this.inception <= moment && this.expiration > until;
  }

  #copy(slot: number, low: number, high: number, target: Uint8Array, at: number): boolean {
    if (!this.#isAt(slot, low, high)) return false;
    const words = this.#words;
    const inception = int32(words, slot + INCEPTION);
    const expiration = int32(words, slot + EXPIRATION);
    let check = checkOf(low, high, inception, expiration);
    for (let i = 0; i < SIGNATURE_LENGTH / 4; i += 1) {
      const value = int32(words, slot + SIGNATURE + i);
      check = addTo(check, value);
      putU32(target, at + 4 * i, value);
    }
    // Seconds since 1970 take the whole of 32 bits from 2038 on.
    this.inception = inception >>> 0;
    this.expiration = expiration >>> 0;
    return check === int32(words, slot + CHECK);
  }

  #write(
    slot: number,
    low: number,
    high: number,
    inception: number,
    expiration: number,
    signature: Uint8Array,
  ): void {
    const words = this.#words;
    let check = checkOf(low, high, inception | 0, expiration | 0);
    for (let i = 0; i < SIGNATURE_LENGTH / 4; i += 1) {
      const value = u32(signature, 4 * i) | 0;
      check = addTo(check, value);
      words[slot + SIGNATURE + i] = value;
    }
    words[slot + INCEPTION] = inception;
    words[slot + EXPIRATION] = expiration;
    words[slot + CHECK] = check;
    words[slot + HASH_HIGH] = high;
    words[slot + HASH_LOW] = low;
  }
}

/** A sum that words in another place, or from another signature, would change. */
function checkOf(low: number, high: number, inception: number, expiration: number): number {
  return addTo(addTo(addTo(low, high), inception), expiration);
}

function addTo(check: number, value: number): number {
  return (((check << 5) | (check >>> 27)) + value) | 0;
}
