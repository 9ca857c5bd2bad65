/** Makes signatures before anybody asks, and makes them anew before they expire. */

import { Book } from "../book/book.ts";
import { SIGNATURE_LENGTH, signData } from "../dnssec/algorithm.ts";
import { ContentHash, hashSet } from "../dnssec/content-hash.ts";
import { preparesType } from "../dnssec/key-duty.ts";
import { SignedSet, signedData } from "../dnssec/rrsig.ts";
import { SignatureTable } from "../dnssec/signature-table.ts";
import { BACKDATED_SECONDS, type Signing, type SigningKey } from "../dnssec/signer.ts";
import type { ServedBook } from "./responder.ts";
import { patchedSets, signedSets } from "./signed-sets.ts";

/** Least and most signatures that a table has room for: 110 KB to 450 MB. What is more than that is signed when it is asked for. */
export const CAPACITY_MIN = 1024;
const CAPACITY_MAX = 1 << 22;
/** A new table has room for so many times as many signatures as the book wants, for the books to come. */
const ROOM = 1.5;
/** A signature is made anew when between one and two of these parts of its validity are left. */
const REFRESH_PART = 4;
/** Rounds in the validity of a signature: often enough to meet the quarter in which it is made anew. */
const ROUNDS = 64;
/** RRsets that are looked at in a row: half a millisecond. */
const LOOKS = 1024;

/** What a round came to. */
export interface Round {
  /** Signatures that were made in this round. */
  readonly made: number;
  /** Signatures that are ready. */
  readonly ready: number;
  /** Signatures that the table has no room for. */
  readonly left: number;
  /** Of those that are ready, when the first expires, in seconds since 1970; null: there is none. */
  readonly earliestExpiration: number | null;
  /** The least validity of any zone: how long fresh signatures hold at least. */
  readonly validitySeconds: number;
  /** Seconds until the next round is due. */
  readonly nextAfterSeconds: number;
}

/** Of a book without signed zones. */
const NOTHING: Round = {
  made: 0,
  ready: 0,
  left: 0,
  earliestExpiration: null,
  validitySeconds: Number.POSITIVE_INFINITY,
  nextAfterSeconds: Number.POSITIVE_INFINITY,
};

/**
 * One round over all that a book signs, with `table` as the one that readers use. Yields after each signature, so that the
 * caller can leave the processor to others, or give the round up; and each time another table is to be used, that one.
 */
export function* signAhead(
  { memory, signing }: ServedBook,
  table: SignatureTable,
  moment: number,
  capacityMax: number = CAPACITY_MAX,
): Generator<SignatureTable | null, Round> {
  if (signing === null) return NOTHING;
  const round = new SigningRound(new Book(memory), signing.zones, moment, table.keys);
  const wanted = yield* round.count(table);
  const capacity = capacityFor(wanted, table, capacityMax);
  if (capacity === table.capacity) return yield* round.sign(table);
  const next = SignatureTable.create(capacity, table.keys);
  yield* round.carry(table, next);
  yield next;
  return yield* round.sign(next);
}

/** Signs what a patch of the plans may have brought, into the table that readers use, as far as it has room. */
export function* signPatched(
  { memory, signing }: ServedBook,
  table: SignatureTable,
  moment: number,
): Generator<null, void> {
  if (signing === null) return;
  yield* new SigningRound(new Book(memory), signing.zones, moment, table.keys, patchedSets).sign(table);
}

/** How many signatures a book wants, and how many of them a table has. */
interface Count {
  readonly wanted: number;
  readonly there: number;
}

/** The capacity that the table should have: another one when it is full and another would help, or when it is far too large. */
function capacityFor(
  { wanted, there }: Count,
  { capacity, prepared }: SignatureTable,
  capacityMax: number,
): number {
  const next = Math.min(Math.max(Math.ceil(ROOM * wanted), CAPACITY_MIN), capacityMax);
  if (capacity > 4 * next) return next;
  const room = capacity - prepared;
  const gained = next - there - room;
  return wanted - there > room && gained > next / 8 ? next : capacity;
}

