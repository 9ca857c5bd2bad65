/** An RRset to be signed, its RRSIG, and the octets that the signature is of (RFC 4034 §3). */

import { copyBytes, copyFolded, putU16, putU32, u8, u16 } from "../wire/bytes.ts";
import { RRClass } from "../wire/codes.ts";
import { fixedRRLength } from "../wire/format.ts";
import { isWildcardName } from "../wire/name.ts";

/** Octets of an RRSIG's RDATA before the signer's name. */
export const RRSIG_FIXED = 18;

/** Points at an RRset where it stands, in a packet or a book; refilled for each. */
export class SignedSet {
  /** Holds the owner name, uncompressed and in any case. */
  names: Uint8Array = new Uint8Array(0);
  ownerAt = 0;
  ownerLength = 0;
  /** The zone's apex, which is the signer, is so many of the owner's last octets. */
  apexLength = 0;
  type = 0;
  /** The original TTL: validators reckon with it, so that the TTL that is sent may be lower (RFC 4034 §3.1.4). */
  ttlSeconds = 0;
  /** Holds the RDATAs as `canonicalRdatas` gives them. */
  rdatas: Uint8Array = new Uint8Array(0);
  rdatasAt = 0;
  rdatasLength = 0;
  /** Where it stands in the book: the offset of a record, and what else tells it apart from others there; 0: nowhere. */
  place = 0;
  first = 0;
  second = 0;
}

/** The labels of an owner name as an RRSIG counts them: neither the root's nor a leading asterisk (RFC 4034 §3.1.3). */
export function labelsOf(names: Uint8Array, at: number): number {
  let labels = 0;
  for (let label = at; u8(names, label) !== 0; label += u8(names, label) + 1) labels += 1;
  return isWildcardName(names, at) ? labels - 1 : labels;
}

/** Writes the RDATA of an RRSIG up to the signature, with the signer in lower case; returns where the signature goes. */
export function putRrsig(
  target: Uint8Array,
  at: number,
  set: SignedSet,
  algorithm: number,
  tag: number,
  inception: number,
  expiration: number,
): number {
  putU16(target, at, set.type);
  target[at + 2] = algorithm;
  target[at + 3] = labelsOf(set.names, set.ownerAt);
  putU32(target, at + 4, set.ttlSeconds);
  putU32(target, at + 8, expiration);
  putU32(target, at + 12, inception);
  putU16(target, at + 16, tag);
  const signerAt = set.ownerAt + set.ownerLength - set.apexLength;
  copyFolded(set.names, signerAt, target, at + RRSIG_FIXED, set.apexLength);
  return at + RRSIG_FIXED + set.apexLength;
}

/** What is signed: the RDATA of the RRSIG without its signature, then the RRs in canonical form (RFC 4034 §3.1.8.1). */
export function signedData(
  set: SignedSet,
  algorithm: number,
  tag: number,
  inception: number,
  expiration: number,
): Uint8Array {
  const { rdatas, rdatasAt, rdatasLength, ownerLength } = set;
  const end = rdatasAt + rdatasLength;
  let length = RRSIG_FIXED + set.apexLength;
  for (let at = rdatasAt; at < end; at += 2 + u16(rdatas, at))
    length += ownerLength + fixedRRLength + u16(rdatas, at);
  const data = new Uint8Array(length);
  let to = putRrsig(data, 0, set, algorithm, tag, inception, expiration);
  for (let at = rdatasAt; at < end; at += 2 + u16(rdatas, at)) {
    copyFolded(set.names, set.ownerAt, data, to, ownerLength);
    to += ownerLength;
    putU16(data, to, set.type);
    putU16(data, to + 2, RRClass.IN);
    putU32(data, to + 4, set.ttlSeconds);
    copyBytes(rdatas, at, data, to + 8, 2 + u16(rdatas, at));
    to += fixedRRLength + u16(rdatas, at);
  }
  return data;
}
