/**
 * Response rate limiting: how often one source gets one answer over UDP, so that nobody can be flooded through us with
 * queries in his name.
 *
 * Limited is the same answer to the same prefix, as BIND does it, and not all that a prefix asks, as Knot does: a
 * resolver behind which many clients stand asks for many names once each TTL, while an attacker wants one that makes
 * a large reply, over and over. What answers are the same is said by where they stand in the book (`Reply.origin`):
 *
 *   answer, NODATA   the owner name, so that made-up names below a wildcard count as one
 *   NXDOMAIN         the zone, because made-up names are as many as one likes
 *   referral         the zone cut
 *   error            none: all errors to a prefix count together
 *
 * Each of these has a balance of responses for each prefix. A second earns as many as the rate says, up to one second's
 * worth; a query costs one, answered or not, down to a window's worth of debt. With a debt there is no reply, or every
 * few a truncated one, with which a client that was wrongly suspected comes again over TCP.
 */

import type { RateLimitConfig } from "../config/node.ts";
import { int32, word } from "../wire/bytes.ts";
import { Rcode } from "../wire/codes.ts";
import { mix } from "../wire/mix.ts";
import type { Client } from "./client.ts";
import { isAmong } from "./prefixes.ts";
import type { Reply } from "./reply.ts";

/** What is limited, and how; plain data for worker threads. */
export interface RateLimitOptions extends RateLimitConfig {
  /** Made by `newLimitTable`; one for all threads of a node, because the kernel spreads one source over them. */
  readonly table: SharedArrayBuffer;
  /** Any number that strangers do not know, so that they cannot choose whose balance they share. */
  readonly seed: number;
}

/** What a response counts as, each with its own rate. */
const ResponseClass = { Answer: 0, Denial: 1, Referral: 2, Error: 3 } as const;
type ResponseClass = (typeof ResponseClass)[keyof typeof ResponseClass];

/** What becomes of a response. */
export const Limit = { Send: 0, Drop: 1, Truncate: 2 } as const;
export type Limit = (typeof Limit)[keyof typeof Limit];

/**
 * Balances stand in sets of four. One takes two words: what tells it from others, and
 * `second:16 | balance + 0x8000:16`. Threads write without locks: what they lose of one another is a response or two.
 * A new balance takes the place of the one of its set that was not used for longest, so memory never grows.
 */
const SETS = 1 << 14;
const WAYS = 4;
const SET_WORDS = 2 * WAYS;
const BALANCE_ZERO = 0x8000;
/** Threads' clocks can differ by a second; what seems older than this, 18 hours, is from the future. */
const AGE_MAX = 0xfff0;
const AGE_OF_EMPTY = 0x10000;

/**
 * Memory for 65,536 balances: 512 KB, which stay in a processor's second cache. In 2 MB, spread over as many pages as it can
 * remember, finding one took 76 ns.
 */
export function newLimitTable(): SharedArrayBuffer {
  return new SharedArrayBuffer(SETS * SET_WORDS * Uint32Array.BYTES_PER_ELEMENT);
}

/** Decides for one thread. */
export class RateLimit {
  readonly options: RateLimitOptions;
  readonly #table: Uint32Array;
  /** By class, and the deepest debts. Signed, because V8 makes floating point numbers of other words. */
  readonly #rates: Int32Array;
  readonly #debts: Int32Array;
  readonly #seed: number;
  readonly #mask4: number;
  /** One word for each four octets of an IPv6 prefix. */
  readonly #mask6: Uint32Array;
  /** Limited responses so far, of which every `slip`th is sent. */
  #limited = 0;

  constructor(options: RateLimitOptions) {
    this.options = options;
    this.#table = new Uint32Array(options.table);
    this.#rates = Int32Array.of(options.answers, options.denials, options.referrals, options.errors);
    this.#debts = this.#rates.map((rate) => -rate * options.windowSeconds);
    this.#seed = options.seed | 0;
    this.#mask4 = maskOf(options.ipv4PrefixLength);
    this.#mask6 = Uint32Array.from([0, 32, 64, 96], (at) => maskOf(options.ipv6PrefixLength - at));
  }

