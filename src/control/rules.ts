/** Runs the tests and invariants of a config against its own services, zones of clients and overrides. */

import type { Config, Service } from "../config/config.ts";
import type { GeoMatch } from "../config/policy.ts";
import type { ExampleClient, Invariant, PolicyTest } from "../config/rules.ts";
import { formatQuantity } from "../config/units.ts";
import type { Location } from "../geo/location.ts";
import type { Problem } from "../problem.ts";
import { Alike } from "../steering/alike.ts";
import { EXHAUSTIVE_REGIONS_MAX } from "../steering/combinations.ts";
import { type Explanation, explain, formatExplanation } from "../steering/explain.ts";
import { type Counterexample, type Held, hold, type WatchedClass } from "../steering/invariant.ts";
import { matchPlace } from "../steering/localise.ts";
import { onGrid, type Partition } from "../steering/partition.ts";
import { exampleLocation, tryTest } from "../steering/policy-test.ts";
import { AS_DECLARED, type Standing } from "../steering/standing.ts";
import { ITEMS_OF_STEP, type Steps } from "../steps.ts";
import { didYouMean } from "../suggest.ts";
import type { Planner, ServiceSplit } from "./planner.ts";
import type { Snapshot } from "./snapshot.ts";

/** What rules are held against. */
export interface Ruled {
  readonly snapshot: Snapshot;
  readonly planner: Planner;
}

/** A config under overrides, and which of its services are looked at. */
export interface Situation {
  readonly ruled: Ruled;
  readonly standing: Standing;
  readonly services: readonly Service[];
}

/** What the rules of a config came to. */
export interface Verification {
  /** All that does not hold, each with a counterexample. */
  readonly problems: readonly Problem[];
  /** How many plans invariants were held against. */
  readonly plans: number;
  /** False: not every combination of regions was tried, because some service has too many. */
  readonly exhaustive: boolean;
}

/** An invariant that does not hold for some services. */
interface Broken {
  readonly counterexample: Counterexample;
  /** All that fare alike, the one of the counterexample among them. */
  readonly services: readonly Service[];
}

/** How much of an explanation stands under a problem. */
const TRACE_LINES_MAX = 12;

/** Tries all tests and invariants as the config stands, without overrides. */
export function* verify(ruled: Ruled): Steps<Verification> {
  const { config } = ruled.snapshot;
  const problems = [...(yield* strangers(ruled.snapshot))];
  for (const test of config.tests) {
    const problem = testProblem(test, ruled);
    if (problem !== null) problems.push(problem);
    yield;
  }
  const asDeclared = { ruled, standing: AS_DECLARED, services: config.services };
  const { broken, plans, exhaustive } = yield* tryInvariants(asDeclared);
  problems.push(...broken.map((one) => problemOf(one, config)));
  return { problems: problems.sort((a, b) => a.line - b.line), plans, exhaustive };
}

/** What was tried, and how much of it, in a line for the tests and one for the invariants. */
export function formatVerification(
  { plans, exhaustive }: Verification,
  { tests, invariants }: Config,
): readonly string[] {
  const extent = exhaustive
    ? "every combination of regions up and down"
    : `where clients can be sent to more than ${EXHAUSTIVE_REGIONS_MAX} regions, none, one, two, all but one and all of them down; elsewhere every combination`;
  return [
    ...(tests.length === 0 ? [] : [`${formatQuantity(tests.length, "test")} passed`]),
    ...(invariants.length === 0
      ? []
      : [
          `${formatQuantity(invariants.length, "invariant")} held in ${formatQuantity(plans, "plan")}: ${extent}`,
        ]),
  ];
}

