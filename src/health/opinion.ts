/** What one vantage thinks of one VIP: its reports, taken through the check's thresholds. */

import type { Check } from "../config/check.ts";
import type { Opinion } from "./verdict.ts";

/**
 * An opinion and the way to the next one.
 *
 *                          success
 *       unknown ---------------------------> healthy <-------------.
 *          |                                 ^     |               |
 *          |                         success |     | failure       | `rise` successes
 *          |                                 |     v               | in a row
 *          |                                degraded               |
 *          |     `fall` failures                   | `fall` failures in a row
 *          |     in a row                          v               |
 *          '-----------------------------------> unhealthy --------'
 *
 * 1. The first success makes an unknown VIP healthy at once: a node that has just started must not wait for `rise`
 *    probes before it knows what works. A first failure is no such proof; it counts towards `fall`.
 * 2. With `fall` 1 there is no degraded, and with `rise` 1 one success heals.
 * 3. A failure while unhealthy sets the successes back to none, a success while degraded the failures.
 */
export interface Standing {
  readonly opinion: Opinion;
  /** Unhealthy: successes in a row; unknown or degraded: failures in a row; healthy: 0. */
  readonly streak: number;
}

/** Where a vantage starts with a VIP it has not reported on. */
export const UNKNOWN: Standing = { opinion: "unknown", streak: 0 };

const HEALTHY: Standing = { opinion: "healthy", streak: 0 };
const UNHEALTHY: Standing = { opinion: "unhealthy", streak: 0 };

/** The standing after one more probe. */
export function afterProbe(
  standing: Standing,
  outcome: "success" | "failure",
  thresholds: Pick<Check, "rise" | "fall">,
): Standing {
  return outcome === "success"
    ? afterSuccess(standing, thresholds.rise)
    : afterFailure(standing, thresholds.fall);
}

function afterSuccess(standing: Standing, rise: number): Standing {
  if (standing.opinion !== "unhealthy") return HEALTHY;
  const streak = standing.streak + 1;
  return streak >= rise ? HEALTHY : { opinion: "unhealthy", streak };
}

function afterFailure(standing: Standing, fall: number): Standing {
  if (standing.opinion === "unhealthy") return UNHEALTHY;
  const streak = standing.streak + 1;
  if (streak >= fall) return UNHEALTHY;
  return { opinion: standing.opinion === "unknown" ? "unknown" : "degraded", streak };
}
