/** How the votes of many vantages make one judgement. */

import type { Quorum } from "../config/check.ts";

/** The votes that count, by what they say. */
export interface Tally {
  /** Votes of vantages whose opinion is healthy or degraded. */
  readonly up: number;
  /** Votes of vantages whose opinion is unhealthy. */
  readonly down: number;
  /** What the vantages say that are isolated, and have no vote. */
  readonly isolated: { readonly up: number; readonly down: number };
}

/** What the votes come to; `held`: too few of them, so the verdict stays as it was. */
export type Judgement = "up" | "down" | "held";

/**
 * Judges a VIP by the votes that count.
 *
 * 1. A vantage's vote counts when its last report on the VIP is fresh (not older than three intervals and a
 *    timeout), the vantage is not isolated, and its opinion is known.
 * 2. A vote says down when the opinion is unhealthy, and up when it is healthy or degraded: a VIP that fails, but
 *    has not failed `fall` times, is not given up.
 * 3. Down while the votes for down reach the quorum (`votesNeeded`), up otherwise.
 * 4. No votes at all, or fewer than `minVantages` together with the isolated vantages that say the same: held. When
 *    many VIPs die at once, those who see it first are isolated for a moment, on all VIPs; that must not hold up the
 *    verdict on one that everybody has seen dead.
 *
 * There is one quorum, the one for down, and no second one for coming up: a VIP comes up with the very report that
 * leaves too few votes for down. It does not flap for that, because the hysteresis sits in each vote: an unhealthy
 * one stays so until `rise` successes in a row (`health/opinion.ts`).
 *
 * The order of votes does not matter, and a vote that turns from up to down never turns a VIP from down to up.
 */
export function judge(tally: Tally, quorum: Quorum, minVantages: number): Judgement {
  const votes = tally.up + tally.down;
  const judgement = tally.down >= votesNeeded(quorum, votes) ? "down" : "up";
  if (votes === 0 || votes + tally.isolated[judgement] < minVantages) return "held";
  return judgement;
}

/**
 * How many of the votes must say down. The quorum is a share of the votes that count, not of all vantages:
 *
 * 1. majority: more than half. Of an even number, half is not enough.
 * 2. any: one.
 * 3. all: every one.
 * 4. percent n: at least n % of them, and never fewer than one.
 */
export function votesNeeded(quorum: Quorum, votes: number): number {
  switch (quorum.kind) {
    case "majority":
      return Math.floor(votes / 2) + 1;
    case "any":
      return 1;
    case "all":
      return votes;
    case "percent":
      return Math.max(1, Math.ceil((quorum.percent * votes) / 100));
  }
}
