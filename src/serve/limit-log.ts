/** Writes to the log when the rate limit starts to act, and when it has stopped. */

import type { Logger } from "pino";
import { sumCounters } from "../telemetry/counters.ts";
import { LimitWatch } from "../telemetry/limit-watch.ts";

const LOOK_MS = 5_000;

/** Looks at the counters of all threads, off the hot path, until the returned function is called. */
export function logLimits(counters: SharedArrayBuffer, log: Logger, lookMs: number = LOOK_MS): () => void {
  const watch = new LimitWatch();
  const timer = setInterval(() => {
    const event = watch.look(sumCounters(counters), performance.now());
    if (event?.kind === "started") {
      log.warn({ dryRun: event.isDryRun }, "the rate limit holds responses back");
    } else if (event?.kind === "ended") {
      const { held, seconds } = event;
      log.warn({ held, seconds }, "the rate limit holds nothing back any more");
    }
  }, lookMs);
  timer.unref();
  return () => clearInterval(timer);
}
