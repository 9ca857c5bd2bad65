/** Failover by headroom: against a reading of the words of the configuration reference for flat orders, and by its promise. */

import { describe, expect, test } from "vitest";
import type { MemberId, PoolId } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { NOWHERE } from "../../src/geo/location.ts";
import { isSpare } from "../../src/steering/evaluate.ts";
import { localise } from "../../src/steering/localise.ts";
import { planFor } from "../../src/steering/plan.ts";
import { fc } from "../fast-check.ts";
import { facts, families, locations, plainPolicies, policies, whenDowns } from "./arbitraries.ts";
import {
  configOf,
  type FactSpec,
  factsOf,
  member,
  plan,
  pool,
  serviceOf,
  sharesOf,
  WORLD,
  weighted,
} from "./world.ts";

const NAMES = ["a", "b", "c", "d", "e"];
const REGIONS = Object.fromEntries(NAMES.map((name, i) => [name, [50, 10 * i] as const]));

/** How many fleets are tried: more of them with MERIDIAN_HEADROOMS. */
const runs = Number(process.env["MERIDIAN_HEADROOMS"] ?? 500);

/** One of an order, as an operator sees it. */
interface Site {
  readonly name: string;
  readonly capacity: number | null;
  /** null: its usual load is not known. */
  readonly headroom: number;
  readonly up: boolean;
  readonly drained: boolean;
  readonly take: number;
}

const sites: fc.Arbitrary<readonly Site[]> = fc
  .tuple(
    fc.shuffledSubarray(NAMES, { minLength: 1 }),
    fc.array(
      fc.record({
        capacity: fc.constantFrom(null, 10, 100, 1_000),
        headroom: fc.integer({ min: 1, max: 1_000 }),
        up: fc.boolean(),
        drained: fc.boolean(),
        take: fc.constantFrom(1, 1, 0.5, 0.1),
      }),
      { minLength: NAMES.length, maxLength: NAMES.length },
    ),
  )
  .map(([names, parts]) => names.map((name, i) => ({ name, ...parts[i]! })));

function sharesIn(order: readonly Site[]): Readonly<Record<string, number>> | string {
  const specs = order.map(({ name, capacity }) => [
    name,
    { region: name, ...(capacity === null ? {} : { capacity }) },
  ]);
  const config = configOf(REGIONS, { web: Object.fromEntries(specs) });
  const ids = (chosen: readonly Site[]): readonly string[] => chosen.map(({ name }) => `web/${name}`);
  const spec: FactSpec = {
    down: ids(order.filter(({ up }) => !up)),
    drained: ids(order.filter(({ drained }) => drained)),
    takes: Object.fromEntries(order.map(({ name, take }) => [`web/${name}`, take])),
    headrooms: Object.fromEntries(
      order.flatMap(({ name, capacity, headroom }) => (capacity === null ? [] : [[`web/${name}`, headroom]])),
    ),
  };
  const policy: Policy = {
    kind: "failover",
    name: null,
    minUp: 0,
    order: order.map(({ name }) => ({ kind: "member", member: `web/${name}` as MemberId })),
  };
  const local = localise(policy, NOWHERE, config);
  return sharesOf(planFor(local, serviceOf({ kind: "nodata" }), 4, factsOf(spec), config));
}

/** The words: the first is offered everything, and what it leaves is for those behind it. */
function reading(order: readonly Site[]): Readonly<Record<string, number>> | string {
  const offered = new Map<string, number>();
  const usable = order.filter(({ up, drained }) => up && !drained);
  if (usable.length === 0) return "nodata";
  const first = order[0]!;
  const behind = usable.filter((site) => site !== first);
  const isFirstUsable = usable.includes(first);
  const left = isFirstUsable ? 1 - first.take : 1;
  if (isFirstUsable) offered.set(first.name, first.take);
  const sized = behind.slice(0, behind.findIndex(({ capacity }) => capacity === null) >>> 0);
  // Together they leave what each of them in turn would leave.
  const leftBySized = sized.reduce((rest, { take }) => rest * (1 - take), left);
  const claims = sized.reduce((sum, { headroom, take }) => sum + headroom * take, 0);
  for (const { name, headroom, take } of sized)
    offered.set(name, ((left - leftBySized) * headroom * take) / claims);
  let rest = leftBySized;
  for (const { name, take } of behind.slice(sized.length)) {
    offered.set(name, rest * take);
    rest *= 1 - take;
  }
  const all = offered.values().reduce((sum, share) => sum + share, 0);
  return Object.fromEntries(
    [...offered].filter(([, share]) => share > 0).map(([name, share]) => [`web/${name}`, share / all]),
  );
}

