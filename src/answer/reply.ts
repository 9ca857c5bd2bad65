/** A response on its way into the packet that held the query. */

import type { Book } from "../book/book.ts";
import { BLOCK_HEADER, FIX_APEX } from "../book/layout.ts";
import { copyBytes, putU16, putU32, u16 } from "../wire/bytes.ts";
import { type ExtendedError, Rcode, RRClass } from "../wire/codes.ts";
import { fixedRRLength, HeaderBits, headerLength } from "../wire/format.ts";
import type { Query } from "../wire/query.ts";
import { SERVER_COOKIE_LENGTH } from "./cookie.ts";
import { Links } from "./links.ts";

/** Offset of the qname in every message. */
const QNAME_AT = headerLength;

/** Octets of an RR with a compressed owner before its RDATA. */
export const FIXED_LENGTH: number = 2 + fixedRRLength;

const { QR, Opcode: OPCODE, AA, TC, RD } = HeaderBits;

/** Where RRs go. */
export const Section = { Answer: 0, Authority: 1, Additional: 2 } as const;
export type Section = (typeof Section)[keyof typeof Section];

/** Refilled for each query; RRs are appended behind the question, the OPT behind what is left of them, the header last. */
export class Reply {
  packet: Uint8Array = new Uint8Array(0);
  /** The offset where the next RR goes. */
  at = 0;
  /** RRs must end here, so that the OPT still fits. */
  end = 0;
  /** Octets that the whole reply may have. */
  sizeMax = 0;
  rcode: number = Rcode.NoError;
  isAuthoritative = false;
  isTruncated = false;
  /** With NOTAUTH: octets of the TSIG that `bad-key.ts` has ready; 0: it does not fit. */
  tsigLength = 0;
  /** Control is to answer, so nothing has been written. */
  isForwarded = false;
  answers = 0;
  authorities = 0;
  additionals = 0;
  /** ECS scope prefix length: how much of the client's address the answer depends on. */
  scope = 0;
  /** Goes out behind the query's Client Cookie. */
  readonly serverCookie: Uint8Array = new Uint8Array(SERVER_COOKIE_LENGTH);
  /** What the RCODE does not say (RFC 8914); null: nothing. */
  extendedError: ExtendedError | null = null;
  /** Word offset in the book of what the response stands for when responses are limited (`rate-limit.ts`); 0: none. */
  origin = 0;
  /** The VIPs that a steered answer gives: word offsets in the book, -1 for none; of HTTPS for each family, 0 for other types. */
  vip = 0;
  vip6 = 0;
  /** Where the name stands that is being answered: the qname, later the target of a CNAME. */
  ownerAt = 0;
  ownerLength = 0;
  /** What led from the qname to there. */
  readonly links: Links = new Links();

  /** Starts the reply to a query whose question ends at `query.questionEnd`; the OPT will take `optLength` octets. */
  begin(packet: Uint8Array, query: Query, sizeMax: number, optLength: number): void {
    this.packet = packet;
    this.at = query.questionEnd;
    this.end = sizeMax - optLength;
    this.sizeMax = sizeMax;
    this.rcode = Rcode.NoError;
    this.isAuthoritative = false;
    this.isTruncated = false;
    this.isForwarded = false;
    this.answers = 0;
    this.authorities = 0;
    this.additionals = 0;
    this.scope = 0;
    this.origin = 0;
    this.extendedError = null;
    this.ownerAt = QNAME_AT;
    this.ownerLength = query.qnameLength;
    this.links.count = 0;
  }

  /** Whether `length` more octets fit; where they do not the reply is marked truncated (RFC 2181 §9). */
  fits(length: number): boolean {
    if (this.at + length <= this.end) return true;
    this.isTruncated = true;
    return false;
  }

  /**
   * Appends a block whose owner pointers mean the last `ownerLength` octets of the name being answered, and whose
   * apex is the last `apexLength` of them.
   */
  addBlock(book: Book, block: number, section: Section, ownerLength: number, apexLength: number): boolean {
    const { octets, octetsAt } = book;
    const from = octetsAt + block;
    const length = u16(octets, from + 2);
    const fixUps = u16(octets, from + 4);
    if (!this.fits(length)) return false;
    copyBytes(octets, from + BLOCK_HEADER + 2 * fixUps, this.packet, this.at, length);
    const nameEnd = this.ownerAt + this.ownerLength;
    for (let i = 0; i < fixUps; i += 1) {
      const fixUp = u16(octets, from + BLOCK_HEADER + 2 * i);
      const suffix = (fixUp & FIX_APEX) === 0 ? ownerLength : apexLength;
      putU16(this.packet, this.at + (fixUp & ~FIX_APEX), 0xc000 | (nameEnd - suffix));
    }
    this.at += length;
    this.count(section, u16(octets, from));
    return true;
  }

  /** Appends a block of addresses that the client could do without, if there is room. */
  addBlockIfRoom(book: Book, block: number, ownerLength: number, apexLength: number): void {
    const length = u16(book.octets, book.octetsAt + block + 2);
    if (this.at + length <= this.end) this.addBlock(book, block, Section.Additional, ownerLength, apexLength);
  }

  /** Writes an RR's owner pointer, type, class, TTL and RDATA length for the name being answered; returns where RDATA goes. */
  addFixed(type: number, ttlSeconds: number, rdataLength: number): number {
    return this.addRR(type, ttlSeconds, rdataLength, Section.Answer, this.ownerLength);
  }

  /** The same for any section, and an owner that is the last `ownerLength` octets of the name being answered. */
  addRR(
    type: number,
    ttlSeconds: number,
    rdataLength: number,
    section: Section,
    ownerLength: number,
  ): number {
    const { packet, at } = this;
    putU16(packet, at, 0xc000 | (this.ownerAt + this.ownerLength - ownerLength));
    putU16(packet, at + 2, type);
    putU16(packet, at + 4, RRClass.IN);
    putU32(packet, at + 6, ttlSeconds);
    putU16(packet, at + 10, rdataLength);
    this.at = at + FIXED_LENGTH + rdataLength;
    this.count(section, 1);
    return at + FIXED_LENGTH;
  }

  /** Takes the RR at `at` out of the answer section; those after it move up. They have no pointers into it. */
  removeFirst(at: number): void {
    const { packet } = this;
    const length = FIXED_LENGTH + u16(packet, at + 10);
    packet.copyWithin(at, at + length, this.at);
    this.at -= length;
    this.answers -= 1;
  }

  count(section: Section, rrs: number): void {
    if (section === Section.Answer) this.answers += rrs;
    else if (section === Section.Authority) this.authorities += rrs;
    else this.additionals += rrs;
  }

  /** Takes back the RRs of a reply that lacks one which did not fit (RFC 2181 §9). */
  dropRRs(query: Query): void {
    this.at = query.questionEnd;
    this.answers = 0;
    this.authorities = 0;
    this.additionals = 0;
  }

  /** Writes the header; returns the length of the response. */
  finish(query: Query): number {
    const { packet } = this;
    const flags =
      QR | (query.flags & (OPCODE | RD)) | (this.isAuthoritative ? AA : 0) | (this.isTruncated ? TC : 0);
    putU16(packet, 2, flags | (this.rcode & 15));
    putU16(packet, 4, query.questionEnd > headerLength ? 1 : 0);
    putU16(packet, 6, this.answers);
    putU16(packet, 8, this.authorities);
    putU16(packet, 10, this.additionals);
    return this.at;
  }
}
