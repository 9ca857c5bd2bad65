import { describe, expect, test } from "vitest";
import type { Config, RegionId, Service, VipId } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import type { Invariant, Requirement, Selection } from "../../src/config/rules.ts";
import { combinationsDown } from "../../src/steering/combinations.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { type Held, hold } from "../../src/steering/invariant.ts";
import { leavesOf } from "../../src/steering/local.ts";
import { localise } from "../../src/steering/localise.ts";
import { type Plan, planFor } from "../../src/steering/plan.ts";
import { AS_DECLARED, type Standing } from "../../src/steering/standing.ts";
import { finish } from "../../src/steps.ts";
import { fc } from "../fast-check.ts";
import { locations, plainPolicies, whenDowns } from "./arbitraries.ts";
import {
  BOSTON,
  configOf,
  factsOf,
  failover,
  geo,
  LONDON,
  latency,
  member,
  nearest,
  pool,
  TOKYO,
  WORLD,
  weighted,
} from "./world.ts";

const PLACE = { file: "meridian.yaml", line: 1, column: 1 };

function serviceOf(policy: Policy, whenDown: Service["whenDown"] = { kind: "all" }): Service {
  return { label: "www.example", policy, whenDown } as Service;
}

function invariant(requirements: readonly Requirement[], failures: number | null = null): Invariant {
  return { name: "one", place: PLACE, services: [], clients: [], failures, requirements };
}

function region(id: string, config: Config = WORLD): Selection {
  const members = [...config.members.values()].filter((one) => one.region === id);
  return {
    text: id,
    vips: new Set(members.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6].flatMap((vip) => vip?.id ?? []))),
  };
}

function held(
  service: Service,
  rule: Invariant,
  { places = [LONDON, BOSTON, TOKYO], standing = AS_DECLARED, config = WORLD } = {} as {
    readonly places?: readonly (typeof LONDON)[];
    readonly standing?: Standing;
    readonly config?: Config;
  },
): Held {
  const classes = places.map((location) => ({
    local: localise(service.policy, location, config),
    examples: new Map([[rule, location]]),
  }));
  return finish(hold(service, classes, standing, config));
}

/** `us, eu down: message`, or nothing where the invariant holds. */
function told(...of: Parameters<typeof held>): string {
  const [found] = held(...of).counterexamples;
  if (found === undefined) return "holds";
  return `${found.down.join(", ") || "nothing"} down: ${found.message}`;
}

const only = (...ids: string[]): Requirement => ({ kind: "only", selections: ids.map((id) => region(id)) });

describe("combinations", () => {
  test("are all, those with the fewest down first", () => {
    expect(combinationsDown(["a", "b", "c"], 3)).toEqual([
      [],
      ["a"],
      ["b"],
      ["c"],
      ["b", "c"],
      ["a", "c"],
      ["a", "b"],
      ["a", "b", "c"],
    ]);
  });

  test("of eight are 256, each once", () => {
    const all = combinationsDown([..."abcdefgh"], 8);
    expect(new Set(all.map((down) => [...down].sort().join(""))).size).toBe(256);
    expect(all).toHaveLength(256);
  });

  test("of nine are none, each one, each two, all but each one, and all", () => {
    const sizes = combinationsDown([..."abcdefghi"], 9).map((down) => down.length);
    expect(Object.entries(Object.groupBy(sizes, String)).map(([size, of]) => [size, of?.length])).toEqual([
      ["0", 1],
      ["1", 9],
      ["2", 36],
      ["8", 9],
      ["9", 1],
    ]);
  });

  test("are no more than may be down", () => {
    expect(combinationsDown(["a", "b", "c"], 1)).toHaveLength(4);
    expect(combinationsDown([..."abcdefghi"], 1)).toHaveLength(10);
  });
});

