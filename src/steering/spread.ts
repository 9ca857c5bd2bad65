/** What of a plan is answered with several VIPs at once, and which of them come together. */

import type { RegionId, Vip } from "../config/config.ts";
import type { Evaluation } from "./evaluate.ts";
import type { Share } from "./plan.ts";

/** A part of a plan that queries are drawn into. */
export interface Spread {
  /** How many of its VIPs an answer has, all of them different; at most as many as there are. */
  readonly count: number;
  /** Shares of all answers, above 0, by which the first VIP of an answer is drawn; in the order of the ring. */
  readonly shares: readonly Share[];
}

/** Once around a ring. Arcs are whole numbers of such parts, so that which of them a needle cuts is exact. */
export const TURN: number = 1 << 24;

/**
 * The lengths of a spread's arcs, by VIP:
 *
 *   Arcs are laid end to end around a ring, `count` times around in all. A needle at any place of the ring cuts exactly
 *   `count` of them, and none twice, as none is longer than the ring: these are one answer. There are no more different
 *   answers than arcs, since each begins where an arc ends, so all of them can be signed ahead.
 *
 *   An arc is as long as the part of answers that its VIP is to be in: `count` times its share, or all where that is less;
 *   what is over makes the others longer, in proportion. The first VIP of an answer is drawn by share, and the needle then
 *   stands anywhere on its arc. So each VIP comes first by its weight, and is in as many answers as its arc says.
 *
 * VIPs of one region lie side by side, and a needle's cuts are a turn apart: so an answer has of each region what the
 * region's arcs come to, rounded up or down, and clients that try the next address are as likely as can be in another region.
 */
export function arcsOf({ count, shares }: Spread): Uint32Array {
  const arcs = new Uint32Array(shares.length);
  const order = [...shares.entries()].sort(([a, one], [b, other]) => other.share - one.share || a - b);
  /** By place in that order: the sum from there on, smallest first. */
  const sums = new Float64Array(order.length + 1);
  for (let i = order.length - 1; i >= 0; i -= 1) sums[i] = (sums[i + 1] ?? 0) + (order[i]?.[1].share ?? 0);
  let left = count * TURN;
  for (const [i, [place, { share }]] of order.entries()) {
    const others = order.length - 1 - i;
    const wanted = Math.round((left * share) / (sums[i] ?? 1));
    // Each of the others gets something, and none more than a turn.
    const arc = Math.max(left - others * TURN, Math.min(wanted, TURN, left - others));
    arcs[place] = arc;
    left -= arc;
  }
  return arcs;
}

/**
 * What an evaluation hands out by draw, part by part: first all that is answered with one VIP, then each spread. What is
 * sticky is not drawn. Null: no answer has more than one VIP.
 */
export function spreadsOf(evaluation: Evaluation): readonly Spread[] | null {
  const ones: Part = { count: 1, candidates: new Map() };
  const parts = [ones];
  gather(evaluation, 1, ones, parts);
  const spreads = parts.map(spreadOf).filter(({ count }) => count > 0);
  return spreads.some(({ count }) => count > 1) ? spreads : null;
}

interface Part {
  readonly count: number;
  /** By address, since members of two pools may have the same, which has no place twice in one answer. */
  readonly candidates: Map<string, Candidate>;
}

interface Candidate extends Share {
  readonly region: RegionId;
}

function gather(evaluation: Evaluation, share: number, into: Part, parts: Part[]): void {
  if (share === 0) return;
  if (evaluation.kind === "member") {
    if (evaluation.vip !== null) add(into, evaluation.vip, evaluation.node.member.region, share);
    return;
  }
  const { node, children } = evaluation;
  if (node.kind === "sticky") return;
  const part = node.kind === "spread" ? { count: node.count, candidates: new Map() } : into;
  if (part !== into) parts.push(part);
  for (const child of children) gather(child.evaluation, share * child.part, part, parts);
}

function add({ candidates }: Part, { id, address }: Vip, region: RegionId, share: number): void {
  const before = candidates.get(address.text);
  if (before === undefined) candidates.set(address.text, { vip: id, region, share });
  else candidates.set(address.text, { ...before, share: before.share + share });
}

function spreadOf({ count, candidates }: Part): Spread {
  const byRegion = Map.groupBy(candidates.values(), ({ region }) => region);
  const shares = [...byRegion.values()].flat().map(({ vip, share }) => ({ vip, share }));
  return { count: Math.min(count, shares.length), shares };
}
