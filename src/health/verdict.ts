/** The judgement of a VIP after thresholds, quorum and overrides. */

import type { VantageId, VipId } from "../config/config.ts";
import type { ErrorClass, Timings } from "./report.ts";

/** What one vantage thinks of one VIP after its thresholds. */
export type Opinion = "unknown" | "healthy" | "degraded" | "unhealthy";

/** One vantage's part in a verdict. */
export interface Vote {
  readonly vantage: VantageId;
  readonly opinion: Opinion;
  /** False: stale or isolated, so it does not count. */
  readonly counts: boolean;
  /** The last failure's class and words, when the last probe failed. */
  readonly error: { readonly class: ErrorClass; readonly detail: string } | null;
  /** How long the phases of its last probe took; null: there was none yet. */
  readonly timings: Timings | null;
  /** When it last reported; null: never. */
  readonly reportedAtMs: number | null;
}

/** What keeps a VIP down that is healthy again (`health/failback.ts`). */
export interface Hold {
  /** Since when the votes have said up without a break. */
  readonly healthySinceMs: number;
  /** When it comes back; null: when an operator releases it. */
  readonly untilMs: number | null;
}

/** Up or down for a VIP. */
export interface Verdict {
  readonly vip: VipId;
  readonly up: boolean;
  /**
   * judged: by a quorum. held: too few votes count now, so it stays as it was. assumed: too few have ever voted since
   * it was declared, and a new VIP counts as up. unchecked: its pool has no check. forced: by an override.
   */
  readonly basis: "judged" | "held" | "assumed" | "unchecked" | "forced";
  /** One clause for people: `2 of 3 vantages: timeout; up from tokyo only`. */
  readonly reason: string;
  readonly votes: readonly Vote[];
  /** Since when it has been up, or down. */
  readonly sinceMs: number;
  /** True while it comes back after having been down: slow start applies from `sinceMs`. */
  readonly recovering: boolean;
  /** How many flaps counted when it last went down; 0: it never did, or its check holds nothing down. */
  readonly flaps: number;
  /** null: nothing but the votes keeps it down, or it is up. */
  readonly hold: Hold | null;
  /** For so long, in milliseconds, it stays up or down at least; null: until somebody changes that (`health/outlook.ts`). */
  readonly steadyMs: number | null;
}

/** What a vote says of the VIP; null: it does not count. */
export function sideOf({ counts, opinion }: Pick<Vote, "counts" | "opinion">): "up" | "down" | null {
  if (!counts) return null;
  return opinion === "unhealthy" ? "down" : "up";
}

/**
 * The vantages whose vote counts and who see the VIP otherwise than its verdict, in their order. One that has seen it
 * fail, but not `fall` times, contradicts nobody.
 */
export function dissentersOf({ up, votes }: Pick<Verdict, "up" | "votes">): readonly VantageId[] {
  const otherwise = up ? "unhealthy" : "healthy";
  return votes.filter(({ counts, opinion }) => counts && opinion === otherwise).map(({ vantage }) => vantage);
}
