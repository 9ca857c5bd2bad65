/** Passive signals: what load balancers and the like count of real traffic, as one more vote beside the probes. */

import type { SignalRules, VantageId, VipId } from "../config/config.ts";
import { formatQuantity } from "../config/units.ts";
import type { Report } from "./report.ts";

/** Requests that a source has seen served by a VIP since its last signal. */
export interface ErrorCount {
  readonly failed: number;
  readonly total: number;
}

/** How many times the promised interval what a source says counts: as with probes. */
const FRESH_INTERVALS = 3;

/** No name in a config has a slash, so no source can pass for a vantage. */
const SOURCE_PREFIX = "signals/";

/** What a source of signals is called among the vantages of a verdict. */
export function sourceVantage(source: string): VantageId {
  return `${SOURCE_PREFIX}${source}` as VantageId;
}

/** Whether a vantage is a source of signals. */
export function isSource(vantage: VantageId): boolean {
  return vantage.startsWith(SOURCE_PREFIX);
}

/** How long a signal counts. */
export function signalFreshForMs({ everyMs }: Pick<SignalRules, "everyMs">): number {
  return FRESH_INTERVALS * everyMs;
}

/**
 * Makes reports of counts. A report is made of `samples` requests at least, from one signal or several; it is a failure
 * where more than `errorsAbove` of them failed. So a source has the thresholds, the one vote and the isolation of a
 * vantage, and a source that lies can do no more than a vantage that lies.
 */
export class SignalCounts {
  /** By source and VIP. */
  readonly #windows = new Map<VantageId, Map<VipId, Window>>();

  /** Adds a count; returns a report where there are enough requests for one, else null. */
  add(source: VantageId, vip: VipId, count: ErrorCount, rules: SignalRules, nowMs: number): Report | null {
    const ofSource = this.#windows.get(source) ?? new Map<VipId, Window>();
    this.#windows.set(source, ofSource);
    const known = ofSource.get(vip);
    const isFresh = known !== undefined && nowMs <= known.startedMs + signalFreshForMs(rules);
    const window = isFresh ? known : { startedMs: nowMs, failed: 0, total: 0 };
    const failed = window.failed + count.failed;
    const total = window.total + count.total;
    if (total < rules.samples) {
      ofSource.set(vip, { startedMs: window.startedMs, failed, total });
      return null;
    }
    ofSource.delete(vip);
    return { vantage: source, vip, atMs: nowMs, outcome: outcomeOf(failed, total, rules) };
  }

  /** Forgets what was begun: after a change of the config the rules may be others, and VIPs may be gone. */
  clear(): void {
    this.#windows.clear();
  }
}

interface Window {
  readonly startedMs: number;
  readonly failed: number;
  readonly total: number;
}

function outcomeOf(failed: number, total: number, { errorsAbove }: SignalRules): Report["outcome"] {
  if (failed <= errorsAbove * total) return { kind: "success", timings: NO_TIMINGS };
  const detail = `${failed} of ${formatQuantity(total, "request")} failed`;
  return { kind: "failure", error: "errors", detail, timings: NO_TIMINGS };
}

const NO_TIMINGS = { connectMs: null, tlsMs: null, firstByteMs: null };
