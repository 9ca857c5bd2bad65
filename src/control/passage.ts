/** How a change passes services from one way of answering to another. */

import type { ClassPlans } from "../book/content.ts";
import type { Config, Service } from "../config/config.ts";
import type { Facts } from "../steering/facts.ts";
import type { Cohort } from "./cohort.ts";
import { CountriesCrowd } from "./crowd.ts";
import type { ServiceSplit } from "./planner.ts";
import type { Ruled } from "./rules.ts";
import type { Shift } from "./shift.ts";

/** Services that are answered alike before a change, and alike after it. */
export interface Passage {
  readonly services: readonly string[];
  readonly before: Way;
  /** null: the change takes the services away. */
  readonly after: Way | null;
  /** Classes of clients before and after, by their numbers; those that the change cannot touch are left out. */
  readonly classes: readonly (readonly [before: number, after: number])[];
}

/** How services are answered. */
export interface Way {
  readonly config: Config;
  readonly facts: Facts;
  readonly split: ServiceSplit;
  /** By class number. */
  readonly plans: ReadonlyMap<number, ClassPlans>;
}

/** What other facts would change; null: a step that has come to no end yet. */
export function* passagesByFacts(
  { snapshot: { config }, planner }: Ruled,
  shift: Pick<Shift, "vips" | "choices">,
  before: Facts,
  after: Facts,
): Generator<Passage | null> {
  let cohort: Cohort | null = null;
  let plans = { before: new Map<number, ClassPlans>(), after: new Map<number, ClassPlans>() };
  const passage = (): Passage | null => {
    const split = cohort && planner.splitFor(cohort.service);
    if (cohort === null || split === null) return null;
    return {
      services: cohort.services.flatMap((number) => config.services[number]?.label ?? []),
      before: { config, facts: before, split, plans: plans.before },
      after: { config, facts: after, split, plans: plans.after },
      classes: Array.from(plans.before.keys(), (number) => [number, number]),
    };
  };
  for (const one of planner.compare(shift, after)) {
    yield one.cohort === cohort ? null : passage();
    if (one.cohort !== cohort) plans = { before: new Map(), after: new Map() };
    cohort = one.cohort;
    plans.before.set(one.classNumber, one.before);
    plans.after.set(one.classNumber, one.after);
  }
  yield passage();
}

/** What other files would change, whose plans are made. */
export function* passagesByFiles(from: Ruled, to: Ruled, before: Facts, after: Facts): Generator<Passage> {
  const { config, atlas } = from.snapshot;
  const renewed = new Map(to.snapshot.config.services.map((service) => [service.label, service]));
  const groups = new Map<Service, Map<Service | null, string[]>>();
  for (const service of config.services) {
    const standsFor = from.planner.splitFor(service)?.standsFor ?? service;
    const same = renewed.get(service.label);
    const next = same === undefined ? null : (to.planner.splitFor(same)?.standsFor ?? same);
    const group = groups.get(standsFor) ?? new Map<Service | null, string[]>();
    groups.set(standsFor, group);
    const labels = group.get(next);
    if (labels === undefined) group.set(next, [service.label]);
    else labels.push(service.label);
  }
  const countries = new CountriesCrowd(config, atlas);
  for (const [service, group] of groups) {
    const one = wayOf(service, from, before);
    for (const [next, services] of group) {
      const other = next === null ? null : wayOf(next, to, after);
      if (one === null) continue;
      const flows = other === null ? [] : countries.flows(services, one.split, other.split);
      const classes = flows.map(({ classBefore, classAfter }) => [classBefore, classAfter] as const);
      yield { services, before: one, after: other, classes };
    }
  }
}

function wayOf(service: Service, { snapshot: { config }, planner }: Ruled, facts: Facts): Way | null {
  const split = planner.splitFor(service);
  return split && { config, facts, split, plans: new Map(planner.plansFor(service).entries()) };
}
