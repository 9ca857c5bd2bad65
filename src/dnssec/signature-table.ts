/** The signatures of a node in memory that all its threads share, found by the hash of what they sign. */

import { putU32, u32 } from "../wire/bytes.ts";
import { SIGNATURE_LENGTH } from "./algorithm.ts";

/**
 * A slot, in words: `sequence | hash low | hash high | inception | expiration | signature (16)`.
 *
 * The sequence is 0 while a slot is empty, odd while it is written, and even otherwise; a reader that sees another
 * one after reading has read nothing. Between the two looks it reads plainly, because Atomics.load is a call of 12 ns and
 * there are twenty words; an atomic operation on a word of its own thread keeps these reads from coming after the second
 * look, on every machine.
 *
 * Two parts hold slots. The *prepared* part is what the signer thread, its only writer, made ahead for the books in
 * force: it is found by linear probing and never loses anything. The *fleeting* part is what workers had to make for
 * a query: each signature has four places there, and when others have them all a newer one takes one. So whatever
 * strangers ask for, what was prepared stays.
 */
const SLOT_WORDS = 5 + SIGNATURE_LENGTH / 4;
const HASH_LOW = 1;
const HASH_HIGH = 2;
const INCEPTION = 3;
const EXPIRATION = 4;
const SIGNATURE = 5;

