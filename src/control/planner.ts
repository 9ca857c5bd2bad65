/** Makes the plans of all services, and after each change of the facts only those that depend on it again. */

import type { BookDirectory } from "../book/compile.ts";
import type { BookContent, ClassPlans } from "../book/content.ts";
import { PatchWriter } from "../book/patch.ts";
import { PREFIX_BITS } from "../book/pick.ts";
import type { Config, RegionId, Service, VantageId, VipId } from "../config/config.ts";
import type { Atlas } from "../geo/atlas.ts";
import { type ClassTrie, compileClasses, NO_BITS } from "../geo/trie.ts";
import { vipsOf } from "../health/tracked.ts";
import type { Checked, Problem } from "../problem.ts";
import type { Facts } from "../steering/facts.ts";
import { hasSpread, type LocalPolicy, leavesOf } from "../steering/local.ts";
import { bucketCount } from "../steering/maglev.ts";
import { type Partition, Partitions, TooManyClasses } from "../steering/partition.ts";
import { type Plan, planFor, type Share } from "../steering/plan.ts";
import type { Spread } from "../steering/spread.ts";
import type { Sticky } from "../steering/sticky.ts";
import { isAdaptive, ttlOf } from "../steering/ttl.ts";
import { finish, type Steps } from "../steps.ts";
import { admissionsOf } from "./admissions.ts";
import { type Cohort, capacityOf, cohortsOf, dependenciesOf, reachableFrom, reachOf } from "./cohort.ts";
import { NO_SHIFT, type Shift } from "./shift.ts";
import type { Snapshot } from "./snapshot.ts";

/** The plans of one class of a cohort, before and after a replan; at least one family differs. */
export interface Replanned {
  readonly cohort: Cohort;
  readonly classNumber: number;
  readonly before: ClassPlans;
  readonly after: ClassPlans;
}

/** How the world is split for a service. */
export interface ServiceSplit {
  /** A service that always has the same plans; the same one for all of those. */
  readonly standsFor: Service;
  readonly partition: Partition;
  /** By class number: what the policy comes to there. */
  readonly locals: readonly LocalPolicy[];
  /** null: all are in class 0. */
  readonly trie: ClassTrie | null;
  /** Whether it has an IPv4 address for anybody. */
  readonly hasIpv4: boolean;
  /** 0: nothing is sticky. */
  readonly buckets: number;
}

/** The plans of one class of a cohort in two worlds. */
interface Compared {
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
  readonly #split: Split;
  /** By class number. */
  readonly #plans = new Map<Cohort, readonly ClassPlans[]>();

  private constructor(snapshot: Snapshot, split: Split) {
    this.#snapshot = snapshot;
    this.#split = split;
  }

  /**
   * Splits the world for every policy; that it cannot be split is the only problem there is. Where config and atlas are
   * the ones of `before`, its split is taken over: an edited zone does not change it.
   */
  static of(snapshot: Snapshot, before: Planner | null = null): Checked<Planner> {
    return finish(Planner.inSteps(snapshot, before));
  }

