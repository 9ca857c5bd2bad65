/** What a signed zone adds to an answer: signatures, and proofs that there is nothing (RFC 4035 §3.1, RFC 9824). */

import type { Book } from "../book/book.ts";
import {
  CANONICAL_HEADER,
  Node,
  RRsetRecord,
  ServiceRecord,
  ZONE_WORDS,
  ZoneRecord,
} from "../book/layout.ts";
import { PICKS_MAX } from "../book/pick.ts";
import { signsType } from "../dnssec/key-duty.ts";
import { typeBitmap } from "../dnssec/nsec.ts";
import { SignedSet } from "../dnssec/rrsig.ts";
import { rrsigLength, Signer, type Signing, Written } from "../dnssec/signer.ts";
import { putSuccessor, successorLengthMax } from "../dnssec/successor.ts";
import { Counter, count } from "../telemetry/counters.ts";
import { copyBytes, u8, u16, u32, word } from "../wire/bytes.ts";
import { ExtendedError, Rcode, RRType } from "../wire/codes.ts";
import type { Query } from "../wire/query.ts";
import { FIXED_LENGTH, type Reply, Section } from "./reply.ts";
import { Transport } from "./transport.ts";

/** The bitmap of a name that does not exist: its signature and its NSEC are there, and NXNAME says it (RFC 9824 §3.1). */
const NOT_THERE: Uint8Array = typeBitmap([RRType.RRSIG, RRType.NSEC, RRType.NXNAME]);

/** What a thread signs with: memory and keys that all threads share. */
export interface SigningState {
  /** The memory of the `SignatureTable`. */
  readonly table: SharedArrayBuffer;
  /** By zone number of the book; null: the zone is not signed. */
  readonly zones: readonly (Signing | null)[];
}

/** Signs the answers of one thread. `begin` comes first for each query that wants signatures, `enter` for each zone. */
export class Signatures {
  readonly #signer: Signer;
  readonly #zones: SigningState["zones"];
  readonly #counters: Float64Array;
  readonly #set = new SignedSet();
  /** Addresses of one answer, each behind its length, in the order in which they are signed. */
  readonly #addresses = new Uint8Array(PICKS_MAX * (2 + 16));
  /** Of the zone that was entered. */
  #signing: Signing | null = null;
  #zone = 0;
  /** What is answered comes from a wildcard, so that its owner is not the name that stands in the book. */
  #isExpanded = false;
  #moment = 0;
  #isUdp = false;

  constructor({ table, zones }: SigningState, counters: Float64Array) {
    this.#signer = new Signer(table, this.#set);
    this.#zones = zones;
    this.#counters = counters;
  }

  begin(moment: number, transport: Transport): void {
    this.#moment = moment;
    this.#isUdp = transport === Transport.Udp;
  }

  /** Goes on in the zone whose record is at `zone`; false: it is not signed. */
  enter(book: Book, zone: number, isExpanded: boolean): boolean {
    this.#zone = zone;
    this.#isExpanded = isExpanded;
    this.#signing = this.#zones[(zone - book.zonesAt) / ZONE_WORDS] ?? null;
    return this.#signing !== null;
  }

  /** Signs an RRset of the book that was just added, whose owner is the last `ownerLength` octets of the current name. */
  addForRRset(book: Book, rrset: number, reply: Reply, section: Section, ownerLength: number): void {
    const canonical = word(book.words, rrset + RRsetRecord.canonical);
    const type = word(book.words, rrset + RRsetRecord.type);
    const ttlSeconds = u32(book.octets, book.octetsAt + canonical);
    this.#place(this.#isExpanded ? 0 : rrset, 0, 0);
    this.#addCanonical(book, canonical, type, ttlSeconds, reply, section, ownerLength);
  }

  /**
   * Signs the RRs that were added from `at` on, by the service at `service` of `node`; other names may have the same service.
   * They are signed with its longest TTL, whatever they are sent with (RFC 4034 §3.1.4), so that one signature serves all.
   */
  addForSteered(at: number, book: Book, node: number, service: number, reply: Reply): void {
    const ttlSeconds = word(book.words, book.servicesAt + service + ServiceRecord.ttlSecondsMax);
    this.#place(this.#isExpanded || reply.hasSeveral ? 0 : node, reply.vip, reply.vip6);
    this.#addLast(at, book, reply, Section.Answer, reply.ownerLength, ttlSeconds);
  }

