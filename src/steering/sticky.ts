/** What of a plan goes by the client's prefix, so that a client stays where it is for as long as that is up. */

import type { MemberId, VipId } from "../config/config.ts";
import type { BranchEvaluation, Evaluation } from "./evaluate.ts";
import { weightsIn } from "./local.ts";
import type { Share } from "./plan.ts";

/**
 * The sticky part of a plan. All that is sticky under one policy is one part, whatever stands between: the second of the
 * query has a say only in whether an answer comes from it or from what is drawn.
 */
export interface Sticky {
  /** What is drawn anew for each query: shares of all answers, above 0; the rest is sticky. */
  readonly drawn: readonly Share[];
  /** The members that clients are shared out among, by id; `maglev.ts` says which client is whose. */
  readonly claims: readonly Claim[];
}

/** What one member gets of the sticky part; the sums of all claims say how much that is. */
export interface Claim {
  readonly member: MemberId;
  /** null: it has no address of the family, and no share. */
  readonly vip: VipId | null;
  /**
   * Its share if all were up that is as near as what is in use: by the weights of the config alone. So it is the same for
   * both families, and whatever the facts, but for which alternatives of an order are used.
   */
  readonly wanted: number;
  /** Its share as it is. */
  readonly share: number;
}

/** The sticky part of what an evaluation hands out; null: there is none. */
export function stickyOf(evaluation: Evaluation): Sticky | null {
  if (!handsOutSticky(evaluation)) return null;
  const split = new Split();
  split.walk(evaluation, 1, 1, false);
  return split.sticky();
}

/** Whether anything that gets a part is sticky. */
function handsOutSticky(evaluation: Evaluation): boolean {
  if (evaluation.kind === "member") return false;
  if (evaluation.node.kind === "sticky") return true;
  return evaluation.children.some((child) => child.part > 0 && handsOutSticky(child.evaluation));
}

/** Follows the parts down to the members, as they are and as they would be. */
class Split {
  readonly #drawn = new Map<VipId, number>();
  readonly #claims = new Map<MemberId, Claim>();

  walk(evaluation: Evaluation, wanted: number, share: number, isSticky: boolean): void {
    if (wanted === 0 && share === 0) return;
    if (evaluation.kind === "branch") {
      const below = isSticky || evaluation.node.kind === "sticky";
      const wants = partsWanted(evaluation);
      for (const [i, { evaluation: child, part }] of evaluation.children.entries())
        this.walk(child, wanted * (wants[i] ?? 0), share * part, below);
      return;
    }
    const { vip, node } = evaluation;
    if (isSticky) this.#claim({ member: node.member.id, vip: vip?.id ?? null, wanted, share });
    else if (vip !== null && share > 0) this.#drawn.set(vip.id, (this.#drawn.get(vip.id) ?? 0) + share);
  }

  sticky(): Sticky {
    return {
      drawn: Array.from(this.#drawn, ([vip, share]) => ({ vip, share })),
      claims: [...this.#claims.values()].sort((a, b) => (a.member < b.member ? -1 : 1)),
    };
  }

  #claim(claim: Claim): void {
    const { member, wanted, share } = claim;
    const before = this.#claims.get(member);
    this.#claims.set(
      member,
      before === undefined
        ? claim
        : { ...before, wanted: before.wanted + wanted, share: before.share + share },
    );
  }
}

/** The parts that children would have if all were up: by their weights in the config, and in an order as they are. */
function partsWanted({ node, children, take }: BranchEvaluation): readonly number[] {
  const weights = weightsIn(node);
  if (weights !== null) return partsOf(weights);
  if (take === 0) return children.map((_, i) => (i === 0 ? 1 : 0));
  return children.map(({ part }) => part);
}

function partsOf(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => (sum === 0 ? 0 : weight / sum));
}
