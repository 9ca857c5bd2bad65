/** How the members of a config shed load. */

import type { Config, Member, MemberId } from "../config/config.ts";
import type { SheddingRule } from "../health/loads.ts";
import { declaredMembers } from "../steering/reach.ts";

/** How often time moves, and with it what is known of loads. */
const TICK_MS = 1_000;

/** A rule for each member, whether it sheds or not: loads are shown all the same. */
export function sheddingRules(config: Config): readonly SheddingRule[] {
  const members = [...config.members.values()];
  const sheds = members.some(({ shedAbove }) => shedAbove !== null);
  const ttls = sheds ? longestTtls(config) : new Map<MemberId, number>();
  return members.map((member) => {
    const delayMs = (ttls.get(member.id) ?? 0) + wayOfLoad(member, config);
    return { member: member.id, shedAbove: member.shedAbove, delayMs };
  });
}

/** In milliseconds, of the services that can answer with each member. */
function longestTtls(config: Config): ReadonlyMap<MemberId, number> {
  const ttls = new Map<MemberId, number>();
  const byPolicy = Map.groupBy(config.services, ({ policy }) => policy);
  for (const [policy, users] of byPolicy) {
    const longest = users.reduce((most, { ttlSeconds }) => Math.max(most, ttlSeconds * 1_000), 0);
    for (const { id } of declaredMembers(policy, config)) ttls.set(id, Math.max(ttls.get(id) ?? 0, longest));
  }
  return ttls;
}

/** From the moment a member is busy to the moment answers follow, at most. */
function wayOfLoad({ pool }: Member, config: Config): number {
  const { check: checkId = null, signals = null } = config.pools.get(pool) ?? {};
  const check = checkId === null ? null : config.checks.get(checkId);
  const probedMs = check ? check.intervalMs + check.jitterMs + check.timeoutMs : 0;
  return Math.max(probedMs, signals?.everyMs ?? 0) + config.node.reportMs + TICK_MS + config.node.publishMs;
}
