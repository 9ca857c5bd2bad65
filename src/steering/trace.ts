/** Tells why a plan is what it is, from the very evaluation that it was made from. */

import type { MemberId, RegionId, Service, VipId } from "../config/config.ts";
import { isDownNearby, type VotesNearby } from "../health/nearby.ts";
import type { RankedRegion } from "../health/rtt.ts";
import type { Verdict } from "../health/verdict.ts";
import {
  type BranchEvaluation,
  type Child,
  choiceOf,
  type Evaluation,
  isSpare,
  type MemberEvaluation,
  rampOf,
  type Terms,
  takeOf,
} from "./evaluate.ts";
import type { Facts } from "./facts.ts";
import { type LocalPolicy, weightsIn } from "./local.ts";
import type { Attempt, Plan, Planned } from "./plan.ts";
import { formatNearby, formatPercent, formatVerdict } from "./words.ts";

/** All attempts at a plan, the last of them the one that it follows. */
export interface Trace {
  readonly family: 4 | 6;
  readonly stages: readonly TraceStage[];
  /** What the service says of a moment when nothing is up. */
  readonly whenDown: Service["whenDown"]["kind"];
  /** The last plan that was up, where that is the plan; null: it is not, or none is known. */
  readonly lastGood: Plan | null;
  readonly plan: Plan;
}

/** One attempt; see `planFor`. */
export interface TraceStage {
  readonly subject: Attempt["subject"];
  readonly reserves: boolean;
  readonly asIfUp: boolean;
  readonly byQuorum: boolean;
  readonly root: TraceNode;
}

/** One node of the policy, as it came out. */
export interface TraceNode {
  /** The rules that lead here from the top, as in `geo > country GB > pool web`. */
  readonly path: string;
  /** The last part of the path: from the parent to here. */
  readonly title: string;
  readonly kind: LocalPolicy["kind"];
  readonly outcome: "up" | "down" | "no address";
  /** The fraction that it takes of the answers it is offered; 0: it is down. */
  readonly take: number;
  /** Its share beside its siblings, before takes; null: it stands in an order, or on top. */
  readonly weight: number | null;
  /** The same by the config, whatever overrides say. */
  readonly declared: number | null;
  /** Of a member: its VIP; null: it has no address of the family. */
  readonly vip: VipId | null;
  /** Of a member: where it stands. */
  readonly region: RegionId | null;
  /** Of a member: its weight by the config. */
  readonly weighs: number | null;
  /** The least part of it that must be up; 0: anything. */
  readonly minUp: number;
  /** Of a spread: how many VIPs an answer has; null: it is none. */
  readonly count: number | null;
  /** The fraction of all answers of the stage that it gives. */
  readonly share: number;
  /** Why it is down or gives no answer; null: it gives some. */
  readonly why: string | null;
  /** The VIPs under it that answers are given with. */
  readonly kept: readonly KeptVip[];
  /** The members under it that no answer is given with. */
  readonly removed: readonly RemovedMember[];
  /** What was looked at here, and not under it. */
  readonly facts: readonly TraceFact[];
  readonly children: readonly TraceNode[];
}

interface KeptVip {
  readonly vip: VipId;
  readonly member: MemberId;
  readonly address: string;
  /** Of all answers of the stage. */
  readonly share: number;
}

interface RemovedMember {
  readonly member: MemberId;
  /** null: it has no address of the family. */
  readonly vip: VipId | null;
  readonly why: string;
}

/** A fact that had a part in the evaluation of a node. */
export type TraceFact =
  | {
      readonly kind: "verdict";
      readonly vip: VipId;
      readonly up: boolean;
      readonly basis: Verdict["basis"];
      readonly reason: string;
      /** It is healthy and held down for a time, which makes it a reserve. */
      readonly isSpare: boolean;
      /** How long it has been up or down. */
      readonly ageMs: number;
    }
  /** How vantages near the clients see it, where they have a say: it is down while more of them say down than up. */
  | ({ readonly kind: "nearby"; readonly vip: VipId } & VotesNearby)
  | {
      readonly kind: "take";
      readonly vip: VipId;
      readonly take: number;
      /** What it would take if it shed no load: less than 1 in slow start. */
      readonly ramp: number;
    }
  | {
      readonly kind: "load";
      readonly member: MemberId;
      readonly load: number;
      /** The load above which it gives answers away. */
      readonly shedAbove: number;
    }
  | {
      readonly kind: "headroom";
      readonly member: MemberId;
      /** What it can take on for others, in the unit of its capacity. */
      readonly headroom: number;
      readonly capacity: number;
    }
  | { readonly kind: "drained"; readonly member: MemberId }
  | {
      readonly kind: "weight";
      /** A member, or `policy/choice`. */
      readonly of: string;
      readonly declared: number;
      readonly overridden: number;
    }
  | ({ readonly kind: "rtt" } & RankedRegion);