/** Words of the header. */
const Header = { preparedSlots: 0, fleetingSlots: 1, key0: 2, key1: 3, occupied: 4 } as const;
const HEADER_WORDS = 8;

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
  readonly #fence = new Int32Array(new SharedArrayBuffer(4));
  readonly #preparedSlots: number;
  readonly #fleetingSlots: number;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
    this.#preparedSlots = Atomics.load(this.#words, Header.preparedSlots);
    this.#fleetingSlots = Atomics.load(this.#words, Header.fleetingSlots);
  }

  /** An empty table with room for `capacity` prepared signatures; `keys` are 64 random bits, the key of the hash. */
  static create(capacity: number, keys: readonly [number, number]): SignatureTable {
    const preparedSlots = 2 ** Math.ceil(Math.log2(Math.max(2 * capacity, 16)));
    const words = HEADER_WORDS + (preparedSlots + FLEETING_SLOTS) * SLOT_WORDS;
    const shared = new SharedArrayBuffer(4 * words);
    const header = new Int32Array(shared, 0, HEADER_WORDS);
    header.set([preparedSlots, FLEETING_SLOTS, ...keys]);
    return new SignatureTable(shared);
  }

  /** The key of the hash: as long as the process lives, so that a greater table can take signatures over. */
  get keys(): readonly [number, number] {
    return [Atomics.load(this.#words, Header.key0), Atomics.load(this.#words, Header.key1)];
  }

  /** How many signatures can be prepared; with more, probing would get slow. */
  get capacity(): number {
    return this.#preparedSlots / 2;
  }

  /** How many are there. */
  get prepared(): number {
    return Atomics.load(this.#words, Header.occupied);
  }

  /**
   * Copies the signature of that hash to `target`, and its times to this object; false: there is none that holds until
   * after `until`.
   */
  read(low: number, high: number, until: number, target: Uint8Array, at: number): boolean {
    const prepared = this.#find(low, high);
    if (
      this.#isAt(prepared, low, high) &&
      this.#copy(prepared, low, high, target, at) &&
      this.expiration > until
    )
      return true;
    const fleeting = this.#fleetingAt(low, high);
    return this.#copy(fleeting, low, high, target, at) && this.expiration > until;
  }

  /** Until when a prepared signature holds; 0: there is none. */
  preparedUntil(low: number, high: number): number {
    const slot = this.#find(low, high);
    return this.#isAt(slot, low, high) ? Atomics.load(this.#words, slot + EXPIRATION) : 0;
  }

  /** Writes a prepared signature; false: the table is full. For the signer thread alone. */
  prepare(low: number, high: number, inception: number, expiration: number, signature: Uint8Array): boolean {
    const slot = this.#find(low, high);
    const isNew = Atomics.load(this.#words, slot) === 0;
    if (isNew && this.prepared >= this.capacity) return false;
    this.#write(slot, low, high, inception, expiration, signature);
    if (isNew) Atomics.add(this.#words, Header.occupied, 1);
    return true;
  }

  /** Keeps a signature that a query needed, until another takes its place. */
  keep(low: number, high: number, inception: number, expiration: number, signature: Uint8Array): void {
    this.#write(this.#fleetingAt(low, high), low, high, inception, expiration, signature);
  }

  /** Offset of the prepared slot of a hash, or of the empty one where it would go. */
  #find(low: number, high: number): number {
    const mask = this.#preparedSlots - 1;
    for (let i = low & mask; ; i = (i + 1) & mask) {
      const slot = HEADER_WORDS + i * SLOT_WORDS;
      if (int32(this.#words, slot) === 0 || this.#isAt(slot, low, high)) return slot;
    }
  }

  #isAt(slot: number, low: number, high: number): boolean {
    return int32(this.#words, slot + HASH_LOW) === low && int32(this.#words, slot + HASH_HIGH) === high;
  }

  /** Offset of the fleeting slot of a hash, or of the one where it would go: an empty one, else any of its four. */
  #fleetingAt(low: number, high: number): number {
    // `low` chooses the prepared slot; bits of both keep names apart that share it.
    const set = (low ^ high) & (this.#fleetingSlots - 1) & ~(WAYS - 1);
    let place = (high >>> 28) & (WAYS - 1);
    for (let way = WAYS - 1; way >= 0; way -= 1) {
      const slot = this.#fleetingSlot(set + way);
      if (int32(this.#words, slot) === 0) place = way;
      else if (this.#isAt(slot, low, high)) return slot;
    }
    return this.#fleetingSlot(set + place);
  }

  #fleetingSlot(i: number): number {
    return HEADER_WORDS + (this.#preparedSlots + i) * SLOT_WORDS;
  }

  #copy(slot: number, low: number, high: number, target: Uint8Array, at: number): boolean {
    const words = this.#words;
    const sequence = Atomics.load(words, slot);
    if (sequence === 0 || (sequence & 1) === 1 || !this.#isAt(slot, low, high)) return false;
    this.inception = int32(words, slot + INCEPTION);
    this.expiration = int32(words, slot + EXPIRATION);
    for (let i = 0; i < SIGNATURE_LENGTH / 4; i += 1)
      putU32(target, at + 4 * i, int32(words, slot + SIGNATURE + i));
    Atomics.add(this.#fence, 0, 0);
    return Atomics.load(words, slot) === sequence;
  }

  /** Two that write one slot at a time would mix: the second leaves it to the first. */
  #write(
    slot: number,
    low: number,
    high: number,
    inception: number,
    expiration: number,
    signature: Uint8Array,
  ): void {
    const words = this.#words;
    const sequence = Atomics.load(words, slot);
    if ((sequence & 1) === 1) return;
    if (Atomics.compareExchange(words, slot, sequence, (sequence + 1) | 0) !== sequence) return;
    Atomics.store(words, slot + HASH_LOW, low);
    Atomics.store(words, slot + HASH_HIGH, high);
    Atomics.store(words, slot + INCEPTION, inception);
    Atomics.store(words, slot + EXPIRATION, expiration);
    for (let i = 0; i < SIGNATURE_LENGTH / 4; i += 1)
      Atomics.store(words, slot + SIGNATURE + i, u32(signature, 4 * i) | 0);
    // 0 would say that the slot is empty, so a sequence that has gone round starts at 2.
    Atomics.store(words, slot, ((sequence + 2) | 0) === 0 ? 2 : (sequence + 2) | 0);
  }
}

function int32(words: Int32Array, at: number): number {
  return words[at] ?? 0;
}
