/** DNS Cookies (RFC 7873) in the form that all servers agree on (RFC 9018), so that one fleet can share its secrets. */

import { copyOctets, word } from "../wire/bytes.ts";
import { clientCookieLength, type Query } from "../wire/query.ts";
import { sipHash } from "../wire/siphash.ts";
import type { Client } from "./client.ts";

/** Octets of a Server Cookie: version 1, reserved 3, timestamp 4, hash 8 (RFC 9018 §4). */
const SERVER_COOKIE_LENGTH = 16;
/** Octets of both cookies. */
export const COOKIES_LENGTH: number = clientCookieLength + SERVER_COOKIE_LENGTH;
const VERSION = 1;
/** Where the fields of a Server Cookie stand behind a Client Cookie. */
const VERSION_AT = 8;
const TIMESTAMP_AT = 12;
const HASH_AT = 16;
const HASH_LENGTH = 8;
/** How old a cookie may be, how far ahead its clock, and when it is made new, in seconds (RFC 9018 §4.3). */
const LIFETIME_SECONDS = 3600;
const AHEAD_SECONDS = 300;
const RENEW_SECONDS = 1800;

/** Octets of a secret (RFC 9018 §4.4). */
export const SECRET_LENGTH = 16;
const SECRET_WORDS = 4;
const PAIR_WORDS = 2 * SECRET_WORDS;

/** What a query's COOKIE option proves. */
export const CookieProof = {
  /** There is no option. */
  None: 0,
  /** A Client Cookie alone: the client does cookies, and has none of ours. */
  ClientOnly: 1,
  /** A Server Cookie that we did not make for this client, or too long ago. */
  Invalid: 2,
  /** The client has received one of our replies, so the source address is its own. */
  Valid: 3,
} as const;
export type CookieProof = (typeof CookieProof)[keyof typeof CookieProof];

/** Memory for the secrets, which threads share: `index | pair 0 | pair 1`, a pair being a current and an older secret. */
export function newSecretMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + 2 * PAIR_WORDS) * Uint32Array.BYTES_PER_ELEMENT);
}

/**
 * Has all threads make cookies with `current` from now on, and take those made with it or with `other`; null: with no
 * other. The pair that is not in force is written, and then made the one that is.
 */
export function installSecrets(
  memory: SharedArrayBuffer,
  current: Uint8Array,
  other: Uint8Array | null,
): void {
  const words = new Uint32Array(memory);
  const next = 1 - Atomics.load(words, 0);
  const view = new DataView(memory, (1 + next * PAIR_WORDS) * Uint32Array.BYTES_PER_ELEMENT);
  for (const [i, secret] of [current, other ?? current].entries()) {
    const octets = new DataView(secret.buffer, secret.byteOffset, SECRET_LENGTH);
    for (let at = 0; at < SECRET_LENGTH; at += 4) {
      // Words are in the order of the machine, and little-endian is how SipHash reads its key.
      view.setUint32(i * SECRET_LENGTH + at, octets.getUint32(at, true), isLittleEndian);
    }
  }
  Atomics.store(words, 0, next);
}

const isLittleEndian: boolean = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Checks and makes cookies for one thread. */
export class Cookies {
  readonly #secrets: Uint32Array;
  /** What is hashed: Client Cookie, version, reserved, timestamp, client address (RFC 9018 §4.4). */
  readonly #message = new DataView(new ArrayBuffer(32));
  readonly #hash = new DataView(new ArrayBuffer(HASH_LENGTH));

  constructor(memory: SharedArrayBuffer) {
    this.#secrets = new Uint32Array(memory);
  }

  /**
   * What the cookies of a query that has some prove at `moment`, in seconds. Leaves in `query.cookie` those for the reply: as
   * they are while the Server Cookie is young and made with the current secret.
   */
  check(query: Query, client: Client, moment: number): CookieProof {
    const { cookie } = query;
    // A plain read, because Atomics.load is a call of 12 ns; which pair it is decides what is read next.
    const pair = 1 + word(this.#secrets, 0) * PAIR_WORDS;
    copyOctets(cookie, 0, this.#message, 0, COOKIES_LENGTH - HASH_LENGTH);
    let proof: CookieProof =
      query.cookieLength === clientCookieLength ? CookieProof.ClientOnly : CookieProof.Invalid;
    if (query.cookieLength === COOKIES_LENGTH && cookie.getUint8(VERSION_AT) === VERSION) {
      // Serial numbers, so that 2106 is no special year (RFC 1982).
      const age = (moment - cookie.getInt32(TIMESTAMP_AT)) | 0;
      if (age >= -AHEAD_SECONDS && age <= LIFETIME_SECONDS) {
        const isCurrent = this.#isMadeWith(pair, cookie, client);
        if (isCurrent || this.#isMadeWith(pair + SECRET_WORDS, cookie, client)) proof = CookieProof.Valid;
        if (isCurrent && age <= RENEW_SECONDS) return proof;
      }
    }
    this.#make(pair, client, moment, cookie);
    return proof;
  }

  #isMadeWith(secretAt: number, cookie: DataView, client: Client): boolean {
    this.#sign(secretAt, client, this.#hash, 0);
    const difference =
      (this.#hash.getInt32(0) ^ cookie.getInt32(HASH_AT)) |
      (this.#hash.getInt32(4) ^ cookie.getInt32(HASH_AT + 4));
    return difference === 0;
  }

  #make(secretAt: number, client: Client, moment: number, cookie: DataView): void {
    this.#message.setInt32(VERSION_AT, VERSION << 24);
    this.#message.setInt32(TIMESTAMP_AT, moment);
    copyOctets(this.#message, VERSION_AT, cookie, VERSION_AT, HASH_AT - VERSION_AT);
    this.#sign(secretAt, client, cookie, HASH_AT);
  }

  #sign(secretAt: number, client: Client, out: DataView, at: number): void {
    const addressLength = client.family === 4 ? 4 : 16;
    copyOctets(client.view, 0, this.#message, HASH_AT, addressLength);
    sipHash(this.#secrets, secretAt, this.#message, HASH_AT + addressLength, out, at);
  }
}
