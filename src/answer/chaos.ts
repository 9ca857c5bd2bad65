/** What a node tells of itself, in class CH (RFC 4892). */

import { copyBytes, putU16, sameFolded } from "../wire/bytes.ts";
import { ExtendedError, Rcode, RRClass, RRType } from "../wire/codes.ts";
import { headerLength } from "../wire/format.ts";
import type { Query } from "../wire/query.ts";
import type { Client } from "./client.ts";
import type { ChaosOptions } from "./options.ts";
import { isAmong } from "./prefixes.ts";
import { FIXED_LENGTH, type Reply } from "./reply.ts";

/** Who answers: the standard name (RFC 4892 §3.1), and the one that BIND made a habit. */
const ID_NAMES: readonly Uint8Array[] = [nameOf("id", "server"), nameOf("hostname", "bind")];
/** With which software. */
const VERSION_NAMES: readonly Uint8Array[] = [nameOf("version", "server"), nameOf("version", "bind")];
/** From which book. */
const BOOK_NAMES: readonly Uint8Array[] = [nameOf("book", "meridian")];

/** Longest decimal of a book's version, which is below 2^53. */
const DIGITS_MAX = 16;

/** Answers a query of class CH; what the operator has not allowed is refused. `bookVersion` 0: there is no book. */
export function answerChaos(
  query: Query,
  reply: Reply,
  client: Client,
  options: ChaosOptions,
  bookVersion: number,
): void {
  const isId = asksFor(ID_NAMES, query, reply);
  const isVersion = asksFor(VERSION_NAMES, query, reply);
  const isBook = asksFor(BOOK_NAMES, query, reply);
  if (query.qtype === RRType.TXT && isId && options.id !== null) addText(reply, options.id);
  else if (query.qtype === RRType.TXT && isVersion && options.version !== null)
    addText(reply, options.version);
  else if (query.qtype === RRType.TXT && isBook && isAmong(options.bookFor, client)) {
    addNumber(reply, bookVersion);
  } else {
    reply.rcode = Rcode.Refused;
    const isKnown = isId || isVersion || isBook;
    reply.extendedError = isKnown ? ExtendedError.Prohibited : ExtendedError.NotAuthoritative;
  }
}

function nameOf(...labels: readonly string[]): Uint8Array {
  return Uint8Array.from([...labels.flatMap((label) => [label.length, ...Buffer.from(label)]), 0]);
}

function asksFor(names: readonly Uint8Array[], query: Query, reply: Reply): boolean {
  for (let i = 0; i < names.length; i += 1) {
    const name = names[i];
    if (name !== undefined && isQname(name, query, reply.packet)) return true;
  }
  return false;
}

function isQname(name: Uint8Array, query: Query, packet: Uint8Array): boolean {
  return name.length === query.qnameLength && sameFolded(name, 0, packet, headerLength, name.length);
}

/** A TXT of one string, not to be remembered (RFC 4892 §3.1 leaves the TTL open). */
function addText(reply: Reply, text: Uint8Array): void {
  const at = addTxt(reply, text.length);
  if (at !== 0) copyBytes(text, 0, reply.packet, at, text.length);
}

function addNumber(reply: Reply, value: number): void {
  let digits = 1;
  for (let rest = value; rest >= 10 && digits < DIGITS_MAX; rest = Math.trunc(rest / 10)) digits += 1;
  const at = addTxt(reply, digits);
  if (at === 0) return;
  let rest = value;
  for (let i = digits - 1; i >= 0; i -= 1) {
    reply.packet[at + i] = 0x30 + (rest % 10);
    rest = Math.trunc(rest / 10);
  }
}

/** Where the `length` octets of the string go; 0: it does not fit. */
function addTxt(reply: Reply, length: number): number {
  if (!reply.fits(FIXED_LENGTH + 1 + length)) return 0;
  reply.isAuthoritative = true;
  const rdata = reply.addFixed(RRType.TXT, 0, 1 + length);
  putU16(reply.packet, rdata - FIXED_LENGTH + 4, RRClass.CH);
  reply.packet[rdata] = length;
  return rdata + 1;
}
