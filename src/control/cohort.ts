/** Cohorts: services that always have the same plans, so that whatever is worked out for one holds for all. */

import type { ReachableMember } from "../book/content.ts";
import type { Config, Member, Service } from "../config/config.ts";
import type { Policy } from "../config/policy.ts";
import { childrenIn, hasSpread, type LocalPolicy, membersOf } from "../steering/local.ts";
import type { Partition } from "../steering/partition.ts";
import { policiesIn } from "./policy-walk.ts";

/** Services with equal policies, TTLs and `whenDown`, and no choices that an override could weigh for one of them alone. */
export interface Cohort {
  /** Their numbers in the book. */
  readonly services: readonly number[];
  /** The first of them, which stands for all. */
  readonly service: Service;
  readonly partition: Partition;
  /** By class number: what the policy comes to there. */
  readonly locals: readonly LocalPolicy[];
  /** The most places for VIPs of each family that a plan can take. */
  readonly capacity4: number;
  readonly capacity6: number;
  /** The members that a plan of any class can hold. */
  readonly reach: readonly ReachableMember[];
  /** Into how many buckets clients are put for what is sticky; 0: nothing is. */
  readonly buckets: number;
  /** 1: a class can be answered with several VIPs at once; 0: none can. */
  readonly rings: 0 | 1;
}

/** What all plans of a cohort depend on, apart from the config and the VIPs that each can hold. */
export interface Dependencies {
  /** By `policy/choice`. */
  readonly choices: ReadonlySet<string>;
  /** Whether the order of regions by round-trip time matters. */
  readonly rankings: boolean;
}

/** The services of a config, by cohort: their numbers. */
export function cohortsOf(services: readonly Service[]): readonly (readonly number[])[] {
  const keys = new Keys();
  const cohorts = Map.groupBy(services.entries(), ([, service]) => keys.of(service));
  return Array.from(cohorts.values(), (entries) => entries.map(([number]) => number));
}

/** The dependencies of a service's plans. */
export function dependenciesOf(service: Service): Dependencies {
  const policies = policiesIn(service.policy);
  const choices = policies.flatMap((policy) =>
    policy.kind === "weighted"
      ? policy.choices.map(({ key }) => `${policy.name ?? service.label}/${key}`)
      : [],
  );
  return { choices: new Set(choices), rankings: policies.some(({ kind }) => kind === "latency") };
}

/** The members that the plans of one class of a service can hold, and depend on. */
export function reachableFrom(local: LocalPolicy, service: Service, config: Config): ReadonlySet<Member> {
  return new Set([...membersOf(local), ...fallbackOf(service, config)]);
}

/** The VIPs of the members that the plans of all classes of a service can hold. */
export function reachOf(
  locals: readonly LocalPolicy[],
  service: Service,
  config: Config,
): readonly ReachableMember[] {
  const members = new Set(locals.flatMap((local) => [...reachableFrom(local, service, config)]));
  return Array.from(members, ({ ipv4, ipv6 }) => ({ ipv4: ipv4?.id ?? null, ipv6: ipv6?.id ?? null }));
}

/** The most places for VIPs of a family that any plan for one of these policies, or for the fallback pool, can take. */
export function capacityOf(
  locals: readonly LocalPolicy[],
  service: Service,
  config: Config,
  family: 4 | 6,
): number {
  let most = 0;
  for (const members of [fallbackOf(service, config), ...locals.map(placesIn)]) {
    const inFamily = members.filter((member) => (family === 4 ? member.ipv4 : member.ipv6) !== null);
    most = Math.max(most, inFamily.length);
  }
  return most;
}

/** The members that may have a place in a plan: each once, but where there are spreads once for each place in the policy. */
function placesIn(local: LocalPolicy): readonly Member[] {
  return hasSpread(local) ? mentionsIn(local) : [...membersOf(local)];
}

function mentionsIn(local: LocalPolicy): readonly Member[] {
  if (local.kind === "member") return [local.member];
  if (local.kind === "pool") return local.members.map(({ member }) => member);
  return childrenIn(local).flatMap(mentionsIn);
}

function fallbackOf({ whenDown }: Service, config: Config): readonly Member[] {
  return whenDown.kind === "fallback" ? (config.pools.get(whenDown.pool)?.members ?? []) : [];
}

/** Makes equal keys for services of one cohort; a policy that many services share by name is written out once. */
class Keys {
  readonly #written = new Map<Policy, string>();

  of(service: Service): string {
    const { whenDown, policy, ttlSeconds, ttlSecondsMin } = service;
    const ttl = `${ttlSecondsMin} ${ttlSeconds}`;
    return `${ttl} ${JSON.stringify(whenDown)} ${this.#policy(policy)} ${this.#label(service)}`;
  }

  #policy(policy: Policy): string {
    const known = this.#written.get(policy);
    if (known !== undefined) return known;
    const written = JSON.stringify(policy, (_, value) => (value instanceof Map ? [...value] : value));
    this.#written.set(policy, written);
    return written;
  }

  /** Choices of a policy that is written in place are overridden under the service's own name. */
  #label({ label, policy }: Service): string {
    const inPlace = policiesIn(policy).some((found) => found.kind === "weighted" && found.name === null);
    return inPlace ? label : "";
  }
}
