import { describe, expect, test } from "vitest";
import type { Config, MemberId, VipId } from "../../src/config/config.ts";
import { parseConfigText } from "../../src/control/config-file.ts";
import {
  type Action,
  actionProblem,
  applyOverrides,
  describeAction,
  isStale,
  nextTurnMs,
  type Override,
  overrideId,
  takesWith,
} from "../../src/control/override.ts";
import { CONFIG } from "./test-node.ts";

const config: Config = parseConfigText("meridian.yaml", CONFIG, "/etc/meridian").value!;

const EU = "web/eu-west" as MemberId;

describe("an action", () => {
  test.each<[Action, string, string]>([
    [
      { kind: "weight", target: { by: "choice", id: "mix/new" }, weight: 0.5 },
      "weight:choice:mix/new",
      "weight of choice mix/new 0.5",
    ],
    [
      { kind: "drain", target: { by: "region", id: "eu-west" } },
      "drain:region:eu-west",
      "drain region eu-west",
    ],
    [
      { kind: "force", target: { by: "vip", id: "web/eu-west/ipv4" }, verdict: "down" },
      "force:vip:web/eu-west/ipv4",
      "force vip web/eu-west/ipv4 down",
    ],
  ])("has one id for its kind and target, and words for people: %#", (action, id, words) => {
    expect(overrideId(action)).toBe(id);
    expect(describeAction(action)).toBe(words);
    expect(actionProblem(config, action)).toBeNull();
  });

  test.each<[string, Action, string]>([
    [
      "a region that is not there",
      { kind: "drain", target: { by: "region", id: "eu-wst" } },
      'no region "eu-wst" in meridian.yaml; did you mean "eu-west"?',
    ],
    [
      "a member that is not there",
      { kind: "drain", target: { by: "member", id: "web/eu-wset" } },
      'no member "web/eu-wset" in meridian.yaml; did you mean "web/eu-west"?',
    ],
    [
      "a VIP that is not there",
      { kind: "force", target: { by: "vip", id: "web/eu-west/ipv5" }, verdict: "up" },
      'no vip "web/eu-west/ipv5" in meridian.yaml; did you mean "web/eu-west/ipv4"?',
    ],
    [
      "a choice of a named policy that is not there",
      { kind: "weight", target: { by: "choice", id: "mix/knew" }, weight: 1 },
      'no choice "mix/knew" in meridian.yaml; did you mean "mix/new"?',
    ],
    [
      "a choice of a service that is not there",
      { kind: "weight", target: { by: "choice", id: "near.test.example/her" }, weight: 1 },
      'no choice "near.test.example/her" in meridian.yaml; did you mean "near.test.example/here"?',
    ],
    [
      "something like nothing that is there",
      { kind: "drain", target: { by: "region", id: "the-moon" } },
      'no region "the-moon" in meridian.yaml',
    ],
    [
      "a negative weight",
      { kind: "weight", target: { by: "region", id: "eu-west" }, weight: -1 },
      "weight: expected 0 to 1000000, got -1",
    ],
    [
      "a weight that is no number",
      { kind: "weight", target: { by: "region", id: "eu-west" }, weight: Number.NaN },
      "weight: expected 0 to 1000000, got NaN",
    ],
  ])("on %s is a problem", (_, action, problem) => {
    expect(actionProblem(config, action)).toBe(problem);
  });
});

