/** Cohorts: services that always have the same plans, so that whatever is worked out for one holds for all. */

import type { Config, Service, VipId } from "../config/config.ts";
import type { Policy } from "../config/policy.ts";
import { vipsOf } from "../health/tracked.ts";
import { type LocalPolicy, membersOf } from "../steering/local.ts";
import type { Partition } from "../steering/partition.ts";
import { reachableMembers } from "../steering/reach.ts";
import { policiesIn } from "./policy-walk.ts";

/** Services with equal policies, equal `whenDown`, and no choices that an override could weigh for one of them alone. */
export interface Cohort {
  /** Their numbers in the book. */
  readonly services: readonly number[];
  /** The first of them, which stands for all. */
  readonly service: Service;
  readonly partition: Partition;
  /** By class number: what the policy comes to there. */
  readonly locals: readonly LocalPolicy[];
  /** The most VIPs of each family that a plan can hold. */
  readonly capacity4: number;
  readonly capacity6: number;
}

/** What the plans of a cohort depend on, apart from the config. */
export interface Dependencies {
  readonly vips: ReadonlySet<VipId>;
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
export function dependenciesOf(service: Service, config: Config): Dependencies {
  const policies = policiesIn(service.policy);
  const vips = [...reachableMembers(service, config)].flatMap(vipsOf);
  const choices = policies.flatMap((policy) =>
    policy.kind === "weighted"
      ? policy.choices.map(({ key }) => `${policy.name ?? service.label}/${key}`)
      : [],
  );
  return {
    vips: new Set(vips.map(({ id }) => id)),
    choices: new Set(choices),
    rankings: policies.some(({ kind }) => kind === "latency"),
  };
}

/** The most VIPs of a family that any plan for one of these policies, or for the fallback pool, can hold. */
export function capacityOf(
  locals: readonly LocalPolicy[],
  { whenDown }: Service,
  config: Config,
  family: 4 | 6,
): number {
  const fallback = whenDown.kind === "fallback" ? (config.pools.get(whenDown.pool)?.members ?? []) : [];
  let most = 0;
  for (const members of [fallback, ...locals.map((local) => [...membersOf(local)])]) {
    const inFamily = members.filter((member) => (family === 4 ? member.ipv4 : member.ipv6) !== null);
    most = Math.max(most, inFamily.length);
  }
  return most;
}

/** Makes equal keys for services of one cohort; a policy that many services share by name is written out once. */
class Keys {
  readonly #written = new Map<Policy, string>();

  of(service: Service): string {
    return `${JSON.stringify(service.whenDown)} ${this.#policy(service.policy)} ${this.#label(service)}`;
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