  /** Signs the RR that was added at `at`, which no book holds. */
  addForMade(at: number, book: Book, reply: Reply): void {
    this.#place(0, 0, 0);
    this.#addLast(at, book, reply, Section.Answer, reply.ownerLength);
  }

  /** Signs the SOA of a negative answer: with the zone's TTL, whatever lower one it is sent with (RFC 4034 §3.1.4). */
  addForSoa(book: Book, reply: Reply): void {
    const { words } = book;
    const apexLength = word(words, this.#zone + ZoneRecord.apexLength);
    const sent = word(words, this.#zone + ZoneRecord.negativeTtl);
    const soa = word(words, this.#zone + ZoneRecord.soa);
    this.#place(this.#zone, 0, 0);
    this.#addCanonical(book, soa, RRType.SOA, sent, reply, Section.Authority, apexLength);
  }

  /**
   * Proves what types there are at the last `ownerLength` octets of the current name: those of `node`, less the one that a
   * service has none of (`steered` is 1 for A, 2 for AAAA, 3 for HTTPS); node 0: there is no such name.
   */
  addNsec(
    book: Book,
    node: number,
    steered: number,
    reply: Reply,
    section: Section,
    ownerLength: number,
  ): void {
    const at = this.#addBareNsec(book, node, steered, reply, section, ownerLength);
    this.#place(this.#isExpanded || node === 0 ? 0 : node, steered, 0);
    if (at !== 0) this.#addLast(at, book, reply, section, ownerLength);
  }

  /**
   * Answers a query for RRSIG or NSEC at a name that is there. The NSEC is what a NODATA would have proved; RRSIG gets the
   * one of that NSEC, because a name has a signature for each of its RRsets and nobody needs them all (RFC 8482 §4.1).
   */
  answerProof(book: Book, node: number, query: Query, reply: Reply): void {
    const nsec = this.#addBareNsec(book, node, 0, reply, Section.Answer, reply.ownerLength);
    if (nsec === 0 || (query.qtype === RRType.NSEC && !query.dnssecOk)) return;
    this.#place(this.#isExpanded ? 0 : node, 0, 0);
    this.#addLast(nsec, book, reply, Section.Answer, reply.ownerLength);
    if (query.qtype === RRType.RRSIG) reply.removeFirst(nsec);
  }

  /** Appends an NSEC; returns where it begins, 0 when there was no room. */
  #addBareNsec(
    book: Book,
    node: number,
    steered: number,
    reply: Reply,
    section: Section,
    ownerLength: number,
  ): number {
    let bitmap = NOT_THERE;
    let bitmapAt = 0;
    let bitmapLength = NOT_THERE.length;
    if (node !== 0) {
      bitmap = book.octets;
      bitmapAt = book.octetsAt + word(book.words, node + Node.types);
      for (let i = 0; i < steered; i += 1) bitmapAt += 2 + u16(bitmap, bitmapAt);
      bitmapLength = u16(bitmap, bitmapAt);
      bitmapAt += 2;
    }
    const apexLength = word(book.words, this.#zone + ZoneRecord.apexLength);
    const ttlSeconds = word(book.words, this.#zone + ZoneRecord.negativeTtl);
    const ownerAt = reply.ownerAt + reply.ownerLength - ownerLength;
    if (!reply.fits(FIXED_LENGTH + successorLengthMax(ownerLength) + bitmapLength)) return 0;
    const { packet, at } = reply;
    const next = at + FIXED_LENGTH;
    const nextLength = putSuccessor(packet, ownerAt, ownerLength, apexLength, packet, next);
    copyBytes(bitmap, bitmapAt, packet, next + nextLength, bitmapLength);
    reply.addRR(RRType.NSEC, ttlSeconds, nextLength + bitmapLength, section, ownerLength);
    return at;
  }

  /** Signs the RRs from `at` on, one RRset, whose RDATAs stand as they are signed: an NSEC's next name is folded. */
  #addLast(
    at: number,
    book: Book,
    reply: Reply,
    section: Section,
    ownerLength: number,
    signedTtlSeconds: number = u32(reply.packet, at + 6),
  ): void {
    const { packet } = reply;
    this.#point(book, reply, ownerLength);
    this.#set.type = u16(packet, at + 2);
    this.#set.ttlSeconds = signedTtlSeconds;
    this.#set.rdatas = packet;
    this.#set.rdatasAt = at + FIXED_LENGTH - 2;
    this.#set.rdatasLength = 2 + u16(packet, this.#set.rdatasAt);
    if (this.#set.rdatasAt + this.#set.rdatasLength < reply.at) this.#pointAtAddresses(at, reply);
    this.#add(reply, section, ownerLength, u32(packet, at + 6));
  }

  /** Points the set at the addresses from `at` on, in canonical order, whichever comes first for this client (RFC 4034 §6.3). */
  #pointAtAddresses(at: number, { packet, at: end }: Reply): void {
    const octets = u16(packet, at + FIXED_LENGTH - 2);
    const size = 2 + octets;
    const sorted = this.#addresses;
    let length = 0;
    for (let rdata = at + FIXED_LENGTH; rdata < end; rdata += FIXED_LENGTH + octets) {
      let to = length;
      for (; to > 0 && isBefore(packet, rdata, sorted, to - octets, octets); to -= size)
        sorted.copyWithin(to, to - size, to);
      copyBytes(packet, rdata - 2, sorted, to, size);
      length += size;
    }
    this.#set.rdatas = sorted;
    this.#set.rdatasAt = 0;
    this.#set.rdatasLength = length;
  }

  #addCanonical(
    book: Book,
    canonical: number,
    type: number,
    sentTtlSeconds: number,
    reply: Reply,
    section: Section,
    ownerLength: number,
  ): void {
    const at = book.octetsAt + canonical;
    this.#point(book, reply, ownerLength);
    this.#set.type = type;
    this.#set.ttlSeconds = u32(book.octets, at);
    this.#set.rdatas = book.octets;
    this.#set.rdatasAt = at + CANONICAL_HEADER;
    this.#set.rdatasLength = u32(book.octets, at + 4);
    this.#add(reply, section, ownerLength, sentTtlSeconds);
  }

  /** Says where the set stands in the book (see `SignedSet.place`). */
  #place(place: number, first: number, second: number): void {
    this.#set.place = place;
    this.#set.first = first;
    this.#set.second = second;
  }

  /** Points the set at its owner. */
  #point(book: Book, reply: Reply, ownerLength: number): void {
    this.#set.names = reply.packet;
    this.#set.ownerAt = reply.ownerAt + reply.ownerLength - ownerLength;
    this.#set.ownerLength = ownerLength;
    this.#set.apexLength = word(book.words, this.#zone + ZoneRecord.apexLength);
  }

