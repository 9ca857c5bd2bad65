/** Every RRset of a book that is signed, steered ones included: what signatures can be made for before anybody asks. */

import type { Book } from "../book/book.ts";
import {
  CANONICAL_HEADER,
  NODE_WORDS,
  Node,
  NodeKind,
  RRSET_WORDS,
  RRsetRecord,
  SERVICE_WORDS,
  ServiceRecord,
  VIP_WORDS,
  VipRecord,
  ZONE_WORDS,
  ZoneRecord,
} from "../book/layout.ts";
import { Picks } from "../book/pick.ts";
import type { SignedSet } from "../dnssec/rrsig.ts";
import type { Signing } from "../dnssec/signer.ts";
import { putSuccessor, successorLengthMax } from "../dnssec/successor.ts";
import { copyBytes, int32, putU16, u16, u32, word } from "../wire/bytes.ts";
import { RRType } from "../wire/codes.ts";
import { isWildcardName } from "../wire/name.ts";
import { viewOf } from "../wire/packet.ts";
import { httpsLength, putHttps } from "./steer.ts";

/**
 * Points `set` at one RRset after the other, and yields how it is signed. `zones` is by zone number; null: the zone is not
 * signed. Names that come from a wildcard or do not exist are not among them, nor an HTTPS RR with hints of two different
 * members, of which there are as many as pairs of members: these are signed when they are asked for.
 */
export function* signedSets(
  book: Book,
  zones: readonly (Signing | null)[],
  set: SignedSet,
): Generator<Signing> {
  const { words, namesAt, namesMask } = book;
  for (let slot = 0; slot <= namesMask; slot += 1) {
    const node = word(words, namesAt + 2 * slot + 1);
    if (node === 0) continue;
    yield* setsOf(book, node, zones, set);
    const above = word(words, node + Node.parentSide);
    if (above !== 0) yield* setsOf(book, above, zones, set);
  }
}

function* setsOf(
  book: Book,
  node: number,
  zones: readonly (Signing | null)[],
  set: SignedSet,
): Generator<Signing> {
  const { words, octets, octetsAt } = book;
  const number = word(words, node + Node.zone);
  const signing = zones[number] ?? null;
  // Behind a cut nothing of the zone is answered.
  if (signing === null || word(words, node + Node.cut) !== 0) return;
  const zone = book.zonesAt + number * ZONE_WORDS;
  set.names = octets;
  set.ownerAt = octetsAt + word(words, node + Node.name);
  set.ownerLength = word(words, node + Node.nameLength);
  set.apexLength = word(words, zone + ZoneRecord.apexLength);
  // Nobody asks for the asterisk itself.
  if (isWildcardName(octets, set.ownerAt)) return;
  const end = node + NODE_WORDS + word(words, node + Node.rrsetCount) * RRSET_WORDS;
  for (let at = node + NODE_WORDS; at < end; at += RRSET_WORDS) {
    const canonical = word(words, at + RRsetRecord.canonical);
    if (canonical === 0) continue;
    set.type = word(words, at + RRsetRecord.type);
    set.ttlSeconds = u32(octets, octetsAt + canonical);
    set.rdatas = octets;
    set.rdatasAt = octetsAt + canonical + CANONICAL_HEADER;
    set.rdatasLength = u32(octets, octetsAt + canonical + 4);
    yield signing;
  }
  const service = word(words, node + Node.service);
  const isCut = word(words, node + Node.kind) === NodeKind.Delegation;
  const record = service === 0 || isCut ? 0 : book.servicesAt + (service - 1) * SERVICE_WORDS;
  for (const _ of nsecs(book, node, zone, record, set)) yield signing;
  if (record === 0) return;
  for (const _ of steeredSets(book, record, set)) yield signing;
}

/** The NSEC with all types, and, at a service, one less for each that may have no answer now (see `Node.types`). */
function* nsecs(book: Book, node: number, zone: number, record: number, set: SignedSet): Generator<void> {
  const { words, octets, octetsAt } = book;
  const variants = [true];
  if (record !== 0) {
    for (const has of [ServiceRecord.capacity4, ServiceRecord.capacity6, ServiceRecord.https])
      variants.push(word(words, record + has) !== 0);
  }
  let bitmap = octetsAt + word(words, node + Node.types);
  for (const differs of variants) {
    const length = u16(octets, bitmap);
    if (!differs) {
      bitmap += 2 + length;
      continue;
    }
    const rdata = new Uint8Array(2 + successorLengthMax(set.ownerLength) + length);
    const next = putSuccessor(octets, set.ownerAt, set.ownerLength, set.apexLength, rdata, 2);
    copyBytes(octets, bitmap + 2, rdata, 2 + next, length);
    bitmap += 2 + length;
    pointAt(set, RRType.NSEC, word(words, zone + ZoneRecord.negativeTtl), rdata, next + length);
    yield;
  }
}

function* steeredSets(book: Book, record: number, set: SignedSet): Generator<void> {
  const { words } = book;
  const ttlSeconds = word(words, record + ServiceRecord.ttlSecondsMax);
  const reach = word(words, record + ServiceRecord.reach);
  const end = reach + 1 + 2 * word(words, reach);
  const [picks4, picks6] = [new Picks(), new Picks()];
  for (let at = reach + 1; at < end; at += 2) {
    pickOne(book, word(words, at), picks4);
    pickOne(book, word(words, at + 1), picks6);
    if (picks4.count > 0) {
      pointAtAddress(set, book, RRType.A, ttlSeconds, int32(picks4.vips, 0), 4);
      yield;
    }
    if (picks6.count > 0) {
      pointAtAddress(set, book, RRType.AAAA, ttlSeconds, int32(picks6.vips, 0), 16);
      yield;
    }
    if (word(words, record + ServiceRecord.https) === 0) continue;
    const length = httpsLength(book, record, picks4, picks6);
    const rdata = new Uint8Array(2 + length);
    putHttps(book, record, picks4, picks6, viewOf(rdata), 2);
    pointAt(set, RRType.HTTPS, ttlSeconds, rdata, length);
    yield;
  }
}

/** The VIP whose number plus 1 is given; 0: none. */
function pickOne(book: Book, number: number, picks: Picks): void {
  picks.count = number === 0 ? 0 : 1;
  picks.vips[0] = book.vipsAt + (number - 1) * VIP_WORDS;
}

function pointAtAddress(
  set: SignedSet,
  book: Book,
  type: number,
  ttlSeconds: number,
  vip: number,
  octets: number,
): void {
  const rdata = new Uint8Array(2 + octets);
  copyBytes(book.octets, 4 * (vip + VipRecord.address), rdata, 2, octets);
  pointAt(set, type, ttlSeconds, rdata, octets);
}

/** Points at one RDATA of `length` octets, before which `rdata` has room for its length. */
function pointAt(set: SignedSet, type: number, ttlSeconds: number, rdata: Uint8Array, length: number): void {
  putU16(rdata, 0, length);
  set.type = type;
  set.ttlSeconds = ttlSeconds;
  set.rdatas = rdata;
  set.rdatasAt = 0;
  set.rdatasLength = 2 + length;
}
