import { describe, expect, test } from "vitest";
import type { PoolId, RegionId, Service, VipId } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { localise } from "../../src/steering/localise.ts";
import { planFor } from "../../src/steering/plan.ts";
import {
  type FactSpec,
  factsOf,
  failover,
  geo,
  LONDON,
  latency,
  member,
  nearest,
  plan,
  pool,
  serviceOf,
  sharesOf,
  sticky,
  TOKYO,
  verdict,
  WORLD,
  weighted,
} from "./world.ts";

interface Case {
  readonly name: string;
  readonly policy: Policy;
  readonly facts?: FactSpec;
  readonly expected: Readonly<Record<string, number>> | string;
}

function check({ policy, facts, expected }: Case): void {
  expect(sharesOf(plan(policy, facts))).toEqual(expected);
}

const THIRD = 0.333333333;

describe("weights", () => {
  test.each<Case>([
    {
      name: "a pool shares answers by the weights of its members",
      policy: pool("heavy"),
      expected: { "heavy/us": 0.75, "heavy/eu": 0.25 },
    },
    {
      name: "a member that is down leaves its share to the others",
      policy: pool("web"),
      facts: { down: ["web/eu"] },
      expected: { "web/us": 0.5, "web/ap": 0.5 },
    },
    {
      name: "a policy shares answers by the weights of its choices, whatever weighs inside them",
      policy: weighted({ a: [80, pool("heavy")], b: [20, pool("one")] }),
      expected: { "heavy/us": 0.6, "heavy/eu": 0.2, "one/eu": 0.2 },
    },
    {
      name: "a choice that is down leaves its share to the others",
      policy: weighted({ a: [80, pool("one")], b: [15, pool("two")], c: [5, member("web/ap")] }),
      facts: { down: ["one/eu"] },
      expected: { "two/us": 0.75, "web/ap": 0.25 },
    },
    {
      name: "a VIP that stands in two choices gets one share, at the first of them",
      policy: weighted({ a: [50, member("web/us")], b: [30, pool("one")], c: [20, member("web/us")] }),
      expected: { "web/us": 0.7, "one/eu": 0.3 },
    },
    {
      name: "an overridden weight of a member replaces its own",
      policy: pool("heavy"),
      facts: { memberWeights: { "heavy/us": 1 } },
      expected: { "heavy/us": 0.5, "heavy/eu": 0.5 },
    },
    {
      name: "an overridden weight of a choice in place goes by the service's label",
      policy: weighted({ a: [80, pool("one")], b: [20, pool("two")] }),
      facts: { choiceWeights: { "www.example/a": 20 } },
      expected: { "one/eu": 0.5, "two/us": 0.5 },
    },
    {
      name: "an overridden weight of a named policy's choice goes by the policy's name",
      policy: weighted({ a: [80, pool("one")], b: [20, pool("two")] }, { name: "canary" }),
      facts: { choiceWeights: { "canary/a": 60, "www.example/a": 1 } },
      expected: { "one/eu": 0.75, "two/us": 0.25 },
    },
  ])("$name", check);
});

describe("zero", () => {
  test.each<Case>([
    { name: "a member of weight 0 gets no answer", policy: pool("standby"), expected: { "standby/us": 1 } },
    {
      name: "members of weight 0 share equally when nothing else is up",
      policy: pool("standby"),
      facts: { down: ["standby/us"] },
      expected: { "standby/eu": 0.5, "standby/ap": 0.5 },
    },
    {
      name: "a member of weight 0 waits while another choice of the service is up",
      policy: failover([pool("standby"), pool("one")]),
      facts: { down: ["standby/us"] },
      expected: { "one/eu": 1 },
    },
    {
      name: "a choice of weight 0 gets no answer",
      policy: weighted({ a: [1, pool("one")], b: [0, pool("two")] }),
      expected: { "one/eu": 1 },
    },
    {
      name: "a choice of weight 0 is used when nothing else is up",
      policy: weighted({ a: [1, pool("one")], b: [0, pool("two")] }),
      facts: { down: ["one/eu"] },
      expected: { "two/us": 1 },
    },
    {
      name: "a member that stands alone weighs what it weighs in its pool",
      policy: failover([member("standby/eu"), pool("two")]),
      expected: { "two/us": 1 },
    },
    {
      name: "a drained member gets no answer",
      policy: pool("web"),
      facts: { drained: ["web/eu"] },
      expected: { "web/us": 0.5, "web/ap": 0.5 },
    },
    {
      name: "a drained member and one of weight 0 are the same kind of reserve",
      policy: pool("standby"),
      facts: { drained: ["standby/us"], down: ["standby/ap"] },
      expected: { "standby/us": 0.5, "standby/eu": 0.5 },
    },
    {
      name: "when all is drained all is used, by the weights of choices",
      policy: weighted({ a: [80, pool("one")], b: [20, pool("two")] }),
      facts: { drained: ["one/eu", "two/us"] },
      expected: { "one/eu": 0.8, "two/us": 0.2 },
    },
    {
      name: "a VIP that is held down gets no answer",
      policy: pool("web"),
      facts: { heldDown: ["web/eu"] },
      expected: { "web/us": 0.5, "web/ap": 0.5 },
    },
    {
      name: "a VIP that is held down for a time is used when nothing else is up",
      policy: failover([pool("one"), pool("two")]),
      facts: { down: ["one/eu"], heldDown: ["two/us"] },
      expected: { "two/us": 1 },
    },
    {
      name: "a VIP that waits for its release is not used, though nothing else is up",
      policy: failover([pool("one"), pool("two"), pool("standby")]),
      facts: {
        heldDown: ["one/eu"],
        unreleased: ["two/us"],
        down: ["standby/us", "standby/eu", "standby/ap"],
      },
      expected: { "one/eu": 1 },
    },
    {
      name: "weights overridden to zero everywhere are equal weights",
      policy: pool("heavy"),
      facts: { memberWeights: { "heavy/us": 0, "heavy/eu": 0 } },
      expected: { "heavy/us": 0.5, "heavy/eu": 0.5 },
    },
  ])("$name", check);
});

