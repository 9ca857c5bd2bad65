/** How long a response may be kept by who does not read DNS, such as an HTTP cache. */

import { u8, u16, u32 } from "./bytes.ts";
import { Rcode, RRType } from "./codes.ts";
import { fixedRRLength, HeaderBits, headerLength } from "./format.ts";

/** The two high bits of a compression pointer (RFC 1035 §4.1.4). */
const POINTER = 0xc0;

/**
 * Seconds that the response in the first `length` octets may be kept (RFC 8484 §5.1): the smallest TTL of its answers;
 * without any, what the SOA says of a name or type that is not there (RFC 2308 §5). null: not at all.
 */
export function lifetimeSeconds(packet: Uint8Array, length: number): number | null {
  if (length < headerLength) return null;
  const flags = u16(packet, 2);
  const rcode = flags & HeaderBits.Rcode;
  const isTruncated = (flags & HeaderBits.TC) !== 0;
  if (isTruncated || (rcode !== Rcode.NoError && rcode !== Rcode.NXDomain)) return null;
  const answers = u16(packet, 6);
  const rrs = answers > 0 ? answers : u16(packet, 8);
  let at = headerLength;
  for (let i = u16(packet, 4); i > 0; i -= 1) at = nameEnd(packet, at, length) + 4;
  let least: number | null = null;
  for (let i = 0; i < rrs; i += 1) {
    const fixed = nameEnd(packet, at, length);
    if (fixed + fixedRRLength > length) return null;
    at = fixed + fixedRRLength + u16(packet, fixed + 8);
    if (at > length) return null;
    const ttl = u32(packet, fixed + 4);
    if (answers > 0) least = Math.min(least ?? ttl, ttl);
    else if (u16(packet, fixed) === RRType.SOA) least = Math.min(ttl, u32(packet, at - 4));
  }
  return least;
}

/** Where the name at `at` ends; past `length` when it does not. */
function nameEnd(packet: Uint8Array, at: number, length: number): number {
  for (let next = at; next < length; ) {
    const label = u8(packet, next);
    if (label === 0) return next + 1;
    if (label >= POINTER) return next + 2;
    next += label + 1;
  }
  return length + 1;
}
