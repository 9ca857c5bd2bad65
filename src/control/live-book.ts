/** The book in force: keeps its plans in step with the facts, and puts another in its place. */

import { type BookDirectory, compileInSteps } from "../book/compile.ts";
import type { ClassPlans } from "../book/content.ts";
import type { Checked, Problem } from "../problem.ts";
import { type Answer, LastGood } from "../steering/last-good.ts";
import type { Plan } from "../steering/plan.ts";
import { release } from "../wire/sink.ts";
import type { Cohort } from "./cohort.ts";
import type { FactKeeper } from "./fact-keeper.ts";
import { foresee } from "./foresight.ts";
import { inTurns } from "./in-turns.ts";
import type { Override } from "./override.ts";
import { Planner, patchesFor, type Replanned } from "./planner.ts";
import { emptiness, type Publisher } from "./publish.ts";
import { type Ruled, verify } from "./rules.ts";
import { isNothing, joinShifts, NO_SHIFT, type Shift } from "./shift.ts";
import type { Snapshot } from "./snapshot.ts";

/** A snapshot with its plans and the places of these in its book. */
export interface Edition {
  readonly snapshot: Snapshot;
  readonly planner: Planner;
  readonly directory: BookDirectory;
}

export interface LiveBookOptions {
  readonly keeper: FactKeeper;
  readonly publisher: Publisher;
  readonly nowMs: () => number;
  /** Told by which plans of the past, with their keys, is answered from now on, after dns has been told. */
  readonly onLastGood: (plans: ReadonlyMap<string, Answer>) => void;
  /** Told of plans that have become others, after dns and whoever wants to know the verdicts have been told. */
  readonly onReplanned: (replanned: readonly Replanned[]) => void;
  /** Told of verdicts and votes that have changed, and of what that moved, after dns has been told. */
  readonly onVerdicts: (shift: Shift, replanned: readonly Replanned[]) => void;
}

/** Says what is against a snapshot, once its plans are made. */
export type Judge = (ruled: Ruled) => Promise<readonly Problem[]>;

/** Shifts come in; plans go out, all of one turn of the event loop together. */
export class LiveBook {
  readonly #options: LiveBookOptions;
  #edition: Edition | null = null;
  /** What has shifted since the plans of the next book were begun; null: there is none on its way. */
  #late: Shift | null = null;
  #pending: Shift = NO_SHIFT;
  #flushing: NodeJS.Immediate | null = null;

  constructor(options: LiveBookOptions) {
    this.#options = options;
  }

  /** What is in force; null before the first book. */
  get edition(): Edition | null {
    return this.#edition;
  }

