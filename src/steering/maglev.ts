/** Maglev tables (Eisenbud et al., NSDI 2016, §3.4): who gets the clients whose prefixes fall into which bucket. */

import { mix } from "../wire/mix.ts";
import type { Claim } from "./sticky.ts";

/**
 * Sizes of tables: primes, so that every step from bucket to bucket comes by all of them. The paper takes a hundred for each
 * member so that shares are even; a quarter of that keeps them within 4 % of one another, and takes a quarter of the memory.
 */
const SIZES: readonly number[] = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521];
const BUCKETS_PER_MEMBER = 25;

/** Room for the rounding of shares when buckets are counted. */
const ROUNDING = 1e-9;

/** How many buckets clients are put into when there are so many members to share them out among. */
export function bucketCount(members: number): number {
  return SIZES.find((size) => size >= members * BUCKETS_PER_MEMBER) ?? 65521;
}

/**
 * By bucket: the index of the claim that has it. Every claim gets its share of the buckets, to the nearest one or so.
 *
 *   1. As in the paper: claims choose in turns, each the next free bucket of its own permutation of all. Turns go by what
 *      is wanted, so whatever the facts this is one and the same table.
 *   2. A claim whose share is smaller than that (it is down, ramps up, sheds load) gives up the buckets it chose last.
 *      Each has an heir: the others have chosen in turns among all buckets of this claim.
 *   3. What an heir has no share for, being down itself, goes to those who have, again in turns.
 *
 * So when a member goes down its own clients move and nobody else's, and while it ramps up they come back. The paper fills
 * the table anew without it, and that moves others too: with 251 buckets and 10 members half as many again.
 */
export function shareOut(claims: readonly Claim[], buckets: number): Uint16Array {
  const permutations = claims.map(({ member }) => permutationOf(member, buckets));
  const wanted = claims.map((claim) => claim.wanted);
  const sum = claims.reduce((all, { share }) => all + share, 0);
  const quotas = claims.map(({ share }) => (share / sum) * buckets);
  const most = quotas.map((quota) => Math.ceil(quota - ROUNDING));

  const owners = new Uint16Array(buckets).fill(FREE);
  const chosen = claims.map((): number[] => []);
  choose(owners, wanted, chosen, permutations);
  const left: Inheritance[] = [];
  for (const [i, own] of chosen.entries()) {
    const kept = most[i] ?? 0;
    if (own.length > kept) left.push(...inheritances(own, kept, wanted.with(i, 0), permutations, buckets));
    own.length = Math.min(own.length, kept);
  }
  for (const { bucket, heir } of left) {
    const own = chosen[heir];
    const inherits = own !== undefined && own.length < (most[heir] ?? 0);
    if (inherits) own.push(bucket);
    owners[bucket] = inherits ? heir : FREE;
  }
  choose(owners, quotas, chosen, permutations);
  return owners;
}

/** A bucket that is given up, and who is to have it: the index of a claim, or FREE for nobody. */
interface Inheritance {
  readonly bucket: number;
  readonly heir: number;
}

/** The heirs of what a claim gives up of its buckets, all but the first `kept`. */
function inheritances(
  own: readonly number[],
  kept: number,
  wanted: readonly number[],
  permutations: readonly Permutation[],
  buckets: number,
): readonly Inheritance[] {
  const heirs = new Uint16Array(buckets).fill(NOT_TO_HAVE);
  for (const bucket of own) heirs[bucket] = FREE;
  choose(
    heirs,
    wanted,
    wanted.map(() => []),
    permutations,
  );
  return own.slice(kept).map((bucket) => ({ bucket, heir: heirs[bucket] ?? FREE }));
}

/** What stands for no claim in a table that is being filled: a bucket may be chosen, or not. */
const FREE = 0xffff;
const NOT_TO_HAVE = 0xfffe;

/** Claims choose in turns until no bucket is free, so that in the end they have them in proportion to `shares`. */
function choose(
  owners: Uint16Array,
  shares: readonly number[],
  chosen: readonly number[][],
  permutations: readonly Permutation[],
): void {
  const places = shares.map(() => 0);
  let free = 0;
  for (const owner of owners) if (owner === FREE) free += 1;
  for (; free > 0; free -= 1) {
    const next = nextInTurn(shares, chosen);
    const permutation = permutations[next];
    if (permutation === undefined) return;
    let place = places[next] ?? 0;
    while (owners[bucketAt(permutation, place, owners.length)] !== FREE) place += 1;
    places[next] = place;
    const bucket = bucketAt(permutation, place, owners.length);
    owners[bucket] = next;
    chosen[next]?.push(bucket);
  }
}

/** Who has the fewest for its share, the next one counted by half (Sainte-Laguë); -1: nobody has a share. */
function nextInTurn(shares: readonly number[], chosen: readonly number[][]): number {
  let next = -1;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < shares.length; i += 1) {
    const share = shares[i] ?? 0;
    if (share <= 0) continue;
    const standing = ((chosen[i]?.length ?? 0) + 0.5) / share;
    if (standing < least) {
      least = standing;
      next = i;
    }
  }
  return next;
}

/** The order in which a member likes buckets: from the first, always so many on. */
interface Permutation {
  readonly first: number;
  readonly step: number;
}

function bucketAt({ first, step }: Permutation, place: number, buckets: number): number {
  return (first + place * step) % buckets;
}

function permutationOf(member: string, buckets: number): Permutation {
  const hash = hashOf(member);
  return {
    first: (mix(hash) >>> 0) % buckets,
    step: 1 + ((mix(hash ^ 0x9e3779b9) >>> 0) % (buckets - 1)),
  };
}

/** FNV-1a of the text's code units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