test("an order of members is shared out as the words say", () => {
  fc.assert(
    fc.property(sites, (order) => {
      fc.pre(order.some(({ up, drained }) => up && !drained));
      const [found, expected] = [sharesIn(order), reading(order)];
      if (typeof found === "string" || typeof expected === "string") throw new Error("expected an answer");
      expect(Object.keys(found).toSorted()).toEqual(Object.keys(expected).toSorted());
      for (const [id, share] of Object.entries(expected)) expect(found[id]).toBeCloseTo(share, 8);
    }),
    { numRuns: 2_000 },
  );
});

describe("when a region dies", () => {
  test("no survivor is planned above its capacity, while those that are left can serve all", () => {
    const fleets = fc.array(
      fc.record({
        capacity: fc.integer({ min: 10, max: 1_000 }),
        load: fc.double({ min: 0, max: 0.95, noNaN: true }),
        dies: fc.boolean(),
      }),
      { minLength: 2, maxLength: 5 },
    );
    fc.assert(
      fc.property(fleets, fc.infiniteStream(fc.nat(1_000)), (fleet, shuffle) => {
        const all = fleet.map((one, i) => ({ ...one, name: NAMES[i]!, own: one.capacity * one.load }));
        const survivors = all.filter(({ dies }) => !dies);
        const room = survivors.reduce((sum, { capacity, own }) => sum + capacity - own, 0);
        const lost = all.filter(({ dies }) => dies).reduce((sum, { own }) => sum + own, 0);
        fc.pre(survivors.length > 0 && lost <= room);
        const carried = new Map(survivors.map(({ name, own }) => [name, own]));
        for (const { name, own, dies } of all) {
          if (!dies) continue;
          // The clients of each region have an order of their own: theirs first, then all others somehow.
          const others = all
            .filter((other) => other.name !== name)
            .map((other) => ({ other, by: shuffle.next().value as number }))
            .toSorted((a, b) => a.by - b.by)
            .map(({ other }) => other);
          const order = [all.find((one) => one.name === name)!, ...others].map(
            (one): Site => ({
              name: one.name,
              capacity: one.capacity,
              headroom: one.capacity * Math.max(0.05, 1 - one.load),
              up: !one.dies,
              drained: false,
              take: 1,
            }),
          );
          const shares = sharesIn(order);
          if (typeof shares === "string") throw new Error(shares);
          for (const [id, share] of Object.entries(shares)) {
            const survivor = id.slice("web/".length);
            carried.set(survivor, (carried.get(survivor) ?? 0) + own * share);
          }
        }
        for (const { name, capacity } of survivors)
          expect((carried.get(name) ?? 0) / capacity).toBeLessThanOrEqual(1 + 1e-6);
      }),
      { numRuns: runs },
    );
  });

  test("without capacities everybody goes to the next one", () => {
    const order = ["a", "b", "c"].map(
      (name): Site => ({ name, capacity: null, headroom: 1, up: name !== "a", drained: false, take: 1 }),
    );
    expect(sharesIn(order)).toEqual({ "web/b": 1 });
  });
});

/** One of a pool, as an operator sees it. */
interface Peer extends Site {
  readonly weight: number;
  /** Slow start; `take` is what it does of that under its load. */
  readonly ramp: number;
}

const peers: fc.Arbitrary<readonly Peer[]> = fc
  .tuple(
    fc.subarray(NAMES, { minLength: 1 }),
    fc.oneof(fc.constant(fc.constant(100)), fc.constant(fc.constantFrom(null, 100))).chain((capacity) =>
      fc.array(
        fc.record({
          capacity,
          headroom: fc.integer({ min: 1, max: 1_000 }),
          weight: fc.constantFrom(0, 1, 1, 2, 7.5),
          up: fc.boolean(),
          drained: fc.constantFrom(false, false, true),
          ramp: fc.constantFrom(1, 1, 0.5, 0.1),
          take: fc.constantFrom(1, 1, 0.7, 0.01),
        }),
        { minLength: NAMES.length, maxLength: NAMES.length },
      ),
    ),
  )
  .map(([names, parts]) => names.map((name, i) => ({ name, ...parts[i]! })));

function isUsable({ up, drained, weight }: Peer): boolean {
  return up && !drained && weight > 0;
}

