/** Makes the plans of all services, and after each change of the facts only those that depend on it again. */

import type { BookContent, BookDirectory, ClassPlans } from "../book/compile.ts";
import { encodePlan, type PlanPatch } from "../book/patch.ts";
import type { RegionId, Service, VipId } from "../config/config.ts";
import { type ClassTrie, compileClasses } from "../geo/trie.ts";
import { vipsOf } from "../health/tracked.ts";
import type { Checked, Problem } from "../problem.ts";
import type { Facts } from "../steering/facts.ts";
import type { LocalPolicy } from "../steering/local.ts";
import { type Partition, Partitions, TooManyClasses } from "../steering/partition.ts";
import { type Plan, planFor } from "../steering/plan.ts";
import { type Cohort, capacityOf, cohortsOf, dependenciesOf } from "./cohort.ts";
import type { Shift } from "./fact-keeper.ts";
import type { Snapshot } from "./snapshot.ts";

/** The plans of one class of a cohort, before and after a replan; at least one family differs. */
export interface Replanned {
  readonly cohort: Cohort;
  readonly classNumber: number;
  readonly before: ClassPlans;
  readonly after: ClassPlans;
}

/** What `planFor` comes to where nothing has an address of the family: most fleets have but one. */
const NO_ADDRESSES: Plan = { kind: "nodata", lastResort: false };

/** The plans of one snapshot. Plans are a pure function of snapshot and facts, however they were arrived at. */
export class Planner {
  readonly #snapshot: Snapshot;
  readonly #cohorts: readonly Cohort[];
  readonly #tries: ReadonlyMap<Partition, ClassTrie | null>;
  readonly #byVip = new Map<VipId, Cohort[]>();
  readonly #byChoice = new Map<string, Cohort[]>();
  readonly #byRanking: Cohort[] = [];
  readonly #byService = new Map<Service, Cohort>();
  /** By class number. */
  readonly #plans = new Map<Cohort, readonly ClassPlans[]>();

