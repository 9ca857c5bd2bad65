/** Makes RRSIGs for one thread: from the table where they are there, with the key where they are not. */

import type { KeyObject } from "node:crypto";
import { copyBytes } from "../wire/bytes.ts";
import { SIGNATURE_LENGTH, signData } from "./algorithm.ts";
import { ContentHash } from "./content-hash.ts";
import type { KeyDuty } from "./key-duty.ts";
import type { KeyRef } from "./key-name.ts";
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

/** One thread's signer. */
export class Signer {
  /** Refilled by whoever wants an RRset signed. */
  readonly set: SignedSet;
  readonly #table: SignatureTable;
  readonly #hash: ContentHash;
  readonly #freshMax: number;
  #second = 0;
  #freshInSecond = 0;

  constructor(table: SharedArrayBuffer, set: SignedSet, freshMax: number = FRESH_PER_SECOND) {
    this.set = set;
    this.#table = new SignatureTable(table);
    this.#hash = new ContentHash(...this.#table.keys);
    this.#freshMax = freshMax;
  }

  /**
   * Writes the RDATA of an RRSIG of `set` at `at`, `rrsigLength` octets; false: it is in no table, and this thread has made
   * as many as it may in the second `moment`.
   */
  write(target: Uint8Array, at: number, signing: Signing, key: SigningKey, moment: number): boolean {
    const { set } = this;
    const hash = this.#hash;
    hashSet(hash, set, key);
    const { low, high } = hash;
    const signatureAt = at + RRSIG_FIXED + set.apexLength;
    const until = moment + signing.validitySeconds / STALE_PART;
    const table = this.#table;
    if (table.read(low, high, moment, until, target, signatureAt)) {
      putRrsig(target, at, set, key.algorithm, key.tag, table.inception, table.expiration);
      return true;
    }
    if (!this.#mayMake(moment)) return false;
    const inception = moment - BACKDATED_SECONDS;
    const expiration = moment + signing.validitySeconds;
    const data = signedData(set, key.algorithm, key.tag, inception, expiration);
    const signature = signData(key.algorithm, key.privateKey, data);
    table.keep(low, high, inception, expiration, signature);
    putRrsig(target, at, set, key.algorithm, key.tag, inception, expiration);
    copyBytes(signature, 0, target, signatureAt, SIGNATURE_LENGTH);
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
