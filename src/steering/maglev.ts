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
  const sum = claims.reduce((all, { share }) => all + share, 0);
  const quotas = claims.map(({ share }) => (share / sum) * buckets);
  const wanted = claims.map((claim) => claim.wanted);
  const table = new Table(buckets, permutations);
  table.choose(wanted);
  const left: Inheritance[] = [];
  const most = quotas.map((quota) => Math.ceil(quota - ROUNDING));
  for (const [i, kept] of most.entries()) {
    if ((table.counts[i] ?? 0) <= kept) continue;
    const heirs = new Table(buckets, permutations, (bucket) => table.owners[bucket] === i);
    heirs.choose(wanted.with(i, 0));
    left.push(...table.giveUpBeyond(kept, i, heirs.owners));
  }
  for (const { bucket, heir } of left) {
    const has = table.counts[heir];
    if (has !== undefined && has < (most[heir] ?? 0)) table.give(bucket, heir);
    else table.owners[bucket] = FREE;
  }
  table.choose(quotas);
  return table.owners;
}

/** A bucket that is given up, and who is to have it: the index of a claim, or FREE for nobody. */
interface Inheritance {
  readonly bucket: number;
  readonly heir: number;
}

/** What stands for no claim in a table that is being filled: a bucket may be chosen, or not. */
const FREE = 0xffff;
const NOT_TO_HAVE = 0xfffe;

/** A table that is being filled. */
class Table {
  /** By bucket: the index of the claim that has it. */
  readonly owners: Uint16Array;
  /** By claim: how many buckets it has. */
  readonly counts: Uint32Array;
  /** By bucket: how many its owner had before it. */
  readonly #places: Uint16Array;
  readonly #permutations: readonly Permutation[];

  constructor(
    buckets: number,
    permutations: readonly Permutation[],
    isFree: (bucket: number) => boolean = () => true,
  ) {
    this.owners = new Uint16Array(buckets).map((_, bucket) => (isFree(bucket) ? FREE : NOT_TO_HAVE));
    this.counts = new Uint32Array(permutations.length);
    this.#places = new Uint16Array(buckets);
    this.#permutations = permutations;
  }

  /** Claims choose in turns until no bucket is free, so that in the end they have them in proportion to `shares`. */
  choose(shares: readonly number[]): void {
    const { owners } = this;
    const turns = Float64Array.from(shares, (share) => 1 / share);
    const at = Uint32Array.from(this.#permutations, ({ first }) => first);
    let free = 0;
    for (let bucket = 0; bucket < owners.length; bucket += 1) if (owners[bucket] === FREE) free += 1;
    for (; free > 0; free -= 1) {
      const next = this.#nextInTurn(turns);
      const step = this.#permutations[next]?.step;
      if (step === undefined) return;
      let bucket = at[next] ?? 0;
      while (owners[bucket] !== FREE) {
        bucket += step;
        if (bucket >= owners.length) bucket -= owners.length;
      }
      at[next] = bucket;
      this.give(bucket, next);
    }
  }

  give(bucket: number, claim: number): void {
    const count = this.counts[claim] ?? 0;
    this.owners[bucket] = claim;
    this.#places[bucket] = count;
    this.counts[claim] = count + 1;
  }

  /** Takes from a claim all but the buckets that it chose first; they stand under its name until they are given to others. */
  giveUpBeyond(kept: number, claim: number, heirs: Uint16Array): readonly Inheritance[] {
    const left: Inheritance[] = [];
    for (const [bucket, owner] of this.owners.entries()) {
      if (owner !== claim || (this.#places[bucket] ?? 0) < kept) continue;
      left.push({ bucket, heir: heirs[bucket] ?? FREE });
    }
    this.counts[claim] = kept;
    return left;
  }

  /** Who has the fewest for its share, the next one counted by half (Sainte-Laguë); -1: nobody has a share. */
  #nextInTurn(turns: Float64Array): number {
    let next = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < turns.length; i += 1) {
      const standing = ((this.counts[i] ?? 0) + 0.5) * (turns[i] ?? 0);
      if (standing < least) {
        least = standing;
        next = i;
      }
    }
    return next;
  }
}

/** The order in which a member likes buckets: from the first, always so many on. */
interface Permutation {
  readonly first: number;
  readonly step: number;
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
