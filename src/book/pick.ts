/** How a plan gives one VIP to one client: the same for the answer and for who explains it. */

import { word } from "../wire/bytes.ts";
import { mix } from "../wire/mix.ts";
import { PLAN_SERVFAIL } from "./layout.ts";

/** How a pick ended when there is no VIP. */
export const NO_VIP = -1;
export const SERVFAIL = -2;

/**
 * 32 evenly spread bits of who asks for what, and when: the address, or the subnet that stands for it, in 4 or 16
 * octets; the hash of the qname; the second.
 */
export function drawFor(address: DataView, isIpv6: boolean, qnameHash: number, moment: number): number {
  let hash = mix(qnameHash ^ moment);
  hash = mix(hash ^ address.getInt32(0));
  if (isIpv6) {
    hash = mix(hash ^ address.getInt32(4));
    hash = mix(hash ^ address.getInt32(8));
    hash = mix(hash ^ address.getInt32(12));
  }
  return hash;
}

/** Number of the VIP that a draw hits in the buffer of a plan at `plan`, or NO_VIP, or SERVFAIL. */
export function pickFrom(words: Uint32Array, plan: number, draw: number): number {
  const shares = word(words, plan);
  if (shares === PLAN_SERVFAIL) return SERVFAIL;
  for (let at = plan + 1; at <= plan + 2 * shares; at += 2) {
    if (draw >>> 0 <= word(words, at + 1)) return word(words, at);
  }
  return NO_VIP;
}