/** The trace of a plan. The service, family and facts are those that it was planned from. */
export function traceOf(
  planned: Planned,
  service: Pick<Service, "label" | "whenDown">,
  family: 4 | 6,
  facts: Facts,
): Trace {
  const stages = planned.attempts.map(({ subject, reserves, asIfUp, byQuorum, evaluation }) => {
    const tracer = new Tracer({ family, facts, service: service.label, reserves, asIfUp, byQuorum });
    const isUp = evaluation.take > 0;
    const root = tracer.node(evaluation, {
      above: [],
      weight: null,
      declared: null,
      share: isUp ? 1 : 0,
      blocked: null,
    });
    return { subject, reserves, asIfUp, byQuorum, root };
  });
  const isUp = planned.attempts.some(({ evaluation }) => evaluation.take > 0);
  const lastGood = planned.plan.kind === "answer" && !isUp ? planned.plan : null;
  return { family, stages, whenDown: service.whenDown.kind, lastGood, plan: planned.plan };
}

/** By how much the region that is first by round-trip time is ahead, once for each order that was asked for. */
export interface Margin {
  readonly path: string;
  readonly first: RankedRegion;
  readonly second: RankedRegion;
  /** Below 0: it was first before, and keeps its place until another is better by enough. */
  readonly marginMs: number;
}

/** The margins in the attempt that the plan follows. */
export function marginsOf({ stages }: Trace): readonly Margin[] {
  const root = stages.at(-1)?.root;
  return root === undefined ? [] : marginsUnder(root);
}

function marginsUnder({ path, facts, children }: TraceNode): readonly Margin[] {
  const [first, second] = facts.filter((fact) => fact.kind === "rtt");
  const own =
    first === undefined || second === undefined
      ? []
      : [{ path, first, second, marginMs: second.rttMs - first.rttMs }];
  return [...own, ...children.flatMap(marginsUnder)];
}

/** What a node of a trace has from above. */
interface Setting {
  readonly above: readonly string[];
  readonly weight: number | null;
  readonly declared: number | null;
  readonly share: number;
  /** Why nothing is offered here; null: something is. */
  readonly blocked: string | null;
}

/** Walks one evaluation. */
class Tracer {
  readonly #terms: Terms;

  constructor(terms: Terms) {
    this.#terms = terms;
  }

  node(evaluation: Evaluation, setting: Setting): TraceNode {
    return evaluation.kind === "member"
      ? this.#member(evaluation, setting)
      : this.#branch(evaluation, setting);
  }

  #member(evaluation: MemberEvaluation, { above, weight, declared, share, blocked }: Setting): TraceNode {
    const { node, vip, take, eligible } = evaluation;
    const { id } = node.member;
    const own = [...node.via, id];
    const why = share > 0 ? null : (this.#memberProblem(evaluation) ?? blocked ?? "nothing is left for it");
    return {
      path: [...above, ...own].join(" > "),
      title: own.join(" > "),
      kind: "member",
      outcome: outcomeOf(eligible, take),
      take,
      weight,
      declared,
      vip: vip?.id ?? null,
      region: node.member.region,
      weighs: node.member.weight,
      minUp: 0,
      count: null,
      share,
      why,
      kept:
        vip !== null && why === null ? [{ vip: vip.id, member: id, address: vip.address.text, share }] : [],
      removed: why === null ? [] : [{ member: id, vip: vip?.id ?? null, why }],
      facts: this.#memberFacts(evaluation),
      children: [],
    };
  }