describe("overrides become facts", () => {
  test("a region's weight is the weight of every member in it", () => {
    const facts = apply({ kind: "weight", target: { by: "region", id: "eu-west" }, weight: 7 });
    expect([...facts.memberWeights]).toEqual([["web/eu-west", 7]]);
  });

  test("a choice's weight goes by its policy, and touches no member", () => {
    const facts = apply({ kind: "weight", target: { by: "choice", id: "mix/new" }, weight: 7 });
    expect([...facts.choiceWeights]).toEqual([["mix/new", 7]]);
    expect(facts.memberWeights.size).toBe(0);
  });

  test("a drained region drains its members", () => {
    expect([...apply({ kind: "drain", target: { by: "region", id: "us-east" } }).drained]).toEqual([
      "web/us-east",
    ]);
  });

  test("a forced member forces both of its VIPs, a forced VIP itself alone", () => {
    const member = apply({ kind: "force", target: { by: "member", id: "web/eu-west" }, verdict: "down" });
    expect([...member.forced.keys()]).toEqual(["web/eu-west/ipv4", "web/eu-west/ipv6"]);
    const vip = apply({ kind: "force", target: { by: "vip", id: "web/eu-west/ipv6" }, verdict: "down" });
    expect([...vip.forced.keys()]).toEqual(["web/eu-west/ipv6"]);
  });

  test("the narrower target wins, in whatever order they stand", () => {
    const region: Action = { kind: "force", target: { by: "region", id: "eu-west" }, verdict: "down" };
    const member: Action = { kind: "force", target: { by: "member", id: "web/eu-west" }, verdict: "up" };
    const vip: Action = { kind: "force", target: { by: "vip", id: "web/eu-west/ipv4" }, verdict: "down" };
    for (const actions of [
      [region, member, vip],
      [vip, member, region],
      [member, vip, region],
    ]) {
      const verdicts = Array.from(apply(...actions).forced, ([id, { verdict }]) => [id, verdict]);
      expect(Object.fromEntries(verdicts)).toEqual({ "web/eu-west/ipv4": "down", "web/eu-west/ipv6": "up" });
    }
  });

  test("a drain with a ramp leaves less from tenth to tenth, until it drains", () => {
    const ramped = override({ kind: "drain", target: { by: "region", id: "eu-west" }, rampMs: 1_000 }, null);
    const at = (atMs: number) => {
      const { draining, drained } = applyOverrides(config, [ramped], atMs);
      return [draining.get(EU) ?? null, drained.has(EU)];
    };
    expect([at(0), at(99), at(100), at(950), at(999), at(1_000)]).toEqual([
      [null, false],
      [null, false],
      [0.9, false],
      [0.1, false],
      [0.1, false],
      [null, true],
    ]);
    expect([-5, 0, 99, 100, 950, 1_000].map((atMs) => nextTurnMs([ramped], atMs))).toEqual([
      100,
      100,
      100,
      200,
      1_000,
      null,
    ]);
    expect(nextTurnMs([{ ...ramped, untilMs: 150 }], 100)).toBe(150);
  });

  test("of two drains the one counts that leaves less", () => {
    const region: Action = { kind: "drain", target: { by: "region", id: "eu-west" }, rampMs: 1_000 };
    const member: Action = { kind: "drain", target: { by: "member", id: "web/eu-west" }, rampMs: 500 };
    const both = [override(region, null), override(member, null)];
    expect(applyOverrides(config, both, 300).draining.get(EU)).toBe(0.4);
    expect(applyOverrides(config, both, 500)).toMatchObject({ drained: new Set([EU]), draining: new Map() });
  });

  test("what a drain leaves is a part of what there was, also of a VIP that another one's probes decide for", () => {
    const takes = new Map([["web/eu-west/ipv4" as VipId, 0.5]]);
    const less = takesWith(takes, { draining: new Map([[EU, 0.4]]) }, config);
    expect(Object.fromEntries(less)).toEqual({ "web/eu-west/ipv4": 0.2, "web/eu-west/ipv6": 0.2 });
  });

  test("frozen VIPs stay as they were, force wins over that, and others are not touched", () => {
    const freeze: Action = {
      kind: "freeze",
      target: { by: "region", id: "eu-west" },
      verdicts: { "web/eu-west/ipv4": "down" },
    };
    expect([...apply(freeze).forced].map(([vip, { verdict }]) => [vip, verdict])).toEqual([
      ["web/eu-west/ipv4", "down"],
    ]);
    const force: Action = { kind: "force", target: { by: "region", id: "eu-west" }, verdict: "up" };
    for (const actions of [
      [force, freeze],
      [freeze, force],
    ])
      expect(apply(...actions).forced.get("web/eu-west/ipv4" as VipId)?.verdict).toBe("up");
  });

  test("one that has ended does nothing, one that ends later does", () => {
    const action: Action = { kind: "drain", target: { by: "region", id: "eu-west" } };
    expect(applyOverrides(config, [override(action, 1_000)], 999).drained.size).toBe(1);
    expect(applyOverrides(config, [override(action, 1_000)], 1_000).drained.size).toBe(0);
  });

  test("one whose target has gone is stale and does nothing", () => {
    const gone = override({ kind: "drain", target: { by: "region", id: "ap-south" } }, null);
    expect(isStale(config, gone)).toBe(true);
    expect(applyOverrides(config, [gone], 0).drained.size).toBe(0);
    expect(isStale(config, override({ kind: "drain", target: { by: "region", id: "eu-west" } }, null))).toBe(
      false,
    );
  });
});

test("the next end is the first that is still to come", () => {
  const action: Action = { kind: "drain", target: { by: "region", id: "eu-west" } };
  const overrides = [
    override(action, 300),
    override(action, 200),
    override(action, 100),
    override(action, null),
  ];
  expect(nextTurnMs(overrides, 0)).toBe(100);
  expect(nextTurnMs(overrides, 100)).toBe(200);
  expect(nextTurnMs(overrides, 300)).toBeNull();
  expect(nextTurnMs([], 0)).toBeNull();
});

function apply(...actions: readonly Action[]): ReturnType<typeof applyOverrides> {
  return applyOverrides(
    config,
    actions.map((action) => override(action, null)),
    0,
  );
}

function override(action: Action, untilMs: number | null): Override {
  return { id: overrideId(action), action, author: "anna", reason: "a test", createdMs: 0, untilMs };
}