  /** Takes note of a shift; plans follow within this turn of the event loop. */
  shift(shift: Shift): void {
    if (isNothing(shift)) return;
    this.#pending = joinShifts(this.#pending, shift);
    if (this.#flushing !== null) return;
    this.#options.publisher.makeRoom();
    this.#flushing = setImmediate(() => this.flush());
  }

  /** Replans what has shifted, at once, and returns what has become different in answers. */
  flush(): readonly Replanned[] {
    if (this.#flushing !== null) clearImmediate(this.#flushing);
    this.#flushing = null;
    const shift = this.#pending;
    this.#pending = NO_SHIFT;
    if (isNothing(shift)) return [];
    const { keeper, publisher, nowMs, onReplanned, onVerdicts } = this.#options;
    let replanned: readonly Replanned[] = [];
    if (this.#edition !== null) {
      const { planner, directory } = this.#edition;
      replanned = planner.replan(shift, keeper.facts(nowMs()));
      this.#remember(replanned);
      publisher.patch(patchesFor(directory, replanned));
      this.#tellLastGood(replanned);
    }
    if (this.#late !== null) this.#late = joinShifts(this.#late, shift);
    const { flipped, revised, turned } = shift;
    if (flipped.length + revised.length + turned.length > 0) onVerdicts(shift, replanned);
    if (replanned.length > 0) onReplanned(replanned);
    return replanned;
  }

  /**
   * Puts the book of another snapshot in place of this one, one call after the other, if `judge` finds nothing in its
   * plans. With any problem, nothing has changed. Meanwhile this one follows the facts; what they have shifted is put into the other once dns has it.
   * A dry run ends where all has been found to be in order.
   */
  async replace(
    snapshot: Snapshot,
    version: number,
    judge: Judge,
    dryRun: boolean,
  ): Promise<readonly Problem[]> {
    const { keeper, publisher, nowMs } = this.#options;
    const { config } = snapshot;
    this.#late = NO_SHIFT;
    try {
      const { value: planner, problems } = await this.#planned(snapshot, judge);
      if (planner === null) return problems;
      const content = planner.content(version);
      const empty = emptiness(content);
      if (empty !== null) return [problemOf(snapshot, `refused to publish: ${empty}`)];
      if (dryRun) return [];
      const compiled = await inTurns(compileInSteps(content));
      const outcome = await publisher.publish(version, compiled);
      release(compiled.bytes);
      if (outcome.kind === "refused") return [problemOf(snapshot, `dns refused the book: ${outcome.reason}`)];
      this.#edition = { snapshot, planner, directory: compiled.directory };
      keeper.lastGood = lastGoodOf(planner, keeper.lastGood);
      const late = planner.replan(this.#late, keeper.factsFor(config, nowMs()));
      this.#remember(late);
      publisher.patch(patchesFor(compiled.directory, late));
      this.#tellLastGood(late);
    } finally {
      this.#late = null;
    }
    this.shift(keeper.use(config, nowMs()));
    this.flush();
    return [];
  }

  #remember(replanned: readonly Replanned[]): void {
    for (const { cohort, classNumber, after } of replanned)
      if (isAnsweredByTheLast(cohort)) remember(this.#options.keeper.lastGood, cohort, classNumber, after);
  }

  /** A policy that is up is planned anew by the next control too, so only those that have just gone down need to be told of. */
  #tellLastGood(replanned: readonly Replanned[]): void {
    const { keeper, onLastGood } = this.#options;
    const used = new Map<string, Answer>();
    for (const { cohort, classNumber, before, after } of replanned) {
      const local = cohort.locals[classNumber];
      if (local === undefined || !isAnsweredByTheLast(cohort)) continue;
      for (const [family, key] of FAMILIES) {
        if (isLastResort(before[key]) || !isLastResort(after[key])) continue;
        const entry = keeper.lastGood.entry(local, cohort.service, family);
        if (entry !== null) used.set(...entry);
      }
    }
    if (used.size > 0) onLastGood(used);
  }

  /** The invariants that the book in force would break with these overrides, now or later, and does not with those that it has. */
  async brokenBy(overrides: readonly Override[]): Promise<readonly Problem[]> {
    const { keeper, nowMs } = this.#options;
    const ruled = this.#edition;
    if (ruled === null || ruled.snapshot.config.invariants.length === 0) return [];
    return await inTurns(foresee({ ruled, overrides: keeper.overrides }, { ruled, overrides }, nowMs()));
  }

  /** What another snapshot would be refused for, unless dns refused its book. */
  async problemsOf(snapshot: Snapshot, judge: Judge): Promise<readonly Problem[]> {
    return (await this.#planned(snapshot, judge)).problems;
  }

  /** The plans of another snapshot, or what is against them. */
  async #planned(snapshot: Snapshot, judge: Judge): Promise<Checked<Planner>> {
    const { keeper, nowMs } = this.#options;
    const { value: planner, problems } = await inTurns(
      Planner.inSteps(snapshot, this.#edition?.planner ?? null),
    );
    if (planner === null) return { value: null, problems };
    const broken = await this.#brokenBy({ snapshot, planner });
    if (broken.length > 0) return { value: null, problems: broken };
    await inTurns(planner.planAllInSteps(keeper.factsFor(snapshot.config, nowMs())));
    const objections = await judge({ snapshot, planner });
    return { value: objections.length > 0 ? null : planner, problems: objections };
  }

  /** The rules that another snapshot breaks: by itself any, and under the overrides in force those that hold now. */
  async #brokenBy(ruled: Ruled): Promise<readonly Problem[]> {
    const { snapshot } = ruled;
    const inForce = this.#edition;
    // An edited zone changes nothing that rules speak of.
    if (inForce?.snapshot.config === snapshot.config && inForce.snapshot.atlas === snapshot.atlas) return [];
    const { problems } = await inTurns(verify(ruled));
    if (problems.length > 0 || inForce === null) return problems;
    const { keeper, nowMs } = this.#options;
    const { overrides } = keeper;
    return await inTurns(foresee({ ruled: inForce, overrides }, { ruled, overrides }, nowMs()));
  }
}

/** What is remembered under other plans: what they hold that is up, and of what was known what concerns them. */
function lastGoodOf(planner: Planner, before: LastGood): LastGood {
  const cohorts = [...planner.plans()].filter(([cohort]) => isAnsweredByTheLast(cohort));
  const kept = cohorts.flatMap(([{ locals, service }]) => locals.map((local) => [local, service] as const));
  const lastGood = new LastGood(before, kept);
  for (const [cohort, plans] of cohorts)
    for (const [classNumber, ofClass] of plans.entries()) remember(lastGood, cohort, classNumber, ofClass);
  return lastGood;
}

const FAMILIES = [
  [4, "ipv4"],
  [6, "ipv6"],
] as const;

function isLastResort(plan: Plan): boolean {
  return plan.kind === "answer" && plan.lastResort;
}

function isAnsweredByTheLast({ service }: Cohort): boolean {
  return service.whenDown.kind === "lastGood";
}

function remember(
  lastGood: LastGood,
  { locals, service }: Cohort,
  classNumber: number,
  plans: ClassPlans,
): void {
  const local = locals[classNumber];
  if (local === undefined) return;
  lastGood.remember(local, service, 4, plans.ipv4);
  lastGood.remember(local, service, 6, plans.ipv6);
}

function problemOf({ config }: Snapshot, message: string): Problem {
  return { file: config.file, line: 0, column: 0, message };
}
