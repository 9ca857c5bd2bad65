/** What every kind of policy promises, over the same three VIPs. */

import { describe, expect, test } from "vitest";
import type { Policy } from "../../src/config/policy.ts";
import type { Location } from "../../src/geo/location.ts";
import {
  BOSTON,
  failover,
  geo,
  LONDON,
  latency,
  location,
  member,
  nearest,
  plan,
  pool,
  sharesOf,
  sticky,
  TOKYO,
  weighted,
} from "./world.ts";

const members = ["web/us", "web/eu", "web/ap"] as const;
const [us, eu, ap] = members.map(member) as [Policy, Policy, Policy];

const kinds: readonly { readonly kind: string; readonly policy: Policy }[] = [
  { kind: "pool", policy: pool("web") },
  { kind: "weighted", policy: weighted({ us: [5, us], eu: [3, eu], ap: [2, ap] }) },
  { kind: "failover", policy: failover([us, eu, ap]) },
  { kind: "geo", policy: geo({ "country GB": eu, "continent AS": ap, default: pool("web") }) },
  { kind: "nearest", policy: nearest(pool("web")) },
  { kind: "latency", policy: latency(pool("web")) },
  {
    kind: "failover of geo of weighted",
    policy: failover([geo({ default: weighted({ a: [1, us], b: [1, eu] }) }), ap]),
  },
  { kind: "sticky", policy: sticky(pool("web")) },
  { kind: "failover of sticky", policy: failover([sticky(pool("web")), ap]) },
  {
    kind: "nearest of sticky of weighted",
    policy: nearest(sticky(weighted({ a: [9, us], b: [1, eu], c: [1, ap] }))),
  },
  { kind: "weighted of nearest", policy: weighted({ a: [9, nearest(pool("web"))], b: [1, us] }) },
  {
    kind: "nearest of weighted of latency",
    policy: nearest(weighted({ a: [1, latency(pool("web"))], b: [1, us] })),
  },
];

const places: readonly Location[] = [LONDON, TOKYO, BOSTON, location({})];

/** Every set of members that can be down at once. */
const outages: readonly (readonly string[])[] = Array.from({ length: 8 }, (_, set) =>
  members.filter((_member, i) => (set >> i) % 2 === 1),
);

describe.each(kinds)("$kind", ({ policy }) => {
  const everywhere = places.flatMap((at) => outages.map((down) => ({ at, down })));

  test("answers with members that are up, as long as there are any", () => {
    for (const { at, down } of everywhere) {
      const shares = sharesOf(plan(policy, { down }, { at }));
      expect(shares).toBeTypeOf("object");
      const used = Object.keys(shares);
      expect(used.length).toBeGreaterThan(0);
      expect(members).toEqual(expect.arrayContaining(used));
      if (down.length < members.length) expect(used.filter((id) => down.includes(id))).toEqual([]);
    }
  });

  test("gives shares that add up to 1", () => {
    for (const { at, down } of everywhere) {
      const shares = Object.values(sharesOf(plan(policy, { down, takes: { "web/us": 0.37 } }, { at })));
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 7);
    }
  });

  test("says when its answer is the last resort, and only then", () => {
    for (const { at, down } of everywhere) {
      const { plan: made } = plan(policy, { down }, { at });
      expect(made).toMatchObject({ kind: "answer", lastResort: down.length === members.length });
    }
  });

  test("answers by whenDown when all is down", () => {
    const all = { down: members };
    expect(sharesOf(plan(policy, all, { whenDown: { kind: "nodata" } }))).toBe("nodata");
    expect(sharesOf(plan(policy, all, { whenDown: { kind: "servfail" } }))).toBe("servfail");
    expect(sharesOf(plan(policy, all, { whenDown: { kind: "all" } }))).toEqual(sharesOf(plan(policy)));
  });

  test("treats a drained member as one that is down, until nothing else is up", () => {
    for (const { at, down } of everywhere) {
      if (down.length === members.length) continue;
      expect(sharesOf(plan(policy, { drained: down }, { at }))).toEqual(
        sharesOf(plan(policy, { down }, { at })),
      );
    }
    expect(plan(policy, { drained: members }).plan).toMatchObject({ kind: "answer", lastResort: false });
  });

  test("answers both families with the same members, in the same order", () => {
    for (const { at, down } of everywhere) {
      const [ipv4, ipv6] = ([4, 6] as const).map((family) =>
        sharesOf(plan(policy, { down }, { at, family })),
      );
      expect(Object.entries(ipv4 ?? {})).toEqual(Object.entries(ipv6 ?? {}));
    }
  });

  test("gives a member that takes less no more than before, and the others no less", () => {
    for (const at of places) {
      const before = sharesOf(plan(policy, {}, { at }));
      const after = sharesOf(plan(policy, { takes: { "web/us": 0.5 } }, { at }));
      if (typeof before === "string" || typeof after === "string") continue;
      expect(after["web/us"] ?? 0).toBeLessThanOrEqual(before["web/us"] ?? 0);
      for (const id of ["web/eu", "web/ap"]) expect(after[id] ?? 0).toBeGreaterThanOrEqual(before[id] ?? 0);
    }
  });
});

describe("the order in which things are declared does not matter", () => {
  test("for the shares of weighted choices", () => {
    const forth = weighted({ us: [5, us], eu: [3, eu], ap: [2, ap] });
    const back = weighted({ ap: [2, ap], eu: [3, eu], us: [5, us] });
    expect(sharesOf(plan(forth))).toEqual(sharesOf(plan(back)));
  });

  test("for the cases of geo", () => {
    const forth = geo({ "country GB": eu, "continent EU": us, default: ap });
    const back = geo({ default: ap, "continent EU": us, "country GB": eu });
    expect(sharesOf(plan(forth))).toEqual(sharesOf(plan(back)));
  });

  test("for what nearest and latency choose from", () => {
    for (const rule of [nearest, latency]) {
      const facts = { rttMs: { eu: 10, us: 20, ap: 30 } };
      expect(sharesOf(plan(rule(failover([us, eu, ap])), facts))).toEqual(
        sharesOf(plan(rule(failover([ap, eu, us])), facts)),
      );
    }
  });
});
