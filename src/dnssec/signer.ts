/** Makes RRSIGs for one thread: from the table where they are there, with the key where they are not. */

import type { KeyObject } from "node:crypto";
import { copyBytes } from "../wire/bytes.ts";
import { SIGNATURE_LENGTH, signData } from "./algorithm.ts";
import { HashMemo } from "./hash-memo.ts";
import type { KeyDuty } from "./key-duty.ts";
import { putRrsig, RRSIG_FIXED, type SignedSet, signedData } from "./rrsig.ts";
import { SignatureTable } from "./signature-table.ts";

/** A key that signs. */
export interface SigningKey extends KeyDuty {
  readonly privateKey: KeyObject;
}

/** How a zone is signed. */
export interface Signing {
  readonly validitySeconds: number;
  readonly keys: readonly SigningKey[];
}

/**
 * Signatures that a thread may make in one second because a query needs them: at 50 µs each a tenth of its time, whatever
 * names strangers ask for.
 */
const FRESH_PER_SECOND = 2000;
/** Signatures hold from this long before they are made, for validators whose clocks are behind (RFC 6781 §4.4.2). */
export const BACKDATED_SECONDS = 3600;
/**
 * A signature with less than this part of its validity left is made anew for the query that needs it. The signer thread
 * does so at a quarter to a half, so this is for what it does not know, and for when it has stopped.
 */
const STALE_PART = 8;

/** How a signature came to be. */
export const Written = { Found: 0, Made: 1, Refused: 2 } as const;
export type Written = (typeof Written)[keyof typeof Written];

/** One thread's signer, for one book. */
export class Signer {
  /** Refilled by whoever wants an RRset signed. */
  readonly set: SignedSet;
  readonly #table: SignatureTable;
  readonly #hashes: HashMemo;
  readonly #freshMax: number;
  #second = 0;
  #freshInSecond = 0;

  constructor(table: SharedArrayBuffer, set: SignedSet, freshMax: number = FRESH_PER_SECOND) {
    this.set = set;
    this.#table = new SignatureTable(table);
    this.#hashes = new HashMemo(this.#table.keys);
    this.#freshMax = freshMax;
  }

  /**
   * Writes the RDATA of an RRSIG of `set` at `at`, `rrsigLength` octets. Refused: it is in no table, and this thread has made
   * as many as it may in the second `moment`.
   */
  write(target: Uint8Array, at: number, signing: Signing, key: SigningKey, moment: number): Written {
    const { set } = this;
    this.#hashes.look(set, key);
    const fresh = Math.trunc(signing.validitySeconds / STALE_PART);
    if (this.#copy(target, at, key, moment, moment + fresh)) return Written.Found;
    if (!this.#mayMake(moment)) {
      // One that should be made anew is better than none, as long as it outlives what caches keep of it.
      const isThere = this.#copy(target, at, key, moment, moment + set.ttlSeconds);
      return isThere ? Written.Found : Written.Refused;
    }
    const { low, high } = this.#hashes;
    const inception = moment - BACKDATED_SECONDS;
    const expiration = moment + signing.validitySeconds;
    const data = signedData(set, key.algorithm, key.tag, inception, expiration);
    const signature = signData(key.algorithm, key.privateKey, data);
    this.#table.keep(low, high, inception, expiration, signature);
    const signatureAt = putRrsig(target, at, set, key.algorithm, key.tag, inception, expiration);
    copyBytes(signature, 0, target, signatureAt, SIGNATURE_LENGTH);
    return Written.Made;
  }

  /** Writes the RRSIG from the table; false: there is none that holds now, and until after `until`. */
  #copy(target: Uint8Array, at: number, key: SigningKey, moment: number, until: number): boolean {
    const { set } = this;
    const { low, high } = this.#hashes;
    const table = this.#table;
    if (!table.read(low, high, moment, until, target, at + RRSIG_FIXED + set.apexLength)) return false;
    putRrsig(target, at, set, key.algorithm, key.tag, table.inception, table.expiration);
    return true;
  }

  #mayMake(moment: number): boolean {
    if (moment !== this.#second) {
      this.#second = moment;
      this.#freshInSecond = 0;
    }
    if (this.#freshInSecond >= this.#freshMax) return false;
    this.#freshInSecond += 1;
    return true;
  }
}

/** Octets of the RDATA of an RRSIG whose signer's name has so many. */
export function rrsigLength(apexLength: number): number {
  return RRSIG_FIXED + apexLength + SIGNATURE_LENGTH;
}
