/** IPv4 and IPv6 addresses and prefixes: text to octets and back. */

import assert from "node:assert/strict";
import { copyOf, u8, u16 } from "./bytes.ts";

/** An address in the family it is used as: an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) is its IPv4 address. */
export interface IpAddress {
  readonly family: 4 | 6;
  /** 4 or 16 octets; never written to. */
  readonly bytes: Uint8Array;
  /** Canonical (RFC 5952), so that equal addresses have equal texts. */
  readonly text: string;
}

/** The addresses that share their first `length` bits. */
export interface Prefix {
  /** The lowest of them: all host bits are zero. */
  readonly address: IpAddress;
  /** 0 to 32 for IPv4, 0 to 128 for IPv6. */
  readonly length: number;
  /** Canonical, always with its length: `192.0.2.0/24`. */
  readonly text: string;
}

/** An address from its text; null where it is not one. Zone identifiers (`%eth0`) and octal parts are refused. */
export function parseAddress(text: string): IpAddress | null {
  const bytes = parseIpv4(text) ?? parseIpv6(text);
  return bytes === null ? null : addressOf(bytes);
}

/** An address from its 4 or 16 octets, which are copied. */
export function addressOf(bytes: Uint8Array): IpAddress {
  assert(bytes.length === 4 || bytes.length === 16, `an address has 4 or 16 octets, not ${bytes.length}`);
  const own = copyOf(bytes, isMapped(bytes) ? 12 : 0, bytes.length);
  return { family: own.length === 4 ? 4 : 6, bytes: own, text: formatAddress(own) };
}

/** A prefix such as `192.0.2.0/24`; a bare address is a whole one. Null where host bits are set. */
export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf("/");
  const addressText = slash < 0 ? text : text.slice(0, slash);
  const bytes = parseIpv4(addressText) ?? parseIpv6(addressText);
  if (bytes === null) return null;
  const bits = bytes.length * 8;
  const lengthText = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(lengthText)) return null;
  const length = Number(lengthText);
  if (length > bits || hasHostBits(bytes, length)) return null;
  const address = addressOf(bytes);
  const ownLength = length - (bits - address.bytes.length * 8);
  return { address, length: ownLength, text: `${address.text}/${ownLength}` };
}

/** Whether a prefix holds an address. */
export function isInPrefix(address: IpAddress, prefix: Prefix): boolean {
  if (address.family !== prefix.address.family) return false;
  for (let bit = 0; bit < prefix.length; bit += 8) {
    const mask = 0xff00 >> Math.min(8, prefix.length - bit);
    const differs = u8(address.bytes, bit >> 3) ^ u8(prefix.address.bytes, bit >> 3);
    if ((differs & mask & 0xff) !== 0) return false;
  }
  return true;
}

const number = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const dottedQuad = new RegExp(`^${number}(\\.${number}){3}$`);
const dot = 0x2e;

/** The 4 octets of a dotted quad; null where it is not one. A leading zero is refused: some read it as octal. */
export function parseIpv4(text: string): Uint8Array | null {
  if (!dottedQuad.test(text)) return null;
  const bytes = new Uint8Array(4);
  let octet = 0;
  let at = 0;
  // Digit by digit: a zone has a million of these, and to split them into texts takes five times as long.
  for (let i = 0; i < text.length; i += 1) {
    const character = text.charCodeAt(i);
    if (character === dot) {
      at += 1;
      octet = 0;
    } else octet = 10 * octet + character - 0x30;
    bytes[at] = octet;
  }
  return bytes;
}

/** The 16 octets of an IPv6 address (RFC 4291 §2.2), IPv4-mapped or not; null where it is not one. */
export function parseIpv6(text: string): Uint8Array | null {
  const gap = text.indexOf("::");
  const head = parseGroups(gap < 0 ? text : text.slice(0, gap), gap < 0);
  const tail = gap < 0 ? [] : parseGroups(text.slice(gap + 2), true);
  if (head === null || tail === null) return null;
  // "::" stands for at least one group of zeros.
  const given = head.length + tail.length;
  if (gap < 0 ? given !== 16 : given > 14) return null;
  const bytes = new Uint8Array(16);
  bytes.set(head, 0);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** The text of 4 or 16 octets in the form of RFC 5952; IPv4-mapped ones with their dotted quad (§5). */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
  const groups = Array.from({ length: 8 }, (_, i) => u16(bytes, 2 * i).toString(16));
  const zeros = longestZeros(groups);
  if (zeros.length < 2) return groups.join(":");
  const head = groups.slice(0, zeros.start).join(":");
  const tail = groups.slice(zeros.start + zeros.length).join(":");
  return `${head}::${tail}`;
}

function isMapped(bytes: Uint8Array): boolean {
  if (bytes.length !== 16) return false;
  for (let i = 0; i < 10; i += 1) if (u8(bytes, i) !== 0) return false;
  return u16(bytes, 10) === 0xffff;
}

function hasHostBits(bytes: Uint8Array, length: number): boolean {
  const whole = length >> 3;
  if (whole === bytes.length) return false;
  if ((u8(bytes, whole) & (0xff >> (length & 7))) !== 0) return true;
  for (let i = whole + 1; i < bytes.length; i += 1) if (u8(bytes, i) !== 0) return true;
  return false;
}

/** The octets of colon-separated groups; a dotted quad may stand for the last two where the text ends the address. */
function parseGroups(text: string, endsAddress: boolean): readonly number[] | null {
  if (text === "") return [];
  const octets: number[] = [];
  const groups = text.split(":");
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      octets.push(value >> 8, value & 0xff);
      continue;
    }
    const quad = endsAddress && i === groups.length - 1 ? parseIpv4(group) : null;
    if (quad === null) return null;
    octets.push(...quad);
  }
  return octets;
}

/** The longest run of zero groups, the first of equals (RFC 5952 §4.2.3). */
function longestZeros(groups: readonly string[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [i, group] of groups.entries()) {
    length = group === "0" ? length + 1 : 0;
    if (length > best.length) best = { start: i - length + 1, length };
  }
  return best;
}
