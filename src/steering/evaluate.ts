/** Weighs a local policy against the facts: which parts are up, and what share of the answers each gets. */

import type { Vip } from "../config/config.ts";
import { isDownNearby, type VotesNearby, votesNearby } from "../health/nearby.ts";
import type { RankedRegion } from "../health/rtt.ts";
import type { Verdict } from "../health/verdict.ts";
import type { Facts } from "./facts.ts";
import { gainsByHeadroom, splitByHeadroom } from "./headroom.ts";
import type {
  LocalChoice,
  LocalFastest,
  LocalFirst,
  LocalMember,
  LocalPolicy,
  LocalPool,
  LocalSpread,
  LocalSticky,
  LocalWeighted,
  RegionPart,
} from "./local.ts";

/** Under which conditions a policy is evaluated. */
export interface Terms {
  readonly family: 4 | 6;
  readonly facts: Facts;
  /** The service's label: its weights written in place are overridden under this name. */
  readonly service: string;
  /** Whether members and choices that weigh nothing may be used, and VIPs that are held down for a time. */
  readonly reserves: boolean;
  /** Whether every VIP counts as up, whatever its verdict. */
  readonly asIfUp: boolean;
  /** Whether verdicts alone count, whatever vantages near the clients see (`perVantage`). */
  readonly byQuorum: boolean;
}

/**
 * What a node of a policy does with the answers it is offered. It takes the fraction `take` of them and hands that
 * out to its children by `part`; what it does not take is for its next sibling. A node with `take` 0 is down.
 *
 *   member    takes what its VIP takes: 1, or less while it ramps up or sheds load
 *   weights   a child's part is weight * take. The node takes as much as its best child, because a child at full
 *             strength takes over what a weaker one beside it declines. Where all have capacities, what is down, drained
 *             or ramping up leaves its part to the others by their headroom instead of by their weights
 *   order     the first child takes its fraction, the next its fraction of the rest, and so on. The node takes
 *             what is not left over at the end; so what nobody wants goes back, in proportion, to those who took.
 *             Behind the first, alternatives that stand together and have capacities share by headroom what they take
 *             together, instead of in their order: who loses its first choice does not overrun the second
 *   sticky    has one child, which gets all; who of the clients gets what of it is said in `sticky.ts`
 *   spread    the same; which VIPs are answered together is said in `spread.ts`
 *
 * Where fewer children are up than `minUp` asks for, by weight or in an order by count, the node is down; children
 * without an address of the family are not counted at all. Weights count as overrides have them, that of a drained member
 * too: it is as little help as one that is down. What is sticky or spread counts all that is below it.
 *
 * A member or choice of weight 0 counts as down, unless reserves are called for and nothing beside it that weighs
 * anything is up: then those that are up weigh the same. A drained member weighs 0.
 */
export type Evaluation = MemberEvaluation | BranchEvaluation;

export interface MemberEvaluation {
  readonly kind: "member";
  readonly node: LocalMember;
  /** Whether there is an address of the family at all. */
  readonly eligible: boolean;
  readonly take: number;
  /** What it would take if it shed no load. */
  readonly standing: number;
  /** null: the member has no address of the family. */
  readonly vip: Vip | null;
  /** null: nobody has judged the VIP, so it counts as up. */
  readonly verdict: Verdict | null;
  /** How vantages near the clients see a VIP that is up; null: they have no say. */
  readonly nearby: VotesNearby | null;
  readonly up: boolean;
  /** Its weight after overrides and drain. */
  readonly weight: number;
  /** The same without the drain. */
  readonly undrained: number;
}

export interface BranchEvaluation {
  readonly kind: "branch";
  readonly node: Exclude<LocalPolicy, LocalMember>;
  readonly eligible: boolean;
  readonly take: number;
  /** What it would take if nobody shed load. */
  readonly standing: number;
  readonly children: readonly Child[];
  /** False: fewer children are up than `minUp` asks for. */
  readonly enough: boolean;
  /** The round-trip times that gave the order; null: the order has other reasons. */
  readonly ranking: readonly RankedRegion[] | null;
}

export interface Child {
  readonly evaluation: Evaluation;
  /** Its share before takes, for weights after overrides; null: children stand in an order. */
  readonly weight: number | null;
  /** What it counts for in `minUp`: its weight, drained or not, or in an order 1. */
  readonly counts: number;
  /** The fraction of its parent's answers that it gets; all of a node that is up add up to 1. */
  readonly part: number;
}

/** What an up VIP takes at the least, so that being up and taking something are the same. */
const TAKE_MIN = 1e-6;