describe("an invariant", () => {
  const inEurope = member("web/eu");
  const leaving = geo({ "country GB": inEurope, default: pool("web") });

  test("finds the case with the fewest regions down", () => {
    const order = failover([member("web/eu"), member("web/ap"), member("web/us")]);
    expect(told(serviceOf(order), invariant([only("eu", "ap")]), { places: [LONDON] })).toBe(
      "eu, ap down: expected only eu, ap, got A: web/us/ipv4 100 %",
    );
    expect(told(serviceOf(order), invariant([only("eu", "ap")], 1), { places: [LONDON] })).toBe("holds");
  });

  test("finds clients who leave their case when it is down, and none where there is a fence", () => {
    const rule = invariant([only("eu")]);
    expect(told(serviceOf(leaving), rule, { places: [LONDON] })).toMatch(
      /^eu down: expected only eu, got A: /,
    );
    expect(told(serviceOf({ ...leaving, fence: true }), rule, { places: [LONDON] })).toBe("holds");
  });

  test("is tried with any region as the fastest", () => {
    const fast = serviceOf(latency(pool("web")));
    for (const id of ["us", "eu", "ap"]) {
      const never: Requirement = { kind: "never", selections: [region(id)] };
      expect(told(fast, invariant([never], 0), { places: [LONDON] })).toBe(
        `nothing down: expected never ${id}, got A: web/${id}/ipv4 100 %`,
      );
    }
  });

  test.each<readonly [string, Requirement, number | null, Policy, string]>([
    [
      "a share of one member",
      { kind: "each-at-most", share: 0.5 },
      0,
      pool("heavy"),
      "nothing down: expected at most 50 % for each member, got A: heavy/us/ipv4 75 %, heavy/eu/ipv4 25 %",
    ],
    ["a share of each member that is kept", { kind: "each-at-most", share: 0.75 }, 0, pool("heavy"), "holds"],
    [
      "a share of a selection",
      { kind: "at-most", selection: region("eu"), share: 0.2 },
      0,
      weighted({ a: [1, pool("one")], b: [3, pool("two")] }),
      "nothing down: expected at most 20 % for eu, got A: one/eu/ipv4 25 %, two/us/ipv4 75 %",
    ],
    ["two regions of three", { kind: "answerable", regions: 2 }, null, pool("web"), "holds"],
    [
      "two regions of one",
      { kind: "answerable", regions: 2 },
      null,
      pool("one"),
      "nothing down: expected at least 2 regions that can answer IPv4, found eu",
    ],
    ["a standby that weighs nothing", { kind: "answerable", regions: 3 }, null, pool("standby"), "holds"],
    [
      "two regions, in the family that has but one",
      { kind: "answerable", regions: 2 },
      null,
      pool("mixed"),
      "nothing down: expected at least 2 regions that can answer IPv6, found eu",
    ],
    ["an address always", { kind: "answered", when: "always" }, null, pool("web"), "holds"],
    [
      "an address, in the family that there is",
      { kind: "answered", when: "always" },
      null,
      pool("old"),
      "holds",
    ],
    [
      "an address where no case matches",
      { kind: "answered", when: "always" },
      null,
      geo({ "country JP": pool("web") }),
      "nothing down: expected an answer, got A: NODATA",
    ],
    [
      "what is up",
      { kind: "answered", when: "while-up" },
      null,
      { ...leaving, fence: true },
      "eu down: expected an answer that is up, got A: web/eu/ipv4 100 %, as the last resort",
    ],
    ["what is up, of all", { kind: "answered", when: "while-up" }, null, nearest(pool("web")), "holds"],
  ])("asks for %s", (_, requirement, failures, policy, expected) => {
    expect(told(serviceOf(policy), invariant([requirement], failures), { places: [LONDON] })).toBe(expected);
  });

  test("counts what is drained or forced as it is", () => {
    const two = invariant([{ kind: "answerable", regions: 2 }]);
    const service = serviceOf(pool("mixed"));
    const drained = new Set([...WORLD.members.keys()].filter((id) => id === "mixed/us"));
    const found = "nothing down: expected at least 2 regions that can answer IPv4, found eu";
    expect(told(service, two, { standing: { ...AS_DECLARED, drained } })).toBe(found);
    const down = new Map([["mixed/us/ipv4" as VipId, "down" as const]]);
    expect(told(service, two, { standing: { ...AS_DECLARED, forced: down } })).toBe(found);
    const up = new Map([["one/eu/ipv4" as VipId, "up" as const]]);
    const whileUp = invariant([{ kind: "answered", when: "while-up" }]);
    const fenced = serviceOf(geo({ default: failover([member("one/eu"), member("two/us")]) }), {
      kind: "servfail",
    });
    expect(told(fenced, whileUp, { standing: { ...AS_DECLARED, forced: up } })).toMatch(
      /^us, eu down: .*AAAA: SERVFAIL/,
    );
  });

  test("with more than eight regions is tried in part, and says so", () => {
    const ids = [..."abcdefghi"];
    const config = configOf(Object.fromEntries(ids.map((id, i) => [id, [0, 10 * i] as const])), {
      all: Object.fromEntries(ids.map((id) => [id, { region: id, families: [4] as const }])),
    });
    const rule = invariant([{ kind: "answered", when: "while-up" }]);
    const { exhaustive, plans, counterexamples } = held(serviceOf(pool("all")), rule, {
      places: [LONDON],
      config,
    });
    expect({ exhaustive, plans, counterexamples }).toEqual({
      exhaustive: false,
      plans: 56,
      counterexamples: [],
    });
    expect(held(serviceOf(pool("web")), rule).exhaustive).toBe(true);
  });
});

