/** How a VIP's ruling follows from the one before and a new judgement, and how it is put in words. */

import type { Check } from "../config/config.ts";
import { formatQuantity } from "../config/units.ts";
import { type Judgement, judge, type Tally } from "./quorum.ts";
import { slowStartEndsAt } from "./ramp.ts";
import type { Verdict, Vote } from "./verdict.ts";

/** A verdict without its votes: what has to be remembered. */
export type Ruling = Pick<Verdict, "up" | "basis" | "sinceMs" | "recovering">;

/** The ruling on a VIP that has just been declared. */
export function assumedUp(basis: "assumed" | "unchecked", nowMs: number): Ruling {
  return { up: true, basis, sinceMs: nowMs, recovering: false };
}

/**
 * The next ruling; the same object when nothing changes.
 *
 * 1. Held keeps `up` and `sinceMs`. What has never been judged stays assumed rather than held: nothing was lost.
 * 2. From down to up it recovers, if the check has a slow start, until that is over or it is down again.
 */
export function nextRuling(before: Ruling, judgement: Judgement, check: Check, nowMs: number): Ruling {
  const up = judgement === "held" ? before.up : judgement === "up";
  const basis = judgement !== "held" ? "judged" : before.basis === "assumed" ? "assumed" : "held";
  if (up !== before.up) return { up, basis, sinceMs: nowMs, recovering: up && check.slowStartMs > 0 };
  const recovering = before.recovering && nowMs < slowStartEndsAt(before, check.slowStartMs);
  if (basis === before.basis && recovering === before.recovering) return before;
  return { up, basis, sinceMs: before.sinceMs, recovering };
}

/** The judgement of a tally by a check's rules. */
export function judgeBy(check: Check, tally: Tally): Judgement {
  return judge(tally, check.quorum, check.minVantages);
}

/** One clause for people: who decided, and with which errors. */
export function reasonOf(ruling: Ruling, votes: readonly Vote[], check: Check | null): string {
  if (check === null) return "its pool has no check";
  const counting = votes.filter((vote) => vote.counts);
  if (ruling.basis !== "judged") {
    const needed = Math.max(1, check.minVantages);
    return `${ruling.basis}: ${counting.length} of ${needed} votes needed`;
  }
  const down = counting.filter((vote) => vote.opinion === "unhealthy");
  const all = formatQuantity(counting.length, "vantage");
  if (ruling.up) return `up for ${counting.length - down.length} of ${all}`;
  return `${down.length} of ${all}: ${errorsOf(down) ?? "answers again, not yet often enough"}`;
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
