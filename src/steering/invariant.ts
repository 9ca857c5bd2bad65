/** Holds services to invariants: in every combination of regions up and down, for every class of clients. */

import type { Config, Member, RegionId, Service, VipId } from "../config/config.ts";
import type { Invariant, Requirement, Selection } from "../config/rules.ts";
import type { Location } from "../geo/location.ts";
import { vipsOf } from "../health/tracked.ts";
import type { Steps } from "../steps.ts";
import { combinationsDown, EXHAUSTIVE_REGIONS_MAX } from "./combinations.ts";
import type { Facts } from "./facts.ts";
import { formatPlan } from "./format-trace.ts";
import { type LocalPolicy, membersOf, rankedIn } from "./local.ts";
import { keyAnywhere } from "./local-key.ts";
import { localPool } from "./make-local.ts";
import { type Plan, planFor } from "./plan.ts";
import { familiesOf, shareOf } from "./policy-test.ts";
import { declaredMembers } from "./reach.ts";
import { poolOf } from "./references.ts";
import { factsUnder, type Standing } from "./standing.ts";
import { formatPercent } from "./words.ts";

/** Clients of one class that invariants speak of. */
export interface WatchedClass {
  readonly local: LocalPolicy;
  /** By invariant that speaks of clients of the class: where one of them is. */
  readonly examples: ReadonlyMap<Invariant, Location>;
}

/** A case in which an invariant does not hold. */
export interface Counterexample {
  readonly invariant: Invariant;
  readonly service: Service;
  readonly location: Location;
  readonly family: 4 | 6;
  readonly down: readonly RegionId[];
  /** What was expected and what came, in a clause. */
  readonly message: string;
  readonly facts: Facts;
}

/** What the invariants of a service came to. */
export interface Held {
  /** For each invariant that does not hold, a case with as few regions down as any. */
  readonly counterexamples: readonly Counterexample[];
  /** How many plans were looked at. */
  readonly plans: number;
  /** False: some class has more regions than `EXHAUSTIVE_REGIONS_MAX`, so not all combinations were tried. */
  readonly exhaustive: boolean;
}

/** How many plans make a step. */
const PLANS_OF_STEP = 32;

/** Room for the rounding of sums of shares. */
const ROUNDING = 1e-9;

/** All round-trip times are those of distance. */
const NO_RTTS: ReadonlyMap<RegionId, number> = new Map();

/** Tries all invariants that speak of a service. */
export function* hold(
  service: Service,
  classes: readonly WatchedClass[],
  standing: Standing,
  config: Config,
): Steps<Held> {
  const trial = new Trial(service, standing, config);
  for (const watched of distinct(classes)) yield* trial.run(watched);
  return { counterexamples: [...trial.found.values()], plans: trial.plans, exhaustive: trial.exhaustive };
}

/** Classes that differ in nothing but where round-trip times are measured from are one: any region may be the fastest. */
function distinct(classes: readonly WatchedClass[]): readonly WatchedClass[] {
  const byKey = new Map<string, WatchedClass>();
  for (const { local, examples } of classes) {
    const key = keyAnywhere(local);
    const other = byKey.get(key);
    // What is known already comes last, so that its examples stay.
    byKey.set(key, other === undefined ? { local, examples } : withMore(other, examples));
  }
  return [...byKey.values()];
}

function withMore(watched: WatchedClass, examples: WatchedClass["examples"]): WatchedClass {
  return { local: watched.local, examples: new Map([...examples, ...watched.examples]) };
}

/** All that is tried of one service. */
class Trial {
  readonly found = new Map<Invariant, Counterexample>();
  plans = 0;
  exhaustive = true;
  readonly #service: Service;
  readonly #standing: Standing;
  readonly #config: Config;
  readonly #families: readonly (4 | 6)[];
  /** Every member that the service can ever answer with. */
  readonly #members: ReadonlySet<Member>;
  readonly #fallback: ReadonlySet<Member>;
  readonly #facts = new Map<string, Facts>();

  constructor(service: Service, standing: Standing, config: Config) {
    const { policy, whenDown } = service;
    this.#service = service;
    this.#standing = standing;
    this.#config = config;
    this.#families = familiesOf(service, config);
    this.#fallback =
      whenDown.kind === "fallback" ? membersOf(localPool(poolOf(whenDown.pool, config), [])) : new Set();
    this.#members = declaredMembers(policy, config).union(this.#fallback);
  }

