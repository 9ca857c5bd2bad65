/** How a plan gives one VIP to one client: the same for the answer and for who explains it. */

import type { ScopeBits } from "../geo/trie.ts";
import { word } from "../wire/bytes.ts";
import { mix } from "../wire/mix.ts";
import { PLAN_SERVFAIL, tableIn } from "./layout.ts";

/** How a pick ended when there is no VIP. */
export const NO_VIP = -1;
export const SERVFAIL = -2;

/** The bits of a client's address that picks depend on, beyond what its class does. */
export const PREFIX_BITS: ScopeBits = { ipv4: 24, ipv6: 56 };
/** Leaves the first 24 of 32 bits: of an IPv4 address its /24, of the second word of an IPv6 address what is of its /56. */
export const PREFIX_MASK: number = ~0xff;

/**
 * 32 evenly spread bits of which prefix asks for what, and when: the /24 or /56 of the address, or of the subnet that
 * stands for it, in 4 or 16 octets; the hash of the qname; the second. More of the address is not looked at: a
 * resolver that sends a longer prefix than others gets the same, and samples of traffic need no more to draw again.
 */
export function drawFor(address: DataView, isIpv6: boolean, qnameHash: number, moment: number): number {
  const hash = mix(qnameHash ^ moment);
  const high = address.getInt32(0);
  if (!isIpv6) return mix(hash ^ (high & PREFIX_MASK));
  return mix(mix(hash ^ high) ^ (address.getInt32(4) & PREFIX_MASK));
}

/** The bucket of a service with none. */
const NO_BUCKET = -1;

/** The bucket of a client, by its /24 or /56 alone: the same at any time, and for all services that have as many. */
export function bucketFor(address: DataView, isIpv6: boolean, buckets: number): number {
  if (buckets === 0) return NO_BUCKET;
  const high = address.getInt32(0);
  const hash = isIpv6 ? mix(mix(high) ^ (address.getInt32(4) & PREFIX_MASK)) : mix(high & PREFIX_MASK);
  return (hash >>> 0) % buckets;
}

/**
 * Number of the VIP in the buffer of a plan at `plan` that a draw hits, or that has the bucket where it hits none, or
 * NO_VIP, or SERVFAIL.
 */
export function pickFrom(
  words: Uint32Array,
  plan: number,
  draw: number,
  capacity: number,
  bucket: number,
): number {
  const shares = word(words, plan);
  if (shares === PLAN_SERVFAIL) return SERVFAIL;
  for (let at = plan + 1; at <= plan + 2 * shares; at += 2) {
    if (draw >>> 0 <= word(words, at + 1)) return word(words, at);
  }
  if (bucket === NO_BUCKET) return NO_VIP;
  const two = word(words, plan + tableIn(capacity) + (bucket >>> 1));
  const place = (bucket & 1) === 0 ? two & 0xffff : two >>> 16;
  return place === 0 ? NO_VIP : word(words, plan + 2 * place - 1);
}
