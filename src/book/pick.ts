/** How a plan gives VIPs to one client: the same for the answer and for who explains it. */

import { SPREAD_MAX } from "../config/policy.ts";
import type { ScopeBits } from "../geo/trie.ts";
import { TURN } from "../steering/spread.ts";
import { int32, word } from "../wire/bytes.ts";
import { mix } from "../wire/mix.ts";
import { PLAN_SERVFAIL, RING_BEGINS, ringsIn, tableIn, VIP_WORDS } from "./layout.ts";

/** In place of a VIP: there is none. */
export const NO_VIP = -1;
/** In place of a VIP: no answer is to be given. */
export const SERVFAIL = -2;

/** The bits of a client's address that picks depend on, beyond what its class does. */
export const PREFIX_BITS: ScopeBits = { ipv4: 24, ipv6: 56 };
/** Leaves the first 24 of 32 bits: of an IPv4 address its /24, of the second word of an IPv6 address what is of its /56. */
export const PREFIX_MASK: number = ~0xff;

/**
 * 32 evenly spread bits of which prefix asks for what, and when: the /24 or /56 of the address, or of the subnet that
 * stands for it, in 4 or 16 octets; the hash of the qname; the second. More of the address is not looked at: a
 * resolver that sends a longer prefix than others gets the same, and samples of traffic need no more to draw again.
 */
export function drawFor(address: DataView, isIpv6: boolean, qnameHash: number, moment: number): number {
  const hash = mix(qnameHash ^ moment);
  const high = address.getInt32(0);
  if (!isIpv6) return mix(hash ^ (high & PREFIX_MASK));
  return mix(mix(hash ^ high) ^ (address.getInt32(4) & PREFIX_MASK));
}

/** The bucket of a service with none. */
const NO_BUCKET = -1;

/** The bucket of a client, by its /24 or /56 alone: the same at any time, and for all services that have as many. */
export function bucketFor(address: DataView, isIpv6: boolean, buckets: number): number {
  if (buckets === 0) return NO_BUCKET;
  const high = address.getInt32(0);
  const hash = isIpv6 ? mix(mix(high) ^ (address.getInt32(4) & PREFIX_MASK)) : mix(high & PREFIX_MASK);
  return (hash >>> 0) % buckets;
}

/** The most VIPs of one answer. */
export const PICKS_MAX: number = SPREAD_MAX;

/** The VIPs of one answer, by number, or by where they stand in the book; refilled for each. */
export class Picks {
  /** The one that the draw hit; NO_VIP: NODATA; SERVFAIL: no answer is to be given. */
  first: number = NO_VIP;
  /** How many others are answered with it. */
  others = 0;
  readonly beside: Int32Array = new Int32Array(PICKS_MAX - 1);
  /** How long the answer may be kept. */
  ttlSeconds = 0;

  /** Leaves this VIP and no other; or none. */
  begin(first: number): void {
    this.first = first;
    this.others = 0;
  }

  add(vip: number): void {
    if (this.first === NO_VIP) {
      this.first = vip;
      return;
    }
    this.beside[this.others] = vip;
    this.others += 1;
  }

  /** How many VIPs there are. */
  get count(): number {
    return this.first < 0 ? 0 : 1 + this.others;
  }

  /** Makes of numbers where these VIPs stand, from `vipsAt` on. */
  locate(vipsAt: number): void {
    if (this.first < 0) return;
    this.first = vipsAt + this.first * VIP_WORDS;
    for (let i = 0; i < this.others; i += 1) this.beside[i] = vipsAt + int32(this.beside, i) * VIP_WORDS;
  }

  /** Puts all of them into the one order that a set of VIPs has, whichever of them was drawn. */
  sort(): void {
    const { beside, others } = this;
    for (let i = 0; i < others; i += 1) {
      let moved = int32(beside, i);
      if (moved < this.first) {
        beside[i] = this.first;
        this.first = moved;
        moved = int32(beside, i);
      }
      let to = i;
      for (; to > 0 && int32(beside, to - 1) > moved; to -= 1) beside[to] = int32(beside, to - 1);
      beside[to] = moved;
    }
  }
}

/**
 * Leaves in `picks` the VIP in the plan at `plan` that a draw hits, or that has the bucket where it hits none;
 * and where the plan has `rings` (0 or 1), those that are answered with it.
 */
