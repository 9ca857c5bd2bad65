/** Targets and outcomes for the tests of this folder. */

import type { VipId } from "../../src/config/config.ts";
import type { Outcome } from "../../src/health/report.ts";
import type { Target } from "../../src/probe/protocol.ts";
import { tcpSpec } from "./specs.ts";

export const success: Outcome = {
  kind: "success",
  timings: { connectMs: 1.5, tlsMs: null, firstByteMs: 3, totalMs: 3.2 },
};

export const failure: Outcome = {
  kind: "failure",
  error: "refused",
  detail: "connection refused",
  timings: { connectMs: null, tlsMs: null, firstByteMs: null, totalMs: 0.4 },
};

export function target(vip: string, changes: Partial<Target> = {}): Target {
  return {
    vip: vip as VipId,
    address: "127.0.0.1",
    probe: tcpSpec(80),
    intervalMs: 5_000,
    timeoutMs: 2_000,
    recheckMs: 1_000,
    jitterMs: 500,
    rise: 2,
    fall: 3,
    ...changes,
  };
}
