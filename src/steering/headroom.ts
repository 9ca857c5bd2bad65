/** Who gets by headroom, what members can take on, what others leave. */

import type { Member } from "../config/config.ts";
import type { Evaluation, Terms, Weighed } from "./evaluate.ts";
import type { Facts } from "./facts.ts";

/**
 * Shares out anew, in `owns`, what the alternatives behind the first take together: in proportion to headroom and take.
 * One whose headroom nobody can tell, and all that follow it, stay as they are: they are for when the others fail.
 */
export function splitByHeadroom(
  owns: number[],
  children: readonly Evaluation[],
  { facts, reserves }: Terms,
): void {
  if (facts.headrooms.size === 0) return;
  const first = children.findIndex((child) => child.eligible && (reserves || !isReserve(child)));
  const claims: { readonly i: number; readonly claim: number }[] = [];
  let together = 0;
  let claimed = 0;
  for (const [i, evaluation] of children.entries()) {
    if (i <= first || evaluation.take === 0) continue;
    const headroom = headroomOf(evaluation, facts);
    if (headroom === null) break;
    const claim = headroom * evaluation.take;
    claims.push({ i, claim });
    together += owns[i] ?? 0;
    claimed += claim;
  }
  for (const { i, claim } of claims) owns[i] = (together * claim) / claimed;
}

/**
 * What children get beyond their weights. Where all have capacities, what one leaves that is down, drained or ramping up
 * goes to the others in proportion to their headroom, as far as they stand themselves:
 *
 *     headroom * left / claims       left    counts * most - weight * standing, `most` being the standing of the best
 *                                    claims  the sum over the others of headroom * standing
 *
 * While all stand alike nothing is left, and weights rule. There are no cases in it, so shares move as evenly as slow starts.
 * What members shed for load has no part in it: that goes by weights and gains as by any weights, and with that the
 * feedback through loads stays the one that `health/loads.ts` reckons with. (Of a choice with several members it has a say
 * in which of them is the first to be full.)
 */
export function gainsByHeadroom(
  weighed: readonly Weighed[],
  { facts, reserves }: Terms,
): ReadonlyMap<Evaluation, number> {
  const gains = new Map<Evaluation, number>();
  if (facts.headrooms.size === 0) return gains;
  let most = 0;
  for (const { evaluation, weight } of weighed) if (weight > 0) most = Math.max(most, evaluation.standing);
  const leftBy = ({ evaluation, weight, counts }: Weighed): number =>
    counts * most - weight * evaluation.standing;
  if (weighed.every((one) => leftBy(one) === 0)) return gains;
  const inUse = weighed.filter(
    ({ evaluation, counts }) => counts > 0 && membersInUse(evaluation, reserves).length > 0,
  );
  const isSized = ({ evaluation }: Weighed): boolean =>
    membersInUse(evaluation, reserves).every(({ id }) => facts.headrooms.has(id));
  if (!inUse.every(isSized)) return gains;
  const heirs = inUse.flatMap(({ evaluation, weight }) => {
    const headroom = weight > 0 && evaluation.take > 0 ? headroomOf(evaluation, facts) : null;
    return headroom === null ? [] : [{ evaluation, headroom }];
  });
  for (const one of inUse.filter((beside) => leftBy(beside) > 0)) {
    const left = leftBy(one);
    const others = heirs.filter(({ evaluation }) => evaluation !== one.evaluation);
    let claims = 0;
    for (const { evaluation, headroom } of others) claims += headroom * evaluation.standing;
    for (const { evaluation, headroom } of others)
      gains.set(evaluation, (gains.get(evaluation) ?? 0) + (headroom * left) / claims);
  }
  return gains;
}

/** The members under it that would be used if all were up. */
function membersInUse(evaluation: Evaluation, reserves: boolean): readonly Member[] {
  if (evaluation.kind === "member")
    return evaluation.eligible && (reserves || evaluation.undrained > 0) ? [evaluation.node.member] : [];
  return evaluation.children.flatMap((child) =>
    child.counts > 0 ? membersInUse(child.evaluation, reserves) : [],
  );
}

/** Whether nothing in it is used while anything beside it is up, by what the config says: it is nobody's first choice. */
function isReserve(evaluation: Evaluation): boolean {
  if (evaluation.kind === "member") return !evaluation.eligible || evaluation.node.member.weight === 0;
  const { node, children } = evaluation;
  return children.every(
    (child, i) => (node.kind === "weighted" && node.choices[i]?.weight === 0) || isReserve(child.evaluation),
  );
}

/** How much a node can take on until the first of its members is full; null: some member has no capacity. */
function headroomOf(evaluation: Evaluation, facts: Facts): number | null {
  if (evaluation.kind === "member") return facts.headrooms.get(evaluation.node.member.id) ?? null;
  let least = Number.POSITIVE_INFINITY;
  for (const child of evaluation.children) {
    if (child.part === 0) continue;
    const headroom = headroomOf(child.evaluation, facts);
    if (headroom === null) return null;
    least = Math.min(least, headroom / child.part);
  }
  return least;
}
