/** Runs drills, one at a time: orders what fails, looks after guards, and puts everything back. */

import type { Config, VipId } from "../config/config.ts";
import type { DeclaredDrill, DrillSpec } from "../config/drills.ts";
import { formatDuration } from "../config/units.ts";
import { describeDrill, describeEnding } from "../drill/describe.ts";
import type { DrillEnding, DrillPhase, DrillRecord } from "../drill/drill.ts";
import { type DrillReport, drillReport } from "../drill/report.ts";
import type { Verdict } from "../health/verdict.ts";
import type { Problem } from "../problem.ts";
import type { Facts } from "../steering/facts.ts";
import { MERIDIAN } from "./author.ts";
import { ERRORS_OVER_MS, type Violation, violationOf } from "./drill-guards.ts";
import { failures } from "./drill-orders.ts";
import { DrillOverrides, type DrillOverridesOptions, overrideInPlaceOf } from "./drill-overrides.ts";
import { DrillRecords, type DrillRecordsOptions } from "./drill-records.ts";
import { objection, type RehearsedDrill, rehearseDrill } from "./drill-rehearsal.ts";
import { addressesOf, gone, overrideIdOf, ruledAs, sceneOf } from "./drill-scene.ts";
import { DrillSchedules, nextOf } from "./drill-schedule.ts";
import { inTurns } from "./in-turns.ts";
import type { Edition } from "./live-book.ts";
import type { Replanned } from "./planner.ts";
import type { ProfileWindow } from "./profile.ts";
import { RunningDrill } from "./running-drill.ts";
import type { Attempt, Review } from "./safety.ts";
import { beyondScope } from "./scope.ts";
import type { Scope } from "./store.ts";
import { ifAvailable, StoreUnavailable } from "./store-file.ts";
import type { Watchers } from "./watchers.ts";

/** Agents see for so long how it was before. */
const WATCH_BEFORE_MS = 2_000;

/** Resolvers count TTLs in whole seconds, and what agents see is with the node half a second later. */
const AFTER_CACHES_MS = 2_000;

/** So often a drill under way is looked at: a guard may wait for a quarter of a second. */
const LOOK_MS = 200;

/** So much of a drill's name is in its id, which agents take up to 64 characters of. */
const NAME_MAX = 40;

export interface DrillsOptions extends DrillOverridesOptions, DrillRecordsOptions {
  readonly watchers: Watchers;
  readonly edition: () => Edition | null;
  readonly facts: () => Facts;
  /** The verdicts by reports alone. */
  readonly judged: () => ReadonlyMap<VipId, Verdict>;
  /** The rules that this would break, now or when it ends. */
  readonly review: (attempt: Attempt) => Promise<Review>;
  /** The traffic that says how many clients would be moved; null: none is kept. */
  readonly traffic: () => Promise<Iterable<ProfileWindow> | null>;
}

/** Who wants a drill, and why. */
export interface DrillRequest {
  readonly spec: DrillSpec;
  readonly author: string;
  readonly reason: string;
}

export type DrillOutcome =
  | { readonly kind: "begun"; readonly record: DrillRecord }
  | { readonly kind: "refused"; readonly problems: readonly Problem[] };

