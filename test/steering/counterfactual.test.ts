/** The smallest change of the facts that would give another answer: that it does, and that nothing smaller does. */

import { describe, expect, test } from "vitest";
import type { Member, MemberId, RegionId, VipId } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { counterfactual } from "../../src/steering/counterfactual.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { formatCounterfactual } from "../../src/steering/format-trace.ts";
import { type LocalPolicy, membersOf } from "../../src/steering/local.ts";
import { localise } from "../../src/steering/localise.ts";
import { type Plan, planFor } from "../../src/steering/plan.ts";
import { poolOf } from "../../src/steering/references.ts";
import { type Supposition, suppose } from "../../src/steering/suppose.ts";
import { fc } from "../fast-check.ts";
import { facts, families, locations, policies, whenDowns } from "./arbitraries.ts";
import {
  type FactSpec,
  factsOf,
  failover,
  LONDON,
  latency,
  member,
  nearest,
  pool,
  serviceOf,
  WORLD,
} from "./world.ts";

/** How many random policies are searched; each takes a few milliseconds. */
const RUNS = Number(process.env["MERIDIAN_COUNTERFACTUALS"] ?? 300);

const standby = failover([pool("one"), pool("two")]);

describe("what would change an answer", () => {
  test.each<readonly [string, Policy, FactSpec, string]>([
    ["the first goes down", standby, {}, "it would be two/us if one/eu were down"],
    ["the first comes up", standby, { down: ["one/eu"] }, "it would be one/eu if one/eu were up"],
    [
      "the first is drained no more",
      standby,
      { drained: ["one/eu"] },
      "it would be one/eu if one/eu were not drained",
    ],
    [
      "two things happen, where no one would do it",
      pool("heavy"),
      { down: ["heavy/eu"], drained: ["heavy/eu"] },
      "it would be heavy/eu if heavy/us were down and heavy/eu were up",
    ],
    ["the nearest goes down", nearest(pool("web")), {}, "it would be web/us if web/eu were down"],
    [
      "the fastest goes down",
      latency(pool("web")),
      { rttMs: { eu: 20, us: 90, ap: 220 } },
      "it would be web/us if web/eu were down",
    ],
  ])("%s", (_title, policy, spec, line) => {
    expect(lineFor(policy, factsOf(spec))).toBe(line);
  });

  test.each<readonly [Supposition, string]>([
    [{ kind: "member weight", member: "web/eu" as MemberId, weight: 1 }, "web/eu weighed 1"],
    [{ kind: "choice weight", choice: "canary/new", weight: 0 }, "canary/new weighed 0"],
    [{ kind: "take", vip: "web/eu/ipv4" as VipId, take: 1 }, "web/eu took 100 % of what it is offered"],
    [{ kind: "rtt", region: "eu" as RegionId, rttMs: 85.4 }, "eu were at 85 ms"],
    [{ kind: "drained", member: "web/eu" as MemberId, drained: true }, "web/eu were drained"],
  ])("%j reads: if %s", (change, words) => {
    const vips = new Set<VipId>();
    const found = { kind: "found", changes: [change], plan: { kind: "servfail" }, vips } as const;
    expect(formatCounterfactual(found)).toBe(`it would be SERVFAIL if ${words}`);
  });

  test("may be that nothing would", () => {
    expect(lineFor(member("one/eu"), factsOf())).toBe("no one or two of the facts would change it");
  });

  test("is given up where there is more to try than is tried", () => {
    const found = counterfactual(
      localise(member("one/eu"), LONDON, WORLD),
      serviceOf(),
      4,
      factsOf(),
      WORLD,
      undefined,
      2,
    );
    expect(found).toEqual({ kind: "none", complete: false });
    expect(formatCounterfactual(found)).toBe("it was not found among as many changes as are tried");
  });

  function lineFor(policy: Policy, world: Facts): string {
    return formatCounterfactual(
      counterfactual(localise(policy, LONDON, WORLD), serviceOf(), 4, world, WORLD),
    );
  }
});

test("a counterfactual changes the answer, and no smaller change does", () => {
  fc.assert(
    fc.property(
      policies,
      locations,
      facts,
      whenDowns,
      families,
      (policy, location, world, whenDown, family) => {
        const local = localise(policy, location, WORLD);
        const service = serviceOf(whenDown);
        const planWith = (changes: readonly Supposition[]): string =>
          vipsOf(planFor(local, service, family, suppose(world, changes), WORLD).plan);
        const found = counterfactual(
          local,
          service,
          family,
          world,
          WORLD,
          undefined,
          Number.POSITIVE_INFINITY,
        );
        const now = planWith([]);
        const size = found.kind === "found" ? found.changes.length : 3;
        if (found.kind === "found") {
          expect(vipsOf(found.plan)).not.toBe(now);
          expect(planWith(found.changes)).toBe(vipsOf(found.plan));
        } else expect(found.complete).toBe(true);
        const fallback = whenDown.kind === "fallback" ? poolOf(whenDown.pool, WORLD).members : [];
        const all = changesOf(local, [...new Set([...membersOf(local), ...fallback])], world);
        if (size > 1) expect(all.filter((one) => planWith([one]) !== now)).toEqual([]);
        if (size > 2) {
          for (const one of all) expect(all.filter((other) => planWith([one, other]) !== now)).toEqual([]);
        }
      },
    ),
    { numRuns: RUNS },
  );
});

/** Every change of one fact, told from the facts and the world alone, to no purpose or not. */
function changesOf(local: LocalPolicy, members: readonly Member[], world: Facts): readonly Supposition[] {
  return [
    ...members.flatMap((one) => [...verdictsOf(one, world), ...drainsOf(one, world)]),
    ...choicesIn(local).map(([choice, weight]): Supposition => {
      const now = world.choiceWeights.get(choice) ?? weight;
      return { kind: "choice weight", choice, weight: now > 0 ? 0 : 1 };
    }),
    ...[...WORLD.regions.keys()].flatMap((region: RegionId) =>
      [1, 10_000].map((rttMs): Supposition => ({ kind: "rtt", region, rttMs })),
    ),
  ];
}

function verdictsOf({ ipv4, ipv6 }: Member, world: Facts): readonly Supposition[] {
  return [ipv4, ipv6].flatMap((vip): readonly Supposition[] => {
    if (vip === null) return [];
    return [
      { kind: "verdict", vip: vip.id, up: !(world.verdicts.get(vip.id)?.up ?? true) },
      { kind: "take", vip: vip.id, take: 1 },
    ];
  });
}

function drainsOf({ id, weight }: Member, world: Facts): readonly Supposition[] {
  const now = world.memberWeights.get(id) ?? weight;
  return [
    { kind: "drained", member: id, drained: !world.drained.has(id) },
    { kind: "member weight", member: id, weight: now > 0 ? 0 : 1 },
  ];
}

function choicesIn(local: LocalPolicy): readonly (readonly [string, number])[] {
  switch (local.kind) {
    case "member":
    case "pool":
      return [];
    case "weighted":
      return local.choices.flatMap(({ key, weight, use }) => [
        [`${local.scope ?? "www.example"}/${key}`, weight] as const,
        ...choicesIn(use),
      ]);
    case "first":
      return local.alternatives.flatMap(choicesIn);
    case "fastest":
      return local.regions.flatMap(({ use }) => choicesIn(use));
    case "sticky":
    case "spread":
      return choicesIn(local.of);
  }
}

function vipsOf(plan: Plan): string {
  return plan.kind === "answer"
    ? plan.shares
        .map(({ vip }) => vip)
        .toSorted()
        .join(" ")
    : plan.kind;
}
