/** A policy worked out for one class of clients. */

import type { Config, Service, VipId } from "../config/config.ts";
import { type Evaluation, evaluate, hasDownNearby } from "./evaluate.ts";
import type { Facts } from "./facts.ts";
import type { LocalPolicy } from "./local.ts";
import { localPool } from "./make-local.ts";
import { poolOf } from "./references.ts";
import { type Spread, spreadsOf } from "./spread.ts";
import { type Sticky, stickyOf } from "./sticky.ts";

/** For one service, one class of clients and one family: the VIPs to answer with. */
export type Plan =
  | {
      readonly kind: "answer";
      /** Shares are above 0 and add up to 1; the order is the policy's and stable, because picks depend on it. */
      readonly shares: readonly Share[];
      /** Who is answered together with whom; null: every answer has one VIP. Shares say how often each comes first. */
      readonly spreads: readonly Spread[] | null;
      /** Which of it clients get by their prefix; null: each query is drawn for anew. */
      readonly sticky: Sticky | null;
      /** True when the policy was down at its root and `whenDown` chose these. */
      readonly lastResort: boolean;
    }
  | { readonly kind: "nodata"; readonly lastResort: boolean }
  | { readonly kind: "servfail" };

export interface Share {
  readonly vip: VipId;
  readonly share: number;
}

/** A plan with all that led to it; `traceOf` puts that into words. */
export interface Planned {
  readonly plan: Plan;
  /** One after the other, until one was up. */
  readonly attempts: readonly Attempt[];
}

/** One evaluation: of the service's policy or of its fallback pool, under loosened terms where strict ones found nothing. */
export interface Attempt {
  readonly subject: "policy" | "fallback";
  readonly reserves: boolean;
  readonly asIfUp: boolean;
  readonly byQuorum: boolean;
  readonly evaluation: Evaluation;
}

/**
 * Plans the answers of one family for one class of clients:
 *
 *   1. A policy without any address of the family: NODATA. The other family may well have an answer.
 *   2. The policy, from members that are up, not drained, and weigh something.
 *   3. The policy, with reserves: members and choices that are drained, held down for a time, or weigh nothing.
 *   4. Both again by verdicts alone, where vantages near the clients see down what the quorum sees up: what some of the
 *      world's clients reach is better than a last resort.
 *   5. What the service's `whenDown` says.
 */
export function planFor(
  local: LocalPolicy,
  service: Pick<Service, "label" | "whenDown">,
  family: 4 | 6,
  facts: Facts,
  config: Pick<Config, "pools">,
): Planned {
  const attempts: Attempt[] = [];
  /** Evaluates until something is up: in use first, then with reserves. */
  const search = (
    subject: Attempt["subject"],
    tree: LocalPolicy,
    asIfUp: boolean,
    byQuorum = false,
  ): Evaluation | null => {
    for (const reserves of [false, true]) {
      const evaluation = evaluate(tree, {
        family,
        facts,
        service: service.label,
        reserves,
        asIfUp,
        byQuorum,
      });
      attempts.push({ subject, reserves, asIfUp, byQuorum, evaluation });
      if (!evaluation.eligible) return null;
      if (evaluation.take > 0) return evaluation;
    }
    return null;
  };

  let found = search("policy", local, false);
  if (found === null && attempts.some(({ evaluation }) => hasDownNearby(evaluation)))
    found = search("policy", local, false, true);
  if (found !== null) return { plan: answer(found, false), attempts };
  if (attempts[0]?.evaluation.eligible === false)
    return { plan: { kind: "nodata", lastResort: false }, attempts };
  switch (service.whenDown.kind) {
    case "all":
      return { plan: lastResort(search("policy", local, true)), attempts };
    case "lastGood": {
      const last = facts.lastGood.recall(local, service, family);
      const plan = last === null ? lastResort(search("policy", local, true)) : { ...last, lastResort: true };
      return { plan, attempts };
    }
    case "fallback": {
      const pool = poolOf(service.whenDown.pool, config);
      const tree = localPool(pool, [`pool ${pool.id}`]);
      return {
        plan: lastResort(search("fallback", tree, false) ?? search("fallback", tree, true)),
        attempts,
      };
    }
    case "nodata":
      return { plan: { kind: "nodata", lastResort: true }, attempts };
    case "servfail":
      return { plan: { kind: "servfail" }, attempts };
  }
}

/** A fallback pool may have no address of the family; then only the other family has an answer. */
function lastResort(found: Evaluation | null): Plan {
  return found === null ? { kind: "nodata", lastResort: true } : answer(found, true);
}

function answer(evaluation: Evaluation, isLastResort: boolean): Plan {
  const shares = new Map<VipId, number>();
  handOut(evaluation, 1, shares);
  return {
    kind: "answer",
    shares: Array.from(shares, ([vip, share]) => ({ vip, share })),
    spreads: spreadsOf(evaluation),
    sticky: stickyOf(evaluation),
    lastResort: isLastResort,
  };
}

/** Follows the parts down to the VIPs. A VIP that stands in several places gets one share, at the first of them. */
function handOut(evaluation: Evaluation, share: number, shares: Map<VipId, number>): void {
  if (share === 0) return;
  if (evaluation.kind === "branch") {
    for (const child of evaluation.children) handOut(child.evaluation, share * child.part, shares);
  } else if (evaluation.vip !== null) {
    shares.set(evaluation.vip.id, (shares.get(evaluation.vip.id) ?? 0) + share);
  }
}
