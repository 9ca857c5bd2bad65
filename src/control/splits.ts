/** How the answers of each service were shared out among regions, beside how they would be by the plans in force. */

import type { Config, RegionId, VipId } from "../config/config.ts";
import { vipsOf } from "../health/tracked.ts";
import type { Plan } from "../steering/plan.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import type { Planner, ServiceSplit } from "./planner.ts";
import type { ProfileWindow, SampledQuery } from "./profile.ts";
import { classOf, familiesOf } from "./traffic.ts";

/** The answers of one service. */
export interface ServiceShares {
  readonly service: string;
  /** As far as the samples tell. */
  readonly queries: number;
  /** The regions that had any or should have; null: nowhere. */
  readonly regions: readonly RegionShares[];
}

interface RegionShares {
  readonly region: RegionId | null;
  /** Of the recorded clients' answers, 0 to 1, by the plans in force. */
  readonly planned: number;
  /** Of the answers that they got. */
  readonly actual: number;
}

/** The services that were asked, most asked first. */
export function* splits(
  planner: Planner,
  config: Config,
  windows: Iterable<ProfileWindow>,
): Steps<readonly ServiceShares[]> {
  const counts = new Map<string, Counts>();
  const services = new Map(config.services.map((service) => [service.label, service]));
  const regionOf = regionsOf(config);
  for (const { queries, samples } of windows) {
    const weight = queries / samples.length;
    yield* forEachInSteps(samples, (sample) => {
      const service = services.get(sample.service);
      const split = service === undefined ? null : planner.splitFor(service);
      if (service === undefined || split === null) return;
      const known = counts.get(service.label) ?? new Counts();
      counts.set(service.label, known);
      known.add(sample, weight, split, planner.plansFor(service), regionOf);
    });
  }
  const listed = Array.from(counts, ([service, count]) => ({ service, ...count.shares() }));
  return listed.sort((a, b) => b.queries - a.queries);
}

type RegionOf = ReadonlyMap<VipId, RegionId>;

function regionsOf(config: Config): RegionOf {
  const members = [...config.members.values()];
  return new Map(members.flatMap((member) => vipsOf(member).map(({ id }) => [id, member.region] as const)));
}

/** The queries of one service. */
class Counts {
  #queries = 0;
  readonly #planned = new Map<RegionId | null, number>();
  readonly #actual = new Map<RegionId | null, number>();

  add(
    sample: SampledQuery,
    weight: number,
    split: ServiceSplit,
    plans: ReturnType<Planner["plansFor"]>,
    regionOf: RegionOf,
  ): void {
    this.#queries += weight;
    addTo(this.#actual, sample.region as RegionId | null, weight);
    const own = plans[classOf(sample, split)];
    const families = familiesOf(sample.qtype);
    for (const family of families) this.#plan(own?.[family], weight / families.length, regionOf);
  }

  shares(): Omit<ServiceShares, "service"> {
    const all = new Set([...this.#planned.keys(), ...this.#actual.keys()]);
    const regions = Array.from(all, (region) => ({
      region,
      planned: (this.#planned.get(region) ?? 0) / this.#queries,
      actual: (this.#actual.get(region) ?? 0) / this.#queries,
    }));
    return { queries: Math.round(this.#queries), regions: regions.sort((a, b) => b.planned - a.planned) };
  }

  #plan(plan: Plan | undefined, weight: number, regionOf: RegionOf): void {
    if (plan?.kind !== "answer") addTo(this.#planned, null, weight);
    else
      for (const { vip, share } of plan.shares)
        addTo(this.#planned, regionOf.get(vip) ?? null, weight * share);
  }
}

function addTo(sums: Map<RegionId | null, number>, region: RegionId | null, weight: number): void {
  sums.set(region, weight + (sums.get(region) ?? 0));
}
