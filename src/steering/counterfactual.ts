/** The smallest change of the facts that would give a client another answer. */

import type { Config, Member, MemberId, RegionId, Service, VantageId, VipId } from "../config/config.ts";
import { isDownNearby, votesNearby } from "../health/nearby.ts";
import { overtakenAtMs, overtakesAtMs } from "../health/rtt.ts";
import { choiceOf, takeOf } from "./evaluate.ts";
import type { Facts } from "./facts.ts";
import { childrenIn, type LocalFastest, type LocalPolicy, leavesOf, membersOf } from "./local.ts";
import { localPool } from "./make-local.ts";
import { type Plan, planFor } from "./plan.ts";
import { poolOf } from "./references.ts";
import { type Supposition, suppose } from "./suppose.ts";

/** What was found. */
export type Counterfactual =
  | {
      readonly kind: "found";
      /** One or two, none of which alone would do. */
      readonly changes: readonly Supposition[];
      /** The plan with them. */
      readonly plan: Plan;
      /** The VIPs of it that the client can get. */
      readonly vips: ReadonlySet<VipId>;
    }
  /** `complete` false: there was more to try than is tried for one question. */
  | { readonly kind: "none"; readonly complete: boolean };

/** Members that are weighed for one question, in all plans that are tried: some 30 ms. */
const WORK_MAX = 200_000;

/**
 * Looks for one change, then for two, after which the client can get other VIPs; other shares of the same ones do not
 * count. What it can get of a plan says `vipsFor`: where that is sticky not all.
 *
 * Changes are of what the plan rests on, in the order of the policy, and each turns one thing round:
 *
 *   1. a VIP of the family is down, or up
 *   2. a member that weighs something is drained, or one that is drained is not; one that weighs 0 weighs 1, and one that
 *      weighs something 0, where a `minUp` would count it
 *   3. a choice weighs 0, or 1 where it weighs 0
 *   4. a VIP that takes less than it is offered takes everything
 *   5. a region is as near as it takes to be the first by round-trip time, or as far as it takes not to be, or to be last
 *
 * Of changes that are equally small, the first is taken that brings in a VIP that the client cannot get now, and not as
 * the last resort; otherwise the first.
 */
export function counterfactual(
  local: LocalPolicy,
  service: Pick<Service, "label" | "whenDown">,
  family: 4 | 6,
  facts: Facts,
  config: Pick<Config, "pools">,
  vipsFor: (plan: Plan) => ReadonlySet<VipId> = vipsIn,
  workMax: number = WORK_MAX,
): Counterfactual {
  const trees = [local, ...fallbackOf(service, config)];
  const leaves = leavesOf(local);
  const members = [...new Set(trees.flatMap((tree) => [...membersOf(tree)]))];
  const known = factsOn(members, facts);
  const counts = trees.flatMap(nodesOf).some((node) => node.kind !== "member" && node.minUp > 0);
  const planWith = (changes: readonly Supposition[]): Plan =>
    planFor(local, service, family, suppose(known, changes), config).plan;
  const before = planWith([]);
  const now = vipsFor(before);
  const candidates = [
    ...members.flatMap((member) =>
      memberChanges(member, leaves.get(member)?.nearby ?? [], family, known, counts),
    ),
    ...trees.flatMap((tree) => nodeChanges(tree, service.label, known)),
  ];
  let left = Math.floor(workMax / (members.length + 1));
  for (const sets of [single(candidates), pairs(candidates)]) {
    let first: Counterfactual | null = null;
    for (const changes of sets) {
      if (left === 0) return first ?? { kind: "none", complete: false };
      left -= 1;
      const plan = planWith(changes);
      const vips = vipsFor(plan);
      const hasNew = !vips.isSubsetOf(now);
      if (plan.kind === before.kind && vips.size === now.size && !hasNew) continue;
      if (hasNew && !isLastResort(plan)) return { kind: "found", changes, plan, vips };
      first ??= { kind: "found", changes, plan, vips };
    }
    if (first !== null) return first;
  }
  return { kind: "none", complete: true };
}

function* single(candidates: readonly Supposition[]): Generator<readonly Supposition[]> {
  for (const one of candidates) yield [one];
}

function* pairs(candidates: readonly Supposition[]): Generator<readonly Supposition[]> {
  for (const [i, one] of candidates.entries())
    for (const other of candidates.slice(i + 1)) yield [one, other];
}

function fallbackOf({ whenDown }: Pick<Service, "whenDown">, config: Pick<Config, "pools">): LocalPolicy[] {
  return whenDown.kind === "fallback" ? [localPool(poolOf(whenDown.pool, config), [])] : [];
}

