/** Explains an answer from end to end: what the location left of the policy, and what the facts made of that. */

import type { Config, Member, MemberId, Service } from "../config/config.ts";
import type { Location } from "../geo/location.ts";
import type { Facts } from "./facts.ts";
import { formatTrace } from "./format-trace.ts";
import { membersOf } from "./local.ts";
import { localKey } from "./local-key.ts";
import { localise } from "./localise.ts";
import { type Plan, planFor } from "./plan.ts";
import { declaredMembers } from "./reach.ts";
import { type Trace, traceOf } from "./trace.ts";
import { type Ttl, ttlOf } from "./ttl.ts";

/** Everything that led from a location to a plan. */
export interface Explanation {
  readonly location: Location;
  /** Equal for all locations that the policy cannot tell apart. */
  readonly classKey: string;
  /** What the location alone decided. */
  readonly atLocation: { readonly kept: readonly MemberId[]; readonly removed: readonly MemberId[] };
  readonly plan: Plan;
  readonly ttl: Ttl;
  readonly trace: Trace;
}

/**
 * Plans for one location, with the reasons. Where the policy's `Partition` rounds coordinates, give the location as
 * it sees it: `onGrid(location, partition.gridDegrees)`.
 */
export function explain(
  service: Pick<Service, "label" | "policy" | "whenDown" | "ttlSeconds" | "ttlSecondsMin">,
  location: Location,
  family: 4 | 6,
  facts: Facts,
  config: Config,
): Explanation {
  const local = localise(service.policy, location, config);
  const kept = membersOf(local);
  const removed = [...declaredMembers(service.policy, config)].filter((member) => !kept.has(member));
  const planned = planFor(local, service, family, facts, config);
  return {
    location,
    classKey: localKey(local),
    atLocation: { kept: [...kept].map(idOf), removed: removed.map(idOf) },
    plan: planned.plan,
    ttl: ttlOf(planned, service, facts),
    trace: traceOf(planned, service, family, facts),
  };
}

function idOf(member: Member): MemberId {
  return member.id;
}

/** The location in one line, what it ruled out, then the trace. */
export function formatExplanation(explanation: Explanation): readonly string[] {
  const { removed } = explanation.atLocation;
  return [
    `location: ${formatLocation(explanation.location)}`,
    ...(removed.length === 0 ? [] : [`not for this location: ${removed.join(", ")}`]),
    ...formatTrace(explanation.trace),
  ];
}

/** The most specific last: `EU GB GB-ENG 53,-1.5 AS64496 label office`. */
export function formatLocation(location: Location): string {
  const { continent, country, subdivision, coordinates, asn, labels, prefixes } = location;
  const known = [
    continent,
    country,
    subdivision,
    coordinates && `${coordinates.latitude},${coordinates.longitude}`,
    asn && `AS${asn}`,
    ...labels.map((label) => `label ${label}`),
    ...prefixes.map((prefix) => `prefix ${prefix}`),
  ].filter((part) => part !== null);
  return known.length === 0 ? "unknown" : known.join(" ");
}
