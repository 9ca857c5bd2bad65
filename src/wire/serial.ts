/** Serial numbers (RFC 1982), which go round: the serial of a zone. */

import { u32 } from "./bytes.ts";

/** Octets of an SOA's RDATA from its serial on (RFC 1035 §3.3.13), and with its two names at the least. */
const SERIAL_BEFORE_END = 20;
const SOA_OCTETS_MIN = 22;

/** Whether `a` comes after `b` (RFC 1982 §3.2). Of two that are half the circle apart neither does. */
export function isAfter(a: number, b: number): boolean {
  const ahead = (a - b) >>> 0;
  return ahead > 0 && ahead < 0x8000_0000;
}

/** The serial in the RDATA of an SOA, whose names are not compressed; null where they are too short for one. */
export function serialIn(rdata: Uint8Array): number | null {
  return rdata.length < SOA_OCTETS_MIN ? null : u32(rdata, rdata.length - SERIAL_BEFORE_END);
}
