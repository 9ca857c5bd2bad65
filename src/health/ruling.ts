/** How a VIP's ruling follows from the one before and a new judgement, and how it is put in words. */

import type { Check } from "../config/check.ts";
import { formatDuration, formatQuantity } from "../config/units.ts";
import { flapsAfterFall, holdOf, isOver, isSameHold } from "./failback.ts";
import { type Judgement, judge, type Tally } from "./quorum.ts";
import { slowStartEndsAt } from "./ramp.ts";
import { dissentersOf, type Hold, type Verdict, type Vote } from "./verdict.ts";

/** A verdict without its votes and what follows from them: what has to be remembered. */
export type Ruling = Pick<Verdict, "up" | "basis" | "sinceMs" | "recovering" | "flaps" | "hold">;

/** The ruling on a VIP that has just been declared. */
export function assumedUp(basis: "assumed" | "unchecked", nowMs: number): Ruling {
  return { up: true, basis, sinceMs: nowMs, recovering: false, flaps: 0, hold: null };
}

/**
 * The next ruling; the same object when nothing changes.
 *
 *          judged down                    judged up, and nothing to wait for
 *     up --------------> down ------------------------------------------------> up, recovering
 *                        |  ^                                                   ^
 *              judged up |  | judged down                                       |
 *                        v  |                                                   |
 *                       held down ----------------------------------------------'
 *                                     its end, or released by an operator
 *
 * 1. Held keeps `up`, `sinceMs` and the hold, whose time goes on; but nothing comes up without votes. What has never
 *    been judged stays assumed rather than held: nothing was lost.
 * 2. Down is at once: a hold delays only the way back (`health/failback.ts`).
 * 3. From down to up it recovers, if the check has a slow start, until that is over or it is down again.
 */
export function nextRuling(before: Ruling, judgement: Judgement, check: Check, nowMs: number): Ruling {
  const { sinceMs, flaps } = before;
  const basis = judgement !== "held" ? "judged" : before.basis === "assumed" ? "assumed" : "held";
  if (judgement === "down" && before.up) {
    const flapsNow = flapsAfterFall(before, check.failback, nowMs);
    return { up: false, basis, sinceMs: nowMs, recovering: false, flaps: flapsNow, hold: null };
  }
  const hold = nextHold(before, judgement, check, nowMs);
  if (judgement === "up" && hold !== null && isOver(hold, nowMs))
    return { ...comeBack(before, check, nowMs), basis };
  const recovering = before.recovering && nowMs < slowStartEndsAt(before, check.slowStartMs);
  if (basis === before.basis && recovering === before.recovering && isSameHold(hold, before.hold))
    return before;
  return { up: before.up, basis, sinceMs, recovering, flaps, hold };
}

/** The ruling on a VIP that comes up. */
export function comeBack(before: Ruling, check: Check, nowMs: number): Ruling {
  return { ...before, up: true, sinceMs: nowMs, recovering: check.slowStartMs > 0, hold: null };
}

/** The hold of a VIP that is down; its end follows the check as it is now. null: it is not healthy, or it is up. */
function nextHold(before: Ruling, judgement: Judgement, { failback }: Check, nowMs: number): Hold | null {
  if (before.up || judgement === "down") return null;
  if (before.hold !== null) return holdOf(failback, before.flaps, before.hold.healthySinceMs);
  return judgement === "up" ? holdOf(failback, before.flaps, nowMs) : null;
}

/** The judgement of a tally by a check's rules. */
export function judgeBy(check: Check, tally: Tally): Judgement {
  return judge(tally, check.quorum, check.minVantages);
}

/** One clause for people: who decided, with which errors, and who sees it otherwise. */
export function reasonOf(ruling: Ruling, votes: readonly Vote[], check: Check | null): string {
  if (check === null) return "its pool has no check";
  const counting = votes.filter((vote) => vote.counts);
  if (ruling.basis !== "judged") {
    const needed = Math.max(1, check.minVantages);
    return `${ruling.basis}: ${counting.length} of ${needed} votes needed`;
  }
  const down = counting.filter((vote) => vote.opinion === "unhealthy");
  const all = formatQuantity(counting.length, "vantage");
  const up = `up for ${counting.length - down.length} of ${all}`;
  if (ruling.hold !== null) return `${up} since ${formatHold(ruling.hold, ruling.flaps)}`;
  const why = errorsOf(down) ?? "answers again, not yet often enough";
  const judged = ruling.up ? up : `${down.length} of ${all}: ${why}`;
  const dissenters = dissentersOf({ up: ruling.up, votes });
  if (dissenters.length === 0) return judged;
  return `${judged}; ${ruling.up ? "down" : "up"} from ${dissenters.join(", ")} only`;
}

/** From since when it is healthy, until when it stays down all the same, and why. */
function formatHold({ healthySinceMs, untilMs }: Hold, flaps: number): string {
  const since = new Date(healthySinceMs).toISOString();
  if (untilMs === null) return `${since}, held down until it is released`;
  const duration = formatDuration(untilMs - healthySinceMs);
  const end = new Date(untilMs).toISOString();
  return `${since}, held down for ${duration} until ${end} (${formatQuantity(flaps, "flap")})`;
}

/** The error classes of the votes, the most frequent first; null: the last probe of each was a success. */
function errorsOf(votes: readonly Vote[]): string | null {
  const counts = new Map<string, number>();
  for (const { error } of votes) {
    if (error !== null) counts.set(error.class, (counts.get(error.class) ?? 0) + 1);
  }
  if (counts.size === 0) return null;
  const classes = [...counts].sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
  return classes.map(([name]) => name).join(", ");
}
