/** Answers that lead to another name, and the one that says "ask for a type". */

import type { Book } from "../book/book.ts";
import { Node, RRsetRecord, ZoneRecord } from "../book/layout.ts";
import { copyBytes, u16, u32, word } from "../wire/bytes.ts";
import { Rcode, RRType } from "../wire/codes.ts";
import { nameLengthMax } from "../wire/name.ts";
import type { Query } from "../wire/query.ts";
import { FIXED_LENGTH, type Reply, Section } from "./reply.ts";
import type { Signatures } from "./signatures.ts";

/** How long "no ANY here" may be remembered; RFC 8482 §4.2 asks for more than a few minutes. */
const HINFO_TTL_SECONDS = 3600;
/** CPU "RFC8482", OS "". */
const HINFO_RDATA = Uint8Array.from([7, ...Buffer.from("RFC8482"), 0]);

/**
 * Appends the CNAME of the name being answered and moves `reply` to its target, which stands uncompressed in the
 * RDATA; false when it did not fit, or goes round.
 */
export function addCname(
  book: Book,
  rrset: number,
  zone: number,
  reply: Reply,
  signatures: Signatures | null,
): boolean {
  const at = reply.at;
  const block = word(book.words, rrset + RRsetRecord.block);
  const apexLength = word(book.words, zone + ZoneRecord.apexLength);
  if (!reply.addBlock(book, block, Section.Answer, reply.ownerLength, apexLength)) return false;
  const end = reply.at;
  signatures?.addForRRset(book, rrset, reply, Section.Answer, reply.ownerLength);
  return moveTo(reply, at + FIXED_LENGTH, end, 0, 0);
}

/**
 * Appends a DNAME, unless the answer has it already, and the CNAME made from it (RFC 6672 §3.1), and moves `reply` to
 * the CNAME's target. A signed DNAME proves that CNAME (RFC 6672 §5.3.1). False when the query is for that CNAME, the target would be too long (YXDOMAIN), there is no
 * room, or it goes round.
 */
export function addDname(
  book: Book,
  cut: number,
  rrset: number,
  zone: number,
  query: Query,
  reply: Reply,
  signatures: Signatures | null,
): boolean {
  const cutLength = word(book.words, cut + Node.nameLength);
  const block = word(book.words, rrset + RRsetRecord.block);
  const apexLength = word(book.words, zone + ZoneRecord.apexLength);
  let dnameAt = reply.links.dnameAt(cut);
  if (dnameAt === 0) {
    dnameAt = reply.at;
    if (!reply.addBlock(book, block, Section.Answer, cutLength, apexLength)) return false;
    signatures?.addForRRset(book, rrset, reply, Section.Answer, cutLength);
  }
  const { packet, ownerAt } = reply;
  const targetAt = dnameAt + FIXED_LENGTH;
  const targetLength = u16(packet, targetAt - 2);
  const prefixLength = reply.ownerLength - cutLength;
  const length = prefixLength + targetLength;
  if (length > nameLengthMax) {
    reply.rcode = Rcode.YXDomain;
    return false;
  }
  if (!reply.fits(FIXED_LENGTH + length)) return false;
  const rdata = reply.addFixed(RRType.CNAME, u32(packet, dnameAt + 6), length);
  copyBytes(packet, ownerAt, packet, rdata, prefixLength);
  copyBytes(packet, targetAt, packet, rdata + prefixLength, targetLength);
  return moveTo(reply, rdata, reply.at, cut, dnameAt) && query.qtype !== RRType.CNAME;
}

/** The answer to ANY at a name that exists: one small RR (RFC 8482 §4.2). */
export function addHinfo(reply: Reply): void {
  if (!reply.fits(FIXED_LENGTH + HINFO_RDATA.length)) return;
  const rdata = reply.addFixed(RRType.HINFO, HINFO_TTL_SECONDS, HINFO_RDATA.length);
  copyBytes(HINFO_RDATA, 0, reply.packet, rdata, HINFO_RDATA.length);
}

/** The RDATA from `nameAt` to `nameEnd` is a name: go on with it; false when the answer has led over it. */
function moveTo(reply: Reply, nameAt: number, nameEnd: number, dname: number, dnameAt: number): boolean {
  const { links, packet } = reply;
  links.add(reply.ownerAt, reply.ownerLength, dname, dnameAt);
  reply.ownerAt = nameAt;
  reply.ownerLength = nameEnd - nameAt;
  return !links.hasName(packet, nameAt, reply.ownerLength);
}
