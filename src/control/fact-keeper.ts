/** Keeps the facts: verdicts, slow starts, loads and round-trip times, with the operators' overrides on top. */

import type { Config, VipId } from "../config/config.ts";
import type { Measurements } from "../health/averages.ts";
import type { VantageState } from "../health/matrix.ts";
import type { Observation } from "../health/observations.ts";
import type { Report } from "../health/report.ts";
import { type CellRanking, RttTable } from "../health/rtt.ts";
import { SignalCounts } from "../health/signals.ts";
import { trackedVips } from "../health/tracked.ts";
import { type Changes, Tracker } from "../health/tracker.ts";
import type { Verdict } from "../health/verdict.ts";
import { cellCoordinates, speakingFor } from "../steering/cell.ts";
import type { Facts } from "../steering/facts.ts";
import { LastGood } from "../steering/last-good.ts";
import { isAdaptive } from "../steering/ttl.ts";
import { MemberLoads } from "./member-loads.ts";
import { applyOverrides, type Override, type OverrideFacts, takesWith } from "./override.ts";
import { forceVerdicts, OverridesInForce, untilOverridesEnd } from "./overrides-in-force.ts";
import { joinShifts, NO_SHIFT, type Shift } from "./shift.ts";
import type { KnownSignal } from "./signals.ts";
import { SlowStarts } from "./slow-starts.ts";
import type { StoredVerdict } from "./store.ts";
import { restoredVerdicts } from "./stored-verdict.ts";

/** The round-trip times in force. */
export interface RoundTrips {
  /** For clients in the cells of policies, the longest not asked for first. */
  readonly rankings: readonly CellRanking[];
  readonly measurements: Measurements;
}

/** All that changes by itself on this node. It has no clock of its own: time is what `tick` was last told. */
export class FactKeeper {
  readonly #tracker: Tracker;
  readonly #rtts: RttTable;
  readonly #loads: MemberLoads;
  readonly #slowStarts: SlowStarts;
  readonly #overrides: OverridesInForce;
  readonly #counts = new SignalCounts();
  /** What was answered while something was up; it is told by who makes the plans that are served. */
  lastGood: LastGood = new LastGood();
  #config: Config;