export function pickFrom(
  words: Uint32Array,
  plan: number,
  draw: number,
  capacity: number,
  buckets: number,
  bucket: number,
  rings: number,
  picks: Picks,
): void {
  picks.begin(NO_VIP);
  const shares = word(words, plan);
  if (shares === PLAN_SERVFAIL) {
    picks.begin(SERVFAIL);
    return;
  }
  for (let at = plan + 1; at <= plan + 2 * shares; at += 2) {
    if (draw >>> 0 > word(words, at + 1)) continue;
    picks.begin(word(words, at));
    if (rings !== 0)
      addBeside(words, plan, draw, plan + ringsIn(capacity, buckets), (at - plan) >>> 1, picks);
    return;
  }
  if (bucket === NO_BUCKET) return;
  const two = word(words, plan + tableIn(capacity) + (bucket >>> 1));
  const place = (bucket & 1) === 0 ? two & 0xffff : two >>> 16;
  if (place !== 0) picks.begin(word(words, plan + 2 * place - 1));
}

/** A turn is a power of two, so that what is cut needs no division. */
const TURN_BITS = Math.log2(TURN);
const IN_TURN = TURN - 1;
/** In place of the place of the first VIP: it is not there yet. */
const NO_PLACE = -1;

/** Adds who comes with the VIP at a place: the needle is where on its arc the draw is on its share. */
function addBeside(
  words: Uint32Array,
  plan: number,
  draw: number,
  rings: number,
  place: number,
  picks: Picks,
): void {
  const begin = ringBegin(words, rings, place);
  const low = place === 0 ? 0 : word(words, plan + 2 * place) + 1;
  const part = ((draw >>> 0) - low) / (word(words, plan + 2 * place + 2) - low + 1);
  const arcAt = place === begin ? 0 : arcEnd(words, rings + place - 1);
  const needle = (arcAt + Math.trunc(part * (arcEnd(words, rings + place) - arcAt))) & IN_TURN;
  addCut(words, plan, rings, begin, place, needle, picks);
}

/**
 * Leaves in `picks` what is answered together where the needle stands at the end of the arc of a place: over all places of a
 * plan with rings these are all the answers that are drawn from it.
 */
export function pickAt(
  words: Uint32Array,
  plan: number,
  capacity: number,
  buckets: number,
  place: number,
  picks: Picks,
): void {
  const rings = plan + ringsIn(capacity, buckets);
  const needle = arcEnd(words, rings + place) & IN_TURN;
  picks.begin(NO_VIP);
  addCut(words, plan, rings, ringBegin(words, rings, place), NO_PLACE, needle, picks);
}

/** The place where the ring of a place begins. */
function ringBegin(words: Uint32Array, rings: number, place: number): number {
  let begin = place;
  while (begin > 0 && word(words, rings + begin) < RING_BEGINS) begin -= 1;
  return begin;
}

/** Adds the VIPs of the ring from place `begin` on that a needle cuts, but for the one at place `first`. */
function addCut(
  words: Uint32Array,
  plan: number,
  rings: number,
  begin: number,
  first: number,
  needle: number,
  picks: Picks,
): void {
  const shares = word(words, plan);
  let arcAt = 0;
  for (let place = begin; place < shares && picks.count < PICKS_MAX; place += 1) {
    if (place > begin && word(words, rings + place) >= RING_BEGINS) return;
    const end = arcEnd(words, rings + place);
    // The needle is at `needle`, and again after each turn.
    const isCut = (end - 1 - needle) >> TURN_BITS !== (arcAt - 1 - needle) >> TURN_BITS;
    if (isCut && place !== first) picks.add(word(words, plan + 1 + 2 * place));
    arcAt = end;
  }
}

function arcEnd(words: Uint32Array, at: number): number {
  return word(words, at) & ~RING_BEGINS;
}

/** Puts the VIPs beside the first into an order of chance. */
export function shuffle({ beside, others }: Picks, draw: number): void {
  let chance = draw;
  for (let left = others; left > 1; left -= 1) {
    chance = mix(chance + 0x9e3779b9);
    const other = (chance >>> 0) % left;
    const moved = int32(beside, other);
    beside[other] = int32(beside, left - 1);
    beside[left - 1] = moved;
  }
}