  /** An RRSIG by each key that signs such RRsets. An RRSIG has the TTL of what it signs (RFC 4034 §3). */
  #add(reply: Reply, section: Section, ownerLength: number, ttlSeconds: number): void {
    const signing = this.#signing;
    if (signing === null || reply.isTruncated) return;
    const length = rrsigLength(this.#set.apexLength);
    if (signing.keys.length === 0) {
      reply.rcode = Rcode.ServFail;
      reply.extendedError = ExtendedError.NotReady;
    }
    for (let i = 0; i < signing.keys.length; i += 1) {
      const key = signing.keys[i];
      if (key === undefined || !signsType(key.duties, this.#set.type)) continue;
      if (!reply.fits(FIXED_LENGTH + length)) return;
      const written = this.#signer.write(reply.packet, reply.at + FIXED_LENGTH, signing, key, this.#moment);
      if (written === Written.Refused) this.#giveUp(reply);
      else reply.addRR(RRType.RRSIG, ttlSeconds, length, section, ownerLength);
      if (written === Written.Made) count(this.#counters, Counter.signedOnDemand);
    }
  }

  /** Too many fresh signatures this second: who comes back over TCP shows that its address is not forged. */
  #giveUp(reply: Reply): void {
    count(this.#counters, Counter.signingRefused);
    if (this.#isUdp) reply.isTruncated = true;
    else reply.rcode = Rcode.ServFail;
  }
}

/** Whether octets come before as many others in canonical order. */
function isBefore(a: Uint8Array, at: number, b: Uint8Array, from: number, octets: number): boolean {
  let i = 0;
  while (i < octets - 1 && u8(a, at + i) === u8(b, from + i)) i += 1;
  return u8(a, at + i) < u8(b, from + i);
}

/** Which of a service's type bitmaps leaves a qtype out that the service answers (see `Node.types`). */
export function steeredVariant(qtype: number): number {
  if (qtype === RRType.A) return 1;
  return qtype === RRType.AAAA ? 2 : 3;
}
