/** For how long an answer may be kept: the TTL of a plan. */

import type { Service, VipId } from "../config/config.ts";
import { type Child, type Evaluation, type MemberEvaluation, takeOf } from "./evaluate.ts";
import type { Facts } from "./facts.ts";
import type { Attempt, Planned } from "./plan.ts";

/** A TTL with the reason for it. */
export interface Ttl {
  readonly seconds: number;
  readonly why:
    | { readonly kind: "fixed" }
    /** Nothing that the plan depends on changes by itself. */
    | { readonly kind: "settled" }
    /** Nothing that is in use is up. */
    | { readonly kind: "emergency" }
    | Outlook;
}

/** A VIP that may be the first to change what is answered. */
type Outlook =
  /** It takes more, or less, from second to second. */
  | { readonly kind: "ramp"; readonly vip: VipId; readonly steadyMs: 0 }
  /** It may go down or come up, but not before this. */
  | { readonly kind: "verdict"; readonly vip: VipId; readonly steadyMs: number };

/** Whether the TTL of a service depends on the facts. */
export function isAdaptive({
  ttlSeconds,
  ttlSecondsMin,
}: Pick<Service, "ttlSeconds" | "ttlSecondsMin">): boolean {
  return ttlSecondsMin < ttlSeconds;
}

/**
 * The TTL of a plan: the time to the earliest possible change of a verdict that the plan depends on, no less than the
 * service's least TTL and no more than its longest.
 *
 * 1. A plan depends on the VIPs in its first attempt that is up, and in those before it, but not on what is offered nothing:
 *    the alternatives behind one that takes all, and what weighs nothing beside something that does. Any of those may change
 *    without changing the plan.
 * 2. How long each verdict stays as it is says `health/outlook.ts`.
 * 3. A VIP that ramps up after it was down, or sheds load, moves answers from second to second: the least TTL, so that who
 *    was given another VIP meanwhile does not keep it for long.
 * 4. An answer by reserves or by `whenDown` has the least TTL as long as anything in it can change by itself: it is to end
 *    with the outage.
 *
 * So an answer outlives the next possible change by no more than the least TTL. Weights, round-trip times and headrooms do not
 * count: they move shares, and no VIP that was right before is wrong after.
 */
export function ttlOf(
  { attempts }: Planned,
  { ttlSeconds, ttlSecondsMin }: Pick<Service, "ttlSeconds" | "ttlSecondsMin">,
  facts: Facts,
): Ttl {
  if (ttlSecondsMin === ttlSeconds) return { seconds: ttlSeconds, why: { kind: "fixed" } };
  let first: Outlook | null = null;
  for (const attempt of attempts) {
    for (const outlook of outlooksIn(attempt.evaluation, attempt, facts))
      if (first === null || outlook.steadyMs < first.steadyMs) first = outlook;
  }
  if (first === null) return { seconds: ttlSeconds, why: { kind: "settled" } };
  if (attempts.length > 1) return { seconds: ttlSecondsMin, why: { kind: "emergency" } };
  const seconds = Math.floor(first.steadyMs / 1_000);
  return { seconds: Math.min(ttlSeconds, Math.max(ttlSecondsMin, seconds)), why: first };
}

/** The TTL of what holds the answers of two plans, as an HTTPS RR does: that of the plan that may change first. */
export function shorter(a: Ttl, b: Ttl): Ttl {
  return b.seconds < a.seconds ? b : a;
}

/**
 * The VIPs that what comes of an evaluation depends on, as far as they can change by themselves. Where part of a node must be
 * up that is all below it, whatever is in use.
 */
function* outlooksIn(
  evaluation: Evaluation,
  attempt: Attempt,
  facts: Facts,
  all = false,
): Generator<Outlook> {
  if (evaluation.kind === "member") {
    const matters = all || evaluation.weight > 0 || attempt.reserves;
    const outlook = matters ? outlookOf(evaluation, attempt, facts) : null;
    if (outlook !== null) yield outlook;
    return;
  }
  const { node, children } = evaluation;
  const counts = all || ("minUp" in node && node.minUp > 0);
  const matter = counts ? children : mattering(children, attempt, facts);
  for (const child of matter) yield* outlooksIn(child.evaluation, attempt, facts, counts);
}

/** The children that a node's hand-out depends on, where no part of them must be up. */
function mattering(
  children: readonly Child[],
  { reserves }: Attempt,
  { headrooms }: Facts,
): readonly Child[] {
  const inUse = children.filter(({ weight }) => weight !== 0 || reserves);
  if (inUse.some(({ weight }) => weight !== null)) return inUse;
  const takesAll = inUse.findIndex(({ evaluation }) => evaluation.take === 1);
  // Behind a first choice that does not take all, the others share by headroom, whatever their order.
  const isShared =
    headrooms.size > 0 && inUse.slice(0, takesAll).some(({ evaluation }) => evaluation.eligible);
  return takesAll === -1 || isShared ? inUse : inUse.slice(0, takesAll + 1);
}

function outlookOf(
  { vip, verdict, up }: MemberEvaluation,
  { asIfUp }: Attempt,
  facts: Facts,
): Outlook | null {
  if (vip === null || asIfUp) return null;
  if (up && takeOf(vip, facts) < 1) return { kind: "ramp", vip: vip.id, steadyMs: 0 };
  // One that nobody has judged yet will be judged.
  const steadyMs = verdict === null ? 0 : verdict.steadyMs;
  return steadyMs === null ? null : { kind: "verdict", vip: vip.id, steadyMs };
}