describe("order", () => {
  test.each<Case>([
    {
      name: "failover answers with its first choice",
      policy: failover([pool("one"), pool("two")]),
      expected: { "one/eu": 1 },
    },
    {
      name: "failover moves on when the first is down",
      policy: failover([pool("one"), pool("two")]),
      facts: { down: ["one/eu"] },
      expected: { "two/us": 1 },
    },
    {
      name: "what a first choice declines goes to the next",
      policy: failover([pool("one"), pool("two")]),
      facts: { takes: { "one/eu": 0.3 } },
      expected: { "one/eu": 0.3, "two/us": 0.7 },
    },
    {
      name: "what nobody takes is given back in proportion",
      policy: failover([pool("one"), pool("two")]),
      facts: { takes: { "one/eu": 0.5, "two/us": 0.5 } },
      expected: { "one/eu": 0.666666667, "two/us": THIRD },
    },
    {
      name: "a pool takes as much as its best member, and its best member what the others decline",
      policy: failover([pool("web"), pool("two")]),
      facts: { takes: { "web/us": 0.5 } },
      expected: { "web/us": 0.2, "web/eu": 0.4, "web/ap": 0.4 },
    },
    {
      name: "a pool whose members all ramp up passes the rest on",
      policy: failover([pool("heavy"), pool("one")]),
      facts: { takes: { "heavy/us": 0.5, "heavy/eu": 0.5 } },
      expected: { "heavy/us": 0.375, "heavy/eu": 0.125, "one/eu": 0.5 },
    },
    {
      name: "an order inside an order takes what is not left over at its end",
      policy: failover([failover([pool("one"), pool("two")], 1), member("web/ap")]),
      facts: { takes: { "one/eu": 0.5, "two/us": 0.5 } },
      expected: { "one/eu": 0.5, "two/us": 0.25, "web/ap": 0.25 },
    },
    {
      name: "a VIP that is up and takes nothing yet is still better than none",
      policy: pool("one"),
      facts: { takes: { "one/eu": 0 } },
      expected: { "one/eu": 1 },
    },
    {
      name: "geo moves on from the most specific case to the next",
      policy: geo({ "country GB": pool("one"), "continent EU": pool("two"), default: member("web/ap") }),
      facts: { down: ["one/eu"] },
      expected: { "two/us": 1 },
    },
    {
      name: "nearest answers from the nearest region",
      policy: nearest(pool("web")),
      expected: { "web/eu": 1 },
    },
    {
      name: "nearest moves on to the next nearest region",
      policy: nearest(pool("web")),
      facts: { down: ["web/eu"] },
      expected: { "web/us": 1 },
    },
    {
      name: "nearest keeps the weights that hold within a region",
      policy: nearest(
        weighted({
          stable: [90, failover([member("web/eu"), member("web/us")])],
          canary: [10, pool("one")],
        }),
      ),
      expected: { "web/eu": 0.9, "one/eu": 0.1 },
    },
    {
      name: "latency answers from the region with the lowest round-trip time",
      policy: latency(pool("web")),
      facts: { rttMs: { us: 30, eu: 40, ap: 20 } },
      expected: { "web/ap": 1 },
    },
    {
      name: "latency moves on to the next lowest",
      policy: latency(pool("web")),
      facts: { rttMs: { us: 30, eu: 40, ap: 20 }, down: ["web/ap"] },
      expected: { "web/us": 1 },
    },
    {
      name: "latency keeps the weights that hold within a region",
      policy: latency(weighted({ stable: [3, pool("web")], canary: [1, pool("one")] })),
      facts: { rttMs: { eu: 1 } },
      expected: { "web/eu": 0.75, "one/eu": 0.25 },
    },
  ])("$name", check);

  test("latency puts regions that a ranking leaves out last", () => {
    const ranking = factsOf().latency.ranking("", ["ap" as RegionId]);
    const facts = { ...factsOf(), latency: { ranking: () => ranking } };
    const local = localise(latency(pool("web")), LONDON, WORLD);
    expect(sharesOf(planFor(local, serviceOf(), 4, facts, WORLD))).toEqual({ "web/ap": 1 });
  });
});

