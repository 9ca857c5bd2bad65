/** What a drill takes away, and of which services. */

import type { Config, Member, Service, VantageId, VipId } from "../config/config.ts";
import type { DrillAction, DrillSpec } from "../config/drills.ts";
import type { DrilledService } from "../drill/drill.ts";
import { failoverBound } from "../health/bound.ts";
import { trackedVips, vipsOf } from "../health/tracked.ts";
import { declaredMembers } from "../steering/reach.ts";
import { type Action, overrideId, vipsUnder } from "./override.ts";

/** Agents look at so many services at most; of services with equal policies one stands for all. */
const WATCHED_MAX = 20;

/** A drill in terms of the config in force. */
export interface Scene {
  /** Those that go down, or out of use; none where vantages fall silent. */
  readonly vips: ReadonlySet<VipId>;
  /** Those of which vantages report a death: the ones that are probed. */
  readonly probed: readonly VipId[];
  readonly vantages: readonly VantageId[];
  /** What says so; null: agents do. */
  readonly override: Action | null;
  readonly services: readonly Service[];
}

/** What the drill comes to. */
export function sceneOf(spec: DrillSpec, config: Config): Scene {
  const { action } = spec;
  const override = overrideOf(action);
  const targeted = new Set(action.kind === "cut" ? [] : vipsUnder(config, action.target));
  const tracked = trackedVips(config);
  const leaders = new Set(
    tracked.flatMap(({ vip, judgedBy, check }) => (targeted.has(vip) && check ? [judgedBy] : [])),
  );
  const isDeath = action.kind === "dead";
  const vips = isDeath
    ? new Set(tracked.flatMap(({ vip, judgedBy }) => (leaders.has(judgedBy) ? [vip] : [])))
    : targeted;
  const vantages = action.kind === "cut" ? action.vantages : isDeath ? action.by : [];
  const services = servicesOf(spec, vips, config);
  return { vips, probed: isDeath ? [...leaders] : [], vantages, override, services };
}

function overrideOf(action: DrillAction): Action | null {
  switch (action.kind) {
    case "drain":
      return { kind: "drain", target: action.target };
    case "weight":
      return { kind: "weight", target: action.target, weight: action.weight };
    default:
      return null;
  }
}

/** What rules are tried with in place of a drill: a death is as if somebody forced it. */
export function ruledAs(action: DrillAction): Action | null {
  return action.kind === "dead"
    ? { kind: "force", target: action.target, verdict: "down" }
    : overrideOf(action);
}

/** Those that it names; else those that can be answered with what it takes away, or with anything that is probed. */
function servicesOf(spec: DrillSpec, vips: ReadonlySet<VipId>, config: Config): readonly Service[] {
  if (spec.services.length > 0) {
    const named = new Set(spec.services);
    return config.services.filter(({ label }) => named.has(label)).slice(0, WATCHED_MAX);
  }
  const isProbed = ({ pool }: Member): boolean => (config.pools.get(pool)?.check ?? null) !== null;
  const concerns = (member: Member): boolean =>
    spec.action.kind === "cut" ? isProbed(member) : vipsOf(member).some(({ id }) => vips.has(id));
  const policies = new Set<unknown>();
  const chosen: Service[] = [];
  for (const service of config.services) {
    if (chosen.length === WATCHED_MAX) break;
    if (policies.has(service.policy)) continue;
    if (![...declaredMembers(service.policy, config)].some(concerns)) continue;
    policies.add(service.policy);
    chosen.push(service);
  }
  return chosen;
}

/** What a service promises. */
export function drilledService(service: Service, { expect }: DrillSpec, config: Config): DrilledService {
  const { label, ttlSeconds, failoverWithinMs } = service;
  return {
    label,
    boundMs: failoverBound(service, config)?.totalMs ?? null,
    objectiveMs: expect.withinMs ?? failoverWithinMs,
    ttlSeconds,
  };
}

/** The addresses of all VIPs that these services can be answered with. */
export function addressesOf(services: readonly Service[], config: Config): Readonly<Record<VipId, string>> {
  const members = new Set(services.flatMap((service) => [...declaredMembers(service.policy, config)]));
  return Object.fromEntries([...members].flatMap(vipsOf).map(({ id, address }) => [id, address.text]));
}

/** The override that makes the failure; null: agents do. */
export function overrideIdOf({ override }: Scene): string | null {
  return override === null ? null : overrideId(override);
}

/** What a guard counts as gone: a weight takes nothing away. */
export function gone({ action }: DrillSpec, { vips }: Scene): ReadonlySet<VipId> {
  return action.kind === "weight" ? new Set() : vips;
}
