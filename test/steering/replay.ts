/** Makes the decision of a trace again, from the trace alone: what it says is all that the decision rests on. */

import type { MemberId, VipId } from "../../src/config/config.ts";
import type { Plan } from "../../src/steering/plan.ts";
import type { Spread } from "../../src/steering/spread.ts";
import type { Sticky } from "../../src/steering/sticky.ts";
import type { Trace, TraceNode, TraceStage } from "../../src/steering/trace.ts";

/** What a node comes to, worked out from what stands in the trace under it. */
interface Replayed {
  /** Whether there is an address of the family under it. */
  readonly eligible: boolean;
  readonly take: number;
  /** What it would take if nobody shed load. */
  readonly standing: number;
  readonly node: TraceNode;
  readonly children: readonly { readonly replayed: Replayed; readonly part: number }[];
}

/** Room for the rounding of sums of weights when they are compared with `minUp`. */
const ROUNDING = 1e-9;

/**
 * The plan that follows from a trace. Read are its facts, weights and rules, not its outcomes; members are weighed, and what
 * they take is handed out, by the rules that `Evaluation` gives.
 */
export function replay({ stages, whenDown, lastGood }: Trace): Plan {
  for (const stage of stages) {
    const root = replayNode(stage.root, stage);
    const lastResort = stage.asIfUp || stage.subject === "fallback";
    if (!root.eligible) return { kind: "nodata", lastResort };
    if (root.take === 0) continue;
    const shares = new Map<VipId, number>();
    handOut(root, 1, shares);
    return {
      kind: "answer",
      shares: Array.from(shares, ([vip, share]) => ({ vip, share })),
      spreads: spreadsOf(root),
      sticky: isSticky(root) ? stickyOf(root) : null,
      lastResort,
    };
  }
  if (lastGood !== null) return lastGood;
  return whenDown === "servfail" ? { kind: "servfail" } : { kind: "nodata", lastResort: true };
}

function replayNode(node: TraceNode, stage: TraceStage): Replayed {
  if (node.kind === "member") return replayMember(node, stage);
  const children = node.children.map((child) => replayNode(child, stage));
  const isByWeight = node.kind === "pool" || node.kind === "weighted";
  if (isByWeight) return byWeight(node, children, stage);
  const isWhole = node.kind === "sticky" || node.kind === "spread";
  return isWhole ? allOf(node, children) : inOrder(node, children, stage);
}

function replayMember(node: TraceNode, { reserves, asIfUp }: TraceStage): Replayed {
  const { vip, weighs, facts } = node;
  let up = true;
  let isDownHere = false;
  let take = 1;
  let ramp = 1;
  let weight = weighs ?? 0;
  for (const fact of facts) {
    if (fact.kind === "verdict") up = fact.up || (reserves && fact.isSpare);
    if (fact.kind === "nearby") isDownHere = fact.down.length > fact.up.length;
    if (fact.kind === "take") ({ take, ramp } = fact);
    if (fact.kind === "weight") weight = fact.overridden;
  }
  if (facts.some(({ kind }) => kind === "drained")) weight = 0;
  const isUsed = vip !== null && ((up && !isDownHere) || asIfUp) && (weight > 0 || reserves);
  return {
    eligible: vip !== null,
    take: isUsed ? take : 0,
    standing: isUsed ? ramp : 0,
    node,
    children: [],
  };
}

/** A child beside others. */
interface Beside {
  readonly replayed: Replayed;
  readonly weight: number;
}

/** The node takes as much as its best child; a child's part is by weight and take, and by headroom what others leave. */
function byWeight(node: TraceNode, children: readonly Replayed[], stage: TraceStage): Replayed {
  const all = children.map((replayed) => ({ replayed, weight: replayed.node.weight ?? 0 }));
  const weighing = all.filter(({ weight }) => weight > 0).map(({ replayed }) => replayed);
  const take = Math.max(0, ...weighing.map((one) => one.take));
  const standing = Math.max(0, ...weighing.map((one) => one.standing));
  const gains = gainsOf(node, all, standing, stage);
  const strengths = all.map(({ replayed, weight }, i) => (weight + (gains[i] ?? 0)) * replayed.take);
  const taken = strengths.reduce((sum, one) => sum + one, 0);
  const counted = children.filter(({ eligible }) => eligible);
  const inAll = counted.reduce((sum, one) => sum + countsOf(one, node), 0);
  const up = counted.reduce((sum, one) => sum + (one.take > 0 ? countsOf(one, node) : 0), 0);
  const isUp = up >= (node.minUp - ROUNDING) * inAll;
  return {
    eligible: counted.length > 0,
    take: isUp ? take : 0,
    standing: isUp ? standing : 0,
    node,
    children: children.map((replayed, i) => ({ replayed, part: taken === 0 ? 0 : strengths[i]! / taken })),
  };
}

