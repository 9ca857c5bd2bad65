/** Every RRset of a book that is signed, steered ones included: what signatures can be made for before anybody asks. */

import type { Book } from "../book/book.ts";
import {
  bufferWords,
  CANONICAL_HEADER,
  NODE_WORDS,
  Node,
  NodeKind,
  PLAN_IN,
  PLAN_SERVFAIL,
  RRSET_WORDS,
  RRsetRecord,
  SERVICE_WORDS,
  ServiceRecord,
  slotAt,
  VipRecord,
  ZONE_WORDS,
  ZoneRecord,
} from "../book/layout.ts";
import { NO_VIP, Picks, pickAt } from "../book/pick.ts";
import { canonicalRdatas } from "../dnssec/canonical.ts";
import type { SignedSet } from "../dnssec/rrsig.ts";
import type { Signing } from "../dnssec/signer.ts";
import { putSuccessor, successorLengthMax } from "../dnssec/successor.ts";
import { copyBytes, putU16, u16, u32, word } from "../wire/bytes.ts";
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
  for (const node of nodesOf(book)) yield* setsOf(book, node, zones, set);
}

/**
 * The same for those alone that a patch of plans can bring: answers with several VIPs, which are of the plans in force. All
 * others are the same whatever the plans.
 */
export function* patchedSets(
  book: Book,
  zones: readonly (Signing | null)[],
  set: SignedSet,
): Generator<Signing> {
  for (const node of nodesOf(book)) {
    const signing = enter(book, node, zones, set);
    const record = serviceAt(book, node);
    if (signing === null || record === 0) continue;
    for (const _ of severalSets(book, record, set)) yield signing;
  }
}

/** Every node, those of a parent's side of a cut too. */
function* nodesOf(book: Book): Generator<number> {
  const { words, namesAt, namesMask } = book;
  for (let slot = 0; slot <= namesMask; slot += 1) {
    const node = word(words, namesAt + 2 * slot + 1);
    if (node === 0) continue;
    yield node;
    const above = word(words, node + Node.parentSide);
    if (above !== 0) yield above;
  }
}

/** Points `set` at the owner name of a node; null: nothing of it is signed. */
function enter(book: Book, node: number, zones: readonly (Signing | null)[], set: SignedSet): Signing | null {
  const { words, octets, octetsAt } = book;
  const number = word(words, node + Node.zone);
  // Behind a cut nothing of the zone is answered.
  if (word(words, node + Node.cut) !== 0) return null;
  set.names = octets;
  set.ownerAt = octetsAt + word(words, node + Node.name);
  set.ownerLength = word(words, node + Node.nameLength);
  set.apexLength = word(words, book.zonesAt + number * ZONE_WORDS + ZoneRecord.apexLength);
  // Nobody asks for the asterisk itself.
  return isWildcardName(octets, set.ownerAt) ? null : (zones[number] ?? null);
}

/** The record of the service that answers at a node; 0: there is none. */
function serviceAt(book: Book, node: number): number {
  const service = word(book.words, node + Node.service);
  const isCut = word(book.words, node + Node.kind) === NodeKind.Delegation;
  return service === 0 || isCut ? 0 : book.servicesAt + (service - 1) * SERVICE_WORDS;
}

