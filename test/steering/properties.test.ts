/** Rules that hold for every policy, location and set of facts. */

import { describe, expect, test } from "vitest";
import type { Member, Service } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { explain } from "../../src/steering/explain.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { formatTrace } from "../../src/steering/format-trace.ts";
import { hasSticky, type LocalPolicy, membersOf } from "../../src/steering/local.ts";
import { localKey } from "../../src/steering/local-key.ts";
import { localise } from "../../src/steering/localise.ts";
import { Partitions, partition } from "../../src/steering/partition.ts";
import { type Plan, planFor, type Share } from "../../src/steering/plan.ts";
import { declaredMembers } from "../../src/steering/reach.ts";
import { shapeOf } from "../../src/steering/shape.ts";
import { fc } from "../fast-check.ts";
import { facts, families, locations, plainFacts, plainPolicies, policies, whenDowns } from "./arbitraries.ts";
import { read } from "./oracle.ts";
import { serviceOf, WORLD } from "./world.ts";

const services = whenDowns.map(serviceOf);

function sum(plan: Plan): number {
  return plan.kind === "answer" ? plan.shares.reduce((total, { share }) => total + share, 0) : 1;
}

/** By member, so that both families can be compared. */
function byMember(plan: Plan): unknown {
  if (plan.kind !== "answer") return plan;
  const named = ({ vip, share }: Share): unknown => [vip.replace(/\/ipv[46]$/, ""), share];
  const sticky = plan.sticky && {
    drawn: plan.sticky.drawn.map(named),
    claims: plan.sticky.claims.map(({ member, wanted, share }) => [member, wanted, share]),
  };
  const spreads = plan.spreads?.map(({ count, shares }) => ({ count, shares: shares.map(named) }));
  return { ...plan, shares: plan.shares.map(named), spreads, sticky };
}

