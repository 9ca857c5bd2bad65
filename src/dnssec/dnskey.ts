/** DNSKEY, DS, CDNSKEY and CDS: how a zone's key is written in it and in its parent. */

import { createHash } from "node:crypto";
import { putU16, u8, u16 } from "../wire/bytes.ts";
import { type Name, nameKey } from "../wire/name.ts";
import type { Algorithm } from "./algorithm.ts";

/** A zone key that is also a secure entry point: one key does both (RFC 4034 §2.1.1). */
const CSK_FLAGS = 257;
/** The only one there is (RFC 4034 §2.1.2). */
const PROTOCOL = 3;
/** Digest type SHA-256 (RFC 4509), the one that RFC 8624 §3.3 makes a MUST for delegation. */
const DIGEST_SHA256 = 2;
/** Digest types that validators go by (RFC 4509, RFC 6605 §2), and their names in OpenSSL. SHA-1 is not for new DS (RFC 8624 §3.3). */
const DIGESTS: ReadonlyMap<number, string> = new Map([
  [DIGEST_SHA256, "sha256"],
  [4, "sha384"],
]);

/** RDATA of the DNSKEY of a combined signing key (RFC 4034 §2.1). */
export function dnskeyRdata(algorithm: Algorithm, publicKey: Uint8Array): Uint8Array {
  const rdata = new Uint8Array(4 + publicKey.length);
  putU16(rdata, 0, CSK_FLAGS);
  rdata[2] = PROTOCOL;
  rdata[3] = algorithm;
  rdata.set(publicKey, 4);
  return rdata;
}

/** The key tag of a DNSKEY's RDATA: a sum, so two keys may share one (RFC 4034 appendix B). */
export function keyTag(dnskey: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < dnskey.length; i += 1) sum += (i & 1) === 0 ? u8(dnskey, i) << 8 : u8(dnskey, i);
  return (sum + (sum >>> 16)) & 0xffff;
}

/** RDATA of the DS, and so of the CDS, of a DNSKEY at `apex`, with a SHA-256 digest (RFC 4034 §5.1.4). */
export function dsRdata(apex: Name, dnskey: Uint8Array): Uint8Array {
  const digest = digestOf("sha256", apex, dnskey);
  const rdata = new Uint8Array(4 + digest.length);
  putU16(rdata, 0, keyTag(dnskey));
  rdata[2] = u8(dnskey, 3);
  rdata[3] = DIGEST_SHA256;
  rdata.set(digest, 4);
  return rdata;
}

/** RDATA of the CDS, and of the CDNSKEY, that ask the parent to take every DS out (RFC 8078 §4). */
export const DELETE_CDS: Uint8Array = Uint8Array.of(0, 0, 0, 0, 0);
export const DELETE_CDNSKEY: Uint8Array = Uint8Array.of(0, 0, PROTOCOL, 0, 0);

/** Whether a DS of the parent's is of that DNSKEY at `apex`; of a key without RDATA (null) none is. */
export function isDsOf(ds: Uint8Array, apex: Name, dnskey: Uint8Array | null): boolean {
  if (dnskey === null || ds.length < 4) return false;
  const hash = DIGESTS.get(u8(ds, 3));
  if (hash === undefined || u16(ds, 0) !== keyTag(dnskey) || u8(ds, 2) !== u8(dnskey, 3)) return false;
  return digestOf(hash, apex, dnskey).equals(ds.subarray(4));
}

/** What a DS says of a DNSKEY: a hash of its owner in lower case and its RDATA (RFC 4034 §5.1.4). */
function digestOf(hash: string, apex: Name, dnskey: Uint8Array): Buffer {
  return createHash(hash).update(nameKey(apex), "latin1").update(dnskey).digest();
}

/** Why RDATA of a DNSKEY is not one that we sign with; null: it is. */
export function dnskeyProblem(dnskey: Uint8Array): string | null {
  if (u16(dnskey, 0) !== CSK_FLAGS) return `its flags are ${u16(dnskey, 0)}, expected ${CSK_FLAGS}`;
  return u8(dnskey, 2) === PROTOCOL ? null : `its protocol is ${u8(dnskey, 2)}, expected ${PROTOCOL}`;
}