/** What is broken after a change of config or overrides that was not before. */
export function* newlyBroken(before: Situation, after: Situation): Steps<readonly Problem[]> {
  // Without overrides a config that is in force breaks nothing: it would not be in force.
  if (isAsDeclared(after.standing)) return [];
  const found = (yield* tryInvariants(after)).broken;
  if (found.length === 0) return [];
  const known = new Set(
    (yield* tryInvariants(before)).broken.flatMap(({ counterexample, services }) =>
      services.map(({ label }) => keyOf(counterexample.invariant, label)),
    ),
  );
  return found.flatMap(({ counterexample, services }) => {
    const fresh = services.filter(({ label }) => !known.has(keyOf(counterexample.invariant, label)));
    return fresh.length === 0
      ? []
      : [problemOf({ counterexample, services: fresh }, after.ruled.snapshot.config)];
  });
}

function isAsDeclared({ memberWeights, choiceWeights, drained, forced }: Standing): boolean {
  return memberWeights.size + choiceWeights.size + drained.size + forced.size === 0;
}

function keyOf({ name }: Invariant, label: string): string {
  return JSON.stringify([name, label]);
}

/** Clients that nobody is: a rule about them would always hold, which is never what was meant. */
function* strangers({ config, atlas }: Snapshot): Steps<readonly Problem[]> {
  const problems: Problem[] = [];
  const complain = (rule: string, { place }: PolicyTest | Invariant, match: GeoMatch): void => {
    problems.push({ ...place, message: `${rule}: ${strangerText(match, atlas.locations)}` });
  };
  const isThere = new Map<string, boolean>();
  const isStranger = (match: GeoMatch): boolean => {
    const key = JSON.stringify(match);
    const known = isThere.get(key) ?? atlas.locations.some((location) => matchPlace(match, location) >= 0);
    isThere.set(key, known);
    return !known;
  };
  for (const test of config.tests) {
    const labels = test.client.kind === "known" ? test.client.traits.filter(({ by }) => by === "label") : [];
    for (const match of labels) if (isStranger(match)) complain(testTitle(test), test, match);
    yield;
  }
  for (const invariant of config.invariants) {
    for (const match of invariant.clients.flat()) {
      if (isStranger(match)) complain(invariantTitle(invariant), invariant, match);
      yield;
    }
  }
  return problems;
}

function strangerText(match: GeoMatch, locations: readonly Location[]): string {
  if (match.by !== "label") return `the geo data knows no client in ${match.by} ${Object.values(match)[1]}`;
  const labels = new Set(locations.flatMap((location) => location.labels));
  return `no prefix in the files of geo.labels has the label "${match.label}"${didYouMean(match.label, labels)}`;
}

function testTitle({ name }: PolicyTest): string {
  return `test "${name}"`;
}

function invariantTitle({ name }: Invariant): string {
  return `invariant "${name}"`;
}

function testProblem(test: PolicyTest, { snapshot, planner }: Ruled): Problem | null {
  const partition = planner.splitFor(test.service)?.partition;
  const located = locate(test.client, snapshot);
  const location = partition === undefined ? located : onGrid(located, partition.gridDegrees);
  const failure = tryTest(test, location, snapshot.config);
  if (failure === null) return null;
  const message = `${testTitle(test)}: ${failure.message}`;
  return {
    ...test.place,
    message,
    details: [`service ${test.service.label}`, ...linesOf(failure.explanation)],
  };
}

function locate(client: ExampleClient, { atlas }: Snapshot): Location {
  return client.kind === "address" ? atlas.locate(client.address) : exampleLocation(client);
}

function linesOf(explanation: Explanation): readonly string[] {
  const lines = formatExplanation(explanation);
  if (lines.length <= TRACE_LINES_MAX) return lines;
  // The last line is the plan.
  return [...lines.slice(0, TRACE_LINES_MAX - 2), "  …", ...lines.slice(-1)];
}

function problemOf({ counterexample, services }: Broken, config: Config): Problem {
  const { invariant, location, family, down, message, facts } = counterexample;
  const [service = counterexample.service, ...others] = services;
  const more = others.length === 0 ? "" : ` and ${formatQuantity(others.length, "service")} like it`;
  const downText = down.length === 0 ? "nothing" : down.join(", ");
  return {
    ...invariant.place,
    message: `${invariantTitle(invariant)}: ${service.label}${more}: ${message}`,
    details: [`regions down: ${downText}`, ...linesOf(explain(service, location, family, facts, config))],
  };
}

