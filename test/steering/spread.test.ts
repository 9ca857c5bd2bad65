/** Answers with several VIPs: which come together, how often each comes first, and how often at all. */

import { describe, expect, test } from "vitest";
import { PLAN_IN } from "../../src/book/layout.ts";
import { placesOf, planWords } from "../../src/book/patch.ts";
import { Picks, pickFrom, shuffle } from "../../src/book/pick.ts";
import type { VipId } from "../../src/config/config.ts";
import { localise } from "../../src/steering/localise.ts";
import type { Plan } from "../../src/steering/plan.ts";
import { planFor } from "../../src/steering/plan.ts";
import { arcsOf, type Spread, TURN } from "../../src/steering/spread.ts";
import { randomFrom } from "../e2e/random.ts";
import { fc } from "../fast-check.ts";
import { fullFacts, locations, policies, whenDowns } from "./arbitraries.ts";
import { canBeAnswered, partsOf, setsOf } from "./together.ts";
import { failover, member, plan, pool, serviceOf, sharesOf, spread, WORLD, weighted } from "./world.ts";

type Answer = Plan & { readonly kind: "answer" };

const weights = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constantFrom(1e-9, 1e-3, 1, 1e6));
/** Any shares, and as many VIPs at a time as there can be. */
const spreads: fc.Arbitrary<Spread> = fc
  .tuple(fc.array(weights, { minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 8 }))
  .map(([all, count]) => spreadOf(all, count));

function spreadOf(all: readonly number[], count: number): Spread {
  const sum = all.reduce((total, weight) => total + weight, 0);
  const shares = all.map((weight, i) => ({ vip: `vip${i}` as VipId, share: weight / sum }));
  return { count: Math.min(count, all.length), shares };
}

/** A plan of this alone. */
function planOf(only: Spread): Answer {
  return { kind: "answer", shares: only.shares, spreads: [only], sticky: null, lastResort: false };
}

/** Answers as dns gives them, in their order. */
class Drawing {
  readonly #vips;
  readonly #places;
  readonly #words;
  readonly #picks = new Picks();