/** All drills of a node. */
export class Drills {
  readonly #options: DrillsOptions;
  readonly #overrides: DrillOverrides;
  readonly #records: DrillRecords;
  readonly #schedules = new DrillSchedules();
  #running: RunningDrill | null = null;
  /** Whether it is known which drill was left by a control that died, if any. */
  #hasResumed = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: DrillsOptions) {
    this.#options = options;
    this.#overrides = new DrillOverrides(options);
    this.#records = new DrillRecords(options);
  }

  /** Whether one is under way. */
  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** The newest first. */
  list(): readonly DrillRecord[] {
    const running = this.#running?.record;
    return this.#options.store.list().map((record) => (record.id === running?.id ? running : record));
  }

  find(id: string): DrillRecord | null {
    const running = this.#running?.record;
    return running?.id === id ? running : this.#options.store.find(id);
  }

  /** What a drill has shown, until now where it is under way. */
  report(record: DrillRecord): DrillReport {
    const { id } = record;
    const isUnderWay = this.#running?.record.id === id;
    return drillReport(record, isUnderWay ? this.#options.watchers.seen(id) : this.#records.seen(id));
  }

  /** Tries a drill on a copy; nothing changes. */
  async rehearse(spec: DrillSpec): Promise<RehearsedDrill> {
    const { edition, facts, nowMs, overrides, review, traffic } = this.#options;
    const inForce = edition();
    if (inForce === null) throw new Error("a drill was asked for before the first book");
    const windows = (await traffic()) ?? [];
    const rehearsed = await inTurns(rehearseDrill(spec, inForce, facts(), overrides(), windows));
    const inPlace = overrideInPlaceOf(spec, nowMs());
    const { problems, tooMany, approval } = await review({
      kind: "overrides",
      overrides: [...overrides(), ...inPlace],
      restores: false,
      isDrill: true,
    });
    const others = [tooMany, approval?.problem ?? null].filter((problem) => problem !== null);
    return {
      ...rehearsed,
      problems: [...this.#underWay(), ...rehearsed.problems, ...problems, ...others],
    };
  }

  /** There is one at a time. */
  #underWay(): readonly Problem[] {
    return this.#running === null ? [] : [objection(`drill ${this.#running.record.id} is under way`)];
  }

  /** Why a drill goes beyond what a token may change; null: it does not. */
  beyondScope(scope: Scope, { action }: DrillSpec): string | null {
    const { edition, overrides } = this.#options;
    const inForce = edition();
    const ruled = ruledAs(action);
    if (ruled === null || inForce === null) return "what vantages say is about every service";
    return beyondScope(scope, { kind: "set-override", action: ruled, untilMs: null }, inForce, overrides());
  }

  /** Begins a drill, unless its rehearsal finds a reason not to. */
  async begin({ spec, author, reason }: DrillRequest): Promise<DrillOutcome> {
    await this.#resume();
    const { problems, services, vips } = await this.rehearse(spec);
    // Another one may have begun while this one was tried.
    const against = problems.length > 0 ? problems : this.#underWay();
    const config = this.#config();
    if (config === null || against.length > 0) return { kind: "refused", problems: against };
    const { facts, nowMs, store, watchers } = this.#options;
    const scene = sceneOf(spec, config);
    const startedMs = nowMs();
    const record: DrillRecord = {
      id: `${spec.name.slice(0, NAME_MAX)}-${new Date(startedMs).toISOString().replaceAll(/[-:]|\.\d+/g, "")}`,
      spec,
      author,
      reason,
      startedMs,
      untilMs: startedMs + WATCH_BEFORE_MS + spec.durationMs,
      services,
      vips,
      downBefore: vips.filter((vip) => facts().verdicts.get(vip)?.up === false),
      addresses: addressesOf(scene.services, config),
      phase: "watching",
      ending: null,
      moments: [],
    };
    // On disk before anything is ordered: whoever comes after this process knows what to put back.
    store.save(record);
    watchers.order(record.id, [this.#run(record, config).watch]);
    this.#records.tell(
      record,
      "drill-begun",
      `${describeDrill(spec)} for ${formatDuration(spec.durationMs)}`,
    );
    return { kind: "begun", record };
  }

  /** Ends a drill by hand; false: it is not under way. */
  async abort(id: string, author: string, reason: string): Promise<boolean> {
    const running = this.#running;
    if (running?.record.id !== id) return false;
    while (running.step !== null) await running.step;
    if (!running.isFailing) return false;
    await this.#during(running, this.#end(running, { kind: "by-hand", author, reason }));
    return true;
  }

  /** Begins what is due by its schedule, and goes on with what is under way. */
  tick(): void {
    this.#resume().catch((cause) =>
      this.#options.log.error({ cause: String(cause) }, "a drill is not put back"),
    );
    const drills = this.#config()?.drills.values() ?? [];
    for (const spec of this.#schedules.due(drills, this.#options.nowMs()))
      this.#beginBySchedule(spec).catch((cause) =>
        this.#options.log.error({ cause: String(cause) }, `drill ${spec.name} not begun`),
      );
    this.#look();
  }

  /** When a drill begins by itself; null: never, or not within a year. */
  nextMs({ schedule }: DeclaredDrill): number | null {
    return schedule && nextOf(schedule, this.#options.nowMs());
  }

  /** Told of verdicts that have flipped, after dns has been told of what follows. */
  flipped(flipped: readonly Verdict[]): void {
    this.#running?.flipped(flipped);
  }

  /** Told of plans that have become others, after dns has been told. */
  replanned(replanned: readonly Replanned[]): void {
    const config = this.#config();
    if (config !== null) this.#running?.replanned(replanned, config);
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /**
   * Finds a drill under which control died: its orders end by themselves, and what is left of it is put back now. While the store
   * cannot be read, that is still to be done.
   */
  async #resume(): Promise<void> {
    const config = this.#config();
    if (this.#hasResumed || config === null) return;
    const records = ifAvailable(() => this.#options.store.list(), null);
    if (records === null) return;
    this.#hasResumed = true;
    const record = records.find(({ phase }) => phase !== "over");
    if (record === undefined) return;
    const running = this.#run(record, config);
    // What had begun to end goes on with the next look.
    if (record.ending === null) await this.#during(running, this.#end(running, { kind: "control-died" }));
  }

  async #beginBySchedule(spec: DeclaredDrill): Promise<void> {
    const by = { author: MERIDIAN, reason: "its schedule" };
    const outcome = await this.begin({ spec, ...by }).catch(refusedBy);
    if (outcome.kind === "begun") return;
    const why = outcome.problems.map(({ message }) => message).join("; ");
    this.#records.tellRefused(by, `${spec.name}: ${why}`);
  }

  #run(record: DrillRecord, config: Config): RunningDrill {
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
    this.#running = new RunningDrill(record, config, this.#options);
    return this.#running;
  }

  #config(): Config | null {
    return this.#options.edition()?.snapshot.config ?? null;
  }

  /** What is due: the beginning, the end, a guard, or that all is as before. */
  #look(): void {
    const running = this.#running;
    if (running === null || running.step !== null) return;
    const config = this.#config();
    if (config !== null) running.follow(config);
    running.noteVotes();
    this.#during(running, this.#step(running, this.#options.nowMs())).catch((cause) =>
      this.#options.log.error({ cause: String(cause) }, `drill ${running.record.id}`),
    );
  }

  /** One step at a time: the next look, and who aborts, wait for it, whatever comes of it. */
  async #during(running: RunningDrill, step: Promise<void>): Promise<void> {
    running.step = step.catch(() => undefined);
    await running.step;
    running.step = null;
    await step;
  }

  async #step(running: RunningDrill, nowMs: number): Promise<void> {
    const { record } = running;
    const violation = running.isFailing ? this.#violation(running, nowMs) : null;
    if (violation !== null) return await this.#end(running, { kind: "guard", ...violation });
    switch (record.phase) {
      case "watching":
        if (nowMs >= record.startedMs + WATCH_BEFORE_MS) await this.#fail(running);
        break;
      case "running":
        if (nowMs >= record.untilMs) await this.#end(running, { kind: "on-time" });
        break;
      case "restoring":
        if (nowMs >= running.retryMs) await this.#restore(running, nowMs);
        break;
      case "over":
        break;
    }
  }

  /** Has the failure begin. */
  async #fail(running: RunningDrill): Promise<void> {
    const { nowMs, watchers } = this.#options;
    const { record, scene } = running;
    const untilMs = nowMs() + record.spec.durationMs;
    running.record = { ...record, untilMs };
    this.#pass(running, "running");
    running.note({ kind: "begun", atMs: nowMs() });
    watchers.order(record.id, [running.watch, ...failures(running.record, scene)]);
    const reason = await this.#overrides.set(running);
    if (reason !== null) await this.#end(running, { kind: "refused", reason });
  }

  /** What speaks against going on. */
  #violation(running: RunningDrill, nowMs: number): Violation | null {
    const { record, config, scene, violation } = running;
    if (violation !== null) return violation;
    const { facts, overrides, watchers } = this.#options;
    const id = overrideIdOf(scene);
    const isOrdered = id !== null && record.phase === "running" && nowMs < record.untilMs;
    if (isOrdered && !overrides().some((override) => override.id === id))
      return { guard: "override", reason: `override ${id} was ended` };
    const { guards } = record.spec;
    const vips = gone(record.spec, scene);
    const connections = watchers.connectionsSince(record.id, nowMs - ERRORS_OVER_MS);
    return violationOf({ guards, config, facts: facts(), services: scene.services, vips, connections });
  }

  /** Ends the failure, whatever it was, and says so everywhere. */
  async #end(running: RunningDrill, ending: DrillEnding): Promise<void> {
    if (running.record.ending !== null) return;
    running.record = { ...running.record, ending };
    this.#options.watchers.order(running.record.id, [running.watch]);
    this.#pass(running, "restoring");
    await this.#takeBack(running, ending);
  }

  /** Takes back what the drill has changed; where that fails, the next look tries it again. */
  async #takeBack(running: RunningDrill, ending: DrillEnding): Promise<void> {
    const isBack = await this.#overrides.end(running, describeEnding(ending));
    if (!isBack) return;
    if (ending.kind === "guard") await this.#overrides.bringUp(running);
    running.note({ kind: "ended", atMs: this.#options.nowMs(), ending });
    this.#records.save(running.record);
    const event = ending.kind === "on-time" ? "drill-ended" : "drill-aborted";
    this.#records.tell(running.record, event, describeEnding(ending));
  }

  /** Brings up what is held down for the drill's sake, and sees whether all is as before. */
  async #restore(running: RunningDrill, nowMs: number): Promise<void> {
    const { watchers } = this.#options;
    const { record } = running;
    const { ending } = record;
    if (ending !== null && running.timeOf("ended") === null) await this.#takeBack(running, ending);
    const endedMs = running.timeOf("ended");
    if (endedMs === null) return;
    await this.#overrides.letGo(running);
    await this.#overrides.release(running);
    if (running.timeOf("restored") === null && running.isAsBefore) {
      const isBack = await this.#overrides.end(running, "all is as before");
      if (isBack) running.note({ kind: "restored", atMs: nowMs });
    }
    const restoredMs = running.timeOf("restored");
    const cachesMs =
      Math.max(0, ...record.services.map(({ ttlSeconds }) => ttlSeconds * 1_000)) + AFTER_CACHES_MS;
    const dueMs = restoredMs === null ? endedMs + running.restoresWithinMs : restoredMs + cachesMs;
    if (nowMs < dueMs) return;
    this.#pass(running, "over");
    this.#records.keepSeen(record.id, watchers.seen(record.id));
    watchers.forget(record.id);
    this.#running = null;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    const missing = restoredMs === null ? ", but not all is as before" : "";
    this.#options.log.info(`drill ${record.id} is over${missing}`);
  }

  #pass(running: RunningDrill, phase: DrillPhase): void {
    running.record = { ...running.record, phase };
    this.#records.save(running.record);
  }
}

/** Without a store no drill begins, for then nobody would know what to put back. */
function refusedBy(error: unknown): DrillOutcome {
  if (error instanceof StoreUnavailable) return { kind: "refused", problems: [objection(error.message)] };
  throw error;
}
