/** Answers for a service: client -> class -> plan -> pick -> RRs. */

import type { Book } from "../book/book.ts";
import { bufferWords, PLAN_IN, ServiceRecord, slotAt, VipRecord } from "../book/layout.ts";
import { bucketFor, drawFor, NO_VIP, type Picks, pickFrom, SERVFAIL, shuffle } from "../book/pick.ts";
import { leafClass, leafScope, lookupClass } from "../geo/trie.ts";
import { Counter, count, PICKS_AT, REGIONS_MAX } from "../telemetry/counters.ts";
import { copyOctets, int32, word } from "../wire/bytes.ts";
import { Rcode, RRType } from "../wire/codes.ts";
import { type Query, usesSubnet } from "../wire/query.ts";
import type { Client } from "./client.ts";
import { FIXED_LENGTH, type Reply } from "./reply.ts";

/** A plan can be patched while it is read; two patches in a row on one slot are rare, five are not seen. */
const READS_MAX = 5;
/** RDATA keys of the hints (RFC 9460 §7.3). */
const IPV4HINT = 4;
const IPV6HINT = 6;

/**
 * Appends what service number `service` answers; returns false for NODATA.
 *
 * One draw serves A, AAAA and the hints of HTTPS: it depends on the client's prefix, the qname and the second, so that
 * the questions a client asks at one moment get one member. What is sticky goes by its bucket instead, at any moment.
 */
export function steer(
  book: Book,
  service: number,
  query: Query,
  client: Client,
  moment: number,
  reply: Reply,
  counters: Float64Array,
): boolean {
  const record = book.servicesAt + service;
  count(counters, Counter.steered);
  const isBySubnet = usesSubnet(query);
  const address = isBySubnet ? query.subnetAddress : client.view;
  const isIpv6 = isBySubnet ? query.subnetFamily === 2 : client.family === 6;
  const trie = word(book.words, record + ServiceRecord.trie);
  let classNumber = 0;
  if (trie !== 0) {
    const leaf = lookupClass(book.words, trie, address, isIpv6);
    classNumber = leafClass(leaf);
    if (isBySubnet) reply.scope = leafScope(leaf);
  }
  const draw = drawFor(address, isIpv6, query.qnameHash, moment);
  const bucket = bucketFor(address, isIpv6, word(book.words, record + ServiceRecord.buckets));
  reply.hasSeveral = word(book.words, record + ServiceRecord.rings) !== 0;
  const { picks4, picks6 } = reply;
  switch (query.qtype) {
    case RRType.A:
      pick(book, record, classNumber, 4, draw, bucket, picks4);
      return addAddresses(book, picks4, draw, reply, counters);
    case RRType.AAAA:
      pick(book, record, classNumber, 6, draw, bucket, picks6);
      return addAddresses(book, picks6, draw, reply, counters);
    default:
      pick(book, record, classNumber, 4, draw, bucket, picks4);
      pick(book, record, classNumber, 6, draw, bucket, picks6);
      return addHttps(book, record, reply, counters);
  }
}

/** Leaves in `picks` the TTL, and the offsets of the VIPs that draw and bucket lead to in the plan in force. */
function pick(
  book: Book,
  record: number,
  classNumber: number,
  family: 4 | 6,
  draw: number,
  bucket: number,
  picks: Picks,
): void {
  const { words } = book;
  const buckets = word(words, record + ServiceRecord.buckets);
  const rings = word(words, record + ServiceRecord.rings);
  const capacity = word(words, record + (family === 4 ? ServiceRecord.capacity4 : ServiceRecord.capacity6));
  const slot = slotAt(words, record, classNumber, family);
  const buffer = bufferWords(capacity, buckets, rings);
  for (let reads = 0; reads < READS_MAX; reads += 1) {
    // Plain reads, because Atomics.load is a call of 12 ns: which buffer is read follows from what is read here, and
    // processors keep that order.
    const sequence = word(words, slot);
    const at = slot + 1 + (sequence & 1) * buffer;
    picks.ttlSeconds = word(words, at);
    pickFrom(words, at + PLAN_IN, draw, capacity, buckets, bucket, rings, picks);
    // A patch that came meanwhile has written the other buffer; the next one would write this one. Patches are
    // messages, microseconds apart: a thread that missed two was interrupted, and that orders its reads too.
    if (word(words, slot) === sequence) break;
  }
  picks.locate(book.vipsAt);
}

