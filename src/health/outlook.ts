/** How long a verdict stays as it is, at the least: what an adaptive TTL goes by. */

import type { Check } from "../config/check.ts";
import { holdMs } from "./failback.ts";
import type { Standing } from "./opinion.ts";
import { votesNeeded } from "./quorum.ts";
import type { Ruling } from "./ruling.ts";

/** What may become of one vantage's vote. */
export interface Prospect {
  readonly standing: Standing;
  /** It counts, and for a while it goes on counting, unless the opinion turns: it is not overdue, nor its vantage nearly isolated. */
  readonly firm: boolean;
}

/** What outlooks rest on, beside the votes. */
export interface OutlookTerms {
  /** How late a report and the patch that follows from it may be, together. */
  readonly wayMs: number;
  /** For how long a report of this check is fresh. */
  readonly freshMs: number;
  /** How soon a vantage can be isolated that is not nearly so (`isolatedAfterMs`). */
  readonly isolatedMs: number;
  /** Others than vantages may vote as well, at any moment. */
  readonly takesSignals: boolean;
  /** A single vantage can take a VIP from the clients near it that is up for the world. */
  readonly perVantage: boolean;
}

/** Outlooks are worked out at ticks, about so far apart. */
const LOOK_MS = 1_000;

/** What falls due is filed by the second, and looked for at ticks. */
const NOTICE_MS = 2_000;

/**
 * The least time from `nowMs` until a verdict can be another one by itself; null: it cannot.
 *
 * 1. A vantage turns with the last of `fall` failures in a row, or of `rise` successes. The next of them may be under way, and
 *    what starts after it is `recheck` apart. So after `streak` of them it turns `(fall - streak - 1) * recheck` after now at the
 *    earliest, less what the node does not know yet: the probe under way, its report and the patch (`lateMs`). From down to up
 *    it is the same with `rise`. An unknown opinion is up with the first success.
 * 2. The verdict turns as soon as those who can have turned reach the quorum, or break it, against those who cannot, as far as
 *    the votes of these are firm. So one vantage that sees failures does not change the outlook where it takes two; nor does it
 *    by what becomes of the others later, because no outlook goes beyond the time for which firm votes last.
 * 3. A VIP that only an operator releases never comes up by itself. A hold that has begun lasts until its end, and one that
 *    has not takes its whole time after the votes. A verdict that too few vote on (held, assumed) can change at once.
 * 4. Signals may come at any moment, and of any number of sources: where they are taken, votes can turn at once. Where a pool
 *    is steered per vantage (`health/nearby.ts`), one that sees a VIP down is enough to change something for somebody.
 *
 * It is a function of opinions and streaks, and of the clock only while a VIP is held down. So it changes with what vantages
 * see go wrong or get well, and not with every report; times to the end of a hold are told in powers of two.
 */
export function steadyFor(
  ruling: Pick<Ruling, "up" | "basis" | "flaps" | "hold">,
  prospects: readonly Prospect[],
  check: Check,
  terms: OutlookTerms,
  nowMs: number,
): number | null {
  const { failback } = check;
  if (!ruling.up && failback.kind === "manual") return null;
  if (ruling.basis !== "judged") return 0;
  const untilMs = ruling.hold?.untilMs ?? null;
  if (untilMs !== null) return inSteps(untilMs - nowMs - terms.wayMs);
  const heldMs = ruling.up || failback.kind === "manual" ? 0 : holdMs(failback, ruling.flaps);
  const ms = (ruling.up ? untilDown : untilUp)(prospects, check, terms) + heldMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

/** Time to a known moment, in powers of two of a second and never too long: for a day of it plans change 17 times. */
export function inSteps(ms: number): number {
  const seconds = (ms - LOOK_MS) / 1_000;
  return seconds < 1 ? 0 : 1_000 * 2 ** Math.floor(Math.log2(seconds));
}

/** How old the newest report can be of a vantage that goes on reporting: what is older is overdue. */
export function overdueAfterMs({ intervalMs, jitterMs, timeoutMs }: Check, wayMs: number): number {
  return intervalMs + jitterMs + timeoutMs + wayMs;
}

/** How soon a vantage can be isolated that is not nearly so: with the first VIP more, under any of these checks, that it turns on. */
export function isolatedAfterMs(checks: Iterable<Check>, wayMs: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (const check of checks)
    least = Math.min(least, (check.fall - 1) * check.recheckMs - lateMs(check, wayMs));
  return least;
}

/** Below 0 it may have happened already. */
function untilDown(prospects: readonly Prospect[], check: Check, terms: OutlookTerms): number {
  const atOnceMs = -lateMs(check, terms.wayMs);
  if (terms.takesSignals) return atOnceMs;
  const turns = prospects.map(({ standing: { opinion, streak }, firm }) => {
    return {
      ms: atOnceMs + (opinion === "unhealthy" ? 0 : (check.fall - streak - 1) * check.recheckMs),
      firm,
    };
  });
  const isEnough = (down: number, up: number): boolean => down >= votesNeeded(check.quorum, down + up);
  return earliest(turns, check, terms, terms.perVantage ? () => true : isEnough);
}

function untilUp(prospects: readonly Prospect[], check: Check, terms: OutlookTerms): number {
  const atOnceMs = -lateMs(check, terms.wayMs);
  if (terms.takesSignals) return atOnceMs;
  const turns = prospects.map(({ standing: { opinion, streak }, firm }) => {
    return {
      ms: atOnceMs + (opinion === "unhealthy" ? (check.rise - streak - 1) * check.recheckMs : 0),
      firm,
    };
  });
  return earliest(turns, check, terms, (up, down) => down < votesNeeded(check.quorum, up + down));
}

/** What may have happened already, and the plan knows nothing of. */
function lateMs({ timeoutMs }: Check, wayMs: number): number {
  return timeoutMs + wayMs + LOOK_MS;
}

interface Turn {
  /** When the vote may have turned. */
  readonly ms: number;
  readonly firm: boolean;
}

/**
 * The first moment at which the votes that may have turned are enough against those that are left; no later than votes go
 * stale that are not overdue now.
 */
function earliest(
  turns: readonly Turn[],
  check: Check,
  { freshMs, isolatedMs, wayMs }: OutlookTerms,
  isEnough: (turned: number, left: number) => boolean,
): number {
  const staleMs = freshMs - overdueAfterMs(check, wayMs) - NOTICE_MS;
  const moments = [...turns.map(({ ms }) => ms), isolatedMs].sort((a, b) => a - b);
  for (const moment of moments) {
    if (moment >= staleMs) break;
    let turned = 0;
    let left = 0;
    for (const { ms, firm } of turns) {
      if (ms <= moment) turned += 1;
      else if (firm && moment < isolatedMs) left += 1;
    }
    if (turned > 0 && isEnough(turned, left)) return moment;
  }
  return staleMs;
}