/** Room for the rounding of sums of weights when they are compared with `minUp`. */
const ROUNDING = 1e-9;

/** Evaluates a policy under some terms. */
export function evaluate(local: LocalPolicy, terms: Terms): Evaluation {
  switch (local.kind) {
    case "member":
      return evaluateMember(local, terms);
    case "pool":
      return evaluatePool(local, terms);
    case "weighted":
      return evaluateWeighted(local, terms);
    case "first":
      return evaluateFirst(local, terms);
    case "fastest":
      return evaluateFastest(local, terms);
    case "sticky":
    case "spread":
      return evaluateWhole(local, terms);
  }
}

function evaluateMember(node: LocalMember, terms: Terms): MemberEvaluation {
  const { member } = node;
  const { facts } = terms;
  const undrained = facts.memberWeights.get(member.id) ?? member.weight;
  const weight = facts.drained.has(member.id) ? 0 : undrained;
  const vip = terms.family === 4 ? member.ipv4 : member.ipv6;
  if (vip === null) {
    const none = { eligible: false, take: 0, standing: 0, verdict: null, nearby: null, up: false };
    return { kind: "member", node, ...none, vip, weight, undrained };
  }
  const verdict = facts.verdicts.get(vip.id) ?? facts.verdicts.get(vip.judgedBy) ?? null;
  const nearby = terms.asIfUp || terms.byQuorum ? null : votesNearby(verdict, node.nearby);
  const isUp = verdict === null || verdict.up || terms.asIfUp || (terms.reserves && isSpare(verdict));
  const up = isUp && !isDownNearby(nearby);
  const isUsed = up && (weight > 0 || terms.reserves);
  const take = isUsed ? takeOf(vip, facts) : 0;
  const standing = isUsed ? rampOf(vip, facts) : 0;
  return {
    kind: "member",
    node,
    eligible: true,
    take,
    standing,
    vip,
    verdict,
    nearby,
    up,
    weight,
    undrained,
  };
}

/** Whether anything in it is down for these clients alone. */
export function hasDownNearby(evaluation: Evaluation): boolean {
  if (evaluation.kind === "member") return isDownNearby(evaluation.nearby);
  return evaluation.children.some((child) => hasDownNearby(child.evaluation));
}

/** Healthy, and held down for a time: that is better than nothing. One that waits for an operator may do harm. */
export function isSpare({ hold }: Verdict): boolean {
  return hold !== null && hold.untilMs !== null;
}

/** The fraction that a VIP takes while it is up. */
export function takeOf(vip: Vip, facts: Facts): number {
  const take = facts.takes.get(vip.id) ?? facts.takes.get(vip.judgedBy) ?? 1;
  return Math.min(1, Math.max(TAKE_MIN, take));
}

/** The fraction that a VIP would take if it shed no load: no less than what it takes. */
export function rampOf(vip: Vip, facts: Facts): number {
  const ramp = facts.ramps.get(vip.id) ?? facts.ramps.get(vip.judgedBy) ?? 1;
  return Math.min(1, Math.max(takeOf(vip, facts), ramp));
}

function evaluatePool(node: LocalPool, terms: Terms): BranchEvaluation {
  const weighed = node.members.map((member) => {
    const evaluation = evaluateMember(member, terms);
    return { evaluation, weight: evaluation.weight, counts: evaluation.undrained };
  });
  return byWeight(node, weighed, terms);
}

function evaluateWeighted(node: LocalWeighted, terms: Terms): BranchEvaluation {
  const { choiceWeights } = terms.facts;
  const weighed = node.choices.map((choice) => {
    const weight =
      choiceWeights.size === 0
        ? choice.weight
        : (choiceWeights.get(choiceOf(node, choice, terms.service)) ?? choice.weight);
    return { evaluation: evaluate(choice.use, terms), weight, counts: weight };
  });
  return byWeight(node, weighed, terms);
}

/** `policy/choice`, or `service/choice` for a policy written in place: what overrides call a choice. */
export function choiceOf(node: LocalWeighted, choice: LocalChoice, service: string): string {
  return `${node.scope ?? service}/${choice.key}`;
}

/** A child that its siblings stand beside. */
export type Weighed = Pick<Child, "evaluation" | "counts"> & { readonly weight: number };

