/** Says in a clause what a replan moved: which services, from which shares to which. */

import type { Config, VipId } from "../config/config.ts";
import { formatQuantity } from "../config/units.ts";
import type { Plan } from "../steering/plan.ts";
import { formatPercent } from "../steering/words.ts";
import { memberOfVip } from "./lookup.ts";
import type { Replanned } from "./planner.ts";

/**
 * `www.gslb.example eu-west 100 % -> us-east 100 % (+4 services)`; null where nothing moved. The example is the class of
 * clients of which the most moved.
 */
export function describeMoved(replanned: readonly Replanned[], config: Config): string | null {
  let most: { readonly part: number; readonly text: string } | null = null;
  for (const { cohort, before, after } of replanned) {
    for (const family of ["ipv4", "ipv6"] as const) {
      const part = partMoved(before[family], after[family]);
      if (part === 0 || (most !== null && part <= most.part)) continue;
      most = { part, text: `${cohort.service.label} ${describeMove(before[family], after[family], config)}` };
    }
  }
  if (most === null) return null;
  const cohorts = new Set(replanned.map(({ cohort }) => cohort));
  const others = [...cohorts].reduce((sum, { services }) => sum + services.length, -1);
  return others === 0 ? most.text : `${most.text} (+${formatQuantity(others, "service")})`;
}

/** By region; where that does not show the move, by VIP. */
function describeMove(before: Plan, after: Plan, config: Config): string {
  const inRegion = (vip: VipId): string => memberOfVip(config, vip)?.region ?? vip;
  const [from, to] = [describePlan(before, inRegion), describePlan(after, inRegion)];
  if (from !== to) return `${from} -> ${to}`;
  return `${describePlan(before, String)} -> ${describePlan(after, String)}`;
}

function describePlan(plan: Plan, nameOf: (vip: VipId) => string): string {
  if (plan.kind === "nodata") return "NODATA";
  if (plan.kind === "servfail") return "SERVFAIL";
  const shares = new Map<string, number>();
  for (const { vip, share } of plan.shares) shares.set(nameOf(vip), (shares.get(nameOf(vip)) ?? 0) + share);
  return Array.from(shares, ([name, share]) => `${name} ${formatPercent(share)}`).join(", ");
}

/** The fraction of answers, 0 to 1, that are different ones. */
function partMoved(before: Plan, after: Plan): number {
  const [from, to] = [sharesOf(before), sharesOf(after)];
  let stayed = 0;
  for (const [name, share] of from) stayed += Math.min(share, to.get(name) ?? 0);
  // Shares are sums of floating-point numbers: what is left of them by rounding is no move.
  return 1 - stayed < 1e-9 ? 0 : 1 - stayed;
}

function sharesOf(plan: Plan): ReadonlyMap<string, number> {
  if (plan.kind !== "answer") return new Map([[plan.kind, 1]]);
  return new Map(plan.shares.map(({ vip, share }) => [vip, share]));
}