/** The shares of the members of a pool, in its order. */
function sharesBeside(pool: readonly Peer[]): readonly number[] {
  const specs = pool.map(({ name, weight, capacity }) => [
    name,
    { region: name, weight, ...(capacity === null ? {} : { capacity }) },
  ]);
  const config = configOf(REGIONS, { web: Object.fromEntries(specs) });
  const byMember = (of: (peer: Peer) => number): Readonly<Record<string, number>> =>
    Object.fromEntries(pool.map((peer) => [`web/${peer.name}`, of(peer)]));
  const spec: FactSpec = {
    down: pool.filter(({ up }) => !up).map(({ name }) => `web/${name}`),
    drained: pool.filter(({ drained }) => drained).map(({ name }) => `web/${name}`),
    ramps: byMember(({ ramp }) => ramp),
    takes: byMember(({ ramp, take }) => ramp * take),
    headrooms: Object.fromEntries(
      pool.flatMap(({ name, capacity, headroom }) => (capacity === null ? [] : [[`web/${name}`, headroom]])),
    ),
  };
  const local = localise({ kind: "pool", pool: "web" as PoolId }, NOWHERE, config);
  const shares = sharesOf(planFor(local, serviceOf({ kind: "nodata" }), 4, factsOf(spec), config));
  return pool.map(({ name }) => (typeof shares === "string" ? 0 : (shares[`web/${name}`] ?? 0)));
}

/** The words: everybody's weight, what others leave by headroom, and of both what its load lets it take. */
function readingBeside(pool: readonly Peer[]): readonly number[] {
  const most = Math.max(...pool.filter(isUsable).map(({ ramp }) => ramp));
  const standing = pool.map((peer) => (isUsable(peer) ? peer.ramp / most : 0));
  const isSized = pool.every(({ weight, capacity }) => weight === 0 || capacity !== null);
  const offered = pool.map(({ weight, headroom }, i) => {
    const stands = standing[i]!;
    let all = weight * stands;
    for (const [j, other] of isSized && stands > 0 ? pool.entries() : []) {
      if (j === i || other.weight === 0) continue;
      const heirs = pool.map((heir, k) => (k === j ? 0 : heir.headroom * standing[k]!));
      const claims = heirs.reduce((sum, claim) => sum + claim, 0);
      if (claims > 0) all += (other.weight * (1 - standing[j]!) * headroom * stands) / claims;
    }
    return all;
  });
  return sharedOut(offered.map((one, i) => one * pool[i]!.take));
}

function sharedOut(parts: readonly number[]): readonly number[] {
  const all = parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => part / all);
}

describe("beside one another", () => {
  test("members are shared out as the words say", () => {
    fc.assert(
      fc.property(peers, (pool) => {
        fc.pre(pool.some(isUsable));
        const expected = readingBeside(pool);
        for (const [i, share] of sharesBeside(pool).entries()) expect(share).toBeCloseTo(expected[i]!, 8);
      }),
      { numRuns: 2_000 },
    );
  });

  test("weights rule while all are up, and where one of them has no capacity", () => {
    fc.assert(
      fc.property(peers, fc.boolean(), (pool, isWhole) => {
        const some = pool.map((peer, i) =>
          isWhole
            ? { ...peer, up: true, drained: false, ramp: 0.5, take: 1, capacity: 100 }
            : { ...peer, ramp: 1, take: 1, ...(i === 0 ? { capacity: null, weight: 1 } : {}) },
        );
        fc.pre(some.some(isUsable));
        const expected = sharedOut(some.map((peer) => (isUsable(peer) ? peer.weight : 0)));
        for (const [i, share] of sharesBeside(some).entries()) expect(share).toBeCloseTo(expected[i]!, 8);
      }),
    );
  });

  test("none is planned above its capacity, while those that are left can serve all", () => {
    const fleets = fc.array(
      fc.record({
        weight: fc.integer({ min: 1, max: 100 }),
        load: fc.double({ min: 0.01, max: 0.95, noNaN: true }),
        /** What part of its load is answers of this pool. */
        served: fc.double({ min: 0.01, max: 1, noNaN: true }),
        dies: fc.constantFrom(false, false, true),
      }),
      { minLength: 2, maxLength: 5 },
    );
    const demands = fc.double({ min: 1, max: 10_000, noNaN: true });
    fc.assert(
      fc.property(fleets, demands, (fleet, demand) => {
        const weight = fleet.reduce((sum, one) => sum + one.weight, 0);
        const all = fleet.map((one, i): Peer & { readonly own: number; readonly size: number } => {
          const own = (demand * one.weight) / weight;
          const size = own / (one.load * one.served);
          const state = { up: !one.dies, drained: false, ramp: 1, take: 1 };
          const headroom = size * Math.max(0.05, 1 - one.load);
          return { name: NAMES[i]!, weight: one.weight, capacity: size, headroom, ...state, own, size };
        });
        const survivors = all.filter(({ up }) => up);
        const lost = all.reduce((sum, { up, own }) => sum + (up ? 0 : own), 0);
        const room = survivors.reduce((sum, { headroom }) => sum + headroom, 0);
        fc.pre(survivors.length > 0 && lost <= room);
        for (const [i, share] of sharesBeside(all).entries()) {
          const { up, own, size, headroom } = all[i]!;
          if (up) expect((size - headroom + share * demand - own) / size).toBeLessThanOrEqual(1 + 1e-6);
        }
      }),
      { numRuns: runs },
    );
  });

  test("one that comes back gets more with each step, nobody else does, and no share jumps", () => {
    const steps = Array.from({ length: 101 }, (_, i) => i / 100);
    fc.assert(
      fc.property(peers, (pool) => {
        const [back, other, ...rest] = pool.map((peer) => ({ ...peer, capacity: 100, take: 1 }));
        fc.pre(back !== undefined && other !== undefined && back.weight > 0);
        // Somebody stands in full strength all the while.
        const strong = { ...other!, up: true, drained: false, ramp: 1, weight: 1 };
        const course = [{ up: false, ramp: 1 }, ...steps.slice(1).map((ramp) => ({ up: true, ramp }))].map(
          (state) => sharesBeside([{ ...back!, drained: false, ...state }, strong, ...rest]),
        );
        for (const [i, shares] of course.slice(1).entries()) {
          for (const [j, share] of shares.entries()) {
            const before = course[i]![j]!;
            if (j === 0) expect(share).toBeGreaterThan(before);
            else expect(share).toBeLessThanOrEqual(before + 2e-9);
          }
        }
        const near = sharesBeside([{ ...back!, up: true, drained: false, ramp: 1e-6 }, strong, ...rest]);
        for (const [j, share] of near.entries()) expect(Math.abs(share - course[0]![j]!)).toBeLessThan(0.01);
      }),
      { numRuns: 200 },
    );
  });

  test("what members shed for load has no part in the split, so loads feed back as through weights", () => {
    fc.assert(
      fc.property(peers, (pool) => {
        fc.pre(pool.some(isUsable));
        const calm = sharesBeside(pool.map((peer) => ({ ...peer, take: 1 })));
        const expected = sharedOut(calm.map((share, i) => share * pool[i]!.take));
        for (const [i, share] of sharesBeside(pool).entries()) expect(share).toBeCloseTo(expected[i]!, 6);
      }),
      { numRuns: 1_000 },
    );
  });
});

