/** Domain names: presentation form, uncompressed wire form, and what names are to each other. */

import { copyFolded, copyOf, sameFolded, u8 } from "./bytes.ts";

declare const brand: unique symbol;

/** A domain name in uncompressed wire form: case preserved, ends with the root label, never written to (RFC 1035 §3.1). */
export type Name = Uint8Array & { readonly [brand]: "Name" };

/** The longest name in wire form, with its root label (RFC 1035 §2.3.4). */
export const nameLengthMax: number = 255;

/** The longest label, without its length octet (RFC 1035 §2.3.4). */
export const labelLengthMax: number = 63;

/** A name read from text, or why the text is not one. */
export type ParsedName =
  | { readonly kind: "name"; readonly name: Name }
  | { readonly kind: "problem"; readonly message: string };

/** The root of the tree. */
export const rootName: Name = new Uint8Array(1) as Name;

/**
 * Reads a name in presentation form (RFC 1035 §5.1): labels with `\DDD` and `\X` escapes; a lone `@` is the
 * origin, and a name without a final dot is below it.
 *
 * With a null origin a relative name is a problem.
 */
export function parseName(text: string, origin: Name | null): ParsedName {
  if (text === "") return problem("an empty text is not a name");
  if (text === ".") return { kind: "name", name: rootName };
  if (text === "@") return origin === null ? relative(text) : { kind: "name", name: origin };
  const octets = parsedOctets;
  let label = 0;
  let at = 1;
  for (let i = 0; i < text.length; i += 1) {
    let octet = text.charCodeAt(i);
    if (octet === dot) {
      const length = at - label - 1;
      if (length === 0) return problem(`"${text}" has an empty label`);
      octets[label] = length;
      label = at;
      at += 1;
      continue;
    }
    if (octet === backslash) {
      const escaped = readEscape(text, i);
      if (escaped === null) return problem(`"${text}" has a bad escape; \\DDD (000 to 255) or \\X is one`);
      octet = escaped.octet;
      i += escaped.length - 1;
    } else if (octet < 0x21 || octet > 0x7e) {
      return problem(
        `"${text}" has a character that is not printable ASCII; write its A-label (xn--) or \\DDD`,
      );
    }
    if (at - label > labelLengthMax)
      return problem(`"${text}" has a label of more than ${labelLengthMax} octets`);
    // The last octet is the root label's.
    if (at >= nameLengthMax - 1) return tooLong(text);
    octets[at] = octet;
    at += 1;
  }
  octets[label] = at - label - 1;
  // A final dot left an empty label open: it is the root's.
  if (at - label === 1) return { kind: "name", name: octets.slice(0, at) as Name };
  if (origin === null) return relative(text);
  if (at + origin.length > nameLengthMax) return tooLong(text);
  octets.set(origin, at);
  return { kind: "name", name: octets.slice(0, at + origin.length) as Name };
}

/** The name in presentation form, absolute (with its final dot); octets that text could not carry are escaped. */
export function formatName(name: Name): string {
  if (name.length === 1) return ".";
  let text = "";
  for (let at = 0; u8(name, at) !== 0; at += u8(name, at) + 1) {
    for (let i = 1; i <= u8(name, at); i += 1) text += formatOctet(u8(name, at + i));
    text += ".";
  }
  return text;
}

/** A key for maps: the wire form folded to lower case (RFC 4343), one character for each octet. */
export function nameKey(name: Name): string {
  copyFolded(name, 0, keyOctets, 0, name.length);
  return keyOctets.toString("latin1", 0, name.length);
}

/** Whether the two are one name, whatever their case. */
export function sameName(a: Name, b: Name): boolean {
  return a.length === b.length && sameFolded(a, 0, b, 0, b.length);
}

/** Whether `name` is `apex` or below it. */
export function isWithin(name: Name, apex: Name): boolean {
  let at = 0;
  while (name.length - at > apex.length) at += u8(name, at) + 1;
  return name.length - at === apex.length && sameFolded(name, at, apex, 0, apex.length);
}

/** Whether the uncompressed name at `at` is a wildcard: its first label is one asterisk (RFC 4592 §2.1.1). */
export function isWildcardName(names: Uint8Array, at: number): boolean {
  return u8(names, at) === 1 && u8(names, at + 1) === asterisk;
}

/** How many labels the name has; the root label does not count. */
export function labelCount(name: Name): number {
  let count = 0;
  for (let at = 0; u8(name, at) !== 0; at += u8(name, at) + 1) count += 1;
  return count;
}

/** The name without its first label; null for the root. */
export function parentOf(name: Name): Name | null {
  return name.length === 1 ? null : (copyOf(name, u8(name, 0) + 1, name.length) as Name);
}

/** The uncompressed name that starts at `at` and ends before `end`; null where there is none. The octets are copied. */
export function readName(bytes: Uint8Array, at: number, end: number): Name | null {
  const length = uncompressedLength(bytes, at, end);
  return length === 0 ? null : (copyOf(bytes, at, at + length) as Name);
}

/**
 * Octets of the uncompressed name at `at`, with its root label; 0 where it runs past `end`, is longer than a name may
 * be, or has a label that is compressed or reserved (RFC 1035 §4.1.4).
 */
export function uncompressedLength(bytes: Uint8Array, at: number, end: number): number {
  const last = Math.min(end, at + nameLengthMax);
  for (let next = at; next < last; ) {
    const label = u8(bytes, next);
    if (label === 0) return next + 1 - at;
    if (label > labelLengthMax) return 0;
    next += label + 1;
  }
  return 0;
}

/** An escape of presentation form: what it stands for, and how many characters it takes. */
export interface Escape {
  readonly octet: number;
  readonly length: number;
}

/** Reads the escape whose backslash is at `at` (RFC 1035 §5.1); null where it is cut short or above 255. */
export function readEscape(text: string, at: number): Escape | null {
  const next = text.charCodeAt(at + 1);
  if (next >= 0x30 && next <= 0x39) {
    const digits = text.slice(at + 1, at + 4);
    if (!/^\d{3}$/.test(digits) || Number(digits) > 255) return null;
    return { octet: Number(digits), length: 4 };
  }
  return next >= 0x20 && next <= 0x7e ? { octet: next, length: 2 } : null;
}

const asterisk = 0x2a;
const dot = 0x2e;
const backslash = 0x5c;
/** Where names are put together; one for all calls, because an array of this size for each name halves the speed. */
const parsedOctets = new Uint8Array(nameLengthMax);
const keyOctets = Buffer.alloc(nameLengthMax);

/** Characters that mean something in a master file, and so are escaped inside a label. */
const special = new Set([...'".;\\()@$'].map((character) => character.charCodeAt(0)));

function formatOctet(octet: number): string {
  if (octet < 0x21 || octet > 0x7e) return `\\${String(octet).padStart(3, "0")}`;
  const character = String.fromCharCode(octet);
  return special.has(octet) ? `\\${character}` : character;
}

function problem(message: string): ParsedName {
  return { kind: "problem", message };
}

function relative(text: string): ParsedName {
  return problem(`"${text}" is relative and there is no origin; end it with a dot`);
}

function tooLong(text: string): ParsedName {
  return problem(`"${text}" is longer than ${nameLengthMax} octets`);
}
