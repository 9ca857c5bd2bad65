/** Answers for a service: client -> class -> plan -> pick -> RRs. */

import type { Book } from "../book/book.ts";
import { bufferWords, ServiceRecord, slotWords, VIP_WORDS, VipRecord } from "../book/layout.ts";
import { bucketFor, drawFor, NO_VIP, pickFrom, SERVFAIL } from "../book/pick.ts";
import { leafClass, leafScope, lookupClass } from "../geo/trie.ts";
import { Counter, count, PICKS_AT, REGIONS_MAX } from "../telemetry/counters.ts";
import { copyOctets, word } from "../wire/bytes.ts";
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
  switch (query.qtype) {
    case RRType.A:
      return addAddress(book, record, pick(book, record, classNumber, 4, draw, bucket), reply, counters);
    case RRType.AAAA:
      return addAddress(book, record, pick(book, record, classNumber, 6, draw, bucket), reply, counters);
    default: {
      const vip4 = pick(book, record, classNumber, 4, draw, bucket);
      const vip6 = pick(book, record, classNumber, 6, draw, bucket);
      return addHttps(book, record, vip4, vip6, reply, counters);
    }
  }
}

/** Offset of the VIP that draw and bucket lead to in the plan in force, or NO_VIP, or SERVFAIL. */
function pick(
  book: Book,
  record: number,
  classNumber: number,
  family: 4 | 6,
  draw: number,
  bucket: number,
): number {
  const { words } = book;
  const buckets = word(words, record + ServiceRecord.buckets);
  const capacity4 = word(words, record + ServiceRecord.capacity4);
  const capacity6 = word(words, record + ServiceRecord.capacity6);
  const classAt =
    word(words, record + ServiceRecord.slots) +
    classNumber * (slotWords(capacity4, buckets) + slotWords(capacity6, buckets));
  const slot = family === 4 ? classAt : classAt + slotWords(capacity4, buckets);
  const capacity = family === 4 ? capacity4 : capacity6;
  const buffer = bufferWords(capacity, buckets);
  let picked = NO_VIP;
  for (let reads = 0; reads < READS_MAX; reads += 1) {
    // Plain reads, because Atomics.load is a call of 12 ns: which buffer is read follows from what is read here, and
    // processors keep that order.
    const sequence = word(words, slot);
    const plan = slot + 1 + (sequence & 1) * buffer;
    picked = pickFrom(words, plan, draw, capacity, bucket);
    // A patch that came meanwhile has written the other buffer; the next one would write this one. Patches are
    // messages, microseconds apart: a thread that missed two was interrupted, and that orders its reads too.
    if (word(words, slot) === sequence) break;
  }
  return picked < 0 ? picked : book.vipsAt + picked * VIP_WORDS;
}

function addAddress(book: Book, record: number, vip: number, reply: Reply, counters: Float64Array): boolean {
  if (vip === NO_VIP) return false;
  if (vip === SERVFAIL) return fail(reply);
  const octets = word(book.words, vip + VipRecord.family) === 4 ? 4 : 16;
  if (!reply.fits(FIXED_LENGTH + octets)) return true;
  const rdata = reply.addFixed(octets === 4 ? RRType.A : RRType.AAAA, ttlSeconds(book, record), octets);
  reply.vip = vip;
  reply.vip6 = 0;
  copyOctets(book.view, 4 * (vip + VipRecord.address), reply.view, rdata, octets);
  countPick(book, vip, counters);
  return true;
}

/** An HTTPS RR whose hints are the addresses that A and AAAA would give this client now (RFC 9460 §7.3). */
function addHttps(
  book: Book,
  record: number,
  vip4: number,
  vip6: number,
  reply: Reply,
  counters: Float64Array,
): boolean {
  const https = word(book.words, record + ServiceRecord.https);
  if (https === 0 || (vip4 === NO_VIP && vip6 === NO_VIP)) return false;
  if (vip4 === SERVFAIL || vip6 === SERVFAIL) return fail(reply);
  const length = httpsLength(book, record, vip4, vip6);
  if (!reply.fits(FIXED_LENGTH + length)) return true;
  const rdata = reply.addFixed(RRType.HTTPS, ttlSeconds(book, record), length);
  reply.vip = vip4;
  reply.vip6 = vip6;
  putHttps(book, record, vip4, vip6, reply.view, rdata);
  countPick(book, vip4 === NO_VIP ? vip6 : vip4, counters);
  return true;
}

/** Octets of the RDATA of a service's HTTPS RR with hints of these VIPs. */
export function httpsLength(book: Book, record: number, vip4: number, vip6: number): number {
  const fixed = word(book.words, record + ServiceRecord.httpsLength);
  return fixed + (vip4 === NO_VIP ? 0 : 8) + (vip6 === NO_VIP ? 0 : 20);
}

/** Writes that RDATA at `at`. */
export function putHttps(
  book: Book,
  record: number,
  vip4: number,
  vip6: number,
  target: DataView,
  at: number,
): void {
  const fixed = word(book.words, record + ServiceRecord.httpsLength);
  copyOctets(book.view, book.octetsAt + word(book.words, record + ServiceRecord.https), target, at, fixed);
  let end = at + fixed;
  if (vip4 !== NO_VIP) end = putHint(book, vip4, IPV4HINT, 4, target, end);
  if (vip6 !== NO_VIP) putHint(book, vip6, IPV6HINT, 16, target, end);
}

function putHint(book: Book, vip: number, key: number, octets: number, target: DataView, at: number): number {
  target.setInt32(at, (key << 16) | octets);
  copyOctets(book.view, 4 * (vip + VipRecord.address), target, at + 4, octets);
  return at + 4 + octets;
}

function ttlSeconds(book: Book, record: number): number {
  return word(book.words, record + ServiceRecord.ttlSeconds);
}

function fail(reply: Reply): boolean {
  reply.rcode = Rcode.ServFail;
  return true;
}

function countPick(book: Book, vip: number, counters: Float64Array): void {
  count(counters, PICKS_AT + Math.min(word(book.words, vip + VipRecord.region), REGIONS_MAX - 1));
}