test("weighted choices share by the headroom of what stands in them", () => {
  const split = weighted({ a: [1, member("web/eu")], b: [1, pool("heavy")], c: [2, member("web/ap")] });
  const headrooms = { "web/eu": 10, "heavy/us": 90, "heavy/eu": 90, "web/ap": 1 };
  // Of `heavy` the first to be full is the one with three quarters: it can take on 90 / 0.75.
  expect(sharesOf(plan(split, { headrooms, down: ["web/ap"] }))).toEqual({
    "web/eu": rounded(0.25 + 0.5 * (10 / 130)),
    "heavy/us": rounded((0.25 + 0.5 * (120 / 130)) * 0.75),
    "heavy/eu": rounded((0.25 + 0.5 * (120 / 130)) * 0.25),
  });
});

function rounded(share: number): number {
  return Math.round(share * 1e9) / 1e9;
}

test("headrooms change nothing for a client whose first choice takes everything", () => {
  fc.assert(
    fc.property(
      plainPolicies,
      locations,
      families,
      whenDowns,
      fc.array(fc.nat(100)),
      (policy, at, family, whenDown, all) => {
        const headrooms = Object.fromEntries(
          [...WORLD.members.keys()].map((id, i) => [id, 1 + (all[i] ?? 0)]),
        );
        expect(sharesOf(plan(policy, { headrooms }, { at, family, whenDown }))).toEqual(
          sharesOf(plan(policy, {}, { at, family, whenDown })),
        );
      },
    ),
  );
});

test("headrooms bring in nobody who is down, and everybody's share is still a share of all", () => {
  fc.assert(
    fc.property(policies, locations, facts, families, (policy, at, world, family) => {
      const headrooms = new Map([...WORLD.members.keys()].map((id, i) => [id, 1 + i]));
      const local = localise(policy, at, WORLD);
      const { plan } = planFor(local, serviceOf({ kind: "nodata" }), family, { ...world, headrooms }, WORLD);
      if (plan.kind !== "answer") return;
      expect(plan.shares.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
      for (const { vip, share } of plan.shares) {
        expect(share).toBeGreaterThan(0);
        // Where nothing is up, what is only held down is used.
        const verdict = world.verdicts.get(vip);
        expect(verdict === undefined || verdict.up || isSpare(verdict)).toBe(true);
      }
    }),
  );
});

test("reserves are nobody's first choice: behind one, the next is", () => {
  const headrooms = { "standby/eu": 1, "standby/us": 1, "web/ap": 1 };
  const order: Policy = {
    kind: "failover",
    name: null,
    minUp: 0,
    order: [member("standby/eu"), member("standby/us"), member("web/ap")],
  };
  expect(sharesOf(plan(order, { headrooms }))).toEqual({ "standby/us": 1 });
});