/** What each gets by headroom of what the others leave. */
function gainsOf(
  node: TraceNode,
  all: readonly Beside[],
  most: number,
  stage: TraceStage,
): readonly number[] {
  const inUse = all.filter(
    ({ replayed }) => countsOf(replayed, node) > 0 && usedIn(replayed, stage).length > 0,
  );
  if (!inUse.every(({ replayed }) => usedIn(replayed, stage).every(hasHeadroom))) return [];
  const heirs = inUse.filter(({ replayed, weight }) => weight > 0 && replayed.take > 0);
  return all.map((one) => {
    let gain = 0;
    for (const other of heirs.includes(one) ? inUse : []) {
      const left = countsOf(other.replayed, node) * most - other.weight * other.replayed.standing;
      if (other === one || left === 0) continue;
      const claims = heirs
        .filter((heir) => heir !== other)
        .reduce((sum, { replayed }) => sum + headroomOf(replayed)! * replayed.standing, 0);
      gain += (headroomOf(one.replayed)! * left) / claims;
    }
    return gain;
  });
}

/** The members under it that would be used if all were up. */
function usedIn(replayed: Replayed, stage: TraceStage): readonly TraceNode[] {
  const { node, eligible, children } = replayed;
  if (node.kind !== "member")
    return children.flatMap(({ replayed: child }) => (countsOf(child, node) > 0 ? usedIn(child, stage) : []));
  const weight = node.facts.find((fact) => fact.kind === "weight")?.overridden ?? node.weighs ?? 0;
  return eligible && (stage.reserves || weight > 0) ? [node] : [];
}

function hasHeadroom({ facts }: TraceNode): boolean {
  return facts.some(({ kind }) => kind === "headroom");
}

/** Each child takes its fraction of what those before it left; behind the first, headroom has its say. */
function inOrder(node: TraceNode, children: readonly Replayed[], { reserves }: TraceStage): Replayed {
  let rest = 1;
  let restStanding = 1;
  let taken = 0;
  const offered = children.map((replayed) => {
    const own = rest * replayed.take;
    rest *= 1 - replayed.take;
    restStanding *= 1 - replayed.standing;
    taken += own;
    return { replayed, own };
  });
  const first = children.findIndex((child) => child.eligible && (reserves || !isReserve(child)));
  const behind = offered.filter(({ replayed }, i) => i > first && replayed.take > 0);
  const rooms = behind.map(({ replayed }) => headroomOf(replayed));
  const known = rooms.indexOf(null) === -1 ? behind : behind.slice(0, rooms.indexOf(null));
  const together = known.reduce((sum, { own }) => sum + own, 0);
  const claims = known.map(({ replayed }, i) => (rooms[i] ?? 0) * replayed.take);
  const claimed = claims.reduce((sum, claim) => sum + claim, 0);
  for (const [i, one] of known.entries()) one.own = (together * (claims[i] ?? 0)) / claimed;
  const eligible = children.filter((child) => child.eligible).length;
  const up = children.filter(({ take }) => take > 0).length;
  const isUp = up >= (node.minUp - ROUNDING) * eligible;
  return {
    eligible: eligible > 0,
    take: isUp ? 1 - rest : 0,
    standing: isUp ? 1 - restStanding : 0,
    node,
    children: offered.map(({ replayed, own }) => ({ replayed, part: taken === 0 ? 0 : own / taken })),
  };
}

/** By the config nobody's first choice. */
function isReserve({ node, eligible, children }: Replayed): boolean {
  if (node.kind === "member") return !eligible || node.weighs === 0;
  return children.every(({ replayed }) => {
    return (node.kind === "weighted" && replayed.node.declared === 0) || isReserve(replayed);
  });
}

/** What a node can take on; null: nobody can tell. */
function headroomOf({ node, children }: Replayed): number | null {
  const own = node.facts.find((fact) => fact.kind === "headroom");
  if (node.kind === "member") return own?.headroom ?? null;
  const rooms = children
    .filter(({ part }) => part > 0)
    .map(({ replayed, part }) => ({ room: headroomOf(replayed), part }));
  return rooms.reduce<number | null>(
    (least, { room, part }) => (least === null || room === null ? null : Math.min(least, room / part)),
    Number.POSITIVE_INFINITY,
  );
}

/** All that is below, if enough of that is up. */
function allOf(node: TraceNode, children: readonly Replayed[]): Replayed {
  const [only] = children;
  if (only === undefined) throw new Error(`${node.kind} of nothing`);
  const isUp = partUp(only) >= node.minUp - ROUNDING;
  const { take, standing } = isUp ? only : { take: 0, standing: 0 };
  return {
    eligible: only.eligible,
    take,
    standing,
    node,
    children: [{ replayed: only, part: only.take > 0 ? 1 : 0 }],
  };
}

