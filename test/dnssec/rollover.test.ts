/** Rollovers on a virtual clock: no validator ever finds the zone bogus, and each wait is there because one would. */

import { describe, expect, test } from "vitest";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import type { Look } from "../../src/dnssec/parent-ds.ts";
import { advance, type KeyState, planOf, type RolloverFacts, settled } from "../../src/dnssec/rollover.ts";
import { afterJump, RULES, type Rules, type Waits } from "../../src/dnssec/rollover-waits.ts";
import { play, type Scenario } from "./rollover-model.ts";

/** How many worlds are tried; each has its own TTLs, delays, servers and restarts. */
const SEEDS = 300;

const KEY = ["publish", "submit", "retire", "remove", "idle"];
const ALGORITHM = ["sign", "publish", "submit", "retire", "withdraw", "remove", "idle"];

function* worlds(scenario: Omit<Scenario, "seed">): Generator<ReturnType<typeof play>> {
  for (let seed = 1; seed <= SEEDS; seed += 1) yield play({ ...scenario, seed });
}

describe.each([
  ["key", KEY],
  ["algorithm", ALGORITHM],
] as const)("a rollover of the %s", (kind, steps) => {
  test("takes its steps, and every mix of what caches remember validates at every moment (RFC 6781 §4.1.3, §4.1.4)", () => {
    for (const { violation, steps: served } of worlds({ kind })) {
      expect(violation).toBeNull();
      expect(served).toEqual(steps);
    }
  });

  test("waits for TTLs that were lowered just before it began (RFC 7583 §3)", () => {
    for (const { violation, steps: served } of worlds({ kind, lowersTtls: true })) {
      expect(violation).toBeNull();
      expect(served).toEqual(steps);
    }
  });

  test("that is turned round at any moment leads back to the old keys, and validates too (RFC 7583 §3)", () => {
    const ways = new Set<string>();
    for (const { violation, steps: served } of worlds({ kind, turns: true })) {
      expect(violation).toBeNull();
      expect(served.at(-1)).toBe("idle");
      ways.add(served.join(" "));
    }
    expect(ways.size).toBeGreaterThan(kind === "key" ? 3 : 5);
  });
});

describe("the DS of the old key that comes back", () => {
  const from = [{ algorithm: Algorithm.EcdsaP256Sha256, tag: 1 }];
  const state: KeyState = {
    ...settled("dns1", from, 0),
    from,
    to: [{ algorithm: Algorithm.Ed25519, tag: 2 }],
  };
  const facts = (kind: Look["kind"]): RolloverFacts => ({
    isServed: true,
    keys: [...state.from, ...state.to],
    propagationMs: 0,
    dnskeyTtlSeconds: 60,
    zoneTtlSeconds: 60,
    look: { kind, atMs: 1000, ttlSeconds: 60, why: "" },
  });

  test.each(["withdraw", "remove"] as const)("brings the old key back in step %s", (step) => {
    const next = advance({ ...state, step }, facts("old"), 1000);
    expect(next).toMatchObject({ step: "retire", servedMs: null, ds: null });
    expect(planOf(next).dnskeys).toEqual([...state.from, ...state.to]);
  });

  test("makes step retire begin its wait again", () => {
    const waiting: KeyState = { ...state, step: "retire", ds: { rightMs: 0, byHand: true } };
    const next = advance(waiting, facts("old"), 1000);
    expect(next).toMatchObject({ step: "retire", ds: null });
    expect(advance(next, facts("right"), 2000).ds).toEqual({ rightMs: 1000, byHand: false });
  });
});

