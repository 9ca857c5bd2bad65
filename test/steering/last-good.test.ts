import { describe, expect, test } from "vitest";
import type { VipId } from "../../src/config/config.ts";
import { LastGood } from "../../src/steering/last-good.ts";
import type { LocalPolicy } from "../../src/steering/local.ts";
import { localPool } from "../../src/steering/make-local.ts";
import type { Plan } from "../../src/steering/plan.ts";
import { WORLD } from "./world.ts";

const [pool, other] = [...WORLD.pools.values()];
const local = localPool(pool!, []);
const vip = pool!.members[0]!.ipv4!.id;
const service = { label: "www.example" };
const up = {
  kind: "answer",
  shares: [{ vip, share: 1 }],
  spreads: null,
  sticky: null,
  lastResort: false,
} as const;

function knowing(plan: Plan, of: LocalPolicy = local): LastGood {
  const lastGood = new LastGood();
  lastGood.remember(of, service, 4, plan);
  return lastGood;
}

describe("the last good plan", () => {
  test("is known by policy and family", () => {
    expect(knowing(up).recall(local, service, 4)).toBe(up);
    expect(knowing(up).recall(local, service, 6)).toBeNull();
    expect(knowing(up).recall(localPool(other!, []), service, 4)).toBeNull();
  });

  test("is the last one that was up", () => {
    const lastGood = knowing(up);
    lastGood.remember(local, service, 4, { ...up, lastResort: true });
    lastGood.remember(local, service, 4, { kind: "nodata", lastResort: false });
    lastGood.remember(local, service, 4, { kind: "servfail" });
    expect(lastGood.recall(local, service, 4)).toBe(up);
    const next = { ...up, shares: [...up.shares] };
    lastGood.remember(local, service, 4, next);
    expect(lastGood.recall(local, service, 4)).toBe(next);
  });

  test("is shared by services, but not where choices are weighed under a service's own name", () => {
    const choices = [
      { key: "a", weight: 1, use: local },
      { key: "b", weight: 1, use: localPool(other!, []) },
    ];
    const mix = (scope: string | null): LocalPolicy => ({
      kind: "weighted",
      minUp: 0,
      scope,
      choices,
      via: [],
    });
    const within = (use: LocalPolicy): LocalPolicy => ({
      kind: "first",
      minUp: 0,
      alternatives: [use, local],
      via: [],
    });
    const elsewhere = { label: "shop.example" };
    expect(knowing(up).recall(local, elsewhere, 4)).toBe(up);
    const stuck = (of: LocalPolicy): LocalPolicy => ({ kind: "sticky", minUp: 0, of, via: [] });
    for (const place of [(use: LocalPolicy) => use, within, stuck]) {
      expect(knowing(up, place(mix("mix"))).recall(place(mix("mix")), elsewhere, 4)).toBe(up);
      expect(knowing(up, place(mix(null))).recall(place(mix(null)), elsewhere, 4)).toBeNull();
      expect(knowing(up, place(mix(null))).recall(place(mix(null)), service, 4)).toBe(up);
    }
  });

  test("is not known when one of its VIPs has gone", () => {
    const gone = { ...up, shares: [...up.shares, { vip: `${vip}-gone` as VipId, share: 1 }] };
    expect(knowing(gone).recall(local, service, 4)).toBeNull();
    const claim = { member: pool!.members[0]!.id, wanted: 1, share: 1 };
    const claiming = (claimed: VipId | null): Plan => ({
      ...up,
      sticky: { drawn: [], claims: [{ ...claim, vip: claimed }] },
    });
    expect(knowing(claiming(`${vip}-gone` as VipId)).recall(local, service, 4)).toBeNull();
    for (const claimed of [vip, null]) {
      const plan = claiming(claimed);
      expect(knowing(plan).recall(local, service, 4)).toBe(plan);
    }
  });

  test("is forgotten with its policy", () => {
    expect(new LastGood(knowing(up), [[local, service]]).recall(local, service, 4)).toBe(up);
    expect(new LastGood(knowing(up), []).recall(local, service, 4)).toBeNull();
  });
});
