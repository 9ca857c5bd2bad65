/** How a VIP that was down and is healthy again comes back: at once, after a hold, or when an operator releases it. */

import type { Failback } from "../config/check.ts";
import type { Hold, Verdict } from "./verdict.ts";

/**
 * How many flaps count against a VIP that goes down at `nowMs`, this one included.
 *
 * 1. Each flap is one more, and each whole half-life that it was up takes one away again. Time down atones for nothing,
 *    or a long hold would undo itself.
 * 2. They are counted no further than the hold grows (`flapsMax`), so that all are forgotten after as many half-lives.
 * 3. Where nothing is held down they are not counted.
 */
export function flapsAfterFall(
  before: Pick<Verdict, "flaps" | "sinceMs">,
  failback: Failback,
  nowMs: number,
): number {
  if (failback.kind === "manual" || failback.holdDownMs === 0) return 0;
  const forgotten = Math.floor(Math.max(0, nowMs - before.sinceMs) / failback.halfLifeMs);
  return Math.min(flapsMax(failback), 1 + Math.max(0, before.flaps - forgotten));
}

/** How long a VIP must have been healthy before it comes back: `holdDown`, doubled for each flap after the first. */
export function holdMs(failback: Failback & { readonly kind: "auto" }, flaps: number): number {
  return Math.min(failback.holdDownMs * 2 ** Math.max(0, flaps - 1), failback.holdDownMsMax);
}

/** The hold of a VIP that is down and has been healthy since `healthySinceMs`. */
export function holdOf(failback: Failback, flaps: number, healthySinceMs: number): Hold {
  const untilMs = failback.kind === "manual" ? null : healthySinceMs + holdMs(failback, flaps);
  return { healthySinceMs, untilMs };
}

/** Whether a hold is over. */
export function isOver({ untilMs }: Hold, nowMs: number): boolean {
  return untilMs !== null && nowMs >= untilMs;
}

export function isSameHold(a: Hold | null, b: Hold | null): boolean {
  return a?.healthySinceMs === b?.healthySinceMs && a?.untilMs === b?.untilMs;
}

/** The number of flaps with which the hold is as long as it can be. */
function flapsMax({ holdDownMs, holdDownMsMax }: Failback & { readonly kind: "auto" }): number {
  return 1 + Math.ceil(Math.log2(holdDownMsMax / holdDownMs));
}
