/** Shifts: what has become different of the facts. */

import type { VipId } from "../config/config.ts";
import type { TurnedVote } from "../health/matrix.ts";
import type { Verdict } from "../health/verdict.ts";

/** What has become different, so that only plans that depend on it are made again. */
export interface Shift {
  /** VIPs with another verdict, take, weight or drain. */
  readonly vips: ReadonlySet<VipId>;
  /** Choices by `policy/choice`. */
  readonly choices: ReadonlySet<string>;
  /** True when some order of regions by round-trip time is another one. */
  readonly rankings: boolean;
  /** VIPs whose verdict lasts longer or shorter than it did, at the least; only of services with adaptive TTLs is it told. */
  readonly outlooks: ReadonlySet<VipId>;
  /** Verdicts that went from up to down or back by themselves. */
  readonly flipped: readonly Verdict[];
  /** Those that are up or down as before, and otherwise different. */
  readonly revised: readonly Verdict[];
  /** Votes that are others than before, on VIPs of pools with `perVantage`. */
  readonly turned: readonly TurnedVote[];
}

/** Nothing has become different. */
export const NO_SHIFT: Shift = {
  vips: new Set(),
  choices: new Set(),
  rankings: false,
  outlooks: new Set(),
  flipped: [],
  revised: [],
  turned: [],
};

/** Two shifts as one. */
export function joinShifts(a: Shift, b: Shift): Shift {
  return {
    vips: a.vips.union(b.vips),
    choices: a.choices.union(b.choices),
    rankings: a.rankings || b.rankings,
    outlooks: a.outlooks.union(b.outlooks),
    flipped: [...a.flipped, ...b.flipped],
    revised: [...a.revised, ...b.revised],
    turned: [...a.turned, ...b.turned],
  };
}

/** Whether a shift can change any plan. */
export function isNothing(shift: Shift): boolean {
  const { vips, choices, rankings, outlooks, turned } = shift;
  return vips.size + choices.size + outlooks.size + turned.length === 0 && !rankings;
}
