/** Who gets which clients, and whose clients move when facts change. */

import { describe, expect, test } from "vitest";
import { bucketFor } from "../../src/book/pick.ts";
import type { MemberId } from "../../src/config/config.ts";
import { bucketCount, shareOut } from "../../src/steering/maglev.ts";
import type { Claim } from "../../src/steering/sticky.ts";
import { report } from "../e2e/harness.ts";
import { below, randomFrom } from "../e2e/random.ts";

/** How many clients; `docs/proofs.md` says what 1,000,000 came to. */
const CLIENTS = Number(process.env["MERIDIAN_CLIENTS"] ?? 50_000);

/** The clients' prefixes, of both families. */
const clients = Array.from({ length: CLIENTS }, (_, i) => {
  const random = randomFrom(2016 + i);
  const isIpv6 = i % 2 === 1;
  const octets = Uint8Array.from({ length: isIpv6 ? 16 : 4 }, () => below(256, random));
  return { address: new DataView(octets.buffer), isIpv6 };
});

/** Claims of members by weight; `takes` says what part of its weight each of them takes, 1 where it says nothing. */
function claimsOf(
  weights: readonly number[],
  takes: Readonly<Record<number, number>> = {},
): readonly Claim[] {
  const taken = weights.map((weight, i) => weight * (takes[i] ?? 1));
  return weights.map((weight, i) => ({
    member: `web/m${i}` as MemberId,
    vip: null,
    wanted: weight / sumOf(weights),
    share: (taken[i] ?? 0) / sumOf(taken),
  }));
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

/** By client: the index of the member that it gets. */
function membersFor(claims: readonly Claim[]): readonly number[] {
  const buckets = bucketCount(claims.length);
  const table = shareOut(claims, buckets);
  return clients.map(({ address, isIpv6 }) => table[bucketFor(address, isIpv6, buckets)]!);
}

const fleets: readonly (readonly [string, readonly number[]])[] = [
  ["ten of equal weight", Array<number>(10).fill(1)],
  ["ten of weights 1 to 8", [5, 1, 1, 2, 3, 1, 8, 1, 2, 1]],
  ["two", [1, 1]],
  ["a hundred", Array<number>(100).fill(1)],
];

describe.each(fleets)("of %s", (name, weights) => {
  const before = membersFor(claimsOf(weights));
  const sum = sumOf(weights);

  test("each gets its weight's share of the clients", () => {
    for (const [member, weight] of weights.entries()) {
      const share = before.filter((one) => one === member).length / CLIENTS;
      const tolerance = 0.5 / bucketCount(weights.length) + 4 * Math.sqrt(weight / sum / CLIENTS);
      expect(Math.abs(share - weight / sum)).toBeLessThan(tolerance + 0.5 / bucketCount(weights.length));
    }
  });

  test("one dies: only its clients move, at most 1.15 times its share of all, and come back with it", () => {
    let worst = 0;
    const dying = weights.length > 10 ? [0, 33, 99] : [...weights.keys()];
    for (const dead of dying) {
      const after = membersFor(claimsOf(weights, { [dead]: 0 }));
      const moved = after.filter((member, i) => member !== before[i]).length;
      const others = after.filter((member, i) => member !== before[i] && before[i] !== dead).length;
      expect(others).toBe(0);
      expect(after).not.toContain(dead);
      worst = Math.max(worst, moved / CLIENTS / (weights[dead]! / sum));
    }
    report(
      `of ${name} one dies: nobody's clients move but its own, at most ${worst.toFixed(3)} of its share`,
    );
    expect(worst).toBeLessThanOrEqual(1.15);
    expect(membersFor(claimsOf(weights))).toEqual(before);
  });

  test("the clients of one that died are shared out among the others by weight", () => {
    const after = membersFor(claimsOf(weights, { 0: 0 }));
    for (const [member, weight] of weights.entries()) {
      if (member === 0) continue;
      const share = after.filter((one) => one === member).length / CLIENTS;
      const right = weight / (sum - weights[0]!);
      expect(Math.abs(share - right)).toBeLessThan(
        2 / bucketCount(weights.length) + 4 * Math.sqrt(right / CLIENTS),
      );
    }
  });

  test("as one ramps up, its own clients come back bit by bit and none of them leaves again", () => {
    let own = new Set<number>();
    for (const take of [0, 0.1, 0.2, 0.3, 0.5, 0.8, 1]) {
      const now = membersFor(claimsOf(weights, { 1: take }));
      const ours = new Set(now.flatMap((member, i) => (member === 1 ? [i] : [])));
      expect([...own].every((client) => ours.has(client))).toBe(true);
      expect([...ours].every((client) => before[client] === 1)).toBe(true);
      own = ours;
    }
    expect(own.size).toBe(before.filter((member) => member === 1).length);
  });
});

test("a second death moves at most 1.15 times the clients of the second", () => {
  const weights = Array<number>(10).fill(1);
  let worst = 0;
  for (const [first, second] of [
    [0, 1],
    [4, 9],
    [7, 2],
  ] as const) {
    const before = membersFor(claimsOf(weights, { [first]: 0 }));
    const after = membersFor(claimsOf(weights, { [first]: 0, [second]: 0 }));
    const moved = after.filter((member, i) => member !== before[i]).length;
    worst = Math.max(worst, moved / before.filter((member) => member === second).length);
  }
  report(`of ten a second dies: at most ${worst.toFixed(3)} times as many clients move as it had`);
  expect(worst).toBeLessThanOrEqual(1.15);
});

test("the order in which members are declared does not matter, as long as shares are told apart", () => {
  const weights = [5, 1.5, 3, 2];
  const claims = claimsOf(weights);
  const [forth, back] = [shareOut(claims, 251), shareOut(claims.toReversed(), 251)];
  expect([...back].map((owner) => 3 - owner)).toEqual([...forth]);
});

test("members that weigh nothing get clients only where others have given them up", () => {
  const reserve = { member: "web/reserve" as MemberId, vip: null, wanted: 0, share: 0 };
  const up = shareOut([...claimsOf([1, 1]), reserve], 251);
  expect(new Set(up)).toEqual(new Set([0, 1]));
  const down = claimsOf([1, 1]).map((claim) => ({ ...claim, share: 0 }));
  expect(new Set(shareOut([...down, { ...reserve, share: 1 }], 251))).toEqual(new Set([2]));
});

test("there are 251 buckets, or at least 25 for each member, and always a prime number of them", () => {
  for (const members of [1, 2, 10, 11, 40, 300, 2600]) {
    const buckets = bucketCount(members);
    expect(buckets).toBeGreaterThanOrEqual(Math.max(251, 25 * members));
    for (let divisor = 2; divisor * divisor <= buckets; divisor += 1) expect(buckets % divisor).not.toBe(0);
  }
});
