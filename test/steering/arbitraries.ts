/** Random policies, locations and facts over the test world. */

import type { PoolId, Service } from "../../src/config/config.ts";
import type { GeoMatch, Policy } from "../../src/config/policy.ts";
import type { Location } from "../../src/geo/location.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { fc } from "../fast-check.ts";
import { factsOf, WORLD } from "./world.ts";

const memberIds = [...WORLD.members.keys()];
const regionIds = [...WORLD.regions.keys()];
const poolIds = [...WORLD.pools.keys()];
const plainPoolIds = [...WORLD.pools.values()].filter(({ minUp }) => minUp === 0).map(({ id }) => id);
const watchedIds = memberIds.filter((id) => WORLD.pools.get(WORLD.members.get(id)!.pool)!.perVantage);
const vantageIds = [...WORLD.vantages.keys()];
const weights = fc.constantFrom(0, 1, 2, 5, 80);

const matches: fc.Arbitrary<GeoMatch> = fc.constantFrom(
  { by: "prefix", prefix: "192.0.2.0/24" },
  { by: "prefix", prefix: "192.0.0.0/16" },
  { by: "label", label: "office" },
  { by: "label", label: "partner" },
  { by: "asn", asn: 64496 },
  { by: "subdivision", subdivision: "US-CA" },
  { by: "country", country: "GB" },
  { by: "country", country: "US" },
  { by: "continent", continent: "EU" },
  { by: "continent", continent: "NA" },
);

/** `policy` is any; in what is `steady` nothing is a spread, and in what is `plain` nothing is sticky either. */
type Kinds = {
  policy: Policy;
  steady: Policy;
  plain: Policy;
};

function policiesWith(minUps: fc.Arbitrary<number>, pools: readonly PoolId[]): fc.Arbitrary<Policy> {
  const leaf = fc.oneof(
    fc.constantFrom(...pools).map((id): Policy => ({ kind: "pool", pool: id })),
    fc.constantFrom(...memberIds).map((id): Policy => ({ kind: "member", member: id })),
  );
  const deep = {
    maxDepth: 3,
    depthSize: "small",
    depthIdentifier: fc.createDepthIdentifier(),
    withCrossShrink: true,
  } as const;
  return fc.letrec<Kinds>((tie) => {
    const sticky = stickyOf(tie("steady"), minUps);
    const spread = spreadOf(tie("plain"), minUps);
    return {
      policy: fc.oneof(deep, leaf, ...branchesOver(tie("policy"), minUps), sticky, spread),
      steady: fc.oneof(deep, leaf, ...branchesOver(tie("steady"), minUps), sticky),
      plain: fc.oneof(deep, leaf, ...branchesOver(tie("plain"), minUps)),
    };
  }).policy;
}

function stickyOf(of: fc.Arbitrary<Policy>, minUp: fc.Arbitrary<number>): fc.Arbitrary<Policy> {
  return fc.record({ kind: fc.constant("sticky" as const), name: fc.constant(null), minUp, of });
}

function spreadOf(of: fc.Arbitrary<Policy>, minUp: fc.Arbitrary<number>): fc.Arbitrary<Policy> {
  const count = fc.integer({ min: 1, max: 4 });
  return fc.record({ kind: fc.constant("spread" as const), name: fc.constant(null), minUp, of, count });
}

function branchesOver(
  child: fc.Arbitrary<Policy>,
  minUps: fc.Arbitrary<number>,
): readonly fc.Arbitrary<Policy>[] {
  return [
    fc.record({
      kind: fc.constant("geo" as const),
      name: fc.constant(null),
      minUp: minUps,
      fence: fc.boolean(),
      cases: fc.array(fc.record({ match: matches, use: child }), { maxLength: 4 }),
      default: fc.option(child, { nil: null }),
    }),
    fc.record({
      kind: fc.constant("nearest" as const),
      name: fc.constant(null),
      minUp: minUps,
      of: child,
      biasKm: fc
        .array(fc.tuple(fc.constantFrom(...regionIds), fc.constantFrom(-2000, 500, 6000)), { maxLength: 2 })
        .map((entries) => new Map(entries)),
      within: fc.constantFrom(null, null, 0, 0.05, 0.5, 1),
    }),
    fc.record({
      kind: fc.constant("latency" as const),
      name: fc.constant(null),
      minUp: minUps,
      of: child,
      prefixes: fc.subarray(["192.0.2.0/24", "192.0.0.0/16"]),
      asns: fc.subarray([64496]),
    }),
    fc.record({
      kind: fc.constant("weighted" as const),
      name: fc.constantFrom(null, "split", "canary"),
      minUp: minUps,
      choices: fc.uniqueArray(
        fc.record({ key: fc.constantFrom("a", "b", "c"), weight: weights, use: child }),
        { minLength: 1, maxLength: 3, selector: ({ key }) => key },
      ),
    }),
    fc.record({
      kind: fc.constant("failover" as const),
      name: fc.constant(null),
      minUp: minUps,
      order: fc.array(child, { minLength: 1, maxLength: 3 }),
    }),
  ];
}