function* setsOf(
  book: Book,
  node: number,
  zones: readonly (Signing | null)[],
  set: SignedSet,
): Generator<Signing> {
  const { words, octets, octetsAt } = book;
  const signing = enter(book, node, zones, set);
  if (signing === null) return;
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
  const zone = book.zonesAt + word(words, node + Node.zone) * ZONE_WORDS;
  const record = serviceAt(book, node);
  for (const _ of nsecs(book, node, zone, record, set)) yield signing;
  if (record === 0) return;
  for (const _ of steeredSets(book, record, set)) yield signing;
  for (const _ of severalSets(book, record, set)) yield signing;
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

/** The answers with one member: of every member that the service's plans can ever hold. */
function* steeredSets(book: Book, record: number, set: SignedSet): Generator<void> {
  const { words } = book;
  const reach = word(words, record + ServiceRecord.reach);
  const end = reach + 1 + 2 * word(words, reach);
  const [picks4, picks6] = [new Picks(), new Picks()];
  for (let at = reach + 1; at < end; at += 2) {
    pickOne(book, word(words, at), picks4);
    pickOne(book, word(words, at + 1), picks6);
    yield* picksSets(book, record, picks4, picks6, 1, set);
  }
}

/**
 * The answers with several members: of the plans in force alone, because with all that facts could make of them there are as
 * many as combinations. Where the families have different plans, HTTPS RRs with hints of both are not among them.
 */
function* severalSets(book: Book, record: number, set: SignedSet): Generator<void> {
  const { words } = book;
  if (word(words, record + ServiceRecord.rings) === 0) return;
  const seen = new Set<string>();
  const [picks4, picks6] = [new Picks(), new Picks()];
  for (let number = 0; number < word(words, record + ServiceRecord.classes); number += 1) {
    const [plan4, plan6] = [planInForce(book, record, number, 4), planInForce(book, record, number, 6)];
    const places = Math.max(placesIn(words, plan4), placesIn(words, plan6));
    for (let place = 0; place < places; place += 1) {
      pickPlace(book, record, plan4, 4, place, picks4);
      pickPlace(book, record, plan6, 6, place, picks6);
      if (picks4.count < 2 && picks6.count < 2) continue;
      const key = [picks4, picks6].map((picks) => vipsOf(picks).join(" ")).join();
      if (!seen.has(key)) yield* picksSets(book, record, picks4, picks6, 2, set);
      seen.add(key);
    }
  }
}

/** The HTTPS RR of what is answered together, and the A and AAAA RRs where these are `least` or more. */
function* picksSets(
  book: Book,
  record: number,
  picks4: Picks,
  picks6: Picks,
  least: number,
  set: SignedSet,
): Generator<void> {
  const { words } = book;
  const ttlSeconds = word(words, record + ServiceRecord.ttlSecondsMax);
  if (picks4.count >= least) {
    pointAtAddresses(set, book, RRType.A, ttlSeconds, picks4, 4);
    yield;
  }
  if (picks6.count >= least) {
    pointAtAddresses(set, book, RRType.AAAA, ttlSeconds, picks6, 16);
    yield;
  }
  if (word(words, record + ServiceRecord.https) === 0) return;
  const length = httpsLength(book, record, picks4, picks6);
  const rdata = new Uint8Array(2 + length);
  putHttps(book, record, picks4, picks6, viewOf(rdata), 2);
  pointAt(set, RRType.HTTPS, ttlSeconds, rdata, length);
  yield;
}

/** Offset of the plan in force. A patch that comes while it is read costs a signature that nobody needs, no more. */
function planInForce(book: Book, record: number, classNumber: number, family: 4 | 6): number {
  const { words } = book;
  const slot = slotAt(words, record, classNumber, family);
  const buckets = word(words, record + ServiceRecord.buckets);
  const buffer = bufferWords(capacityFor(book, record, family), buckets, 1);
  return slot + 1 + (word(words, slot) & 1) * buffer + PLAN_IN;
}

function capacityFor(book: Book, record: number, family: 4 | 6): number {
  return word(book.words, record + (family === 4 ? ServiceRecord.capacity4 : ServiceRecord.capacity6));
}

function placesIn(words: Uint32Array, plan: number): number {
  const places = word(words, plan);
  return places === PLAN_SERVFAIL ? 0 : places;
}

/** The VIPs that come together at a place of a plan, or at its last where it has fewer: so that one alone is paired with all of the other family. */
function pickPlace(
  book: Book,
  record: number,
  plan: number,
  family: 4 | 6,
  place: number,
  picks: Picks,
): void {
  const { words } = book;
  const last = placesIn(words, plan) - 1;
  picks.begin(NO_VIP);
  if (last < 0) return;
  const buckets = word(words, record + ServiceRecord.buckets);
  pickAt(words, plan, capacityFor(book, record, family), buckets, Math.min(place, last), picks);
  picks.locate(book.vipsAt);
  picks.sort();
}

/** The VIP whose number plus 1 is given; 0: none. */
function pickOne(book: Book, number: number, picks: Picks): void {
  picks.begin(number === 0 ? NO_VIP : number - 1);
  picks.locate(book.vipsAt);
}

function vipsOf({ first, beside, others }: Picks): readonly number[] {
  return first === NO_VIP ? [] : [first, ...beside.subarray(0, others)];
}

function pointAtAddresses(
  set: SignedSet,
  book: Book,
  type: number,
  ttlSeconds: number,
  picks: Picks,
  octets: number,
): void {
  const rdatas = vipsOf(picks).map((vip) => {
    const at = 4 * (vip + VipRecord.address);
    return book.octets.slice(at, at + octets);
  });
  set.type = type;
  set.ttlSeconds = ttlSeconds;
  set.rdatas = canonicalRdatas(type, rdatas);
  set.rdatasAt = 0;
  set.rdatasLength = set.rdatas.length;
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