class SigningRound {
  readonly #book: Book;
  readonly #zones: readonly (Signing | null)[];
  readonly #moment: number;
  readonly #set = new SignedSet();
  readonly #hash: ContentHash;
  readonly #signature = new Uint8Array(SIGNATURE_LENGTH);
  readonly #setsOf: typeof signedSets;

  constructor(
    book: Book,
    zones: readonly (Signing | null)[],
    moment: number,
    hashKeys: readonly [number, number],
    setsOf: typeof signedSets = signedSets,
  ) {
    this.#setsOf = setsOf;
    this.#book = book;
    this.#zones = zones;
    this.#moment = moment;
    this.#hash = new ContentHash(...hashKeys);
  }

  *count(table: SignatureTable): Generator<null, Count> {
    let wanted = 0;
    let there = 0;
    for (const want of this.#wants()) {
      if (want === null) yield null;
      else {
        wanted += 1;
        if (table.readPrepared(this.#hash.low, this.#hash.high, this.#signature)) there += 1;
      }
    }
    return { wanted, there };
  }

  /** Takes signatures over that the book still wants. */
  *carry(from: SignatureTable, to: SignatureTable): Generator<null, void> {
    for (const want of this.#wants()) {
      const { low, high } = this.#hash;
      if (want === null) yield null;
      else if (from.readPrepared(low, high, this.#signature))
        to.prepare(low, high, from.inception, from.expiration, this.#signature);
    }
  }

  /** Makes what is not there, or has not long to go. */
  *sign(table: SignatureTable): Generator<null, Round> {
    let [made, ready, left] = [0, 0, 0];
    let earliest = Number.POSITIVE_INFINITY;
    for (const want of this.#wants()) {
      if (want === null) {
        yield null;
        continue;
      }
      const { low, high } = this.#hash;
      const isReady =
        table.readPrepared(low, high, this.#signature) &&
        table.inception <= this.#moment &&
        table.expiration > this.#moment + refreshBefore(high, want.signing);
      if (!isReady && table.isFullFor(low, high)) {
        left += 1;
        continue;
      }
      const expiration = isReady ? table.expiration : this.#make(table, want);
      ready += 1;
      earliest = Math.min(earliest, expiration);
      if (!isReady) {
        made += 1;
        yield null;
      }
    }
    const validities = this.#zones.map((signing) => signing?.validitySeconds ?? Number.POSITIVE_INFINITY);
    const validitySeconds = Math.min(...validities);
    return {
      made,
      ready,
      left,
      earliestExpiration: Number.isFinite(earliest) ? earliest : null,
      validitySeconds,
      nextAfterSeconds: validitySeconds / ROUNDS,
    };
  }

  /** Each signature that the book wants, its RRset in `#set`, its hash in `#hash`; null: time for a pause. */
  *#wants(): Generator<Want | null> {
    let looks = 0;
    for (const signing of this.#setsOf(this.#book, this.#zones, this.#set)) {
      for (const key of signing.keys) {
        if (!preparesType(key.duties, this.#set.type)) continue;
        hashSet(this.#hash, this.#set, key);
        yield { signing, key };
      }
      looks += 1;
      if (looks % LOOKS === 0) yield null;
    }
  }

  /** Returns when the new signature expires. */
  #make(table: SignatureTable, { signing, key }: Want): number {
    const { algorithm, tag, privateKey } = key;
    const inception = this.#moment - BACKDATED_SECONDS;
    const expiration = this.#moment + signing.validitySeconds;
    const data = signedData(this.#set, algorithm, tag, inception, expiration);
    const signature = signData(algorithm, privateKey, data);
    table.prepare(this.#hash.low, this.#hash.high, inception, expiration, signature);
    return expiration;
  }
}

/** A signature to be made: of an RRset by a key. */
interface Want {
  readonly signing: Signing;
  readonly key: SigningKey;
}

/**
 * How long before its end a signature is made anew: a quarter to a half of its validity, by its hash, so that what was
 * signed at one moment is not signed again at one moment.
 */
function refreshBefore(high: number, { validitySeconds }: Signing): number {
  return (validitySeconds / REFRESH_PART) * (1 + (high >>> 0) / 2 ** 32);
}