describe("a clock that is set", () => {
  const ttl = { seconds: 3600, current: 60, sinceMs: 400 };
  const state: KeyState = {
    ...settled("dns1", [{ algorithm: Algorithm.Ed25519, tag: 1 }], 500),
    ds: { rightMs: 700, byHand: false },
    ttls: { dnskey: ttl, zone: null, ds: null },
  };

  test.each<[string, number, number, readonly number[]]>([
    ["ahead moves all times along", 5000, 6000, [5500, 5700, 5400]],
    ["ahead moves none into the future", 5000, 5600, [5500, 5600, 5400]],
    ["back leaves what it still shows as past", -5000, 600, [500, 600, 400]],
    ["back has a wait begin anew whose beginning is to come", -5000, 0, [0, 0, 0]],
  ])("%s", (_what, jumpMs, nowMs, times) => {
    const after = afterJump(state, jumpMs, nowMs);
    expect([after.servedMs, after.ds?.rightMs, after.ttls.dnskey?.sinceMs]).toEqual(times);
    expect(after.ttls.zone).toBeNull();
    expect(afterJump({ ...state, servedMs: null, ds: null }, jumpMs, nowMs)).toMatchObject({
      servedMs: null,
      ds: null,
    });
  });
});

/** Rules of which one is wrong. */
function without(part: Partial<Rules>): Pick<Scenario, "rules"> {
  return { rules: { ...RULES, ...part } };
}

const noTtl = ({ propagation }: Waits): number => propagation;
const noPropagation =
  (term: "dnskey" | "zone" | "ds") =>
  (waits: Waits): number =>
    waits[term];

describe("each wait is there because without it", () => {
  test.each<[string, Omit<Scenario, "seed">]>([
    ["sign does not wait for the zone's TTL", { kind: "algorithm", ...without({ sign: noTtl }) }],
    [
      "sign does not wait for other nodes",
      { kind: "algorithm", ...without({ sign: noPropagation("zone") }) },
    ],
    ["publish does not wait for the TTL of DNSKEY", { kind: "key", ...without({ publish: noTtl }) }],
    ["publish does not, for an algorithm", { kind: "algorithm", ...without({ publish: noTtl }) }],
    [
      "publish does not wait for other nodes",
      { kind: "key", ...without({ publish: noPropagation("dnskey") }) },
    ],
    ["retire does not wait for the zone's TTL", { kind: "key", ...without({ retireServed: noTtl }) }],
    [
      "retire does not wait for other nodes",
      { kind: "key", ...without({ retireServed: noPropagation("zone") }) },
    ],
    ["retire does not wait for the TTL of DS", { kind: "key", ...without({ retireDs: noTtl }) }],
    ["retire does not, for an algorithm", { kind: "algorithm", ...without({ retireDs: noTtl }) }],
    [
      "retire does not wait for the parent's servers",
      { kind: "key", ...without({ retireDs: noPropagation("ds") }) },
    ],
    ["withdraw does not wait for the TTL of DNSKEY", { kind: "algorithm", ...without({ withdraw: noTtl }) }],
    [
      "withdraw does not wait for other nodes",
      { kind: "algorithm", ...without({ withdraw: noPropagation("dnskey") }) },
    ],
    ["remove does not wait for other nodes", { kind: "key", ...without({ remove: () => 0 }) }],
    ["a step counts before it is served", { kind: "key", lie: (facts) => ({ ...facts, isServed: true }) }],
    [
      "the DS is taken for seen",
      {
        kind: "key",
        lie: (facts, atMs) => ({ ...facts, look: facts.look && { ...facts.look, kind: "right", atMs } }),
      },
    ],
    ["one server of the parent is enough", { kind: "key", looksAt: 1 }],
    [
      "TTLs that were lowered are forgotten",
      {
        kind: "algorithm",
        lowersTtls: true,
        forget: (state) => ({ ...state, ttls: { ...state.ttls, dnskey: null, zone: null } }),
      },
    ],
    [
      "the TTL of the DS is forgotten",
      {
        kind: "key",
        forget: (state) => ({
          ...state,
          ttls: { ...state.ttls, ds: { seconds: 0, current: 0, sinceMs: 0 } },
        }),
      },
    ],
  ])("the model finds a bogus zone where %s (RFC 7583 §3)", (_what, scenario) => {
    const found = worlds(scenario).find(({ violation }) => violation !== null);
    expect(found?.violation).toEqual(expect.any(String));
  });
});
