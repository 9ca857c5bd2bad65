/** Transaction signatures (RFC 8945): who a request comes from, and that a reply is the one to it. */

import { createHmac, timingSafeEqual } from "node:crypto";
import { fold, putU16, putU32, u16, u32 } from "./bytes.ts";
import { RRClass, RRType, TsigError } from "./codes.ts";
import { fixedRRLength } from "./format.ts";
import type { Message, MessageRR } from "./message.ts";
import { type Name, nameKey, readName } from "./name.ts";

/** The algorithms that are spoken, by their names; MD5 and SHA-1 are not (RFC 8945 §6 lets both be left out or go). */
const HASHES = { "hmac-sha256": "sha256", "hmac-sha384": "sha384", "hmac-sha512": "sha512" } as const;
export type TsigAlgorithm = keyof typeof HASHES;
export const tsigAlgorithms: readonly TsigAlgorithm[] = ["hmac-sha256", "hmac-sha384", "hmac-sha512"];

/** Octets of a MAC that is not truncated, and of the secret that goes with it (RFC 2104 §3). */
export const macOctets: Readonly<Record<TsigAlgorithm, number>> = {
  "hmac-sha256": 32,
  "hmac-sha384": 48,
  "hmac-sha512": 64,
};

/** A secret that is shared with somebody. */
export interface TsigKey {
  readonly name: Name;
  readonly algorithm: TsigAlgorithm;
  readonly secret: Uint8Array;
}

/** A TSIG RR in its parts (RFC 8945 §4.2). */
export interface Tsig {
  readonly keyName: Name;
  readonly algorithm: Name;
  readonly timeSigned: number;
  readonly fudgeSeconds: number;
  readonly mac: Uint8Array;
  readonly originalId: number;
  readonly error: number;
  readonly other: Uint8Array;
  /** Where in its message it begins. */
  readonly at: number;
}

/** How far the clocks may be apart for what we sign (RFC 8945 §10). */
const FUDGE_SECONDS = 300;
const NOTHING = new Uint8Array(0);

/** Whether a message is signed. A TSIG that is not the one last RR makes it malformed (RFC 8945 §5.1, §5.2). */
export type FoundTsig =
  | { readonly kind: "unsigned" }
  | { readonly kind: "malformed" }
  | { readonly kind: "signed"; readonly tsig: Tsig };

/** Finds the TSIG of a message. */
export function findTsig({ answers, authorities, additionals }: Message): FoundTsig {
  const rrs = [...answers, ...authorities, ...additionals];
  const found = rrs.filter(({ type }) => type === RRType.TSIG);
  const [rr] = found;
  if (rr === undefined) return { kind: "unsigned" };
  const tsig = found.length === 1 && rr === additionals.at(-1) ? readTsig(rr) : null;
  return tsig === null ? { kind: "malformed" } : { kind: "signed", tsig };
}

/**
 *     algorithm name | time signed:6 | fudge:2 | MAC size:2 | MAC | original ID:2 | error:2 | other length:2 | other
 */
function readTsig({ owner, rrClass, ttlSeconds, rdata, at }: MessageRR): Tsig | null {
  const algorithm = readName(rdata, 0, rdata.length);
  if (rrClass !== RRClass.ANY || ttlSeconds !== 0 || algorithm === null) return null;
  const fixed = algorithm.length;
  const macAt = fixed + 10;
  if (macAt > rdata.length) return null;
  const macEnd = macAt + u16(rdata, fixed + 8);
  if (macEnd + 6 > rdata.length) return null;
  if (macEnd + 6 + u16(rdata, macEnd + 4) !== rdata.length) return null;
  return {
    keyName: owner,
    algorithm,
    timeSigned: u16(rdata, fixed) * 2 ** 32 + u32(rdata, fixed + 2),
    fudgeSeconds: u16(rdata, fixed + 6),
    mac: rdata.slice(macAt, macEnd),
    originalId: u16(rdata, macEnd),
    error: u16(rdata, macEnd + 2),
    other: rdata.slice(macEnd + 6),
    at,
  };
}

/** What a check of a TSIG came to. `malformed` is answered with FORMERR, an error with NOTAUTH. */
export type Verification =
  | { readonly kind: "valid" }
  | { readonly kind: "malformed" }
  | { readonly kind: "error"; readonly error: TsigError };

/**
 * Checks the TSIG of a message, in the order of RFC 8945 §5.2: key, MAC, time, truncation. `key` is the one of its
 * name, null: there is none. `requestMac` is that of the request where the message is a reply.
 *
 * A truncated MAC that the RFC allows is told apart from a right one (BADTRUNC): nobody needs to save 16 octets.
 */
export function verifyTsig(
  octets: Uint8Array,
  tsig: Tsig,
  key: TsigKey | null,
  nowSeconds: number,
  requestMac: Uint8Array = NOTHING,
): Verification {
  if (key === null || nameKey(tsig.algorithm) !== nameKey(algorithmName(key.algorithm)))
    return { kind: "error", error: TsigError.BadKey };
  const whole = macOctets[key.algorithm];
  const { length } = tsig.mac;
  if (length > whole || length < Math.max(10, whole / 2)) return { kind: "malformed" };
  const digest = createHmac(HASHES[key.algorithm], key.secret)
    .update(prefixed(requestMac))
    .update(unsigned(octets, tsig))
    .update(variables(key, tsig))
    .digest();
  if (!timingSafeEqual(digest.subarray(0, length), tsig.mac))
    return { kind: "error", error: TsigError.BadSig };
  if (Math.abs(nowSeconds - tsig.timeSigned) > tsig.fudgeSeconds)
    return { kind: "error", error: TsigError.BadTime };
  return length < whole ? { kind: "error", error: TsigError.BadTrunc } : { kind: "valid" };
}

