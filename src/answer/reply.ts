/** A response on its way into the packet that held the query. */

import type { Book } from "../book/book.ts";
import { BLOCK_HEADER, FIX_APEX } from "../book/layout.ts";
import { Picks } from "../book/pick.ts";
import { copyOctets } from "../wire/bytes.ts";
import { type ExtendedError, Rcode, RRClass } from "../wire/codes.ts";
import { copiedBits, fixedRRLength, HeaderBits, headerLength } from "../wire/format.ts";
import type { Packet } from "../wire/packet.ts";
import type { Query } from "../wire/query.ts";
import { Links } from "./links.ts";

/** Offset of the qname in every message. */
const QNAME_AT = headerLength;

/** Octets of an RR with a compressed owner before its RDATA. */
export const FIXED_LENGTH: number = 2 + fixedRRLength;

/** Where RRs go. */
export const Section = { Answer: 0, Authority: 1, Additional: 2 } as const;
export type Section = (typeof Section)[keyof typeof Section];

/** Refilled for each query; RRs are appended behind the question, the OPT behind what is left of them, the header last. */
export class Reply {
  packet: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.packet.buffer);
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
  /** What the RCODE does not say (RFC 8914); null: nothing. */
  extendedError: ExtendedError | null = null;
  /** Word offset in the book of what the response stands for when responses are limited (`rate-limit.ts`); 0: none. */
  origin = 0;
  /** The VIP that a steered answer gives first: word offset in the book, -1 for none; of HTTPS for each family, 0 for other types. */
  vip = 0;
  vip6 = 0;
  /** Whether others may come with it, so that it does not tell the answer apart from all others. */
  hasSeveral = false;
  /** The VIPs of a steered answer by family: word offsets in the book. */
  readonly picks4: Picks = new Picks();
  readonly picks6: Picks = new Picks();
  /** Where the name stands that is being answered: the qname, later the target of a CNAME. */
  ownerAt = 0;
  ownerLength = 0;
  /** What led from the qname to there. */
  readonly links: Links = new Links();

  /** Starts the reply to a query whose question ends at `query.questionEnd`; the OPT will take `optLength` octets. */
  begin({ octets, view }: Packet, query: Query, sizeMax: number, optLength: number): void {
    this.packet = octets;
    this.view = view;
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
    const from = book.octetsAt + block;
    const length = book.view.getUint16(from + 2);
    const fixUps = book.view.getUint16(from + 4);
    if (!this.fits(length)) return false;
    copyOctets(book.view, from + BLOCK_HEADER + 2 * fixUps, this.view, this.at, length);
    const nameEnd = this.ownerAt + this.ownerLength;
    for (let i = 0; i < fixUps; i += 1) {
      const fixUp = book.view.getUint16(from + BLOCK_HEADER + 2 * i);
      const suffix = (fixUp & FIX_APEX) === 0 ? ownerLength : apexLength;
      this.view.setUint16(this.at + (fixUp & ~FIX_APEX), 0xc000 | (nameEnd - suffix));
    }
    this.at += length;
    this.count(section, book.view.getUint16(from));
    return true;
  }

  /** Appends a block of addresses that the client could do without, if there is room. */
  addBlockIfRoom(book: Book, block: number, ownerLength: number, apexLength: number): void {
    const length = book.view.getUint16(book.octetsAt + block + 2);
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
    const { view, at } = this;
    const pointer = 0xc000 | (this.ownerAt + this.ownerLength - ownerLength);
    view.setInt32(at, (pointer << 16) | type);
    view.setInt32(at + 4, (RRClass.IN << 16) | (ttlSeconds >>> 16));
    view.setInt32(at + 8, (ttlSeconds << 16) | rdataLength);
    this.at = at + FIXED_LENGTH + rdataLength;
    this.count(section, 1);
    return at + FIXED_LENGTH;
  }

  /** Takes the RR at `at` out of the answer section; those after it move up. They have no pointers into it. */
  removeFirst(at: number): void {
    const { packet, view } = this;
    const length = FIXED_LENGTH + view.getUint16(at + 10);
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
    const { view } = this;
    const flags =
      HeaderBits.QR |
      (query.flags & copiedBits) |
      (this.isAuthoritative ? HeaderBits.AA : 0) |
      (this.isTruncated ? HeaderBits.TC : 0);
    view.setUint16(2, flags | (this.rcode & 15));
    view.setInt32(4, ((query.questionEnd > headerLength ? 1 : 0) << 16) | this.answers);
    view.setInt32(8, (this.authorities << 16) | this.additionals);
    return this.at;
  }
}