  constructor(made: Answer) {
    this.#vips = made.shares.map(({ vip }) => vip);
    this.#places = placesOf(made);
    const numbers = new Map(this.#vips.map((vip, number) => [vip, number]));
    this.#words = planWords(made, 5, numbers, this.#places, 0, 1);
  }

  answer(draw: number): readonly VipId[] {
    pickFrom(this.#words, PLAN_IN, draw, this.#places, 0, -1, 1, this.#picks);
    shuffle(this.#picks, draw);
    const { first, beside, others } = this.#picks;
    return [first, ...beside.subarray(0, others)].map((number) => this.#vips[number]!);
  }
}

/** Draws that are spread evenly over all there are, from a random first. */
function evenDraws(count: number, seed: number): readonly number[] {
  const first = randomFrom(seed)();
  return Array.from({ length: count }, (_, i) => Math.floor(((i + first) / count) * 2 ** 32) | 0);
}

describe("arcs", () => {
  test("go around as often as there are VIPs in an answer, none more than once", () => {
    fc.assert(
      fc.property(spreads, (one) => {
        const arcs = [...arcsOf(one)];
        expect(arcs.reduce((sum, arc) => sum + arc, 0)).toBe(one.count * TURN);
        expect(arcs.every((arc) => arc >= 1 && arc <= TURN)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("are as long as the part of answers that a VIP is to be in", () => {
    fc.assert(
      fc.property(spreads, (one) => {
        const parts = partsOf(one);
        for (const [i, arc] of arcsOf(one).entries())
          expect(Math.abs(arc / TURN - parts[i]!)).toBeLessThan(1e-5);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("an answer", () => {
  const draws = fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 20, maxLength: 20 });
  const edges = [0, 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1];

  test("has exactly so many VIPs, none twice", () => {
    fc.assert(
      fc.property(spreads, draws, (one, some) => {
        const drawing = new Drawing(planOf(one));
        for (const draw of [...edges, ...some]) {
          const vips = drawing.answer(draw | 0);
          expect(vips).toHaveLength(one.count);
          expect(new Set(vips).size).toBe(one.count);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("is one of at most as many sets as there are VIPs", () => {
    fc.assert(
      fc.property(spreads, (one) => {
        const sets = setsOf(one);
        expect(sets.length).toBeLessThanOrEqual(one.shares.length);
        for (const draw of evenDraws(200, 7))
          expect(canBeAnswered(planOf(one), new Drawing(planOf(one)).answer(draw))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    { all: [50, 30, 20], count: 2 },
    { all: [1, 1, 1, 1, 1, 1], count: 2 },
    { all: [80, 20], count: 2 },
    { all: [90, 5, 3, 2], count: 3 },
    { all: [7, 1, 3, 11, 2, 5, 13], count: 3 },
    { all: [1000, 800, 1, 1, 1, 1, 1, 1, 1, 1], count: 8 },
    { all: [3, 2, 1], count: 1 },
  ])(
    "of $count of $all has each first by its weight, and at all as often as its arc says",
    ({ all, count }) => {
      const one = spreadOf(all, count);
      const drawing = new Drawing(planOf(one));
      const asked = 20_000;
      const first = new Map<VipId, number>();
      const second = new Map<VipId, number>();
      const any = new Map<VipId, number>();
      const add = (to: Map<VipId, number>, vip: VipId): void => void to.set(vip, (to.get(vip) ?? 0) + 1);
      for (const draw of evenDraws(asked, 1)) {
        const vips = drawing.answer(draw);
        add(first, vips[0]!);
        if (vips[1] !== undefined) add(second, vips[1]);
        for (const vip of vips) add(any, vip);
      }
      const parts = partsOf(one);
      for (const [i, { vip, share }] of one.shares.entries()) {
        expect(Math.abs((first.get(vip) ?? 0) / asked - share)).toBeLessThan(2e-3);
        expect(Math.abs((any.get(vip) ?? 0) / asked - parts[i]!)).toBeLessThan(3e-3);
        // The order of the others is of chance: each stands at the second place as often as at any other.
        if (count < 2) continue;
        const behind = ((any.get(vip) ?? 0) - (first.get(vip) ?? 0)) / (count - 1);
        expect(Math.abs((second.get(vip) ?? 0) - behind)).toBeLessThan(5 * Math.sqrt(behind) + 1);
      }
    },
  );

  test("has of each region what its VIPs' shares come to, rounded up or down", () => {
    const regions = weighted({
      a: [3, member("web/us")],
      b: [2, member("web/eu")],
      c: [2, member("heavy/us")],
      d: [1, member("web/ap")],
      e: [4, member("heavy/eu")],
    });
    const made = plan(spread(regions, 3)).plan as Answer;
    const [one] = made.spreads!;
    expect(one?.shares.map(({ vip }) => vip.replace(/^\w+\//, ""))).toEqual(
      ["us", "us", "eu", "eu", "ap"].map((region) => `${region}/ipv4`),
    );
    const drawing = new Drawing(made);
    for (const draw of evenDraws(1000, 3)) {
      const inRegion = Map.groupBy(drawing.answer(draw), (vip) => vip.split("/")[1]!);
      expect([1, 2]).toContain(inRegion.get("us")?.length);
      expect([1, 2]).toContain(inRegion.get("eu")?.length);
      expect(inRegion.get("ap")?.length ?? 0).toBeLessThanOrEqual(1);
    }
  });
});

describe("a spread", () => {
  const counts = (
    policy: Parameters<typeof plan>[0],
    facts: Parameters<typeof plan>[1] = {},
  ): readonly number[] | null => {
    const made = plan(policy, facts).plan as Answer;
    return made.spreads?.map(({ count }) => count) ?? null;
  };

  test("takes nothing from what its policy comes to: shares, reserves and what is down are the same", () => {
    for (const facts of [
      {},
      { down: ["web/us"] },
      { drained: ["web/eu"], takes: { "web/us": 0.25 } },
      { down: ["web/us", "web/eu", "web/ap"] },
    ])
      expect(sharesOf(plan(spread(pool("web"), 2), facts))).toEqual(sharesOf(plan(pool("web"), facts)));
  });

  test("has all that are up where they are fewer", () => {
    expect(counts(spread(pool("web"), 8))).toEqual([3]);
    expect(counts(spread(pool("web"), 3), { down: ["web/us"] })).toEqual([2]);
    expect(counts(spread(pool("web"), 3), { down: ["web/us", "web/eu"] })).toBeNull();
  });

  test("of an order has the first of it alone, or also who takes over what that declines", () => {
    const order = spread(failover([pool("heavy"), pool("two")]), 3);
    expect(Object.keys(sharesOf(plan(order)))).toEqual(["heavy/us", "heavy/eu"]);
    expect(counts(order)).toEqual([2]);
    expect(counts(order, { takes: { "heavy/us": 0.5, "heavy/eu": 0.5 } })).toEqual([3]);
  });

  test("beside others leaves them their answers of one", () => {
    const mixed = weighted({
      a: [1, spread(pool("web"), 2)],
      b: [1, member("two/us")],
      c: [2, spread(pool("heavy"), 2)],
    });
    expect(counts(mixed)).toEqual([1, 2, 2]);
    const made = plan(mixed).plan as Answer;
    const sets = new Set(
      evenDraws(5000, 5).map((draw) => new Drawing(made).answer(draw).toSorted().join(" ")),
    );
    expect([...sets].every((set) => canBeAnswered(made, set.split(" ") as VipId[]))).toBe(true);
    expect(sets).toContain("two/us/ipv4");
    expect(sets).toContain("heavy/eu/ipv4 heavy/us/ipv4");
    expect(sets.size).toBe(5);
  });

  test("that is not up by enough is down", () => {
    expect(
      sharesOf(plan(failover([spread(pool("web"), 2, 0.5), pool("one")]), { down: ["web/us", "web/eu"] })),
    ).toEqual({ "one/eu": 1 });
  });

  test("whatever the policy and the facts answers with VIPs of the plan, first by share, and none twice", () => {
    fc.assert(
      fc.property(policies, locations, fullFacts, whenDowns, (policy, location, world, whenDown) => {
        const made = planFor(localise(policy, location, WORLD), serviceOf(whenDown), 4, world, WORLD).plan;
        if (made.kind !== "answer" || made.spreads === null || made.sticky !== null) return;
        const drawing = new Drawing(made);
        const first = new Map<VipId, number>();
        for (const draw of evenDraws(500, 9)) {
          const vips = drawing.answer(draw);
          expect(new Set(vips).size).toBe(vips.length);
          expect(canBeAnswered(made, vips)).toBe(true);
          first.set(vips[0]!, (first.get(vips[0]!) ?? 0) + 1);
        }
        for (const { vip, share } of made.spreads.flatMap(({ shares }) => shares))
          expect((first.get(vip) ?? 0) / 500).toBeGreaterThan(share - 0.02);
      }),
      { numRuns: 1000 },
    );
  });
});