function byWeight(
  node: LocalPool | LocalWeighted,
  declared: readonly Weighed[],
  terms: Terms,
): BranchEvaluation {
  const up = declared.filter(({ evaluation }) => evaluation.take > 0);
  const onlyReservesAreUp = up.length > 0 && up.every(({ weight }) => weight === 0);
  const weighed = onlyReservesAreUp && terms.reserves ? declared.map(weighingOne) : declared;
  const gains = gainsByHeadroom(weighed, terms);
  const strengths = weighed.map(
    ({ evaluation, weight }) => (weight + (gains.get(evaluation) ?? 0)) * evaluation.take,
  );
  let taken = 0;
  let take = 0;
  let standing = 0;
  for (const [i, { evaluation, weight }] of weighed.entries()) {
    if (weight === 0) continue;
    taken += strengths[i] ?? 0;
    take = Math.max(take, evaluation.take);
    standing = Math.max(standing, evaluation.standing);
  }
  const enough = areEnoughUp(weighed, node.minUp);
  return {
    kind: "branch",
    node,
    eligible: weighed.some(({ evaluation }) => evaluation.eligible),
    take: enough ? take : 0,
    standing: enough ? standing : 0,
    children: weighed.map(({ evaluation, weight, counts }, i) => ({
      evaluation,
      weight,
      counts,
      part: taken === 0 ? 0 : (strengths[i] ?? 0) / taken,
    })),
    enough,
    ranking: null,
  };
}

function weighingOne({ evaluation }: Weighed): Weighed {
  return { evaluation, weight: 1, counts: 1 };
}

/** Whether enough is up of what has an address of the family. */
function areEnoughUp(children: readonly Pick<Child, "evaluation" | "counts">[], minUp: number): boolean {
  let eligible = 0;
  let up = 0;
  for (const { evaluation, counts } of children) {
    if (evaluation.eligible) eligible += counts;
    if (evaluation.take > 0) up += counts;
  }
  return up >= (minUp - ROUNDING) * eligible;
}

function evaluateFirst(node: LocalFirst, terms: Terms): BranchEvaluation {
  const children = node.alternatives.map((alternative) => evaluate(alternative, terms));
  return inOrder(node, children, null, terms);
}

function evaluateFastest(node: LocalFastest, terms: Terms): BranchEvaluation {
  const ranking = terms.facts.latency.ranking(
    node.cell,
    node.regions.map(({ region }) => region),
  );
  const ranks = new Map(ranking.map(({ region }, i) => [region, i]));
  const rank = ({ region }: RegionPart): number => ranks.get(region) ?? ranking.length;
  const children = node.regions.toSorted((a, b) => rank(a) - rank(b)).map(({ use }) => evaluate(use, terms));
  return inOrder(node, children, ranking, terms);
}

function evaluateWhole(node: LocalSticky | LocalSpread, terms: Terms): BranchEvaluation {
  const evaluation = evaluate(node.of, terms);
  const { eligible, take, standing } = evaluation;
  const enough = partUp(evaluation) >= node.minUp - ROUNDING;
  return {
    kind: "branch",
    node,
    eligible,
    take: enough ? take : 0,
    standing: enough ? standing : 0,
    children: [{ evaluation, weight: null, counts: 1, part: take > 0 ? 1 : 0 }],
    enough,
    ranking: null,
  };
}

/** The part of what has an address of the family that is up: by weight where there are weights. */
function partUp(evaluation: Evaluation): number {
  if (evaluation.kind === "member") return evaluation.take > 0 ? 1 : 0;
  let eligible = 0;
  let up = 0;
  for (const child of evaluation.children) {
    if (!child.evaluation.eligible) continue;
    eligible += child.counts;
    up += child.counts * partUp(child.evaluation);
  }
  return eligible === 0 ? 0 : up / eligible;
}

function inOrder(
  node: LocalFirst | LocalFastest,
  children: readonly Evaluation[],
  ranking: readonly RankedRegion[] | null,
  terms: Terms,
): BranchEvaluation {
  let rest = 1;
  let restStanding = 1;
  let taken = 0;
  const owns = children.map((evaluation) => {
    const own = rest * evaluation.take;
    rest *= 1 - evaluation.take;
    restStanding *= 1 - evaluation.standing;
    taken += own;
    return own;
  });
  splitByHeadroom(owns, children, terms);
  const placed = children.map((evaluation, i) => ({
    evaluation,
    weight: null,
    counts: 1,
    part: taken === 0 ? 0 : (owns[i] ?? 0) / taken,
  }));
  const enough = areEnoughUp(placed, node.minUp);
  return {
    kind: "branch",
    node,
    eligible: children.some(({ eligible }) => eligible),
    take: enough ? 1 - rest : 0,
    standing: enough ? 1 - restStanding : 0,
    children: placed,
    enough,
    ranking,
  };
}
