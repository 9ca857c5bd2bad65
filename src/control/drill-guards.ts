/** The guards of a drill: what ends it before its time. */

import type { Config, Member, Service, VipId } from "../config/config.ts";
import type { DrillGuards } from "../config/drills.ts";
import { formatQuantity } from "../config/units.ts";
import type { GuardName } from "../drill/drill.ts";
import { vipsOf } from "../health/tracked.ts";
import type { Facts } from "../steering/facts.ts";
import { declaredMembers } from "../steering/reach.ts";
import { formatPercent } from "../steering/words.ts";
import { carriedBy, sumOf } from "./capacity.ts";
import type { ConnectionCount } from "./watchers.ts";

/** Over so long the connections of watchers are counted, and with fewer nothing is said. */
export const ERRORS_OVER_MS = 5_000;
const CONNECTIONS_MIN = 10;

/** A guard that is broken, with the figures. */
export interface Violation {
  readonly guard: GuardName;
  readonly reason: string;
}

/** What guards look at. */
export interface GuardView {
  readonly guards: DrillGuards;
  readonly config: Config;
  readonly facts: Facts;
  readonly services: readonly Service[];
  /** What the drill takes away, which counts as gone. */
  readonly vips: ReadonlySet<VipId>;
  readonly connections: ConnectionCount;
}

/** The first guard that is broken, of those that can be seen in what is so now; null: none. */
export function violationOf(view: GuardView): Violation | null {
  return tooFewRegions(view) ?? tooManyErrors(view) ?? tooMuchLoad(view);
}

function tooFewRegions({ guards, config, facts, services, vips }: GuardView): Violation | null {
  for (const service of services) {
    const isUp = (member: Member): boolean =>
      !facts.drained.has(member.id) &&
      vipsOf(member).some(({ id }) => !vips.has(id) && facts.verdicts.get(id)?.up !== false);
    const members = [...declaredMembers(service.policy, config)].filter(isUp);
    const regions = new Set(members.map(({ region }) => region));
    if (regions.size >= guards.regionsUp) continue;
    const names = regions.size === 0 ? "" : ` (${[...regions].join(", ")})`;
    const reason = `${service.label} has ${formatQuantity(regions.size, "region")} up beside what the drill takes away${names}, expected at least ${guards.regionsUp}`;
    return { guard: "regionsUp", reason };
  }
  return null;
}

function tooManyErrors({ guards, connections: { tried, failed } }: GuardView): Violation | null {
  const { errorsAtMost } = guards;
  if (tried < CONNECTIONS_MIN || failed / tried <= errorsAtMost) return null;
  const seconds = ERRORS_OVER_MS / 1_000;
  const reason = `${failed} of ${tried} connections of the agents came to nothing in ${seconds} s, expected at most ${formatPercent(errorsAtMost)}`;
  return { guard: "errorsAtMost", reason };
}

/** What is left of each pool must not carry more than it can. */
function tooMuchLoad({ guards, config, facts, vips }: GuardView): Violation | null {
  for (const { id, members } of config.pools.values()) {
    const left = members.filter((member) => vipsOf(member).some((vip) => !vips.has(vip.id)));
    const work = sumOf(left.map((member) => carriedBy(member, facts)));
    const capacity = left.reduce((sum, member) => sum + (member.capacity ?? 0), 0);
    if (left.length === 0 || work === null || work <= capacity * guards.loadAtMost) continue;
    const reason = `pool ${id} uses ${formatPercent(work / capacity)} of the capacity that is left, expected at most ${formatPercent(guards.loadAtMost)}`;
    return { guard: "loadAtMost", reason };
  }
  return null;
}