/** By weight, or where there are none by count. */
function partUp({ node, take, children }: Replayed): number {
  if (node.kind === "member") return take > 0 ? 1 : 0;
  const weighed = children
    .filter(({ replayed }) => replayed.eligible)
    .map(({ replayed }) => ({ weight: countsOf(replayed, node), up: partUp(replayed) }));
  const all = weighed.reduce((sum, { weight }) => sum + weight, 0);
  return all === 0 ? 0 : weighed.reduce((sum, { weight, up }) => sum + weight * up, 0) / all;
}

/** What a node counts for in the `minUp` above it: in a pool what is drained as if it were not; in an order 1. */
function countsOf({ node }: Replayed, above: TraceNode): number {
  const { weight, weighs, facts } = node;
  const isDrained = above.kind === "pool" && facts.some(({ kind }) => kind === "drained");
  if (weight !== 0 || !isDrained) return weight ?? 1;
  return facts.find((fact) => fact.kind === "weight")?.overridden ?? weighs ?? 0;
}

function isSticky({ node, children }: Replayed): boolean {
  return node.kind === "sticky" || children.some(({ replayed, part }) => part > 0 && isSticky(replayed));
}

/** What is drawn, first what is answered alone, then each spread: by address, the members of one region side by side. */
function spreadsOf(root: Replayed): readonly Spread[] | null {
  const parts: { count: number; members: { node: TraceNode; share: number }[] }[] = [
    { count: 1, members: [] },
  ];
  const walk = ({ node, children }: Replayed, share: number, part: number): void => {
    if (share === 0 || node.kind === "sticky") return;
    if (node.kind === "member") parts[part]!.members.push({ node, share });
    const below = node.count === null ? part : parts.push({ count: node.count, members: [] }) - 1;
    for (const child of children) walk(child.replayed, share * child.part, below);
  };
  walk(root, 1, 0);
  const spreads = parts.flatMap(({ count, members }) => {
    const addresses = Map.groupBy(members, ({ node }) => node.kept[0]!.address);
    const merged = Array.from(addresses.values(), (same) => {
      const { vip, region } = same[0]!.node;
      return { vip: vip!, region, share: same.reduce((sum, one) => sum + one.share, 0) };
    });
    const shares = [...Map.groupBy(merged, ({ region }) => region).values()].flat();
    if (shares.length === 0) return [];
    return [
      { count: Math.min(count, shares.length), shares: shares.map(({ vip, share }) => ({ vip, share })) },
    ];
  });
  return spreads.some(({ count }) => count > 1) ? spreads : null;
}

/** What is drawn for each query, and what members below something sticky want and have. */
function stickyOf(root: Replayed): Sticky {
  const drawn = new Map<VipId, number>();
  const claims = new Map<MemberId, { vip: VipId | null; wanted: number; share: number }>();
  const walk = ({ node, take, children }: Replayed, wanted: number, share: number, below: boolean): void => {
    if (wanted === 0 && share === 0) return;
    if (node.kind === "member") {
      const id = node.title.split(" > ").at(-1) as MemberId;
      const before = claims.get(id) ?? { wanted: 0, share: 0 };
      if (below)
        claims.set(id, { vip: node.vip, wanted: before.wanted + wanted, share: before.share + share });
      else if (node.vip !== null && share > 0) drawn.set(node.vip, (drawn.get(node.vip) ?? 0) + share);
    }
    const declared = node.children.reduce((sum, child) => sum + (child.declared ?? 0), 0);
    for (const [i, { replayed, part }] of children.entries()) {
      const weight = replayed.node.declared;
      const inOrderNow = take > 0 ? part : Number(i === 0);
      const own = weight === null ? inOrderNow : declared === 0 ? 0 : weight / declared;
      walk(replayed, wanted * own, share * part, below || node.kind === "sticky");
    }
  };
  walk(root, 1, 1, false);
  return {
    drawn: Array.from(drawn, ([vip, share]) => ({ vip, share })),
    claims: Array.from(claims, ([member, claim]) => ({ member, ...claim })).toSorted((a, b) =>
      a.member < b.member ? -1 : 1,
    ),
  };
}

function handOut({ node: { vip }, children }: Replayed, share: number, shares: Map<VipId, number>): void {
  if (share === 0) return;
  if (vip !== null) shares.set(vip, (shares.get(vip) ?? 0) + share);
  for (const { replayed, part } of children) handOut(replayed, share * part, shares);
}