  /** `restored` are the verdicts from before a restart. */
  constructor(
    config: Config,
    overrides: readonly Override[],
    restored: readonly StoredVerdict[],
    nowMs: number,
  ) {
    this.#config = config;
    this.#overrides = new OverridesInForce(config, overrides, nowMs);
    this.#tracker = new Tracker(
      trackedVips(config),
      config.vantages.keys(),
      nowMs,
      config.node.reportMs + config.node.publishMs,
    );
    this.#rtts = new RttTable(config, { coordinates: cellCoordinates, speakingFor });
    this.#loads = new MemberLoads(config, nowMs);
    this.#slowStarts = new SlowStarts(config, nowMs, () => this.#tracker.verdicts());
    this.#tracker.restore(restoredVerdicts(config, restored));
    this.#slowStarts.follow(this.#tracker.verdicts().keys());
  }

  /** Follows a new config; VIPs that stay where they were keep their history. */
  use(config: Config, nowMs: number): Shift {
    this.#config = config;
    const changes = this.#tracker.retarget(trackedVips(config), config.vantages.keys(), nowMs);
    this.#rtts.retarget(config);
    this.#loads.use(config);
    this.#counts.clear();
    this.#slowStarts.use(config);
    this.#overrides.use(config, nowMs);
    return { ...this.#shiftBy(changes), rankings: true, outlooks: this.#outlooks(nowMs) };
  }

  /** Puts other overrides in force. */
  override(overrides: readonly Override[], nowMs: number): Shift {
    const shift = this.#overrides.replace(overrides, nowMs);
    return { ...NO_SHIFT, ...shift, outlooks: this.#outlooks(nowMs) };
  }

  /** What other overrides would make of the facts in the end, and what that would shift. */
  supposing(
    overrides: readonly Override[],
    nowMs: number,
  ): { readonly facts: Facts; readonly shift: Pick<Shift, "vips" | "choices"> } {
    const { facts, shift } = this.#overrides.supposing(overrides, nowMs);
    return { facts: this.#factsUnder(this.#config, facts, untilOverridesEnd(facts, nowMs), nowMs), shift };
  }

  report(reports: readonly Report[]): Shift {
    const changes: Changes[] = [];
    for (const report of reports) {
      changes.push(this.#tracker.report(report));
      this.#rtts.report(report);
      this.#loads.report(report);
    }
    return this.#shiftBy(joinChanges(changes));
  }

  /** Takes what others have counted in real traffic. */
  signal(signals: readonly KnownSignal[], nowMs: number): Shift {
    const changes: Changes[] = [];
    for (const signal of signals) {
      const { source, vips, rules, errors } = signal;
      this.#loads.signal(signal, nowMs);
      for (const vip of errors === null ? [] : vips) {
        const report = errors && this.#counts.add(source, vip, errors, rules, nowMs);
        if (report) changes.push(this.#tracker.report(report));
      }
    }
    return this.#shiftBy(joinChanges(changes));
  }

  /** Takes what an operator has observed; rankings follow within ten seconds. */
  observe(observations: readonly Observation[]): void {
    for (const observation of observations) this.#rtts.observe(observation);
  }

  /** What orders of regions rest on. */
  roundTrips(): RoundTrips {
    return { rankings: this.#rtts.rankings(), measurements: this.#rtts.measurements() };
  }

  /** Brings up those of these VIPs that are held down. */
  release(vips: Iterable<VipId>, nowMs: number): Shift {
    return this.#shiftBy(this.#tracker.release(vips, nowMs));
  }

  /** Moves time: votes go stale, slow starts and holds go on, members shed load, overrides end, rankings are reconsidered. */
  tick(nowMs: number): Shift {
    const judged = this.#shiftBy(this.#tracker.tick(nowMs));
    const stepped = [...this.#slowStarts.tick(nowMs), ...this.#loads.tick(nowMs)];
    const { vips, choices } = this.#overrides.tick(nowMs);
    return joinShifts(judged, {
      ...NO_SHIFT,
      vips: vips.union(new Set(stepped)),
      choices,
      rankings: this.#rtts.tick(nowMs),
      outlooks: this.#outlooks(nowMs),
    });
  }

  /** When something changes by the clock alone: a slow start's next step, the end of a hold or an override; null: nothing. */
  nextDueMs(): number | null {
    const times = [
      this.#overrides.turnMs,
      this.#tracker.nextHoldEndMs(),
      this.#slowStarts.nextStepMs(),
    ].filter((atMs) => atMs !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** What plans are made from now. */
  facts(nowMs: number): Facts {
    return this.#factsUnder(this.#config, this.#overrides.facts, this.#overrides.untilEnd, nowMs);
  }

  /** What plans for another config would be made from: VIPs that are new there count as up. */
  factsFor(config: Config, nowMs: number): Facts {
    const applied = applyOverrides(config, this.overrides, nowMs);
    return this.#factsUnder(config, applied, untilOverridesEnd(applied, nowMs), nowMs);
  }

  /** Those in force, each until its end. */
  get overrides(): readonly Override[] {
    return this.#overrides.all;
  }

  /** The same as they are now, whatever comes in; what is asked of them leaves no trace. */
  frozenFactsFor(config: Config, nowMs: number): Facts {
    const facts = this.factsFor(config, nowMs);
    const { verdicts, ramps, loads } = facts;
    return {
      ...facts,
      verdicts: new Map(verdicts),
      ramps: new Map(ramps),
      loads: new Map(loads),
      latency: this.#rtts.frozenFor(config),
    };
  }

  /** The verdicts by reports alone, without what overrides force. */
  judged(): ReadonlyMap<VipId, Verdict> {
    return this.#tracker.verdicts();
  }

  vantageStates(): readonly VantageState[] {
    return this.#tracker.vantageStates();
  }

  /** The VIPs whose outlook has become another one; none where no TTL goes by that, so that nothing is planned for it. */
  #outlooks(nowMs: number): ReadonlySet<VipId> {
    const changed = new Set(this.#overrides.look(nowMs));
    const outlooks = this.#tracker.takeOutlooks().union(changed);
    return this.#config.services.some(isAdaptive) ? outlooks : NO_SHIFT.outlooks;
  }

  #factsUnder(
    config: Config,
    overrides: OverrideFacts,
    untilEnd: ReadonlyMap<VipId, number>,
    nowMs: number,
  ): Facts {
    const { memberWeights, choiceWeights, drained } = overrides;
    const ramps = this.#slowStarts.takes;
    return {
      nowMs,
      verdicts: forceVerdicts(this.#tracker.verdicts(), overrides, untilEnd),
      takes: takesWith(this.#loads.takesWith(ramps), overrides, config),
      ramps: takesWith(ramps, overrides, config),
      loads: this.#loads.known(),
      headrooms: this.#loads.headrooms(config),
      memberWeights,
      choiceWeights,
      drained,
      latency: this.#rtts,
      lastGood: this.lastGood,
    };
  }

  #shiftBy({ flipped, revised, turned }: Changes): Shift {
    const vips = new Set([...flipped, ...revised].map(({ vip }) => vip));
    this.#slowStarts.follow(vips);
    return { ...NO_SHIFT, vips, flipped, revised, turned };
  }
}

function joinChanges(changes: readonly Changes[]): Changes {
  return {
    flipped: changes.flatMap(({ flipped }) => flipped),
    revised: changes.flatMap(({ revised }) => revised),
    turned: changes.flatMap(({ turned }) => turned),
  };
}