  private constructor(snapshot: Snapshot, cohorts: readonly Cohort[]) {
    this.#snapshot = snapshot;
    this.#cohorts = cohorts;
    const { atlas, config } = snapshot;
    const partitions = new Set(cohorts.map(({ partition }) => partition));
    this.#tries = new Map(
      Array.from(partitions, (partition) => [
        partition,
        partition.representatives.length === 1 ? null : compileClasses(atlas, partition.classOf),
      ]),
    );
    for (const cohort of cohorts) {
      const { vips, choices, rankings } = dependenciesOf(cohort.service, config);
      for (const vip of vips) file(this.#byVip, vip, cohort);
      for (const choice of choices) file(this.#byChoice, choice, cohort);
      if (rankings) this.#byRanking.push(cohort);
      for (const number of cohort.services) {
        const service = config.services[number];
        if (service !== undefined) this.#byService.set(service, cohort);
      }
    }
  }

  /** Splits the world for every policy; that it cannot be split is the only problem there is. */
  static of(snapshot: Snapshot): Checked<Planner> {
    const { config, atlas } = snapshot;
    const partitions = new Partitions(atlas.locations, config);
    const problems: Problem[] = [];
    const cohorts: Cohort[] = [];
    for (const services of cohortsOf(config.services)) {
      const service = config.services[services[0] ?? 0];
      if (service === undefined) continue;
      try {
        const locals = partitions.classes(service.policy);
        cohorts.push({
          services,
          service,
          partition: partitions.of(service.policy),
          locals,
          capacity4: capacityOf(locals, service, config, 4),
          capacity6: capacityOf(locals, service, config, 6),
        });
      } catch (error) {
        if (!(error instanceof TooManyClasses)) throw error;
        problems.push({ ...service.place, message: `service ${service.label}: ${error.message}` });
      }
    }
    return { value: problems.length === 0 ? new Planner(snapshot, cohorts) : null, problems };
  }

  /** Makes all plans from these facts. */
  planAll(facts: Facts): void {
    for (const cohort of this.#cohorts) {
      this.#plans.set(
        cohort,
        cohort.locals.map((local) => this.#plan(cohort, local, facts)),
      );
    }
  }

  /** Makes the plans again that depend on what has shifted, and returns those that came out different. */
  replan(shift: Shift, facts: Facts): readonly Replanned[] {
    const changed: Replanned[] = [];
    for (const cohort of this.#touchedBy(shift)) {
      const plans = this.#plans.get(cohort) ?? [];
      const after = cohort.locals.map((local, classNumber) => {
        const before = plans[classNumber];
        const fresh = this.#plan(cohort, local, facts);
        if (before === undefined) return fresh;
        if (samePlan(before.ipv4, fresh.ipv4) && samePlan(before.ipv6, fresh.ipv6)) return before;
        changed.push({ cohort, classNumber, before, after: fresh });
        return fresh;
      });
      this.#plans.set(cohort, after);
    }
    return changed;
  }

  /** The book of the plans as they are. */
  content(version: number): BookContent {
    const { config, zones } = this.#snapshot;
    const members = [...config.members.values()];
    const regions = new Map([...config.regions.keys()].map((region, number) => [region, number]));
    const numberOf = (region: RegionId): number => regions.get(region) ?? 0;
    const regionOf = new Map(
      members.flatMap((member) => vipsOf(member).map(({ id }) => [id, numberOf(member.region)])),
    );
    return {
      version,
      zones,
      vips: members.flatMap(vipsOf),
      regionOf: (vip) => regionOf.get(vip) ?? 0,
      services: config.services.flatMap((service) => {
        const cohort = this.#byService.get(service);
        if (cohort === undefined) return [];
        const { capacity4, capacity6, partition } = cohort;
        const trie = this.#tries.get(partition) ?? null;
        return { service, trie, capacity4, capacity6, plans: this.#plans.get(cohort) ?? [] };
      }),
    };
  }

  /** How the world is split for a service of the config; null: it has no such service. */
  splitFor(service: Service): { readonly partition: Partition; readonly trie: ClassTrie | null } | null {
    const cohort = this.#byService.get(service);
    if (cohort === undefined) return null;
    return { partition: cohort.partition, trie: this.#tries.get(cohort.partition) ?? null };
  }

  #touchedBy(shift: Shift): ReadonlySet<Cohort> {
    const touched = new Set<Cohort>(shift.rankings ? this.#byRanking : []);
    for (const vip of shift.vips) for (const cohort of this.#byVip.get(vip) ?? []) touched.add(cohort);
    for (const choice of shift.choices)
      for (const cohort of this.#byChoice.get(choice) ?? []) touched.add(cohort);
    return touched;
  }

  #plan({ service, capacity4, capacity6 }: Cohort, local: LocalPolicy, facts: Facts): ClassPlans {
    const { config } = this.#snapshot;
    return {
      ipv4: capacity4 === 0 ? NO_ADDRESSES : planFor(local, service, 4, facts, config).plan,
      ipv6: capacity6 === 0 ? NO_ADDRESSES : planFor(local, service, 6, facts, config).plan,
    };
  }
}

/** The patches that bring a book from the plans before to the plans after. */
export function patchesFor(directory: BookDirectory, replanned: readonly Replanned[]): readonly PlanPatch[] {
  return replanned.flatMap(({ cohort, classNumber, before, after }) => {
    const families: [4 | 6, Plan][] = [];
    if (!samePlan(before.ipv4, after.ipv4)) families.push([4, after.ipv4]);
    if (!samePlan(before.ipv6, after.ipv6)) families.push([6, after.ipv6]);
    return cohort.services.flatMap((service) =>
      families.map(([family, plan]) => encodePlan(directory, service, classNumber, family, plan)),
    );
  });
}

function samePlan(a: Plan, b: Plan): boolean {
  if (a.kind === "servfail" || b.kind === "servfail") return a.kind === b.kind;
  if (a.kind !== b.kind || a.lastResort !== b.lastResort) return false;
  if (a.kind === "nodata" || b.kind === "nodata") return true;
  return (
    a.shares.length === b.shares.length &&
    a.shares.every(({ vip, share }, i) => vip === b.shares[i]?.vip && share === b.shares[i].share)
  );
}

function file<K>(index: Map<K, Cohort[]>, key: K, cohort: Cohort): void {
  const filed = index.get(key);
  if (filed === undefined) index.set(key, [cohort]);
  else filed.push(cohort);
}
