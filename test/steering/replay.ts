/** Makes the decision of a trace again, from the trace alone: what it says is all that the decision rests on. */

import type { VipId } from "../../src/config/config.ts";
import type { Plan } from "../../src/steering/plan.ts";
import type { Trace, TraceNode, TraceStage } from "../../src/steering/trace.ts";

/** What a node comes to, worked out from what stands in the trace under it. */
interface Replayed {
  /** Whether there is an address of the family under it. */
  readonly eligible: boolean;
  readonly take: number;
  /** Of a member. */
  readonly vip: VipId | null;
  readonly children: readonly { readonly replayed: Replayed; readonly part: number }[];
}

/** Room for the rounding of sums of weights when they are compared with `minUp`. */
const ROUNDING = 1e-9;

/**
 * The plan that follows from a trace. Read are its facts, weights and rules, not its outcomes; members are weighed, and what
 * they take is handed out, by the rules that `Evaluation` gives.
 */
export function replay({ stages, whenDown }: Trace): Plan {
  for (const stage of stages) {
    const root = replayNode(stage.root, stage);
    const lastResort = stage.asIfUp || stage.subject === "fallback";
    if (!root.eligible) return { kind: "nodata", lastResort };
    if (root.take === 0) continue;
    const shares = new Map<VipId, number>();
    handOut(root, 1, shares);
    return { kind: "answer", shares: Array.from(shares, ([vip, share]) => ({ vip, share })), lastResort };
  }
  return whenDown === "servfail" ? { kind: "servfail" } : { kind: "nodata", lastResort: true };
}

function replayNode(node: TraceNode, stage: TraceStage): Replayed {
  if (node.kind === "member") return replayMember(node, stage);
  const children = node.children.map((child) => replayNode(child, stage));
  const isByWeight = node.kind === "pool" || node.kind === "weighted";
  return isByWeight ? byWeight(node, children) : inOrder(node, children);
}

function replayMember({ vip, weighs, facts }: TraceNode, { reserves, asIfUp }: TraceStage): Replayed {
  let up = true;
  let take = 1;
  let weight = weighs ?? 0;
  for (const fact of facts) {
    if (fact.kind === "verdict") up = fact.up;
    if (fact.kind === "take") take = fact.take;
    if (fact.kind === "weight") weight = fact.overridden;
  }
  if (facts.some(({ kind }) => kind === "drained")) weight = 0;
  const isUsed = vip !== null && (up || asIfUp) && (weight > 0 || reserves);
  return { eligible: vip !== null, take: isUsed ? take : 0, vip, children: [] };
}

/** The node takes as much as its best child; a child's part is by weight and take. */
function byWeight({ minUp, children: nodes }: TraceNode, children: readonly Replayed[]): Replayed {
  const weighed = children.map((replayed, i) => ({ replayed, weight: nodes[i]?.weight ?? 0 }));
  let inAll = 0;
  let up = 0;
  let taken = 0;
  let take = 0;
  for (const { replayed, weight } of weighed) {
    if (replayed.eligible) inAll += weight;
    if (replayed.take === 0 || weight === 0) continue;
    up += weight;
    taken += weight * replayed.take;
    take = Math.max(take, replayed.take);
  }
  return {
    eligible: children.some(({ eligible }) => eligible),
    take: up >= (minUp - ROUNDING) * inAll ? take : 0,
    vip: null,
    children: weighed.map(({ replayed, weight }) => ({
      replayed,
      part: taken === 0 ? 0 : (weight * replayed.take) / taken,
    })),
  };
}

/** Each child takes its fraction of what those before it left. */
function inOrder({ minUp }: TraceNode, children: readonly Replayed[]): Replayed {
  let rest = 1;
  let taken = 0;
  const offered = children.map((replayed) => {
    const own = rest * replayed.take;
    rest *= 1 - replayed.take;
    taken += own;
    return { replayed, own };
  });
  const eligible = children.filter((child) => child.eligible).length;
  const up = children.filter(({ take }) => take > 0).length;
  return {
    eligible: eligible > 0,
    take: up >= (minUp - ROUNDING) * eligible ? 1 - rest : 0,
    vip: null,
    children: offered.map(({ replayed, own }) => ({ replayed, part: taken === 0 ? 0 : own / taken })),
  };
}

function handOut({ vip, children }: Replayed, share: number, shares: Map<VipId, number>): void {
  if (share === 0) return;
  if (vip !== null) shares.set(vip, (shares.get(vip) ?? 0) + share);
  for (const { replayed, part } of children) handOut(replayed, share * part, shares);
}