/** Any policy over the pools of the test world, a few levels deep. */
export const policies: fc.Arbitrary<Policy> = policiesWith(
  fc.constantFrom(0, 0, 0, 0.3, 0.5, 0.75, 1),
  poolIds,
);

/** Those whose nodes are up as long as anything in them is. */
export const plainPolicies: fc.Arbitrary<Policy> = policiesWith(fc.constant(0), plainPoolIds);

/** Locations that the policies above can tell apart, and some that they cannot. */
export const locations: fc.Arbitrary<Location> = fc.record({
  continent: fc.constantFrom("EU", "NA", "AS", null),
  country: fc.constantFrom("GB", "IE", "US", "JP", null),
  subdivision: fc.constantFrom("US-CA", "US-NY", null),
  asn: fc.constantFrom(64496, 64497, null),
  coordinates: fc.option(
    fc.record({
      latitude: fc.integer({ min: -90, max: 90 }),
      longitude: fc.integer({ min: -180, max: 180 }),
    }),
  ),
  labels: fc.subarray(["office", "partner", "other"]),
  prefixes: fc.constantFrom([], ["192.0.0.0/16"], ["192.0.2.0/24", "192.0.0.0/16"]),
});

/** Any facts about the test world. */
export const facts: fc.Arbitrary<Facts> = factsWith(
  fc.dictionary(fc.constantFrom(...memberIds), fc.double({ min: 0, max: 1, noNaN: true }), { maxKeys: 5 }),
);

/** Those with VIPs that are held down and with headrooms as well, which take members that have a capacity. */
export const fullFacts: fc.Arbitrary<Facts> = fc
  .tuple(
    facts,
    fc.record({
      heldDown: fc.subarray(memberIds),
      unreleased: fc.subarray(memberIds),
      headrooms: fc
        .record(Object.fromEntries(memberIds.map((id) => [id, fc.integer({ min: 1, max: 100 })])))
        .chain((all) => fc.subarray(Object.entries(all), { minLength: Math.floor(memberIds.length / 2) }))
        .map((entries) => Object.fromEntries(entries)),
    }),
  )
  .map(([world, spec]) => {
    const { verdicts, headrooms } = factsOf(spec);
    return { ...world, verdicts: new Map([...world.verdicts, ...verdicts]), headrooms };
  });

/** Those in which every VIP takes all that it is offered. */
export const plainFacts: fc.Arbitrary<Facts> = factsWith(fc.constant({}));

function factsWith(takes: fc.Arbitrary<Readonly<Record<string, number>>>): fc.Arbitrary<Facts> {
  return fc
    .record({
      down: fc.subarray(memberIds),
      heldDown: fc.subarray(memberIds, { maxLength: 3 }),
      unreleased: fc.subarray(memberIds, { maxLength: 2 }),
      remembers: fc.boolean(),
      drained: fc.subarray(memberIds, { maxLength: 4 }),
      takes,
      ramps: takes,
      memberWeights: fc.dictionary(fc.constantFrom(...memberIds), weights, { maxKeys: 3 }),
      choiceWeights: fc.dictionary(fc.constantFrom("split/a", "canary/b", "www.example/a"), weights),
      rttMs: fc.dictionary(fc.constantFrom(...regionIds), fc.integer({ min: 1, max: 400 })),
      votes: fc.dictionary(
        fc.constantFrom(...watchedIds),
        fc.dictionary(fc.constantFrom(...vantageIds), fc.constantFrom("up" as const, "down" as const)),
      ),
    })
    .map(factsOf);
}

export const families: fc.Arbitrary<4 | 6> = fc.constantFrom(4, 6);

export const whenDowns: fc.Arbitrary<Service["whenDown"]> = fc.oneof(
  fc.constantFrom(
    { kind: "all" } as const,
    { kind: "lastGood" } as const,
    { kind: "nodata" } as const,
    { kind: "servfail" } as const,
  ),
  fc.constantFrom(...poolIds).map((id) => ({ kind: "fallback", pool: id }) as const),
);