  #memberProblem({ node, vip, up, weight, verdict, nearby }: MemberEvaluation): string | null {
    const { facts, family, reserves } = this.#terms;
    if (vip === null) return `has no IPv${family} address`;
    if (nearby !== null && isDownNearby(nearby)) return formatNearby(nearby);
    if (!up)
      return verdict === null ? "down" : formatVerdict({ ...verdict, ageMs: facts.nowMs - verdict.sinceMs });
    if (weight > 0 || reserves) return null;
    return facts.drained.has(node.member.id) ? "drained" : "weighs 0";
  }

  #memberFacts({ node, vip, verdict, nearby }: MemberEvaluation): readonly TraceFact[] {
    const { facts } = this.#terms;
    const { id, weight: declared, shedAbove, capacity } = node.member;
    const found: TraceFact[] = [];
    if (verdict !== null) {
      const { vip: judged, up, basis, reason, sinceMs } = verdict;
      const ageMs = facts.nowMs - sinceMs;
      found.push({ kind: "verdict", vip: judged, up, basis, reason, isSpare: isSpare(verdict), ageMs });
    }
    if (vip !== null && nearby !== null && nearby.up.length + nearby.down.length > 0)
      found.push({ kind: "nearby", vip: vip.id, ...nearby });
    const take = vip === null ? 1 : takeOf(vip, facts);
    if (vip !== null && take < 1) found.push({ kind: "take", vip: vip.id, take, ramp: rampOf(vip, facts) });
    const load = facts.loads.get(id);
    if (load !== undefined && shedAbove !== null) found.push({ kind: "load", member: id, load, shedAbove });
    const headroom = facts.headrooms.get(id);
    if (headroom !== undefined && capacity !== null)
      found.push({ kind: "headroom", member: id, headroom, capacity });
    if (facts.drained.has(id)) found.push({ kind: "drained", member: id });
    const overridden = facts.memberWeights.get(id);
    if (overridden !== undefined) found.push({ kind: "weight", of: id, declared, overridden });
    return found;
  }

  #branch(evaluation: BranchEvaluation, { above, weight, declared, share, blocked }: Setting): TraceNode {
    const { node, take, eligible } = evaluation;
    const path = [...above, ...node.via];
    const weights = weightsIn(node);
    const children = evaluation.children.map((child, i) =>
      this.node(child.evaluation, {
        above: path,
        weight: child.weight,
        declared: weights?.[i] ?? null,
        share: share * child.part,
        blocked: blocked ?? this.#childProblem(evaluation, child),
      }),
    );
    return {
      path: path.join(" > "),
      title: node.via.join(" > "),
      kind: node.kind,
      outcome: outcomeOf(eligible, take),
      take,
      weight,
      declared,
      vip: null,
      region: null,
      weighs: null,
      minUp: node.minUp,
      count: node.kind === "spread" ? node.count : null,
      share,
      why: share > 0 ? null : (this.#branchProblem(evaluation) ?? blocked),
      kept: keptIn(children),
      removed: removedIn(children),
      facts: this.#branchFacts(evaluation),
      children,
    };
  }

  #branchProblem({ node, eligible, take, enough, children }: BranchEvaluation): string | null {
    if (children.length === 0) return "no case matches this location";
    if (!eligible) return `has no IPv${this.#terms.family} address`;
    if (take > 0) return null;
    const someAreUp = children.some((child) => child.evaluation.take > 0);
    if (enough || !someAreUp) return "nothing in it is up";
    return `its minUp of ${formatPercent(node.minUp)} is not met`;
  }

  /** Why a branch gives nothing to a child that may well be up. */
  #childProblem(branch: BranchEvaluation, { evaluation, weight, part }: Child): string | null {
    if (branch.take === 0 && !branch.enough) return "the minUp above it is not met";
    if (weight === 0) return "weighs 0";
    return part === 0 && evaluation.take > 0 ? "what stands before it takes everything" : null;
  }

  #branchFacts({ node, ranking }: BranchEvaluation): readonly TraceFact[] {
    if (ranking !== null) return ranking.map((ranked) => ({ kind: "rtt", ...ranked }));
    if (node.kind !== "weighted") return [];
    return node.choices.flatMap((choice) => {
      const of = choiceOf(node, choice, this.#terms.service);
      const overridden = this.#terms.facts.choiceWeights.get(of);
      return overridden === undefined ? [] : [{ kind: "weight", of, declared: choice.weight, overridden }];
    });
  }
}

function outcomeOf(eligible: boolean, take: number): TraceNode["outcome"] {
  if (!eligible) return "no address";
  return take > 0 ? "up" : "down";
}

/** Each VIP once, with all its shares, as in the plan. */
function keptIn(nodes: readonly TraceNode[]): readonly KeptVip[] {
  const kept = new Map<VipId, KeptVip>();
  for (const one of nodes.flatMap((node) => node.kept)) {
    kept.set(one.vip, { ...one, share: one.share + (kept.get(one.vip)?.share ?? 0) });
  }
  return [...kept.values()];
}

/** Each member once, unless another place in the policy keeps it. */
function removedIn(nodes: readonly TraceNode[]): readonly RemovedMember[] {
  const kept = new Set(nodes.flatMap((node) => node.kept.map(({ member }) => member)));
  const removed = new Map<MemberId, RemovedMember>();
  for (const one of nodes.flatMap((node) => node.removed)) {
    if (!kept.has(one.member) && !removed.has(one.member)) removed.set(one.member, one);
  }
  return [...removed.values()];
}