describe("a plan", () => {
  test("says what a plain reading of the policy says, where VIPs are either up or down", () => {
    fc.assert(
      fc.property(plainPolicies, locations, plainFacts, families, (policy, location, world, family) => {
        const service = serviceOf({ kind: "nodata" });
        const expected = read(policy, { location, facts: world, family, service: service.label });
        const { plan } = planFor(localise(policy, location, WORLD), service, family, world, WORLD);
        const shares = plan.kind === "answer" ? plan.shares : [];
        const found = new Map(shares.map(({ vip, share }) => [vip.replace(/\/ipv[46]$/, ""), share]));
        expect([...found.keys()]).toEqual([...(expected?.keys() ?? [])]);
        for (const [id, share] of expected ?? []) expect(found.get(id)).toBeCloseTo(share, 9);
      }),
      { numRuns: 1000 },
    );
  });

  test("has shares above 0 that add up to 1, each for another VIP of the family that the service can reach", () => {
    fc.assert(
      fc.property(
        policies,
        locations,
        facts,
        services,
        families,
        (policy, location, world, service, family) => {
          const { plan } = planFor(localise(policy, location, WORLD), service, family, world, WORLD);
          if (plan.kind !== "answer") return;
          const reachable = reachableMembers(policy, service.whenDown);
          const vips = new Set([...reachable].map((one) => (family === 4 ? one.ipv4 : one.ipv6)?.id));
          expect(plan.shares.length).toBeGreaterThan(0);
          expect(new Set(plan.shares.map(({ vip }) => vip)).size).toBe(plan.shares.length);
          expect(plan.shares.every(({ vip, share }) => share > 0 && vips.has(vip))).toBe(true);
          expect(sum(plan)).toBeCloseTo(1, 9);
        },
      ),
    );
  });

  test("has a sticky part that is what of it is not drawn, member by member", () => {
    fc.assert(
      fc.property(
        policies,
        locations,
        facts,
        services,
        families,
        (policy, location, world, service, family) => {
          const local = localise(policy, location, WORLD);
          const { plan } = planFor(local, service, family, world, WORLD);
          if (plan.kind !== "answer" || plan.sticky === null) return;
          expect(hasSticky(local)).toBe(true);
          const { drawn, claims } = plan.sticky;
          for (const { vip, share } of plan.shares) {
            const parts = [...drawn, ...claims].filter((one) => one.vip === vip);
            expect(parts.reduce((all, part) => all + part.share, 0)).toBeCloseTo(share, 9);
          }
          expect(
            sum({ ...plan, shares: drawn }) + claims.reduce((all, { share }) => all + share, 0),
          ).toBeCloseTo(1, 9);
          expect(claims.filter((claim) => claim.vip === null && claim.share > 0)).toEqual([]);
          expect(claims.some(({ share }) => share > 0)).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("never holds a VIP that is down, except as the last resort, or held down for a time and nothing else is up", () => {
    fc.assert(
      fc.property(
        policies,
        locations,
        facts,
        services,
        families,
        (policy, location, world, service, family) => {
          const { plan, attempts } = planFor(
            localise(policy, location, WORLD),
            service,
            family,
            world,
            WORLD,
          );
          if (plan.kind !== "answer" || plan.lastResort) return;
          const verdicts = plan.shares.flatMap(({ vip }) => world.verdicts.get(vip) ?? []);
          const isDown = verdicts.filter(({ up }) => !up);
          expect(isDown.filter(({ hold }) => (hold?.untilMs ?? null) === null)).toEqual([]);
          if (isDown.length > 0) expect(attempts[0]?.evaluation.take).toBe(0);
        },
      ),
    );
  });

  test("is NODATA where nothing has an address of the family, and an answer or whenDown's word elsewhere", () => {
    fc.assert(
      fc.property(
        policies,
        locations,
        facts,
        services,
        families,
        (policy, location, world, service, family) => {
          const local = localise(policy, location, WORLD);
          const eligible = [...membersOf(local)].some((one) => (family === 4 ? one.ipv4 : one.ipv6) !== null);
          const { plan } = planFor(local, service, family, world, WORLD);
          if (!eligible) expect(plan).toEqual({ kind: "nodata", lastResort: false });
          else if (plan.kind !== "answer") {
            expect(plan.kind === "servfail" || plan.lastResort).toBe(true);
            expect(service.whenDown.kind).not.toBe("all");
          }
        },
      ),
    );
  });

  test("gives both families the same members and shares where both have the same addresses and facts", () => {
    fc.assert(
      fc.property(policies, locations, facts, services, (policy, location, world, service) => {
        const local = localise(policy, location, WORLD);
        const isDual = (one: Member): boolean => one.ipv4 !== null && one.ipv6 !== null;
        fc.pre([...reachableMembers(policy, service.whenDown)].every(isDual));
        const [ipv4, ipv6] = ([4, 6] as const).map((family) =>
          byMember(planFor(local, service, family, world, WORLD).plan),
        );
        expect(ipv4).toEqual(ipv6);
      }),
    );
  });

  test("does not depend on the order in which facts became known", () => {
    fc.assert(
      fc.property(
        policies,
        locations,
        facts,
        services,
        families,
        (policy, location, world, service, family) => {
          const reversed: Facts = {
            ...world,
            verdicts: new Map([...world.verdicts].reverse()),
            takes: new Map([...world.takes].reverse()),
            drained: new Set([...world.drained].reverse()),
          };
          const local = localise(policy, location, WORLD);
          const { plan } = planFor(local, service, family, world, WORLD);
          expect(planFor(local, service, family, reversed, WORLD).plan).toEqual(plan);
        },
      ),
    );
  });
});

describe("a local policy", () => {
  test("with an equal key gets equal plans, whatever the facts", () => {
    fc.assert(
      fc.property(
        policies,
        fc.array(locations, { minLength: 2, maxLength: 6 }),
        facts,
        services,
        families,
        (policy, places, world, service, family) => {
          const plans = new Map<string, Plan>();
          for (const local of places.map((location) => localise(policy, location, WORLD))) {
            const { plan } = planFor(local, service, family, world, WORLD);
            expect(plan).toEqual(plans.get(localKey(local)) ?? plan);
            plans.set(localKey(local), plan);
          }
        },
      ),
    );
  });

  test("is in normal form", () => {
    fc.assert(
      fc.property(policies, locations, (policy, location) => {
        for (const { node, isRoot } of nodesOf(localise(policy, location, WORLD))) {
          if (node.kind === "pool") expect(node.members.length).toBeGreaterThan(1);
          if (node.kind === "weighted") expect(node.choices.length).toBeGreaterThan(0);
          if (node.kind === "sticky") expect(membersOf(node).size).toBeGreaterThan(1);
          if (node.kind === "spread") {
            const members = [...membersOf(node)];
            const most = Math.max(
              ...(["ipv4", "ipv6"] as const).map(
                (family) => members.filter((one) => one[family] !== null).length,
              ),
            );
            expect(members.length).toBeGreaterThan(1);
            expect(node.count).toBeLessThanOrEqual(most);
            expect(node.count > 1 || node.minUp > 0).toBe(true);
          }
          if (node.kind === "fastest") expect(node.regions.length).toBeGreaterThan(1);
          if (node.kind !== "first") continue;
          const keys = node.alternatives.map(localKey);
          expect(new Set(keys).size).toBe(keys.length);
          expect(keys.length > 1 || (isRoot && keys.length === 0)).toBe(true);
          if (node.minUp > 0) expect(node.minUp * keys.length).toBeGreaterThan(1);
          else expect(node.alternatives.some((one) => one.kind === "first" && one.minUp === 0)).toBe(false);
        }
      }),
    );
  });

  test("holds only members that the policy names", () => {
    fc.assert(
      fc.property(policies, locations, (policy, location) => {
        const declared = declaredMembers(policy, WORLD);
        expect([...membersOf(localise(policy, location, WORLD))].every((one) => declared.has(one))).toBe(
          true,
        );
      }),
    );
  });

  function nodesOf(root: LocalPolicy): readonly { readonly node: LocalPolicy; readonly isRoot: boolean }[] {
    const below = (node: LocalPolicy): readonly LocalPolicy[] => {
      switch (node.kind) {
        case "member":
          return [];
        case "pool":
          return node.members;
        case "weighted":
          return node.choices.map(({ use }) => use);
        case "first":
          return node.alternatives;
        case "fastest":
          return node.regions.map(({ use }) => use);
        case "sticky":
        case "spread":
          return [node.of];
      }
    };
    const all = (node: LocalPolicy): readonly LocalPolicy[] => [node, ...below(node).flatMap(all)];
    return all(root).map((node) => ({ node, isRoot: node === root }));
  }
});

describe("a partition", () => {
  const places = fc.array(locations, { minLength: 1, maxLength: 20 });

  test("puts two locations into one class exactly if their local policies have one key", () => {
    fc.assert(
      fc.property(policies, places, (policy, all) => {
        const { classOf, representatives } = partition(policy, all, WORLD);
        const keys = representatives.map((location) => localKey(localise(policy, location, WORLD)));
        expect(new Set(keys).size).toBe(keys.length);
        for (const [i, location] of all.entries()) {
          expect(keys[classOf[i]!]).toBe(localKey(localise(policy, location, WORLD)));
        }
      }),
    );
  });

  test("is the same for policies of one shape", () => {
    fc.assert(
      fc.property(policies, places, fc.integer({ min: 2, max: 9 }), (policy, all, factor) => {
        const other = reweighted(policy, factor);
        expect(shapeOf(other, WORLD)).toBe(shapeOf(policy, WORLD));
        expect(partition(other, all, WORLD).classOf).toEqual(partition(policy, all, WORLD).classOf);
      }),
    );
  });

  test("is the same whether it comes from a shape seen before or not", () => {
    fc.assert(
      fc.property(fc.array(policies, { maxLength: 10 }), places, (all, where) => {
        const partitions = new Partitions(where, WORLD);
        for (const policy of all) {
          expect(partitions.of(policy).classOf).toEqual(partition(policy, where, WORLD).classOf);
        }
      }),
    );
  });

  /** The policy with other weights, equal where they were equal. */
  function reweighted(policy: Policy, factor: number): Policy {
    const again = (child: Policy): Policy => reweighted(child, factor);
    switch (policy.kind) {
      case "pool":
      case "member":
        return policy;
      case "geo":
        return {
          ...policy,
          cases: policy.cases.map(({ match, use }) => ({ match, use: again(use) })),
          default: policy.default && again(policy.default),
        };
      case "nearest":
      case "latency":
      case "sticky":
      case "spread":
        return { ...policy, of: again(policy.of) };
      case "weighted": {
        const choices = policy.choices.map((one) => ({
          ...one,
          weight: one.weight * factor,
          use: again(one.use),
        }));
        return { ...policy, choices };
      }
      case "failover":
        return { ...policy, order: policy.order.map(again) };
    }
  }
});

describe("a trace", () => {
  test("keeps in its last stage exactly what the plan answers with, and says of all else why not", () => {
    fc.assert(
      fc.property(
        policies,
        locations,
        facts,
        services,
        families,
        (policy, location, world, service, family) => {
          const { plan, trace } = explain({ ...service, policy }, location, family, world, WORLD);
          const last = trace.stages.at(-1);
          const kept = last?.root.kept.map(({ vip, share }) => ({ vip, share })) ?? [];
          if (trace.lastGood !== null) {
            expect(kept).toEqual([]);
            expect(trace.lastGood).toEqual(plan);
          } else if (plan.kind === "answer") {
            expect(kept.map(({ vip }) => vip)).toEqual(plan.shares.map(({ vip }) => vip));
            for (const [i, { share }] of plan.shares.entries()) expect(kept[i]?.share).toBeCloseTo(share, 12);
          } else {
            expect(kept).toEqual([]);
          }
          const spokenOf = trace.stages.flatMap(({ root }) => [...root.kept, ...root.removed]);
          const members = new Set(spokenOf.map(({ member }) => member));
          for (const { root } of trace.stages) {
            const both = root.removed.filter(({ member }) => root.kept.some((one) => one.member === member));
            expect(both).toEqual([]);
          }
          for (const { id } of membersOf(localise(policy, location, WORLD))) expect(members).toContain(id);
          const reasons = trace.stages.flatMap(({ root }) => root.removed.map(({ why }) => why));
          expect(reasons).not.toContain("nothing is left for it");
          expect(formatTrace(trace).join("\n")).not.toMatch(/null|undefined|NaN/);
        },
      ),
    );
  });
});

/** The members of a service's policy and of its fallback pool: a plan holds no others. */
function reachableMembers(policy: Policy, whenDown: Service["whenDown"]): readonly Member[] {
  const fallback =
    whenDown.kind === "fallback" ? [...declaredMembers({ kind: "pool", pool: whenDown.pool }, WORLD)] : [];
  return [...declaredMembers(policy, WORLD), ...fallback];
}
