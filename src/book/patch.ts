/** Changes plans in a book that is being served. */

import type { VipId } from "../config/config.ts";
import type { Plan, Share } from "../steering/plan.ts";
import { arcsOf, type Spread } from "../steering/spread.ts";
import type { Sticky } from "../steering/sticky.ts";
import { word } from "../wire/bytes.ts";
import { WordSink } from "../wire/sink.ts";
import { BucketTables } from "./bucket-tables.ts";
import type { BookDirectory } from "./compile.ts";
import { bufferWords, PLAN_IN, PLAN_SERVFAIL, RING_BEGINS, ringsIn, slotWords, tableIn } from "./layout.ts";

type Answer = Plan & { readonly kind: "answer" };

/** Words before each packed plan: word offset of its slot in the book, and how many words follow. */
const HEAD_WORDS = 2;

/**
 * Packs new plans one after the other as `slot, length, buffer`. A whole buffer is the TTL, the count, then VIP and
 * cumulative share by turns, zeros up to the capacity, the table if there are buckets, and the rings if there are any. One array
 * crosses to dns at once; thousands of objects do not.
 */
export class PatchWriter {
  readonly #directory: BookDirectory;
  readonly #sink = new WordSink();
  readonly #tables = new BucketTables();

  constructor(directory: BookDirectory) {
    this.#directory = directory;
  }

  /** What was put so far. */
  get packed(): Uint32Array {
    return this.#sink.words().slice();
  }

  /** Adds a plan for a class of a service, with the TTL of its answers. */
  put(service: number, classNumber: number, family: 4 | 6, plan: Plan, ttlSeconds: number): this {
    const entry = this.#directory.services[service];
    if (entry === undefined) throw new RangeError(`no service ${service} in the book`);
    const { slots, capacity4, capacity6, buckets, rings } = entry;
    const slotWords4 = slotWords(capacity4, buckets, rings);
    const classAt = slots + classNumber * (slotWords4 + slotWords(capacity6, buckets, rings));
    const capacity = family === 4 ? capacity4 : capacity6;
    const words = planWords(plan, ttlSeconds, this.#directory.vips, capacity, buckets, rings, this.#tables);
    this.#sink.push(family === 4 ? classAt : classAt + slotWords4, words.length);
    this.#sink.append(words);
    return this;
  }
}

/** A plan as the words of one buffer. */
export function planWords(
  plan: Plan,
  ttlSeconds: number,
  vips: BookDirectory["vips"],
  capacity: number,
  buckets: number,
  rings: 0 | 1,
  tables: BucketTables = new BucketTables(),
): Uint32Array {
  const buffer = new Uint32Array(bufferWords(capacity, buckets, rings));
  buffer[0] = ttlSeconds;
  const words = buffer.subarray(PLAN_IN);
  if (plan.kind === "servfail") words[0] = PLAN_SERVFAIL;
  if (plan.kind !== "answer") return buffer;
  const { sticky } = plan;
  if (placesOf(plan) > capacity)
    throw new RangeError(`a plan of ${placesOf(plan)} VIPs in a slot for ${capacity}`);
  const spreads = spreadsIn(plan);
  const drawn = spreads.flatMap(({ shares }) => shares);
  writeShares(words, drawn, vips);
  if (rings === 1) writeRings(words, spreads, ringsIn(capacity, buckets));
  if (sticky === null) words[2 * drawn.length] = 0xffffffff;
  else writeTable(words, drawn, sticky, vips, capacity, tables.of(sticky, buckets));
  return buffer;
}

/** How many places a plan takes in a buffer at the most: a VIP has one in each part that it is drawn in. */
export function placesOf({ shares, spreads, sticky }: Answer): number {
  if (spreads === null) return shares.length;
  const drawn = spreads.reduce((sum, spread) => sum + spread.shares.length, 0);
  return drawn + (sticky?.claims.filter(({ share }) => share > 0).length ?? 0);
}

/** What of a plan is drawn for each query. */
function spreadsIn({ shares, spreads, sticky }: Answer): readonly Spread[] {
  return spreads ?? [{ count: 1, shares: sticky?.drawn ?? shares }];
}

function writeShares(words: Uint32Array, shares: readonly Share[], vips: BookDirectory["vips"]): void {
  let sum = 0;
  let to = 0;
  for (const { vip, share } of shares) {
    sum += share;
    words[to + 1] = numberOf(vip, vips);
    words[to + 2] = Math.min(Math.max(Math.round(sum * 2 ** 32) - 1, 0), 0xffffffff);
    to += 2;
  }
  words[0] = shares.length;
}

function writeRings(words: Uint32Array, spreads: readonly Spread[], ringsAt: number): void {
  let to = ringsAt;
  for (const spread of spreads) {
    let end = 0;
    for (const arc of arcsOf(spread)) {
      words[to] = (end === 0 ? RING_BEGINS : 0) + end + arc;
      end += arc;
      to += 1;
    }
  }
}

/** Puts the VIPs that are in the table alone behind the others, then the place of each bucket's (see `layout.ts`). */
function writeTable(
  words: Uint32Array,
  drawn: readonly Share[],
  { claims }: Sticky,
  vips: BookDirectory["vips"],
  capacity: number,
  table: Uint16Array,
): void {
  const places = new Map(drawn.map(({ vip }, i) => [vip, i + 1]));
  let last = drawn.length;
  const placeOf = claims.map(({ vip, share }) => {
    if (vip === null || share === 0) return 0;
    const known = places.get(vip);
    if (known === undefined) last += 1;
    const place = known ?? last;
    places.set(vip, place);
    words[2 * place - 1] = numberOf(vip, vips);
    return place;
  });
  const at = tableIn(capacity);
  for (const [bucket, owner] of table.entries()) {
    const place = placeOf[owner] ?? 0;
    words[at + (bucket >>> 1)] = (words[at + (bucket >>> 1)] ?? 0) | (place << (16 * (bucket & 1)));
  }
}

function numberOf(vip: VipId, vips: BookDirectory["vips"]): number {
  const number = vips.get(vip);
  if (number === undefined) throw new RangeError(`no VIP ${vip} in the book`);
  return number;
}

/**
 * Puts packed plans in force. For each it writes the idle buffer of the slot, then lets one store of the sequence
 * switch over, so that a reader sees the old plan or the new one. `words` are those of the book from `wordsAt` on.
 */
export function applyPatches(words: Uint32Array, packed: Uint32Array, wordsAt = 0): void {
  for (let at = 0; at < packed.length; ) {
    const slot = word(packed, at) - wordsAt;
    const length = word(packed, at + 1);
    const from = at + HEAD_WORDS;
    const sequence = (word(words, slot) + 1) >>> 0;
    const to = slot + 1 + (sequence & 1) * length;
    for (let i = 0; i < length; i += 1) words[to + i] = word(packed, from + i);
    Atomics.store(words, slot, sequence);
    at = from + length;
  }
}
