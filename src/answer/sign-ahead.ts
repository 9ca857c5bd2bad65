/** Makes signatures before anybody asks, and makes them anew before they expire. */

import { Book } from "../book/book.ts";
import { SIGNATURE_LENGTH, signData } from "../dnssec/algorithm.ts";
import { ContentHash } from "../dnssec/content-hash.ts";
import { signsType } from "../dnssec/key-duty.ts";
import { SignedSet, signedData } from "../dnssec/rrsig.ts";
import { SignatureTable } from "../dnssec/signature-table.ts";
import { BACKDATED_SECONDS, hashSet, type Signing, type SigningKey } from "../dnssec/signer.ts";
import type { ServedBook } from "./responder.ts";
import { signedSets } from "./signed-sets.ts";

/** Most signatures that are made ahead: 350 MB. What is more than that is signed when it is asked for. */
const PREPARED_MAX = 1 << 21;
/** A signature is made anew when between one and two of these parts of its validity are left. */
const REFRESH_PART = 4;
/** Rounds in the validity of a signature: often enough to meet the quarter in which it is made anew. */
const ROUNDS = 64;

/** What a round came to. */
export interface Round {
  /** The table to use from now on: a greater one where the last was full. */
  readonly table: SharedArrayBuffer;
  /** Signatures that are ready. */
  readonly ready: number;
  /** Signatures that were made in this round. */
  readonly made: number;
  /** Of those that are ready, when the first expires, in seconds since 1970; null: there is none. */
  readonly earliestExpiration: number | null;
  /** Seconds until the next round is due. */
  readonly nextAfterSeconds: number;
}

/** One round over all that a book signs. Yields after each signature, so that the caller can leave the processor to others. */
export function* signAhead({ memory, signing }: ServedBook, moment: number): Generator<void, Round | null> {
  if (signing === null) return null;
  const round = new SigningRound(new Book(memory), signing.zones, moment);
  const table = new SignatureTable(signing.table);
  if (yield* round.fill(table, null)) return round.result(table);
  const greater = SignatureTable.create(Math.min(2 * round.count(), PREPARED_MAX), table.keys);
  yield* round.fill(greater, table);
  return round.result(greater);
}

class SigningRound {
  readonly #book: Book;
  readonly #zones: readonly (Signing | null)[];
  readonly #moment: number;
  readonly #set = new SignedSet();
  #ready = 0;
  #made = 0;
  #earliest = Number.POSITIVE_INFINITY;

  constructor(book: Book, zones: readonly (Signing | null)[], moment: number) {
    this.#book = book;
    this.#zones = zones;
    this.#moment = moment;
  }

  /** Signs what the table lacks, or takes it from the table before; false: the table is full. */
  *fill(table: SignatureTable, before: SignatureTable | null): Generator<void, boolean> {
    const hash = new ContentHash(...table.keys);
    this.#ready = 0;
    for (const zone of signedSets(this.#book, this.#set)) {
      const signing = this.#zones[zone] ?? null;
      for (const key of signing?.keys ?? []) {
        if (signing === null || !signsType(key.duties, this.#set.type)) continue;
        hashSet(hash, this.#set, key);
        const { low, high } = hash;
        const until = this.#moment + refreshBefore(high, signing);
        let expiration = table.preparedUntil(low, high);
        if (expiration <= until) {
          const carried = before === null ? 0 : carry(low, high, until, before, table);
          expiration = carried > 0 ? carried : this.#sign(low, high, signing, key, table);
          if (expiration === 0) return false;
          if (carried === 0) yield;
        }
        this.#ready += 1;
        this.#earliest = Math.min(this.#earliest, expiration);
      }
    }
    return true;
  }

  /** How many signatures the book wants. */
  count(): number {
    let count = 0;
    for (const zone of signedSets(this.#book, this.#set)) count += this.#zones[zone]?.keys.length ?? 0;
    return count;
  }

  result(table: SignatureTable): Round {
    const validities = this.#zones.flatMap((signing) => signing?.validitySeconds ?? []);
    return {
      table: table.shared,
      ready: this.#ready,
      made: this.#made,
      earliestExpiration: Number.isFinite(this.#earliest) ? this.#earliest : null,
      nextAfterSeconds: Math.min(...validities) / ROUNDS,
    };
  }

  /** Returns when the new signature expires; 0: there is no room for it. */
  #sign(low: number, high: number, signing: Signing, key: SigningKey, table: SignatureTable): number {
    const { algorithm, tag, privateKey } = key;
    const inception = this.#moment - BACKDATED_SECONDS;
    const expiration = this.#moment + signing.validitySeconds;
    if (table.isFullFor(low, high)) return 0;
    const data = signedData(this.#set, algorithm, tag, inception, expiration);
    table.prepare(low, high, inception, expiration, signData(algorithm, privateKey, data));
    this.#made += 1;
    return expiration;
  }
}

/**
 * How long before its end a signature is made anew: a quarter to a half of its validity, by its hash, so that what was
 * signed at one moment is not signed again at one moment.
 */
function refreshBefore(high: number, { validitySeconds }: Signing): number {
  return (validitySeconds / REFRESH_PART) * (1 + (high >>> 0) / 2 ** 32);
}

/** Takes over a signature that holds until after `until`; returns its end, 0 where there is none. */
function carry(low: number, high: number, until: number, from: SignatureTable, to: SignatureTable): number {
  const signature = new Uint8Array(SIGNATURE_LENGTH);
  if (!from.read(low, high, until, signature, 0)) return 0;
  return to.prepare(low, high, from.inception, from.expiration, signature) ? from.expiration : 0;
}