/** The message as it was before it was signed. */
export function unsigned(octets: Uint8Array, tsig: Tsig): Uint8Array {
  const message = octets.slice(0, tsig.at);
  putU16(message, 0, tsig.originalId);
  putU16(message, 10, u16(message, 10) - 1);
  return message;
}

/** How much longer a message gets when it is signed. */
export function tsigOctets({ name, algorithm }: Pick<TsigKey, "name" | "algorithm">): number {
  return name.length + fixedRRLength + algorithmName(algorithm).length + 10 + macOctets[algorithm] + 6;
}

/** Signs a request, or the messages of one reply one after the other (RFC 8945 §5.3, §5.3.1). */
export class TsigSigner {
  readonly #key: TsigKey;
  #priorMac: Uint8Array;
  #isFirst = true;

  /** `requestMac` is that of the request that is replied to; null: this is a request. */
  constructor(key: TsigKey, requestMac: Uint8Array | null) {
    this.#key = key;
    this.#priorMac = requestMac ?? NOTHING;
  }

  /** The MAC of the last message that was signed. */
  get mac(): Uint8Array {
    return this.#priorMac;
  }

  /** The message with its TSIG. */
  sign(message: Uint8Array, timeSigned: number, error = 0, other: Uint8Array = NOTHING): Uint8Array {
    const key = this.#key;
    const fields = { timeSigned, fudgeSeconds: FUDGE_SECONDS, error, other };
    const mac = createHmac(HASHES[key.algorithm], key.secret)
      .update(prefixed(this.#priorMac))
      .update(message)
      .update(this.#isFirst ? variables(key, fields) : timers(fields))
      .digest();
    this.#priorMac = mac;
    this.#isFirst = false;
    return append(message, key.name, algorithmName(key.algorithm), mac, fields);
  }
}

/**
 * The reply to a request whose TSIG was found wrong (RFC 8945 §5.2, §5.3.2): without a MAC where the key or the
 * signature was, else signed. BADTIME carries our time, and is signed at the requestor's so that it can be checked.
 */
export function signError(
  message: Uint8Array,
  tsig: Tsig,
  error: TsigError,
  key: TsigKey | null,
  nowSeconds: number,
): Uint8Array {
  const { keyName, algorithm, timeSigned } = tsig;
  if (key === null || error === TsigError.BadKey || error === TsigError.BadSig) {
    const fields = { timeSigned, fudgeSeconds: FUDGE_SECONDS, error, other: NOTHING };
    return append(message, keyName, algorithm, NOTHING, fields);
  }
  const signer = new TsigSigner(key, tsig.mac);
  return error === TsigError.BadTime
    ? signer.sign(message, timeSigned, error, time48(nowSeconds))
    : signer.sign(message, nowSeconds, error);
}

/** The fields that are signed besides the message. */
type Fields = Pick<Tsig, "timeSigned" | "fudgeSeconds" | "error" | "other">;

function append(
  message: Uint8Array,
  keyName: Name,
  algorithm: Name,
  mac: Uint8Array,
  { timeSigned, fudgeSeconds, error, other }: Fields,
): Uint8Array {
  const rdataLength = algorithm.length + 10 + mac.length + 6 + other.length;
  const fixed = new Uint8Array(fixedRRLength);
  putU16(fixed, 0, RRType.TSIG);
  putU16(fixed, 2, RRClass.ANY);
  putU16(fixed, 8, rdataLength);
  const signed = new Uint8Array(
    Buffer.concat([
      message,
      keyName,
      fixed,
      algorithm,
      time48(timeSigned),
      u16s(fudgeSeconds, mac.length),
      mac,
      u16s(u16(message, 0), error, other.length),
      other,
    ]),
  );
  putU16(signed, 10, u16(signed, 10) + 1);
  return signed;
}

/** What of a TSIG is signed (RFC 8945 §4.3.3), names in canonical form. */
function variables(key: TsigKey, fields: Fields): Uint8Array {
  return Buffer.concat([
    key.name.map(fold),
    u16s(RRClass.ANY, 0, 0),
    algorithmName(key.algorithm),
    timers(fields),
    u16s(fields.error, fields.other.length),
    fields.other,
  ]);
}

function timers({ timeSigned, fudgeSeconds }: Pick<Fields, "timeSigned" | "fudgeSeconds">): Uint8Array {
  return Buffer.concat([time48(timeSigned), u16s(fudgeSeconds)]);
}

/** A MAC as it begins the digest of the next message; nothing where there is none (RFC 8945 §4.3.1). */
function prefixed(mac: Uint8Array): Uint8Array {
  return mac.length === 0 ? NOTHING : Buffer.concat([u16s(mac.length), mac]);
}

function time48(seconds: number): Uint8Array {
  const octets = new Uint8Array(6);
  putU16(octets, 0, Math.floor(seconds / 2 ** 32));
  putU32(octets, 2, seconds % 2 ** 32);
  return octets;
}

function u16s(...values: readonly number[]): Uint8Array {
  const octets = new Uint8Array(2 * values.length);
  for (const [i, value] of values.entries()) putU16(octets, 2 * i, value);
  return octets;
}

/** One label, and the root's. */
function algorithmName(algorithm: TsigAlgorithm): Name {
  return Uint8Array.from([algorithm.length, ...Buffer.from(algorithm), 0]) as Name;
}
