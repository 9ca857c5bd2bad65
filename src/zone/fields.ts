/** The fields that rdata are made of: each reads its words, writes its octets, and turns them back into text. */

import { formatAddress, parseIpv4, parseIpv6 } from "../wire/address.ts";
import { u8, u16, u32 } from "../wire/bytes.ts";
import { formatName, type Name, parseName, readName } from "../wire/name.ts";
import type { Word } from "./scan.ts";
import { decodeText, quoteText } from "./text.ts";
import { parseTtl, ttlExpected, ttlMax } from "./ttl.ts";

/** One field of an RR type. */
export interface Field {
  /** As messages and the type's syntax show it. */
  readonly name: string;
  /** Whether no word at all is right too. */
  readonly optional?: true;
  /** Appends the octets of the next words to `rdata`; false after it has refused a word. */
  readonly parse: (words: RdataWords, rdata: number[]) => boolean;
  /** Appends the text of the octets at `at`, and returns the offset after them; -1 where they are not this field. */
  readonly format: (rdata: Uint8Array, at: number, texts: string[]) => number;
}

/** The words of one RR's rdata, taken from left to right. Keeps the problem that ended the reading. */
export class RdataWords {
  readonly origin: Name | null;
  problem: { readonly word: Word; readonly message: string } | null = null;
  readonly #words: readonly Word[];
  #next: number;

  /** Starts after the word at `typeAt`, which names the RR type. */
  constructor(words: readonly Word[], typeAt: number, origin: Name | null) {
    this.#words = words;
    this.#next = typeAt + 1;
    this.origin = origin;
  }

  get left(): number {
    return this.#words.length - this.#next;
  }

  /** The next word as long as there is one, without taking it. */
  peek(): Word | undefined {
    return this.#words[this.#next];
  }

  /** Takes the next word, quoted or not; null after it has refused that there is none. */
  take(name: string): Word | null {
    const word = this.peek();
    if (word === undefined) {
      this.refuse(`${name} is missing`);
      return null;
    }
    this.#next += 1;
    return word;
  }

  /** Takes the text of the next word, which must not be in quotes; null after it has refused. */
  takePlain(name: string): string | null {
    const word = this.take(name);
    if (word === null) return null;
    if (!word.quoted) return word.text;
    this.refuse(`${name} is in quotes: write it without them`);
    return null;
  }

  /** Reports a problem with the word that was last taken, or with the type. Always false, so that a parser can return it. */
  refuse(message: string): false {
    const word = this.#words[this.#next - 1];
    if (word !== undefined) this.problem = { word, message };
    return false;
  }
}

/** An unsigned integer of 1, 2 or 4 octets. */
export function integer(name: string, octets: 1 | 2 | 4): Field {
  const max = 2 ** (8 * octets) - 1;
  return {
    name,
    parse(words, rdata) {
      const text = words.takePlain(name);
      if (text === null) return false;
      if (!/^\d{1,10}$/.test(text) || Number(text) > max) {
        return words.refuse(`"${text}" is not a ${name}: expected a number from 0 to ${max}`);
      }
      pushInteger(rdata, Number(text), octets);
      return true;
    },
    format(rdata, at, texts) {
      if (at + octets > rdata.length) return -1;
      const value = octets === 1 ? u8(rdata, at) : octets === 2 ? u16(rdata, at) : u32(rdata, at);
      texts.push(String(value));
      return at + octets;
    },
  };
}

/** A time in 4 octets, written as seconds or with units. */
export function seconds(name: string): Field {
  return {
    name,
    parse(words, rdata) {
      const text = words.takePlain(name);
      if (text === null) return false;
      const value = parseTtl(text);
      if (value === null) return words.refuse(`"${text}" is not a ${name}: ${ttlExpected}`);
      pushInteger(rdata, value, 4);
      return true;
    },
    format(rdata, at, texts) {
      if (at + 4 > rdata.length || u32(rdata, at) > ttlMax) return -1;
      texts.push(String(u32(rdata, at)));
      return at + 4;
    },
  };
}

/** A domain name, relative to the origin, uncompressed in the rdata. */
export function domainName(name: string): Field {
  return {
    name,
    parse(words, rdata) {
      const text = words.takePlain(name);
      if (text === null) return false;
      const parsed = parseName(text, words.origin);
      if (parsed.kind === "problem") return words.refuse(`${name}: ${parsed.message}`);
      pushOctets(rdata, parsed.name);
      return true;
    },
    format(rdata, at, texts) {
      const found = readName(rdata, at, rdata.length);
      if (found === null) return -1;
      texts.push(formatName(found));
      return at + found.length;
    },
  };
}

/** An IPv4 address. */
export const ipv4: Field = address("IPv4 address", 4, parseIpv4, "192.0.2.1");

/** An IPv6 address. */
export const ipv6: Field = address("IPv6 address", 16, parseIpv6, "2001:db8::1");

/** A character-string: up to 255 octets after their count (RFC 1035 §3.3). */
export function string(name: string): Field {
  return {
    name,
    parse: (words, rdata) => parseString(name, words, rdata),
    format: formatString,
  };
}