  /** The same in steps. */
  static *inSteps(snapshot: Snapshot, before: Planner | null): Steps<Checked<Planner>> {
    if (
      before !== null &&
      before.#snapshot.config === snapshot.config &&
      before.#snapshot.atlas === snapshot.atlas
    )
      return { value: new Planner(snapshot, before.#split), problems: [] };
    const { value: split, problems } = yield* Split.of(snapshot);
    return { value: split === null ? null : new Planner(snapshot, split), problems };
  }

  /** Makes all plans from these facts. */
  planAll(facts: Facts): void {
    finish(this.planAllInSteps(facts));
  }

  /** The same in steps; what shifts meanwhile is to be planned again. */
  *planAllInSteps(facts: Facts): Steps<void> {
    for (const cohort of this.#split.cohorts) {
      this.#plans.set(
        cohort,
        cohort.locals.map((local) => this.#plan(cohort, local, facts)),
      );
      yield;
    }
  }

  /** Makes the plans again that depend on what has shifted, and returns those that came out different. */
  replan(shift: Shift, facts: Facts): readonly Replanned[] {
    const changed: Replanned[] = [];
    for (const [cohort, classNumbers] of this.#split.touchedBy(shift)) {
      const plans = this.#plans.get(cohort) ?? [];
      const after = [...plans];
      for (const classNumber of classNumbers) {
        const [local, before] = [cohort.locals[classNumber], plans[classNumber]];
        if (local === undefined || before === undefined) continue;
        const fresh = this.#plan(cohort, local, facts);
        if (isSame(before, fresh, "ipv4") && isSame(before, fresh, "ipv6")) continue;
        after[classNumber] = fresh;
        changed.push({ cohort, classNumber, before, after: fresh });
      }
      this.#plans.set(cohort, after);
    }
    return changed;
  }

  /** The plans as they are, by class number. */
  plans(): ReadonlyMap<Cohort, readonly ClassPlans[]> {
    return this.#plans;
  }

  /**
   * The classes whose plans depend on something that would shift, cohort by cohort: as they are, and as other facts would
   * have them.
   */
  *compare(shift: Pick<Shift, "vips" | "choices">, facts: Facts): Generator<Compared> {
    for (const [cohort, classNumbers] of this.#split.touchedBy({ ...NO_SHIFT, ...shift })) {
      const plans = this.#plans.get(cohort) ?? [];
      for (const classNumber of classNumbers) {
        const [local, before] = [cohort.locals[classNumber], plans[classNumber]];
        if (local === undefined || before === undefined) continue;
        yield { cohort, classNumber, before, after: this.#plan(cohort, local, facts) };
      }
    }
  }

  /** The book of the plans as they are. */
  content(version: number): BookContent {
    const { config, zones, signing } = this.#snapshot;
    const members = [...config.members.values()];
    const regions = new Map([...config.regions.keys()].map((region, number) => [region, number]));
    const numberOf = (region: RegionId): number => regions.get(region) ?? 0;
    const regionOf = new Map(
      members.flatMap((member) => vipsOf(member).map(({ id }) => [id, numberOf(member.region)])),
    );
    return {
      version,
      zones,
      signing,
      admissions: admissionsOf(config),
      vips: members.flatMap(vipsOf),
      regionOf: (vip) => regionOf.get(vip) ?? 0,
      services: config.services.flatMap((service) => {
        const cohort = this.#split.cohortOf(service);
        if (cohort === null) return [];
        const { capacity4, capacity6, buckets, rings, partition, reach } = cohort;
        const trie = this.#split.trieOf(partition);
        const plans = this.#plans.get(cohort) ?? [];
        return { service, trie, capacity4, capacity6, buckets, rings, plans, reach };
      }),
    };
  }

  /** The plans of a service of the config, by class number. */
  plansFor(service: Service): readonly ClassPlans[] {
    const cohort = this.#split.cohortOf(service);
    return (cohort && this.#plans.get(cohort)) ?? [];
  }

  /** How the world is split for a service of the config; null: it has no such service. */
  splitFor(service: Service): ServiceSplit | null {
    const cohort = this.#split.cohortOf(service);
    if (cohort === null) return null;
    const { service: standsFor, partition, locals, buckets, capacity4 } = cohort;
    const trie = this.#split.trieOf(partition);
    return { standsFor, partition, locals, trie, hasIpv4: capacity4 > 0, buckets };
  }

  /** The services whose plans depend on something that has shifted. */
  servicesTouchedBy(shift: Pick<Shift, "vips" | "choices">): readonly Service[] {
    const { services } = this.#snapshot.config;
    const cohorts = [...this.#split.touchedBy({ ...NO_SHIFT, ...shift }).keys()];
    return cohorts.flatMap((cohort) => cohort.services.flatMap((number) => services[number] ?? []));
  }

  #plan({ service, capacity4, capacity6 }: Cohort, local: LocalPolicy, facts: Facts): ClassPlans {
    const { config } = this.#snapshot;
    const inFamily = (family: 4 | 6, capacity: number): readonly [Plan, number] => {
      if (capacity === 0) return [NO_ADDRESSES, service.ttlSeconds];
      const planned = planFor(local, service, family, facts, config);
      return [planned.plan, ttlOf(planned, service, facts).seconds];
    };
    const [ipv4, ttlSeconds4] = inFamily(4, capacity4);
    const [ipv6, ttlSeconds6] = inFamily(6, capacity6);
    return { ipv4, ipv6, ttlSeconds4, ttlSeconds6 };
  }
}

/** How the services of a config fall into cohorts, the world into classes, and which of them depend on what. */
class Split {
  readonly cohorts: readonly Cohort[];
  readonly #tries: ReadonlyMap<Partition, ClassTrie | null>;
  readonly #byVip = new Map<VipId, CohortClass[]>();
  /** By VIP and vantage, the classes for whose clients the vantage speaks about the VIP. */
  readonly #byVote = new Map<VipId, Map<VantageId, CohortClass[]>>();
  /** Those with adaptive TTLs. */
  readonly #byOutlook = new Map<VipId, CohortClass[]>();
  readonly #byChoice = new Map<string, CohortClass[]>();
  readonly #byRanking: CohortClass[] = [];
  readonly #byService = new Map<Service, Cohort>();

  private constructor(cohorts: readonly Cohort[], tries: ReadonlyMap<Partition, ClassTrie | null>) {
    this.cohorts = cohorts;
    this.#tries = tries;
  }

  static *of(snapshot: Snapshot): Steps<Checked<Split>> {
    const { config, atlas } = snapshot;
    const partitions = new Partitions(atlas.locations, config);
    const problems: Problem[] = [];
    const cohorts: Cohort[] = [];
    for (const services of cohortsOf(config.services)) {
      const service = config.services[services[0] ?? 0];
      if (service === undefined) continue;
      yield;
      try {
        const locals = partitions.classes(service.policy);
        const partition = partitions.of(service.policy);
        const reach = reachOf(locals, service, config);
        cohorts.push({
          services,
          service,
          partition,
          locals,
          capacity4: capacityOf(locals, service, config, 4),
          capacity6: capacityOf(locals, service, config, 6),
          reach,
          buckets: partition.isSticky.includes(true) ? bucketCount(reach.length) : 0,
          rings: locals.some(hasSpread) ? 1 : 0,
        });
      } catch (error) {
        if (!(error instanceof TooManyClasses)) throw error;
        problems.push({ ...service.place, message: `service ${service.label}: ${error.message}` });
      }
    }
    if (problems.length > 0) return { value: null, problems };
    const tries = new Map<Partition, ClassTrie | null>();
    for (const partition of new Set(cohorts.map((cohort) => cohort.partition))) {
      tries.set(partition, trieOf(partition, atlas));
      yield;
    }
    const split = new Split(cohorts, tries);
    const perVantage = config.pools.values().some((pool) => pool.perVantage);
    for (const cohort of cohorts) {
      split.#fileCohort(cohort, config);
      if (perVantage) split.#fileVotes(cohort);
      yield;
    }
    return { value: split, problems };
  }

  cohortOf(service: Service): Cohort | null {
    return this.#byService.get(service) ?? null;
  }

  trieOf(partition: Partition): ClassTrie | null {
    return this.#tries.get(partition) ?? null;
  }

  /** The numbers of the classes whose plans a shift may change, by cohort. */
  touchedBy(shift: Shift): ReadonlyMap<Cohort, ReadonlySet<number>> {
    const touched = new Map<Cohort, Set<number>>();
    const touch = (found: Iterable<CohortClass>): void => {
      for (const { cohort, classNumber } of found) {
        const numbers = touched.get(cohort);
        if (numbers === undefined) touched.set(cohort, new Set([classNumber]));
        else numbers.add(classNumber);
      }
    };
    if (shift.rankings) touch(this.#byRanking);
    for (const vip of shift.vips) touch(this.#byVip.get(vip) ?? []);
    for (const { vip, vantage } of shift.turned) touch(this.#byVote.get(vip)?.get(vantage) ?? []);
    for (const vip of shift.outlooks) touch(this.#byOutlook.get(vip) ?? []);
    for (const choice of shift.choices) touch(this.#byChoice.get(choice) ?? []);
    return touched;
  }

  #fileCohort(cohort: Cohort, config: Config): void {
    for (const number of cohort.services) {
      const service = config.services[number];
      if (service !== undefined) this.#byService.set(service, cohort);
    }
    const { choices, rankings } = dependenciesOf(cohort.service);
    for (const [classNumber, local] of cohort.locals.entries()) {
      const entry = { cohort, classNumber };
      for (const member of reachableFrom(local, cohort.service, config)) {
        for (const { id } of vipsOf(member)) {
          file(this.#byVip, id, entry);
          if (isAdaptive(cohort.service)) file(this.#byOutlook, id, entry);
        }
      }
      for (const choice of choices) file(this.#byChoice, choice, entry);
      if (rankings) this.#byRanking.push(entry);
    }
  }

  #fileVotes(cohort: Cohort): void {
    for (const [classNumber, local] of cohort.locals.entries()) {
      for (const { member, nearby } of leavesOf(local).values()) {
        for (const { id } of nearby.length === 0 ? [] : vipsOf(member)) {
          const byVantage = this.#byVote.get(id) ?? new Map<VantageId, CohortClass[]>();
          this.#byVote.set(id, byVantage);
          for (const vantage of nearby) file(byVantage, vantage, { cohort, classNumber });
        }
      }
    }
  }
}

/** Which class clients are in, with the scopes; null: all are in one, and nothing else of their addresses matters. */
function trieOf({ representatives, isSticky, classOf }: Partition, atlas: Atlas): ClassTrie | null {
  if (representatives.length === 1 && isSticky[0] !== true) return null;
  return compileClasses(atlas, classOf, (number) => (isSticky[number] === true ? PREFIX_BITS : NO_BITS));
}

/** One class of a cohort. */
interface CohortClass {
  readonly cohort: Cohort;
  readonly classNumber: number;
}

/** The patches, packed, that bring a book from the plans before to the plans after. */
export function patchesFor(directory: BookDirectory, replanned: readonly Replanned[]): Uint32Array {
  const writer = new PatchWriter(directory);
  for (const { cohort, classNumber, before, after } of replanned) {
    // The others have the same slots: the book was compiled from one array of plans for all of them.
    const [service] = cohort.services;
    if (service === undefined) continue;
    if (!isSame(before, after, "ipv4")) writer.put(service, classNumber, 4, after.ipv4, after.ttlSeconds4);
    if (!isSame(before, after, "ipv6")) writer.put(service, classNumber, 6, after.ipv6, after.ttlSeconds6);
  }
  return writer.packed;
}

/** Whether a family is answered the same, for as long. */
function isSame(a: ClassPlans, b: ClassPlans, family: "ipv4" | "ipv6"): boolean {
  const ttl = family === "ipv4" ? "ttlSeconds4" : "ttlSeconds6";
  return a[ttl] === b[ttl] && samePlan(a[family], b[family]);
}

function samePlan(a: Plan, b: Plan): boolean {
  if (a === b) return true;
  if (a.kind === "servfail" || b.kind === "servfail") return a.kind === b.kind;
  if (a.kind !== b.kind || a.lastResort !== b.lastResort) return false;
  if (a.kind === "nodata" || b.kind === "nodata") return true;
  return (
    sameShares(a.shares, b.shares) &&
    sameSpreads(a.spreads ?? [], b.spreads ?? []) &&
    (a.sticky === null || b.sticky === null ? a.sticky === b.sticky : sameSticky(a.sticky, b.sticky))
  );
}

function sameShares(a: readonly Share[], b: readonly Share[]): boolean {
  return a.length === b.length && a.every(({ vip, share }, i) => vip === b[i]?.vip && share === b[i].share);
}

function sameSpreads(a: readonly Spread[], b: readonly Spread[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ count, shares }, i) => count === b[i]?.count && sameShares(shares, b[i].shares))
  );
}

/** VIPs follow from members. */
function sameSticky(a: Sticky, b: Sticky): boolean {
  return (
    sameShares(a.drawn, b.drawn) &&
    a.claims.length === b.claims.length &&
    a.claims.every(({ member, wanted, share }, i) => {
      const other = b.claims[i];
      return member === other?.member && wanted === other.wanted && share === other.share;
    })
  );
}

function file<K>(index: Map<K, CohortClass[]>, key: K, entry: CohortClass): void {
  const filed = index.get(key);
  if (filed === undefined) index.set(key, [entry]);
  else filed.push(entry);
}
