/** How often a verdict can change by itself: the most times in an hour. */

import type { Check, Failback } from "../config/check.ts";
import { formatDuration, formatQuantity } from "../config/units.ts";
import { holdMs } from "./failback.ts";

const HOUR_MS = 3_600_000;

/** The bounds that hold for a VIP, each by itself. */
export interface FlipBound {
  /** By the thresholds of its vantages, while none of them has just started, falls silent or is isolated. */
  readonly byVotes: number;
  /** By its holds, whatever anybody reports; null: nothing is held for a time. */
  readonly byHolds: number | null;
}

/**
 * The most changes of a verdict, from up to down or back, in any `withinMs`.
 *
 * By votes. A vantage that has just called a VIP unhealthy looks again `interval` after the start of that probe, and
 * needs `rise - 1` more probes, `recheck` apart; on the way back it is `fall` instead.
 *
 *     fall                    rise                    fall
 *     |-----------------------|-----------------------|---
 *       interval                interval
 *       + (rise - 1) * recheck  + (fall - 1) * recheck
 *
 * These are times between the starts of probes, once the first wait of an agent is over, which is shorter. The first report may come `timeout` and `report` after its start and the
 * last at once, which makes the span so much longer. A verdict changes with a vote, so each vantage adds as much.
 *
 * By holds. Let `hold(i)` be the hold after `i + 1` flaps. From a fall to the next one passes the hold, and nothing else
 * needs to: a vantage can have failed `fall - 1` times already. Then the next hold is the longer one; or the VIP stays
 * up for the half-life, and it is not. Over several falls it does not matter which were forgotten: to keep all holds
 * short costs one half-life each, and whoever wants to save some does best to save the last, when nothing comes after.
 * So the cheapest way to the next fall, the one of number `i` in a row, takes
 *
 *     cycle(i) = min(hold(i), hold(0) + halfLife)
 *
 * and `n` falls with the `n - 1` rises between them take `cycle(0) + ... + cycle(n - 2)`. `n` rises with a fall right
 * after each take `cycle(1) + ... + cycle(n - 1)`: the first hold is over when they begin.
 */
export function flipBound(
  check: Check,
  vantages: number,
  reportMs: number,
  withinMs: number = HOUR_MS,
): FlipBound {
  const { failback } = check;
  const isHeld = failback.kind === "auto" && failback.holdDownMs > 0;
  return {
    byVotes: vantages * flipsOfVantage(check, withinMs + check.timeoutMs + reportMs),
    byHolds: isHeld ? flipsBetweenHolds(failback, withinMs) : null,
  };
}

/** One line for people. */
export function formatFlipBound(check: Check, { byVotes, byHolds }: FlipBound): string {
  const { failback, id } = check;
  if (failback.kind === "manual") return `check ${id}: what is down stays down until it is released`;
  const most = (changes: number): string =>
    `check ${id}: a verdict changes at most ${formatQuantity(changes, "time")} an hour`;
  return byHolds !== null && byHolds <= byVotes
    ? `${most(byHolds)} (holdDown ${formatDuration(failback.holdDownMs)})`
    : `${most(byVotes)} while no vantage falls silent or is isolated`;
}

function flipsOfVantage({ intervalMs, recheckMs, rise, fall }: Check, spanMs: number): number {
  const toRiseMs = intervalMs + (rise - 1) * recheckMs;
  const toFallMs = intervalMs + (fall - 1) * recheckMs;
  const cycleMs = toRiseMs + toFallMs;
  const isOneMore = spanMs % cycleMs >= Math.min(toRiseMs, toFallMs);
  return 1 + 2 * Math.floor(spanMs / cycleMs) + (isOneMore ? 1 : 0);
}

function flipsBetweenHolds(failback: Failback & { readonly kind: "auto" }, withinMs: number): number {
  const cycleMs = (i: number): number => {
    return Math.min(holdMs(failback, i + 1), failback.holdDownMs + failback.halfLifeMs);
  };
  /** How many cycles in a row, from number `first` on, there is time for. */
  const cyclesFrom = (first: number): number => {
    let cycles = 0;
    for (let restMs = withinMs - cycleMs(first); restMs >= 0; restMs -= cycleMs(first + cycles)) cycles += 1;
    return cycles;
  };
  return Math.max(1 + 2 * cyclesFrom(0), 2 + 2 * cyclesFrom(1));
}