/** One or more character-strings, up to the end of the rdata. */
export function strings(name: string): Field {
  return {
    name: `${name} ...`,
    parse(words, rdata) {
      do if (!parseString(name, words, rdata)) return false;
      while (words.left > 0);
      return true;
    },
    format(rdata, at, texts) {
      let next = formatString(rdata, at, texts);
      while (next >= 0 && next < rdata.length) next = formatString(rdata, next, texts);
      return next;
    },
  };
}

/** All octets to the end of the rdata, from one string of any length. */
export function longString(name: string): Field {
  return {
    name,
    parse(words, rdata) {
      const octets = takeString(name, words);
      if (octets === null) return false;
      pushOctets(rdata, octets);
      return true;
    },
    format(rdata, at, texts) {
      texts.push(quoteText(rdata.slice(at)));
      return rdata.length;
    },
  };
}

/**
 * All octets to the end of the rdata, in hex, which may be split by blanks. Where `lengths` knows the octet before them
 * (an algorithm), there must be exactly so many.
 */
export function hex(name: string, lengths: ReadonlyMap<number, number> = new Map()): Field {
  return {
    name,
    parse(words, rdata) {
      const expected = lengths.get(rdata.at(-1) ?? 0);
      const text = takeRest(name, words);
      if (text === null) return false;
      if (!/^([0-9a-f]{2})+$/i.test(text)) {
        return words.refuse(`${name} is not hexadecimal: expected pairs of 0-9 and a-f`);
      }
      if (expected !== undefined && text.length !== 2 * expected) {
        return words.refuse(`${name} has ${text.length / 2} octets: its algorithm has ${expected}`);
      }
      pushOctets(rdata, Buffer.from(text, "hex"));
      return true;
    },
    format(rdata, at, texts) {
      const expected = lengths.get(u8(rdata, at - 1)) ?? rdata.length - at;
      if (at === rdata.length || rdata.length - at !== expected) return -1;
      texts.push(Buffer.from(rdata.slice(at)).toString("hex"));
      return rdata.length;
    },
  };
}

/** All octets to the end of the rdata, in base64, which may be split by blanks. */
export function base64(name: string): Field {
  return {
    name,
    parse(words, rdata) {
      const text = takeRest(name, words);
      if (text === null) return false;
      const octets = decodeBase64(text);
      if (octets === null) return words.refuse(`${name} is not base64 (RFC 4648 §4)`);
      pushOctets(rdata, octets);
      return true;
    },
    format(rdata, at, texts) {
      if (at === rdata.length) return -1;
      texts.push(Buffer.from(rdata.slice(at)).toString("base64"));
      return rdata.length;
    },
  };
}

/** Octets from base64 with its padding; null where the text is not base64, or empty. */
export function decodeBase64(text: string): Uint8Array | null {
  const octets = Buffer.from(text, "base64");
  // The decoder passes over what it does not know, so only what comes out the same went in right.
  return text !== "" && octets.toString("base64") === text ? octets : null;
}

/** Appends octets; `push(...octets)` would run out of stack on long rdata. */
export function pushOctets(rdata: number[], octets: Iterable<number>): void {
  for (const octet of octets) rdata.push(octet);
}

/** Appends an integer in network byte order. */
export function pushInteger(rdata: number[], value: number, octets: 1 | 2 | 4): void {
  for (let i = octets - 1; i >= 0; i -= 1) rdata.push((value >>> (8 * i)) & 0xff);
}

function address(
  name: string,
  length: 4 | 16,
  parse: (text: string) => Uint8Array | null,
  example: string,
): Field {
  return {
    name,
    parse(words, rdata) {
      const text = words.takePlain(name);
      if (text === null) return false;
      const bytes = parse(text);
      if (bytes === null) return words.refuse(`"${text}" is not an ${name}: expected one such as ${example}`);
      pushOctets(rdata, bytes);
      return true;
    },
    format(rdata, at, texts) {
      if (at + length > rdata.length) return -1;
      texts.push(formatAddress(rdata.slice(at, at + length)));
      return at + length;
    },
  };
}

function takeString(name: string, words: RdataWords): readonly number[] | null {
  const word = words.take(name);
  if (word === null) return null;
  const octets = decodeText(word.text);
  if (octets === null) words.refuse(`${name} has a bad escape (\\DDD or \\X is one), or is not UTF-8`);
  return octets;
}

function parseString(name: string, words: RdataWords, rdata: number[]): boolean {
  const octets = takeString(name, words);
  if (octets === null) return false;
  if (octets.length > 255) {
    return words.refuse(`${name} has ${octets.length} octets: split it into strings of at most 255`);
  }
  rdata.push(octets.length);
  pushOctets(rdata, octets);
  return true;
}

function formatString(rdata: Uint8Array, at: number, texts: string[]): number {
  if (at >= rdata.length) return -1;
  const end = at + 1 + u8(rdata, at);
  if (end > rdata.length) return -1;
  texts.push(quoteText(rdata.slice(at + 1, end)));
  return end;
}

/** All words that are left, without the blanks between them; null after it has refused. */
function takeRest(name: string, words: RdataWords): string | null {
  let text = words.takePlain(name);
  while (text !== null && words.left > 0) {
    const next = words.takePlain(name);
    text = next === null ? null : text + next;
  }
  return text;
}