  *run({ local, examples }: WatchedClass): Steps<void> {
    const members = membersOf(local).union(this.#fallback);
    const present = new Set([...members].map(({ region }) => region));
    const regions = [...this.#config.regions.keys()].filter((region) => present.has(region));
    if (regions.length > EXHAUSTIVE_REGIONS_MAX) this.exhaustive = false;
    const ranked = rankedIn(local);
    yield* this.#countAnswerable(local, regions, examples);
    const invariants = [...examples.keys()];
    const most = Math.max(...invariants.map(({ failures }) => failures ?? regions.length));
    for (const down of combinationsDown(regions, most)) {
      const up = ranked.filter((region) => !down.includes(region));
      for (const fastest of up.length === 0 ? [null] : up) {
        const facts = this.#factsWith(down, fastest);
        for (const family of this.#families) {
          const plan = this.#plan(local, family, facts);
          for (const [invariant, location] of examples) {
            if (down.length > (invariant.failures ?? down.length)) continue;
            for (const requirement of invariant.requirements) {
              const message = this.#broken(requirement, plan, family, facts);
              if (message !== null) this.#note(invariant, location, family, down, message, facts);
            }
          }
          if (this.plans % PLANS_OF_STEP === 0) yield;
        }
      }
    }
  }

  /** How many regions can answer the class by themselves, and whether that is enough. */
  *#countAnswerable(
    local: LocalPolicy,
    regions: readonly RegionId[],
    examples: WatchedClass["examples"],
  ): Steps<void> {
    const asking = [...examples].flatMap(([invariant, location]) =>
      invariant.requirements.flatMap((requirement) =>
        requirement.kind === "answerable" ? [{ invariant, location, least: requirement.regions }] : [],
      ),
    );
    if (asking.length === 0) return;
    const drained = [...this.#members].filter(({ id }) => this.#standing.drained.has(id)).flatMap(vipsOf);
    for (const family of this.#families) {
      const able = regions.filter((region) => {
        const others = this.#vipsIn(regions.filter((other) => other !== region));
        const facts = factsUnder(
          this.#standing,
          [...others, ...drained.map(({ id }) => id)],
          NO_RTTS,
          this.#config,
        );
        const plan = this.#plan(local, family, facts);
        return plan.kind === "answer" && !plan.lastResort;
      });
      yield;
      for (const { invariant, location, least } of asking) {
        if (able.length >= least) continue;
        const which = able.length === 0 ? "none" : able.join(", ");
        const message = `expected at least ${least} regions that can answer IPv${family}, found ${which}`;
        const facts = factsUnder(this.#standing, [], NO_RTTS, this.#config);
        this.#note(invariant, location, family, [], message, facts);
      }
    }
  }

  /** The classes of a service share most of their combinations. */
  #factsWith(down: readonly RegionId[], fastest: RegionId | null): Facts {
    const key = `${down.join(" ")}\n${fastest ?? ""}`;
    const known = this.#facts.get(key);
    if (known !== undefined) return known;
    const rttMs = fastest === null ? NO_RTTS : new Map([[fastest, 0]]);
    const facts = factsUnder(this.#standing, this.#vipsIn(down), rttMs, this.#config);
    this.#facts.set(key, facts);
    return facts;
  }

  #plan(local: LocalPolicy, family: 4 | 6, facts: Facts): Plan {
    this.plans += 1;
    return planFor(local, this.#service, family, facts, this.#config).plan;
  }

  #vipsIn(regions: readonly RegionId[]): readonly VipId[] {
    const vips: VipId[] = [];
    for (const member of this.#members) {
      if (regions.includes(member.region)) for (const { id } of vipsOf(member)) vips.push(id);
    }
    return vips;
  }

  /** Keeps the case with the fewest regions down. */
  #note(
    invariant: Invariant,
    location: Location,
    family: 4 | 6,
    down: readonly RegionId[],
    message: string,
    facts: Facts,
  ): void {
    const known = this.found.get(invariant);
    if (known !== undefined && known.down.length <= down.length) return;
    this.found.set(invariant, { invariant, service: this.#service, location, family, down, message, facts });
  }

  /** What was expected and what came; null: the requirement is met. */
  #broken(requirement: Requirement, plan: Plan, family: 4 | 6, facts: Facts): string | null {
    const got = (): string => `got ${formatPlan({ plan, family, lastGood: null })}`;
    switch (requirement.kind) {
      case "only": {
        const isMet = vipsIn(plan).every((vip) => isSelected(vip, requirement.selections));
        return isMet ? null : `expected only ${textOf(requirement.selections)}, ${got()}`;
      }
      case "never": {
        const isMet = !vipsIn(plan).some((vip) => isSelected(vip, requirement.selections));
        return isMet ? null : `expected never ${textOf(requirement.selections)}, ${got()}`;
      }
      case "at-most": {
        const { selection, share } = requirement;
        if (shareOf(selection.vips, plan) <= share + ROUNDING) return null;
        return `expected at most ${formatPercent(share)} for ${selection.text}, ${got()}`;
      }
      case "each-at-most": {
        const isMet =
          plan.kind !== "answer" || plan.shares.every(({ share }) => share <= requirement.share + ROUNDING);
        return isMet
          ? null
          : `expected at most ${formatPercent(requirement.share)} for each member, ${got()}`;
      }
      case "answered": {
        if (plan.kind !== "answer") return `expected an answer, ${got()}`;
        const isMet = requirement.when === "always" || !plan.lastResort || !this.#isAnyUp(family, facts);
        return isMet ? null : `expected an answer that is up, ${got()}`;
      }
      case "answerable":
        return null;
    }
  }

  #isAnyUp(family: 4 | 6, { verdicts }: Facts): boolean {
    return this.#members.values().some(({ ipv4, ipv6 }) => {
      const vip = family === 4 ? ipv4 : ipv6;
      return vip !== null && !verdicts.has(vip.id) && !verdicts.has(vip.judgedBy);
    });
  }
}

function vipsIn(plan: Plan): readonly VipId[] {
  return plan.kind === "answer" ? plan.shares.map(({ vip }) => vip) : [];
}

function isSelected(vip: VipId, selections: readonly Selection[]): boolean {
  return selections.some(({ vips }) => vips.has(vip));
}

function textOf(selections: readonly Selection[]): string {
  return selections.map(({ text }) => text).join(", ");
}
