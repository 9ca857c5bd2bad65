/** The VIPs of a config with what judges each of them. */

import type { Check } from "../config/check.ts";
import type { CheckId, Config, Member, Vip, VipId } from "../config/config.ts";
import { signalFreshForMs } from "./signals.ts";

/** A VIP as the tracker knows it. */
export interface TrackedVip {
  readonly vip: VipId;
  /** Where it stands: when the address or port changes under the same id, its history is another VIP's. */
  readonly address: string;
  /** The VIP whose reports decide: itself, or the member's other family. */
  readonly judgedBy: VipId;
  /** null: its pool has no check, so it is always up. */
  readonly check: Check | null;
  /** How long signals on it count; null: its pool takes none. */
  readonly signalsFreshMs: number | null;
  /** Whether single votes on it matter to answers (`perVantage`). */
  readonly perVantage: boolean;
}

/** Every VIP of a config, in its order. */
export function trackedVips(config: Config): readonly TrackedVip[] {
  const tracked: TrackedVip[] = [];
  for (const pool of config.pools.values()) {
    const check = checkOf(config, pool.check);
    const signalsFreshMs = pool.signals === null ? null : signalFreshForMs(pool.signals);
    for (const member of pool.members) {
      for (const vip of vipsOf(member)) {
        const address = `${vip.address.text} ${vip.port ?? ""}`;
        const { id, judgedBy } = vip;
        tracked.push({ vip: id, address, judgedBy, check, signalsFreshMs, perVantage: pool.perVantage });
      }
    }
  }
  return tracked;
}

/** The one or two addresses of a member, IPv4 first. */
export function vipsOf(member: Member): readonly Vip[] {
  return [member.ipv4, member.ipv6].filter((vip) => vip !== null);
}

function checkOf(config: Config, id: CheckId | null): Check | null {
  return id === null ? null : (config.checks.get(id) ?? null);
}
