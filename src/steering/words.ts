/** Quantities as traces write them. */

import { isDownNearby, type VotesNearby } from "../health/nearby.ts";
import type { Verdict } from "../health/verdict.ts";
import { SUPPOSED } from "./suppose.ts";

/** How long ago, in the unit that gives at most three digits or so: `45s`, `12m`, `30h`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 2 * 3600) return `${Math.round(seconds / 60)}m`;
  return `${Math.round(seconds / 3600)}h`;
}

/** What a verdict says: `down for 12s (2 of 3 vantages: timeout)`. */
export function formatVerdict(verdict: {
  readonly up: boolean;
  readonly basis: Verdict["basis"];
  readonly reason: string;
  readonly ageMs: number;
}): string {
  const { up, basis, reason, ageMs } = verdict;
  if (reason === SUPPOSED) return `${up ? "up" : "down"}, as supposed`;
  return `${basis === "forced" ? "forced " : ""}${up ? "up" : "down"} for ${formatAge(ageMs)} (${reason})`;
}

/** How vantages near the clients see a VIP: `down for these clients (down from paris, madrid; up from frankfurt)`. */
export function formatNearby(votes: VotesNearby): string {
  const { up, down } = votes;
  const sides = [
    ...(down.length === 0 ? [] : [`down from ${down.join(", ")}`]),
    ...(up.length === 0 ? [] : [`up from ${up.join(", ")}`]),
  ];
  return `${isDownNearby(votes) ? "down" : "up"} for these clients (${sides.join("; ")})`;
}

/** A fraction to a tenth of a percent: `66.7 %`. */
export function formatPercent(fraction: number): string {
  const percent = Math.round(fraction * 1000) / 10;
  return percent === 0 && fraction > 0 ? "less than 0.1 %" : `${percent} %`;
}
