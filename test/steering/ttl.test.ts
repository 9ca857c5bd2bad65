/** The TTL of a plan, case by case, and held against what can change the plan. */

import { describe, expect, test } from "vitest";
import type { Service, VipId } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { vipsOf } from "../../src/health/tracked.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { formatTtl } from "../../src/steering/format-trace.ts";
import { localise } from "../../src/steering/localise.ts";
import { type Planned, planFor } from "../../src/steering/plan.ts";
import { shorter, type Ttl, ttlOf } from "../../src/steering/ttl.ts";
import { fc } from "../fast-check.ts";
import { families, fullFacts, locations, policies, whenDowns } from "./arbitraries.ts";
import { factsOf, failover, LONDON, member, pool, serviceOf, verdict, WORLD, weighted } from "./world.ts";

const ADAPTIVE = { ttlSeconds: 60, ttlSecondsMin: 5 };

const VIPS = [...WORLD.members.values()].flatMap(vipsOf).map(({ id }) => id);

/** How long the VIPs of members stay as they are; of all others it is for good. */
type Outlooks = Readonly<Record<string, number>>;

/** Every VIP judged: up, or down as the facts say. */
function judged(facts: Facts, steadyMs: (vip: VipId) => number | null): Facts {
  const verdicts = VIPS.map((vip) => {
    const known = facts.verdicts.get(vip) ?? verdict(vip);
    return [vip, { ...known, steadyMs: steadyMs(vip) }] as const;
  });
  return { ...facts, verdicts: new Map(verdicts) };
}

function ttlFor(
  policy: Policy,
  outlooks: Outlooks,
  spec: Parameters<typeof factsOf>[0] = {},
  whenDown: Service["whenDown"] = { kind: "all" },
): Ttl {
  const facts = judged(factsOf(spec), (vip) => outlooks[vip.replace(/\/ipv[46]$/, "")] ?? null);
  const service = { ...serviceOf(whenDown), ...ADAPTIVE };
  const planned = planFor(localise(policy, LONDON, WORLD), service, 4, facts, WORLD);
  return ttlOf(planned, service, facts);
}

const [web, two] = [pool("web"), pool("two")];
const [webUs, webEu, twoUs] = ["web/us", "web/eu", "two/us"];

describe("the TTL of a plan", () => {
  test.each<[string, Policy, Outlooks, number, Parameters<typeof factsOf>[0]?]>([
    ["is the time to the first change", web, { [webUs]: 40_000, [webEu]: 26_900 }, 26],
    ["is the least when something may change sooner", web, { [webUs]: 4_999 }, 5],
    ["is the longest when nothing does so soon", web, { [webUs]: 60_001 }, 60],
    ["is the longest when nothing changes by itself", web, {}, 60],
    ["leaves out what stands behind one that takes all", failover([web, two]), { [twoUs]: 0 }, 60],
    ["counts what stands before it", failover([web, two]), { [webUs]: 9_000 }, 9],
    [
      "counts what comes after one that is down",
      failover([member(webUs), two]),
      { [twoUs]: 9_000 },
      9,
      { down: [webUs] },
    ],
    ["counts both that share", weighted({ a: [80, web], b: [20, two] }), { [twoUs]: 9_000 }, 9],
    ["leaves out what weighs nothing", weighted({ a: [1, web], b: [0, two] }), { [twoUs]: 0 }, 60],
    ["counts all that minUp counts", failover([web, two], 1), { [twoUs]: 9_000 }, 9],
    ["is the least while something ramps up", web, { [webUs]: 30_000 }, 5, { takes: { [webEu]: 0.5 } }],
    [
      "counts what is behind one that ramps up",
      failover([member(webUs), two]),
      {},
      5,
      { takes: { [webUs]: 0.5 } },
    ],
    ["is the least while nothing in use is up", member(webUs), { [webUs]: 50_000 }, 5, { down: [webUs] }],
    ["is the longest where that is for good", member(webUs), {}, 60, { down: [webUs] }],
    [
      "counts a reserve that is used",
      weighted({ a: [1, member(webUs)], b: [0, two] }),
      { [twoUs]: 9_000 },
      5,
      { down: [webUs] },
    ],
  ])("%s", (_rule, policy, outlooks, seconds, spec) => {
    expect(ttlFor(policy, outlooks, spec).seconds).toBe(seconds);
  });

  test("is the least of a VIP that nobody has judged yet", () => {
    const service = { ...serviceOf(), ...ADAPTIVE };
    const planned = planFor(localise(web, LONDON, WORLD), service, 4, factsOf(), WORLD);
    expect(ttlOf(planned, service, factsOf()).seconds).toBe(5);
  });

  test("that is fixed looks at nothing", () => {
    const planned: Planned = { plan: { kind: "servfail" }, attempts: [] };
    expect(ttlOf(planned, { ttlSeconds: 7, ttlSecondsMin: 7 }, factsOf())).toEqual({
      seconds: 7,
      why: { kind: "fixed" },
    });
  });

  test("of two is the shorter", () => {
    const [a, b]: readonly Ttl[] = [
      { seconds: 5, why: { kind: "emergency" } },
      { seconds: 60, why: { kind: "settled" } },
    ];
    expect([shorter(a!, b!), shorter(b!, a!)]).toEqual([a, a]);
  });
});

test.each<[Ttl, string]>([
  [{ seconds: 5, why: { kind: "fixed" } }, "TTL 5 s"],
  [ttlFor(web, {}), "TTL 60 s: nothing that it depends on changes by itself"],
  [ttlFor(web, { [webUs]: 26_900 }), "TTL 26 s: web/us may change after 26s"],
  [ttlFor(web, { [webUs]: 0 }), "TTL 5 s: web/us may change at any moment"],
  [ttlFor(web, {}, { takes: { [webUs]: 0.5 } }), "TTL 5 s: web/us takes another part from second to second"],
  [ttlFor(member(webUs), { [webUs]: 0 }, { down: [webUs] }), "TTL 5 s: nothing that is in use is up"],
])("%j is told as %s", (ttl, text) => {
  expect(formatTtl(ttl)).toBe(text);
});

test("what a TTL leaves out can change as it likes without changing the plan", () => {
  let moved = 0;
  const restless = fc.subarray(VIPS, { minLength: 1, maxLength: 6 });
  const parts = [policies, locations, fullFacts, fullFacts, whenDowns, families, restless] as const;
  fc.assert(
    fc.property(...parts, (policy, location, world, other, whenDown, family, mayChange) => {
      const service = { ...serviceOf(whenDown), ...ADAPTIVE };
      const local = localise(policy, location, WORLD);
      const now = judged(world, (vip) => (mayChange.includes(vip) ? 0 : null));
      const planned = planFor(local, service, family, now, WORLD);
      if (ttlOf(planned, service, now).why.kind !== "settled") return;
      const changed = mayChange.map((vip) => [vip, other.verdicts.get(vip) ?? verdict(vip)] as const);
      const later = { ...now, verdicts: new Map([...now.verdicts, ...changed]) };
      if (changed.some(([vip, { up }]) => now.verdicts.get(vip)?.up !== up)) moved += 1;
      expect(planFor(local, service, family, later, WORLD).plan).toEqual(planned.plan);
    }),
    { numRuns: 3_000 },
  );
  expect(moved).toBeGreaterThan(50);
});