/** The facts without those on other members, which are copied for every plan that is tried. */
function factsOn(members: readonly Member[], facts: Facts): Facts {
  const vips = new Set(
    members
      .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
      .flatMap((vip) => (vip === null ? [] : [vip.id, vip.judgedBy])),
  );
  const some = <V>(all: ReadonlyMap<VipId, V>): ReadonlyMap<VipId, V> =>
    new Map(
      [...vips].flatMap((vip) => {
        const found = all.get(vip);
        return found === undefined ? [] : [[vip, found] as const];
      }),
    );
  const weights = members.flatMap(({ id }): (readonly [MemberId, number])[] => {
    const weight = facts.memberWeights.get(id);
    return weight === undefined ? [] : [[id, weight]];
  });
  return {
    ...facts,
    verdicts: some(facts.verdicts),
    takes: some(facts.takes),
    ramps: some(facts.ramps),
    memberWeights: new Map(weights),
    drained: new Set(members.map(({ id }) => id).filter((id) => facts.drained.has(id))),
  };
}

/** `counts`: the weight of members counts in a `minUp`. */
function memberChanges(
  member: Member,
  nearby: readonly VantageId[],
  family: 4 | 6,
  facts: Facts,
  counts: boolean,
): readonly Supposition[] {
  const { id, ipv4, ipv6 } = member;
  const vip = family === 4 ? ipv4 : ipv6;
  if (vip === null) return [];
  const drained = facts.drained.has(id);
  const weight = facts.memberWeights.get(id) ?? member.weight;
  const verdict = facts.verdicts.get(vip.id) ?? facts.verdicts.get(vip.judgedBy) ?? null;
  const changes: Supposition[] = [];
  // What is down for these clients alone can become up for them, or down for all.
  const isUpForAll = verdict?.up ?? true;
  const isDown = !isUpForAll || isDownNearby(votesNearby(verdict, nearby));
  if (isDown) changes.push({ kind: "verdict", vip: vip.id, up: true });
  if (isUpForAll) changes.push({ kind: "verdict", vip: vip.id, up: false });
  // To drain what weighs nothing changes nothing.
  if (drained || weight > 0) changes.push({ kind: "drained", member: id, drained: !drained });
  if (weight === 0) changes.push({ kind: "member weight", member: id, weight: 1 });
  else if (counts) changes.push({ kind: "member weight", member: id, weight: 0 });
  if (takeOf(vip, facts) < 1) changes.push({ kind: "take", vip: vip.id, take: 1 });
  return changes;
}

/** The changes that are no member's, each once. */
function nodeChanges(tree: LocalPolicy, service: string, facts: Facts): readonly Supposition[] {
  const changes = new Map<string, Supposition>();
  const add = (change: Supposition): void => void changes.set(JSON.stringify(change), change);
  for (const node of nodesOf(tree)) {
    if (node.kind === "weighted") {
      for (const choice of node.choices) {
        const of = choiceOf(node, choice, service);
        const weight = facts.choiceWeights.get(of) ?? choice.weight;
        add({ kind: "choice weight", choice: of, weight: weight > 0 ? 0 : 1 });
      }
    }
    if (node.kind === "fastest") for (const change of rttChanges(node, facts)) add(change);
  }
  return [...changes.values()];
}

/** To be first or last is enough to try: where a place between makes a difference, so does one of these. */
function rttChanges({ cell, regions }: LocalFastest, { latency }: Facts): readonly Supposition[] {
  const ranking = latency.ranking(
    cell,
    regions.map(({ region }) => region),
  );
  const [first, second] = ranking;
  const last = ranking.at(-1);
  if (first === undefined || second === undefined || last === undefined) return [];
  // Nothing overtakes a region that is as good as here, but it may be as near.
  const nearMs = Math.max(overtakesAtMs(first.rttMs), 0) || first.rttMs;
  const farMs = overtakenAtMs(Math.max(...ranking.map(({ rttMs }) => rttMs)));
  return [
    rtt(first.region, overtakenAtMs(second.rttMs)),
    ...ranking.slice(1).map(({ region }) => rtt(region, nearMs)),
    ...ranking.filter((one) => one !== last).map(({ region }) => rtt(region, farMs)),
  ];
}

function rtt(region: RegionId, rttMs: number): Supposition {
  return { kind: "rtt", region, rttMs };
}

function nodesOf(local: LocalPolicy): readonly LocalPolicy[] {
  return [local, ...childrenIn(local).flatMap(nodesOf)];
}

function vipsIn(plan: Plan): ReadonlySet<VipId> {
  return new Set(plan.kind === "answer" ? plan.shares.map(({ vip }) => vip) : []);
}

function isLastResort(plan: Plan): boolean {
  return plan.kind === "servfail" || plan.lastResort;
}