test("an invariant breaks exactly where some combination, order of regions and family breaks it", () => {
  const regions = ["us", "eu", "ap"];
  const orders = regions
    .flatMap((a) => regions.flatMap((b) => regions.map((c) => [a, b, c])))
    .filter((order) => new Set(order).size === 3);
  const downs = combinationsDown(regions, 3);
  fc.assert(
    fc.property(
      plainPolicies,
      whenDowns,
      locations,
      fc.constantFrom(...regions),
      (policy, whenDown, location, id) => {
        const service = serviceOf(policy, whenDown);
        const { vips } = region(id);
        const never = invariant([{ kind: "never", selections: [{ text: id, vips }] }]);
        const local = localise(policy, location, WORLD);
        const breaks = downs.some((down) =>
          orders.some((order) => {
            const members = [...WORLD.members.values()].filter((one) =>
              down.includes(one.region as RegionId),
            );
            const rttMs = Object.fromEntries(order.map((one, i) => [one, i + 1]));
            const facts = factsOf({ down: members.map((one) => one.id), rttMs });
            return ([4, 6] as const).some((family) => {
              const { plan } = planFor(local, service, family, facts, WORLD);
              return plan.kind === "answer" && plan.shares.some(({ vip }) => vips.has(vip));
            });
          }),
        );
        const { counterexamples } = held(service, never, { places: [location] });
        expect(counterexamples.length > 0).toBe(breaks);
      },
    ),
    { numRuns: 200 },
  );
});

describe("a pool that is steered per vantage", () => {
  const watched = {
    nearest: nearest(pool("watched")),
    order: failover([member("watched/ap"), member("watched/eu"), member("watched/us")]),
    shares: weighted({ a: [3, member("watched/eu")], b: [1, pool("watched")] }, { minUp: 0.5 }),
  };

  test("is tried once for all vantages", () => {
    const plans = (policy: Policy): number =>
      held(serviceOf(policy), invariant([only("us", "eu", "ap")])).plans;
    expect(plans(pool("watched"))).toBe(plans(pool("web")));
  });

  test.each(Object.entries(watched))(
    "gives clients who cannot reach some regions what it gives in one of the combinations: %s",
    (_name, policy) => {
      const service = serviceOf(policy, { kind: "nodata" });
      for (const place of [LONDON, BOSTON]) {
        const local = localise(policy, place, WORLD);
        const [vantage] = [...leavesOf(local).values()].flatMap(({ nearby }) => nearby);
        const given = (facts: Facts): Plan => planFor(local, service, 4, facts, WORLD).plan;
        for (const regions of combinationsDown(["us", "eu", "ap"], 3)) {
          const members = regions.map((id) => `watched/${id}`);
          const votes = Object.fromEntries(members.map((id) => [id, { [vantage!]: "down" as const }]));
          const inCombination = given(factsOf({ down: members }));
          // Rather than a last resort, what the quorum sees up.
          const expected = inCombination.kind === "answer" ? inCombination : given(factsOf());
          expect(given(factsOf({ votes }))).toEqual(expected);
        }
      }
    },
  );
});
