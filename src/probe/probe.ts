/** One look at one VIP, whatever its check says. */

import type { Outcome } from "../health/report.ts";
import { probeHttp } from "./http.ts";
import type { Target } from "./protocol.ts";
import { probeTcp } from "./tcp.ts";

/** Probes a target once; null when the signal ended it, or this machine could not make it. */
export function probe(target: Target, signal: AbortSignal): Promise<Outcome | null> {
  const { address, probe: spec, timeoutMs } = target;
  switch (spec.kind) {
    case "http":
      return probeHttp(address, spec, timeoutMs, signal);
    case "tcp":
      return probeTcp(address, spec, timeoutMs, signal);
  }
}
