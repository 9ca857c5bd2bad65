/** Verdicts on their way into the store, and out of it after a restart. */

import type { Config } from "../config/config.ts";
import { trackedVips } from "../health/tracked.ts";
import type { Verdict } from "../health/verdict.ts";
import type { StoredVerdict } from "./store.ts";

/** The part of a verdict that outlives a restart. */
export function storedVerdict({ vip, up, sinceMs, recovering, flaps, hold, votes }: Verdict): StoredVerdict {
  return {
    vip,
    up,
    sinceMs,
    recovering,
    flaps,
    healthySinceMs: hold?.healthySinceMs ?? null,
    opinions: new Map(votes.map(({ vantage, opinion }) => [vantage, opinion])),
  };
}

/** Stored verdicts as the tracker takes them, as far as their VIPs and vantages are still in the config. */
export function restoredVerdicts(config: Config, stored: readonly StoredVerdict[]): readonly Verdict[] {
  const byVip = new Map(stored.map((verdict) => [verdict.vip, verdict]));
  return trackedVips(config).flatMap(({ vip }) => {
    const found = byVip.get(vip);
    if (found === undefined) return [];
    const votes = [...config.vantages.keys()].map((vantage) => ({
      vantage,
      opinion: found.opinions.get(vantage) ?? "unknown",
      counts: false,
      error: null,
      timings: null,
      reportedAtMs: null,
    }));
    const { up, sinceMs, recovering, flaps, healthySinceMs } = found;
    const hold = healthySinceMs === null ? null : { healthySinceMs, untilMs: null };
    const reason = "held from before a restart";
    return [{ vip, up, basis: "held", reason, votes, sinceMs, recovering, flaps, hold, steadyMs: 0 }];
  });
}