interface Tried extends Omit<Held, "counterexamples"> {
  readonly broken: readonly Broken[];
}

/** Services that fare alike under the same invariants, and how the world is split for the first of them. */
interface Group {
  readonly watching: readonly Invariant[];
  readonly split: ServiceSplit;
  readonly services: Service[];
}

/** Tries the invariants, with one service of each group. */
function* tryInvariants(situation: Situation): Steps<Tried> {
  const { ruled, standing } = situation;
  const { config, atlas } = ruled.snapshot;
  const tried = { broken: [] as Broken[], plans: 0, exhaustive: true };
  if (config.invariants.length === 0) return tried;
  const examples = new Examples(atlas.locations);
  for (const { watching, split, services } of yield* groupsOf(situation)) {
    const [service] = services;
    if (service === undefined) continue;
    const classes: WatchedClass[] = [];
    for (const [number, local] of split.locals.entries()) {
      const found = watching.flatMap((invariant) => {
        const location = examples.of(split.partition, invariant)[number];
        return location === undefined ? [] : ([[invariant, location]] as const);
      });
      if (found.length > 0) classes.push({ local, examples: new Map(found) });
      if (number % ITEMS_OF_STEP === 0) yield;
    }
    const held = yield* hold(service, classes, standing, config);
    tried.plans += held.plans;
    tried.exhaustive &&= held.exhaustive;
    tried.broken.push(...held.counterexamples.map((counterexample) => ({ counterexample, services })));
  }
  return tried;
}

function* groupsOf({ ruled, standing, services }: Situation): Steps<readonly Group[]> {
  const { snapshot, planner } = ruled;
  const { invariants } = snapshot.config;
  const alike = new Alike(invariants, standing, snapshot.config);
  const watched = invariants.map((invariant) => new Set(invariant.services));
  // Most services share their plans with others by name: the key of one is that of all.
  const keys = new Map<Service, string>();
  const groups = new Map<string, Group>();
  for (const [number, service] of services.entries()) {
    if (number % ITEMS_OF_STEP === 0) yield;
    const numbers = [...watched.keys()].filter((i) => watched[i]?.has(service));
    const split = numbers.length === 0 ? null : planner.splitFor(service);
    if (split === null) continue;
    const own = keys.get(split.standsFor) ?? alike.keyOf(split.standsFor);
    keys.set(split.standsFor, own);
    const key = `${numbers.join(" ")} ${own}`;
    const group = groups.get(key);
    if (group === undefined) {
      const watching = numbers.flatMap((i) => invariants[i] ?? []);
      groups.set(key, { watching, split, services: [service] });
    } else group.services.push(service);
  }
  return [...groups.values()];
}

/** For each class of a partition a location that an invariant speaks of, where there is one. */
class Examples {
  readonly #locations: readonly Location[];
  readonly #known = new Map<Partition, Map<string, readonly (Location | undefined)[]>>();

  constructor(locations: readonly Location[]) {
    this.#locations = locations;
  }

  /** By class number. */
  of(partition: Partition, { clients }: Invariant): readonly (Location | undefined)[] {
    if (clients.length === 0) return partition.representatives;
    const known = this.#known.get(partition) ?? new Map<string, readonly (Location | undefined)[]>();
    this.#known.set(partition, known);
    const key = JSON.stringify(clients);
    const found = known.get(key) ?? this.#find(partition, clients);
    known.set(key, found);
    return found;
  }

  #find({ classOf, representatives, gridDegrees }: Partition, clients: Invariant["clients"]) {
    const found: (Location | undefined)[] = representatives.map(() => undefined);
    for (const [number, location] of this.#locations.entries()) {
      const classNumber = classOf[number] ?? 0;
      if (found[classNumber] !== undefined) continue;
      const speaksOf = clients.every((list) => list.some((match) => matchPlace(match, location) >= 0));
      if (speaksOf) found[classNumber] = onGrid(location, gridDegrees);
    }
    return found;
  }
}