describe("minUp", () => {
  const halves = { a: [60, pool("one")], b: [40, pool("two")] } as const;
  test.each<Case>([
    {
      name: "a weighted policy is up while enough of its weight is up",
      policy: failover([weighted(halves, { minUp: 0.6 }), member("web/ap")]),
      facts: { down: ["two/us"] },
      expected: { "one/eu": 1 },
    },
    {
      name: "a weighted policy is down when too little of its weight is up",
      policy: failover([weighted(halves, { minUp: 0.6 }), member("web/ap")]),
      facts: { down: ["one/eu"] },
      expected: { "web/ap": 1 },
    },
    {
      name: "a weighted policy counts its weights as they are overridden",
      policy: failover([weighted(halves, { name: "split", minUp: 0.6 }), member("web/ap")]),
      facts: { down: ["one/eu"], choiceWeights: { "split/b": 100 } },
      expected: { "two/us": 1 },
    },
    {
      name: "a pool is up while enough of its weight is up",
      policy: failover([pool("many"), pool("one")]),
      facts: { down: ["many/us"] },
      expected: { "many/eu": 0.666666667, "many/ap": 0.333333333 },
    },
    {
      name: "a pool is down when too little of its weight is up",
      policy: failover([pool("many"), pool("one")]),
      facts: { down: ["many/us", "many/ap"] },
      expected: { "one/eu": 1 },
    },
    {
      name: "a pool counts its weights as they are overridden",
      policy: failover([pool("many"), pool("one")]),
      facts: { down: ["many/us", "many/ap"], memberWeights: { "many/us": 0.3 } },
      expected: { "many/eu": 1 },
    },
    {
      name: "a member that is drained counts as down, with the weight it had",
      policy: failover([pool("many"), pool("one")]),
      facts: { drained: ["many/us", "many/ap"] },
      expected: { "one/eu": 1 },
    },
    {
      name: "a member that is drained counts as up where drained ones are called for",
      policy: pool("many"),
      facts: { drained: ["many/us", "many/ap"] },
      expected: { "many/eu": 1 },
    },
    {
      name: "a pool that is cut up by region counts what it has there",
      policy: nearest(pool("many")),
      facts: { down: ["many/eu", "many/ap"] },
      expected: { "many/us": 1 },
    },
    {
      name: "what is sticky counts drained members as down, too",
      policy: failover([sticky(pool("many"), 0.6), pool("one")]),
      facts: { drained: ["many/us", "many/ap"] },
      expected: { "one/eu": 1 },
    },
    {
      name: "a pool that is down for its minUp is answered with by whenDown as if all of it were up",
      policy: pool("many"),
      facts: { down: ["many/us", "many/ap"] },
      expected: { "many/us": 0.4, "many/eu": 0.4, "many/ap": 0.2 },
    },
    {
      name: "an order counts its alternatives",
      policy: failover([failover([pool("one"), pool("two"), member("web/us")], 0.5), member("web/ap")]),
      facts: { down: ["one/eu", "two/us"] },
      expected: { "web/ap": 1 },
    },
    {
      name: "latency counts its regions",
      policy: failover([latency(pool("web"), 1), pool("two")]),
      facts: { down: ["web/ap"] },
      expected: { "two/us": 1 },
    },
    {
      name: "a policy that is down for its minUp at the root leaves it to whenDown",
      policy: weighted(halves, { minUp: 1 }),
      facts: { down: ["one/eu"] },
      expected: { "one/eu": 0.6, "two/us": 0.4 },
    },
  ])("$name", check);

  test("children without an address of the family do not count", () => {
    const policy = failover([
      weighted({ a: [60, pool("old")], b: [40, pool("two")] }, { minUp: 0.6 }),
      pool("one"),
    ]);
    expect(sharesOf(plan(policy, {}, { family: 6 }))).toEqual({ "two/us": 1 });
  });
});

