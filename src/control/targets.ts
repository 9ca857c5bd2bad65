/** What agents are to probe for a config. */

import type { Check } from "../config/check.ts";
import type { Config, Vip } from "../config/config.ts";
import { atPort } from "../config/probe-ports.ts";
import { vipsOf } from "../health/tracked.ts";
import type { Target } from "../probe/protocol.ts";

/** Every VIP that decides for itself and whose pool has a check, in the order of the config. */
export function targetsOf(config: Config): readonly Target[] {
  const targets: Target[] = [];
  for (const pool of config.pools.values()) {
    const check = pool.check === null ? undefined : config.checks.get(pool.check);
    if (check === undefined) continue;
    for (const member of pool.members) {
      for (const vip of vipsOf(member)) {
        if (vip.judgedBy === vip.id) targets.push(targetOf(vip, check));
      }
    }
  }
  return targets;
}

function targetOf(vip: Vip, check: Check): Target {
  return {
    vip: vip.id,
    address: vip.address.text,
    probe: vip.port === null ? check.probe : atPort(check.probe, vip.port),
    intervalMs: check.intervalMs,
    timeoutMs: check.timeoutMs,
    recheckMs: check.recheckMs,
    jitterMs: check.jitterMs,
    rise: check.rise,
    fall: check.fall,
  };
}