  /** Pays for a response to `client` at `moment`, in seconds, and says what becomes of it. */
  charge(reply: Reply, client: Client, moment: number): Limit {
    const kind = classOf(reply);
    const rate = int32(this.#rates, kind);
    if (rate === 0) return Limit.Send;
    const origin = kind === ResponseClass.Error ? 0 : reply.origin;
    const balance = this.#pay(this.#hash(kind, origin, client), kind, rate, moment & 0xffff);
    if (balance >= 0 || isAmong(this.options.exempt, client)) return Limit.Send;
    const { slip } = this.options;
    this.#limited += 1;
    return slip !== 0 && this.#limited % slip === 0 ? Limit.Truncate : Limit.Drop;
  }

  #hash(kind: ResponseClass, origin: number, client: Client): number {
    const hash = mix(this.#seed ^ ((origin << 2) | kind));
    if (client.family === 4) return mix(hash ^ (client.view.getInt32(0) & this.#mask4));
    return this.#hashIpv6(hash, client.view);
  }

  #hashIpv6(from: number, address: DataView): number {
    let hash = from;
    for (let i = 0; i < 4; i += 1) hash = mix(hash ^ (address.getInt32(4 * i) & word(this.#mask6, i)) ^ i);
    return hash;
  }

  /** The balance after one response has been paid from it. */
  #pay(hash: number, kind: ResponseClass, rate: number, second: number): number {
    const table = this.#table;
    const set = (hash & (SETS - 1)) * SET_WORDS;
    // A zero would look like an empty place. The lowest bit is the set's already, so nothing is lost by it.
    const tag = hash | 1;
    for (let at = set; at < set + SET_WORDS; at += 2) {
      if ((word(table, at) | 0) !== tag) continue;
      const state = word(table, at + 1);
      const age = ageOf(state, second);
      const earned = (state & 0xffff) - BALANCE_ZERO + age * rate;
      const balance = Math.max(Math.min(earned, rate) - 1, int32(this.#debts, kind));
      table[at + 1] = ((age === 0 ? state >>> 16 : second) << 16) | (balance + BALANCE_ZERO);
      return balance;
    }
    const place = this.#oldestOf(set, second);
    table[place] = tag;
    table[place + 1] = (second << 16) | (rate - 1 + BALANCE_ZERO);
    return rate - 1;
  }

  /** The place in a set that is empty, or was not used for longest. */
  #oldestOf(set: number, second: number): number {
    let oldest = set;
    let ageOfOldest = -1;
    for (let at = set; at < set + SET_WORDS; at += 2) {
      const age = word(this.#table, at) === 0 ? AGE_OF_EMPTY : ageOf(word(this.#table, at + 1), second);
      if (age <= ageOfOldest) continue;
      oldest = at;
      ageOfOldest = age;
    }
    return oldest;
  }
}

function classOf(reply: Reply): ResponseClass {
  switch (reply.rcode) {
    case Rcode.NoError:
      if (reply.answers > 0 || reply.isTruncated) return ResponseClass.Answer;
      return isReferral(reply) ? ResponseClass.Referral : ResponseClass.Denial;
    case Rcode.NXDomain:
      return ResponseClass.Denial;
    default:
      return ResponseClass.Error;
  }
}

/** Whether a NOERROR response without an answer names the servers of another zone. */
export function isReferral(reply: Reply): boolean {
  return reply.authorities > 0 && !reply.isAuthoritative;
}

/** Seconds since a balance was written; 0 where another thread's clock was ahead. */
function ageOf(state: number, second: number): number {
  const age = (second - (state >>> 16)) & 0xffff;
  return age >= AGE_MAX ? 0 : age;
}

/** A word whose first `length` bits are set; of a length beyond a word all are, of a negative one none. */
function maskOf(length: number): number {
  if (length <= 0) return 0;
  return length >= 32 ? 0xffffffff : -(2 ** (32 - length)) >>> 0;
}