describe("whenDown", () => {
  const down = { down: ["one/eu"] };
  test.each<{
    readonly name: string;
    readonly whenDown: Service["whenDown"];
    readonly facts?: FactSpec;
    readonly expected: Readonly<Record<string, number>> | string;
  }>([
    { name: "all answers as if all were up", whenDown: { kind: "all" }, expected: { "one/eu": 1 } },
    { name: "nodata answers NODATA", whenDown: { kind: "nodata" }, expected: "nodata" },
    { name: "servfail answers SERVFAIL", whenDown: { kind: "servfail" }, expected: "servfail" },
    {
      name: "fallback answers with the members of its pool that are up",
      whenDown: { kind: "fallback", pool: "sorry" as PoolId },
      facts: { down: ["one/eu", "sorry/us"] },
      expected: { "sorry/ap": 1 },
    },
    {
      name: "fallback answers with all of its pool when none of it is up",
      whenDown: { kind: "fallback", pool: "sorry" as PoolId },
      facts: { down: ["one/eu", "sorry/us", "sorry/ap"] },
      expected: { "sorry/us": 0.5, "sorry/ap": 0.5 },
    },
  ])("$name", ({ whenDown, facts = down, expected }) => {
    const planned = plan(pool("one"), facts, { whenDown });
    expect(sharesOf(planned)).toEqual(expected);
    if (planned.plan.kind !== "servfail") expect(planned.plan.lastResort).toBe(true);
  });

  test("all keeps what is drained aside, as long as something is not", () => {
    const facts = { down: ["web/us", "web/eu", "web/ap"], drained: ["web/eu"] };
    expect(sharesOf(plan(pool("web"), facts))).toEqual({ "web/us": 0.5, "web/ap": 0.5 });
  });

  test("a fallback pool without an address of the family gives NODATA as the last resort", () => {
    const { plan: made } = plan(pool("one"), down, {
      family: 6,
      whenDown: { kind: "fallback", pool: "old" as PoolId },
    });
    expect(made).toEqual({ kind: "nodata", lastResort: true });
  });

  test("reserves come before the last resort", () => {
    const { plan: made } = plan(
      pool("standby"),
      { down: ["standby/us"] },
      { whenDown: { kind: "servfail" } },
    );
    expect(made).toMatchObject({ kind: "answer", lastResort: false });
  });
});

describe("families", () => {
  test.each<Service["whenDown"]>([
    { kind: "all" },
    { kind: "nodata" },
    { kind: "servfail" },
    { kind: "fallback", pool: "sorry" as PoolId },
  ])("a policy without an IPv6 address gives NODATA for AAAA when down means $kind", (whenDown) => {
    const { plan: made } = plan(pool("old"), { down: ["old/us", "old/eu"] }, { family: 6, whenDown });
    expect(made).toEqual({ kind: "nodata", lastResort: false });
  });

  test("a location that no case matches has no answer", () => {
    const { plan: made } = plan(geo({ "country GB": pool("one") }), {}, { at: TOKYO });
    expect(made).toEqual({ kind: "nodata", lastResort: false });
  });

  test("an IPv6 answer leaves out members without an IPv6 address", () => {
    expect(sharesOf(plan(pool("mixed"), {}, { family: 6 }))).toEqual({ "mixed/eu": 1 });
  });

  test("each family goes by its own verdicts", () => {
    const facts = { ...factsOf(), verdicts: new Map([verdictDown("one/eu/ipv6")]) };
    const local = localise(failover([pool("one"), pool("two")]), LONDON, WORLD);
    expect(sharesOf(planFor(local, serviceOf(), 4, facts, WORLD))).toEqual({ "one/eu": 1 });
    expect(sharesOf(planFor(local, serviceOf(), 6, facts, WORLD))).toEqual({ "two/us": 1 });
  });

  test("a VIP that nobody has judged goes by the VIP that judges for it", () => {
    const vip = "one/eu/ipv6" as VipId;
    const members = [...WORLD.members.values()].map((one) =>
      one.id === "one/eu" && one.ipv4 !== null ? { ...one, ipv4: { ...one.ipv4, judgedBy: vip } } : one,
    );
    const config = { ...WORLD, members: new Map(members.map((one) => [one.id, one])) };
    const facts = { ...factsOf(), verdicts: new Map([verdictDown(vip)]) };
    const local = localise(failover([member("one/eu"), member("two/us")]), LONDON, config);
    expect(sharesOf(planFor(local, serviceOf(), 4, facts, config))).toEqual({ "two/us": 1 });
  });

  function verdictDown(text: string): [VipId, ReturnType<typeof verdict>] {
    const vip = text as VipId;
    return [vip, verdict(vip, { up: false })];
  }
});
