/** Failover by headroom: against a reading of the words of the configuration reference for flat orders, and by its promise. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MemberId } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { NOWHERE } from "../../src/geo/location.ts";
import { isSpare } from "../../src/steering/evaluate.ts";
import { localise } from "../../src/steering/localise.ts";
import { planFor } from "../../src/steering/plan.ts";
import { facts, families, locations, plainPolicies, policies, whenDowns } from "./arbitraries.ts";
import { configOf, type FactSpec, factsOf, member, plan, serviceOf, sharesOf, WORLD } from "./world.ts";

const NAMES = ["a", "b", "c", "d", "e"];
const REGIONS = Object.fromEntries(NAMES.map((name, i) => [name, [50, 10 * i] as const]));

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
  /** How many fleets are tried: more of them with MERIDIAN_HEADROOMS. */
  const runs = Number(process.env["MERIDIAN_HEADROOMS"] ?? 500);

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