/** An A or AAAA RR for each VIP, the one that was drawn first, the others in an order of chance. */
function addAddresses(book: Book, picks: Picks, draw: number, reply: Reply, counters: Float64Array): boolean {
  const { first, others } = picks;
  if (first === NO_VIP) return false;
  if (first === SERVFAIL) return fail(reply);
  const octets = word(book.words, first + VipRecord.family) === 4 ? 4 : 16;
  if (!reply.fits((1 + others) * (FIXED_LENGTH + octets))) return true;
  addAddress(book, first, octets, picks.ttlSeconds, reply);
  if (others > 0) {
    shuffle(picks, draw);
    for (let i = 0; i < others; i += 1)
      addAddress(book, int32(picks.beside, i), octets, picks.ttlSeconds, reply);
  }
  reply.vip = first;
  reply.vip6 = 0;
  countPick(book, first, counters);
  return true;
}

function addAddress(book: Book, vip: number, octets: number, ttlSeconds: number, reply: Reply): void {
  const rdata = reply.addFixed(octets === 4 ? RRType.A : RRType.AAAA, ttlSeconds, octets);
  copyOctets(book.view, 4 * (vip + VipRecord.address), reply.view, rdata, octets);
}

/** An HTTPS RR whose hints are the addresses that A and AAAA would give this client now (RFC 9460 §7.3). */
function addHttps(book: Book, record: number, reply: Reply, counters: Float64Array): boolean {
  const { picks4, picks6 } = reply;
  const https = word(book.words, record + ServiceRecord.https);
  if (https === 0 || (picks4.first === NO_VIP && picks6.first === NO_VIP)) return false;
  if (picks4.first === SERVFAIL || picks6.first === SERVFAIL) return fail(reply);
  const length = httpsLength(book, record, picks4, picks6);
  if (!reply.fits(FIXED_LENGTH + length)) return true;
  // It has addresses of both families, so it lasts as long as the one that may change first.
  const rdata = reply.addFixed(RRType.HTTPS, Math.min(picks4.ttlSeconds, picks6.ttlSeconds), length);
  reply.vip = picks4.first;
  reply.vip6 = picks6.first;
  putHttps(book, record, picks4, picks6, reply.view, rdata);
  countPick(book, reply.vip === NO_VIP ? reply.vip6 : reply.vip, counters);
  return true;
}

/** Octets of the RDATA of a service's HTTPS RR with hints of these VIPs. */
export function httpsLength(book: Book, record: number, picks4: Picks, picks6: Picks): number {
  const fixed = word(book.words, record + ServiceRecord.httpsLength);
  return fixed + (picks4.count && 4 + 4 * picks4.count) + (picks6.count && 4 + 16 * picks6.count);
}

/** Writes that RDATA at `at`. A hint lists its addresses in no order that means anything: in one, so that it is signed once. */
export function putHttps(
  book: Book,
  record: number,
  picks4: Picks,
  picks6: Picks,
  target: DataView,
  at: number,
): void {
  const fixed = word(book.words, record + ServiceRecord.httpsLength);
  copyOctets(book.view, book.octetsAt + word(book.words, record + ServiceRecord.https), target, at, fixed);
  const end = putHint(book, picks4, IPV4HINT, 4, target, at + fixed);
  putHint(book, picks6, IPV6HINT, 16, target, end);
}

/** Returns where the next goes. */
function putHint(
  book: Book,
  picks: Picks,
  key: number,
  octets: number,
  target: DataView,
  at: number,
): number {
  const { count, beside, others } = picks;
  if (count === 0) return at;
  picks.sort();
  target.setInt32(at, (key << 16) | (octets * count));
  let to = at + 4;
  copyOctets(book.view, 4 * (picks.first + VipRecord.address), target, to, octets);
  for (let i = 0; i < others; i += 1) {
    to += octets;
    copyOctets(book.view, 4 * (int32(beside, i) + VipRecord.address), target, to, octets);
  }
  return to + octets;
}

function fail(reply: Reply): boolean {
  reply.rcode = Rcode.ServFail;
  return true;
}

function countPick(book: Book, vip: number, counters: Float64Array): void {
  count(counters, PICKS_AT + Math.min(word(book.words, vip + VipRecord.region), REGIONS_MAX - 1));
}
