/** Judges replies without making objects, so that millions can be: are they DNS messages, of a right size, to this query? */

import { u8, u16 } from "../../src/wire/bytes.ts";
import { PACKET_MAX } from "./fuzz.ts";

/** Octets that nobody may touch behind a reply over UDP. */
const FENCE = 64;

/** What is wrong with the reply to a query; null: nothing. A length of 0 is silence. */
export function faultOf(
  query: Uint8Array,
  queryLength: number,
  reply: Uint8Array,
  length: number,
  isUdp: boolean,
): string | null {
  const mustBeSilent = queryLength < 12 || (u8(query, 2) & 0x80) !== 0;
  if (mustBeSilent !== (length === 0)) return mustBeSilent ? "a reply to what is no query" : "silence";
  if (mustBeSilent) return null;
  if (length < 12 || (isUdp && length > PACKET_MAX)) return `${length} octets`;
  if (u16(reply, 0) !== u16(query, 0)) return "another id";
  // QR, the opcode, RD; Z is zero, and RA and AD are not ours to claim.
  if ((u8(reply, 2) & 0xf9) !== ((u8(query, 2) & 0x79) | 0x80)) return "QR, opcode or RD";
  if ((u8(reply, 3) & 0xe0) !== 0) return "RA, Z or AD";
  return (
    structureFault(reply, length) ??
    questionFault(query, reply, length) ??
    (isUdp ? sizeFault(query, queryLength, reply, length) : null)
  );
}

/** Whether the reply is a message from its first octet to its last. */
function structureFault(reply: Uint8Array, length: number): string | null {
  if (u16(reply, 4) > 1) return "more than one question";
  const end = skipSections(reply, length);
  return end === length ? null : `the RRs end at ${end} of ${length}`;
}

/** The offset after the last RR; -1 where there is a fault. */
function skipSections(packet: Uint8Array, length: number): number {
  let at = 12;
  if (u16(packet, 4) === 1) {
    at = skipName(packet, at, length) + 4;
    if (at < 16) return -1;
  }
  for (let left = u16(packet, 6) + u16(packet, 8) + u16(packet, 10); left > 0; left -= 1) {
    at = skipName(packet, at, length);
    if (at < 0 || at + 10 > length) return -1;
    at += 10 + u16(packet, at + 8);
    if (at > length) return -1;
  }
  return at;
}

/** The offset after a name whose pointers lead backwards and to a name; -1 where it is malformed. */
function skipName(packet: Uint8Array, from: number, length: number): number {
  let octets = 0;
  let after = -1;
  for (let at = from, lowest = from; ; ) {
    if (at >= length) return -1;
    const label = u8(packet, at);
    if (label >= 0xc0) {
      if (after < 0) after = at + 2;
      const to = u16(packet, at) & 0x3fff;
      if (to >= lowest || to < 12) return -1;
      at = to;
      lowest = to;
      continue;
    }
    octets += label + 1;
    if (label > 63 || octets > 255) return -1;
    at += label + 1;
    if (label === 0) return after < 0 ? at : after;
  }
}

/** Whether the question is the query's, octet by octet. Only what could not be read, or is no query, comes back without one. */
function questionFault(query: Uint8Array, reply: Uint8Array, length: number): string | null {
  const rcode = u8(reply, 3) & 15;
  const isQuery = (u8(query, 2) & 0x78) === 0;
  const isRead = isQuery && rcode !== 1 && rcode !== 4;
  if (u16(reply, 4) === 0) return isRead ? "no question" : null;
  const end = skipName(reply, 12, length) + 4;
  for (let i = 12; i < end; i += 1) if (u8(query, i) !== u8(reply, i)) return "another question";
  return null;
}

/** Whether the reply is no larger than the query allows (RFC 1035 §4.2.1, RFC 6891 §6.2.3). */
function sizeFault(query: Uint8Array, queryLength: number, reply: Uint8Array, length: number): string | null {
  if (length <= 512) return null;
  const size = ednsSize(query, queryLength);
  if (size === 0) return `${length} octets without EDNS`;
  return length > size
    ? `${length} octets for a client that takes ${size}; RCODE ${u8(reply, 3) & 15}`
    : null;
}

/** The payload size of the query's OPT, 0 without one. What gets more than 512 octets was well-formed. */
function ednsSize(query: Uint8Array, length: number): number {
  let at = skipName(query, 12, length) + 4;
  for (let left = u16(query, 10); left > 0 && at > 0 && at + 11 <= length; left -= 1) {
    // In a query an owner may end in any pointer: nobody follows it.
    while (u8(query, at) > 0 && u8(query, at) < 0xc0) at += u8(query, at) + 1;
    at += u8(query, at) === 0 ? 1 : 2;
    if (u16(query, at) === 41) return Math.max(512, u16(query, at + 2));
    at += 10 + u16(query, at + 8);
  }
  return 0;
}

/** Fills what lies behind a packet with an octet. */
export function poison(packet: Uint8Array, length: number, octet: number): void {
  packet.fill(octet, length, PACKET_MAX + FENCE);
}

/** Whether the octets behind the largest reply are as `poison` left them. */
export function isFenceWhole(packet: Uint8Array, octet: number): boolean {
  for (let at = PACKET_MAX; at < PACKET_MAX + FENCE; at += 1) if (packet[at] !== octet) return false;
  return true;
}
