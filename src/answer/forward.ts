/** Requests that only control can answer: whether they are taken from where they come. */

import type { Book } from "../book/book.ts";
import { ADMISSION_WORDS, AdmissionRecord, Right } from "../book/layout.ts";
import { sameFolded, u8, word } from "../wire/bytes.ts";
import { Opcode, RRType } from "../wire/codes.ts";
import { headerLength } from "../wire/format.ts";
import type { Query } from "../wire/query.ts";
import type { Client } from "./client.ts";
import { Transport } from "./transport.ts";

/** In place of a response's length: control answers, and the packet is as it was. */
export const FORWARD = -1;

const EVERY_RIGHT = Right.Update | Right.Transfer;

/** Whether the UPDATE that was parsed comes from where one is taken; never over HTTPS, which is for queries (RFC 8484). */
export function takesUpdate(book: Book | null, query: Query, client: Client, transport: Transport): boolean {
  if (query.opcode !== Opcode.Update || book === null || transport === Transport.Https) return false;
  return isAdmitted(book, client, Right.Update);
}

/**
 * Whether control answers a query: a transfer, or one that is signed. AXFR is for streams alone (RFC 5936 §4.2). No key
 * is known from elsewhere, nor over HTTPS.
 */
export function takesQuery(book: Book, query: Query, client: Client, transport: Transport): boolean {
  if (transport === Transport.Https) return false;
  if (query.qtype === RRType.AXFR)
    return transport !== Transport.Udp && isAdmitted(book, client, Right.Transfer);
  return isAdmitted(book, client, query.qtype === RRType.IXFR ? Right.Transfer : EVERY_RIGHT);
}

/** The first label of a name whose TXT says why the name behind it is answered as it is, with its length. */
const EXPLAIN_LABEL = Uint8Array.from([8, ...Buffer.from("_explain")]);

/** Whether a query for TXT asks why, and from where one may; never over HTTPS, behind which anybody may be. */
export function asksWhy(book: Book, octets: Uint8Array, client: Client, transport: Transport): boolean {
  if (!sameFolded(EXPLAIN_LABEL, 0, octets, headerLength, EXPLAIN_LABEL.length)) return false;
  return transport !== Transport.Https && isAdmitted(book, client, Right.Explain);
}

/** Whether the client's address lies in a prefix that has one of these rights. */
function isAdmitted(book: Book, client: Client, rights: number): boolean {
  const { words, admissionsAt } = book;
  if (admissionsAt === 0) return false;
  const end = admissionsAt + 1 + ADMISSION_WORDS * word(words, admissionsAt);
  for (let at = admissionsAt + 1; at < end; at += ADMISSION_WORDS) {
    if ((word(words, at + AdmissionRecord.rights) & rights) !== 0 && isWithin(book, at, client)) return true;
  }
  return false;
}

function isWithin({ words, octets }: Book, at: number, client: Client): boolean {
  if (word(words, at + AdmissionRecord.family) !== client.family) return false;
  const length = word(words, at + AdmissionRecord.length);
  const address = (at + AdmissionRecord.address) * 4;
  const whole = length >> 3;
  for (let i = 0; i < whole; i += 1) if (u8(octets, address + i) !== u8(client.address, i)) return false;
  const rest = length & 7;
  if (rest === 0) return true;
  return ((u8(octets, address + whole) ^ u8(client.address, whole)) & (0xff << (8 - rest)) & 0xff) === 0;
}
