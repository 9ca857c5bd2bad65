/** Keeps the facts: verdicts, slow starts, loads and round-trip times, with the operators' overrides on top. */

import type { Check } from "../config/check.ts";
import type { Config, MemberId, PoolId, VipId } from "../config/config.ts";
import type { Measurements } from "../health/averages.ts";
import { Loads } from "../health/loads.ts";
import { freshForMs, type TurnedVote, type VantageState } from "../health/matrix.ts";
import type { Observation } from "../health/observations.ts";
import { inSteps } from "../health/outlook.ts";
import { nextStepAt, takeOf } from "../health/ramp.ts";
import type { Report } from "../health/report.ts";
import { type CellRanking, RttTable } from "../health/rtt.ts";
import { SignalCounts, signalFreshForMs } from "../health/signals.ts";
import { trackedVips, vipsOf } from "../health/tracked.ts";
import { type Changes, Tracker } from "../health/tracker.ts";
import type { Verdict } from "../health/verdict.ts";
import { cellCoordinates, speakingFor } from "../steering/cell.ts";
import type { Facts } from "../steering/facts.ts";
import { LastGood } from "../steering/last-good.ts";
import { isAdaptive } from "../steering/ttl.ts";
import { memberOfVip } from "./lookup.ts";
import {
  applyOverrides,
  describeAction,
  inFull,
  nextTurnMs,
  type Override,
  type OverrideFacts,
  takesWith,
} from "./override.ts";
import { sheddingRules } from "./shedding.ts";
import type { KnownSignal } from "./signals.ts";
import type { StoredVerdict } from "./store.ts";

/** What has become different, so that only plans that depend on it are made again. */
export interface Shift {
  /** VIPs with another verdict, take, weight or drain. */
  readonly vips: ReadonlySet<VipId>;
  /** Choices by `policy/choice`. */
  readonly choices: ReadonlySet<string>;
  /** True when some order of regions by round-trip time is another one. */
  readonly rankings: boolean;
  /** VIPs whose verdict lasts longer or shorter than it did, at the least; only of services with adaptive TTLs is it told. */
  readonly outlooks: ReadonlySet<VipId>;
  /** Verdicts that went from up to down or back by themselves. */
  readonly flipped: readonly Verdict[];
  /** Those that are up or down as before, and otherwise different. */
  readonly revised: readonly Verdict[];
  /** Votes that are others than before, on VIPs of pools with `perVantage`. */
  readonly turned: readonly TurnedVote[];
}

/** The round-trip times in force. */
export interface RoundTrips {
  /** For clients in the cells of policies, the longest not asked for first. */
  readonly rankings: readonly CellRanking[];
  readonly measurements: Measurements;
}

/** Nothing has become different. */
export const NO_SHIFT: Shift = {
  vips: new Set(),
  choices: new Set(),
  rankings: false,
  outlooks: new Set(),
  flipped: [],
  revised: [],
  turned: [],
};

/** Two shifts as one. */
export function joinShifts(a: Shift, b: Shift): Shift {
  return {
    vips: a.vips.union(b.vips),
    choices: a.choices.union(b.choices),
    rankings: a.rankings || b.rankings,
    outlooks: a.outlooks.union(b.outlooks),
    flipped: [...a.flipped, ...b.flipped],
    revised: [...a.revised, ...b.revised],
    turned: [...a.turned, ...b.turned],
  };
}

/** Whether a shift can change any plan. */
export function isNothing(shift: Shift): boolean {
  const { vips, choices, rankings, outlooks, turned } = shift;
  return vips.size + choices.size + outlooks.size + turned.length === 0 && !rankings;
}

/** All that changes by itself on this node. It has no clock of its own: time is what `tick` was last told. */
export class FactKeeper {
  readonly #tracker: Tracker;
  readonly #rtts: RttTable;
  readonly #loads: Loads;
  #sized: readonly SizedMember[];
  readonly #counts = new SignalCounts();
  /** What was answered while something was up; it is told by who makes the plans that are served. */
  lastGood: LastGood = new LastGood();
  readonly #recovering = new Set<VipId>();
  /** What VIPs take while they ramp up. */
  readonly #ramps = new Map<VipId, number>();
  #config: Config;
  #slowStartMs: ReadonlyMap<VipId, number>;
  #overrides: readonly Override[];
  #applied: OverrideFacts;
  /** When the next of the overrides ends or drains more; null: none will. */
  #overrideTurnMs: number | null;
  /** For how long the overrides on a VIP stay as they are, of those that end. */
  #untilOverridesEnd: ReadonlyMap<VipId, number>;
  #nowMs: number;

  /** `restored` are the verdicts from before a restart. */
  constructor(
    config: Config,
    overrides: readonly Override[],
    restored: readonly StoredVerdict[],
    nowMs: number,
  ) {
    this.#config = config;
    this.#nowMs = nowMs;
    this.#overrides = overrides;
    this.#applied = applyOverrides(config, overrides, nowMs);
    this.#overrideTurnMs = nextTurnMs(overrides, nowMs);
    this.#untilOverridesEnd = untilOverridesEnd(this.#applied, nowMs);
    this.#slowStartMs = slowStarts(config);
    this.#tracker = new Tracker(
      trackedVips(config),
      config.vantages.keys(),
      nowMs,
      config.node.reportMs + config.node.publishMs,
    );
    this.#rtts = new RttTable(config, { coordinates: cellCoordinates, speakingFor });
    this.#loads = new Loads(sheddingRules(config), nowMs);
    this.#sized = sizedMembers(config);
    this.#tracker.restore(verdictsOf(config, restored));
    for (const verdict of this.#tracker.verdicts().values()) this.#follow(verdict);
  }

  /** Follows a new config; VIPs that stay where they were keep their history. */
  use(config: Config, nowMs: number): Shift {
    this.#config = config;
    this.#slowStartMs = slowStarts(config);
    const changes = this.#tracker.retarget(trackedVips(config), config.vantages.keys(), nowMs);
    this.#rtts.retarget(config);
    this.#loads.retarget(sheddingRules(config));
    this.#sized = sizedMembers(config);
    this.#counts.clear();
    for (const vip of this.#recovering) if (!this.#slowStartMs.has(vip)) this.#forget(vip);
    this.#applied = applyOverrides(config, this.#overrides, nowMs);
    return { ...this.#shiftBy(changes), rankings: true, outlooks: this.#outlooks(nowMs) };
  }

  /** Puts other overrides in force. */
  override(overrides: readonly Override[], nowMs: number): Shift {
    const before = this.#applied;
    this.#overrides = overrides;
    this.#applied = applyOverrides(this.#config, overrides, nowMs);
    this.#overrideTurnMs = nextTurnMs(overrides, nowMs);
    return {
      ...NO_SHIFT,
      ...differences(this.#config, before, this.#applied),
      outlooks: this.#outlooks(nowMs),
    };
  }

  /** What other overrides would make of the facts in the end, and what that would shift. */
  supposing(
    overrides: readonly Override[],
    nowMs: number,
  ): { readonly facts: Facts; readonly shift: Pick<Shift, "vips" | "choices"> } {
    const known = new Map(this.#overrides.map(({ id, createdMs }) => [id, createdMs]));
    const inTheEnd = overrides.map((override) =>
      known.get(override.id) === override.createdMs ? override : inFull(override),
    );
    const applied = applyOverrides(this.#config, inTheEnd, nowMs);
    return {
      facts: this.#factsWith(this.#config, applied, untilOverridesEnd(applied, nowMs), this.#sized, nowMs),
      shift: differences(this.#config, this.#applied, applied),
    };
  }

  report(reports: readonly Report[]): Shift {
    const changes: Changes[] = [];
    for (const report of reports) {
      changes.push(this.#tracker.report(report));
      this.#rtts.report(report);
      this.#takeLoad(report);
    }
    return this.#shiftBy(joinChanges(changes));
  }

  /** Takes what others have counted in real traffic. */
  signal(signals: readonly KnownSignal[], nowMs: number): Shift {
    const changes: Changes[] = [];
    for (const { source, member, vips, rules, errors, load } of signals) {
      const freshUntilMs = nowMs + signalFreshForMs(rules);
      if (load !== null) this.#loads.report({ member, source, load, atMs: nowMs, freshUntilMs });
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
    this.#nowMs = nowMs;
    const judged = this.#shiftBy(this.#tracker.tick(nowMs));
    const stepped = new Set([...this.#recovering].filter((vip) => this.#step(vip)));
    for (const member of this.#loads.tick(nowMs)) for (const vip of this.#vipsOf(member)) stepped.add(vip);
    const turnsNow = this.#overrideTurnMs !== null && this.#overrideTurnMs <= nowMs;
    const turned = turnsNow ? this.override(this.#overrides, nowMs) : NO_SHIFT;
    const moved = {
      ...NO_SHIFT,
      vips: stepped,
      rankings: this.#rtts.tick(nowMs),
      outlooks: this.#outlooks(nowMs),
    };
    return [turned, moved].reduce(joinShifts, judged);
  }

  /** When something changes by the clock alone: a slow start's next step, the end of a hold or an override; null: nothing. */
  nextDueMs(): number | null {
    let next = this.#overrideTurnMs;
    const holdEndMs = this.#tracker.nextHoldEndMs();
    if (holdEndMs !== null && (next === null || holdEndMs < next)) next = holdEndMs;
    for (const vip of this.#recovering) {
      const verdict = this.#tracker.verdicts().get(vip);
      const stepMs = verdict && nextStepAt(verdict, this.#slowStartMs.get(vip) ?? 0, this.#nowMs);
      if (stepMs && (next === null || stepMs < next)) next = stepMs;
    }
    return next;
  }

  /** What plans are made from now. */
  facts(nowMs: number): Facts {
    return this.#factsWith(this.#config, this.#applied, this.#untilOverridesEnd, this.#sized, nowMs);
  }

  /** What plans for another config would be made from: VIPs that are new there count as up. */
  factsFor(config: Config, nowMs: number): Facts {
    const applied = this.overridesFor(config, nowMs);
    return this.#factsWith(config, applied, untilOverridesEnd(applied, nowMs), sizedMembers(config), nowMs);
  }

  /** Those in force, each until its end. */
  get overrides(): readonly Override[] {
    return this.#overrides;
  }

  /** What the overrides in force come to under a config. */
  overridesFor(config: Config, nowMs: number): OverrideFacts {
    return applyOverrides(config, this.#overrides, nowMs);
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
    const before = this.#untilOverridesEnd;
    this.#untilOverridesEnd = untilOverridesEnd(this.#applied, nowMs);
    const changed = new Set(changedKeys(before, this.#untilOverridesEnd));
    const outlooks = this.#tracker.takeOutlooks().union(changed);
    return this.#config.services.some(isAdaptive) ? outlooks : NO_SHIFT.outlooks;
  }

  #factsWith(
    config: Config,
    applied: OverrideFacts,
    ends: ReadonlyMap<VipId, number>,
    sized: readonly SizedMember[],
    nowMs: number,
  ): Facts {
    return {
      nowMs,
      verdicts: forceVerdicts(this.#tracker.verdicts(), applied, ends),
      takes: takesWith(this.#takesNow(), applied, config),
      ramps: takesWith(this.#ramps, applied, config),
      loads: this.#loads.loads(),
      headrooms: new Map(sized.map(({ id, capacity }) => [id, capacity * this.#loads.headroom(id)])),
      memberWeights: applied.memberWeights,
      choiceWeights: applied.choiceWeights,
      drained: applied.drained,
      latency: this.#rtts,
      lastGood: this.lastGood,
    };
  }

  /** What VIPs take while they ramp up, times what their members take under their load. */
  #takesNow(): ReadonlyMap<VipId, number> {
    const takes = new Map(this.#ramps);
    for (const [member, take] of this.#loads.takes()) {
      const vips = this.#vipsOf(member);
      for (const vip of vips) takes.set(vip, (this.#ramps.get(vip) ?? 1) * take);
    }
    return takes;
  }

  /** A load is its member's, whichever of its VIPs has told it. */
  #takeLoad({ vantage, vip, atMs, outcome }: Report): void {
    const load = outcome.kind === "success" ? (outcome.load ?? null) : null;
    const member = load === null ? null : memberOfVip(this.#config, vip);
    const check = member && checkOf(this.#config, member.pool);
    if (load === null || !member || !check) return;
    const freshUntilMs = atMs + freshForMs(check);
    this.#loads.report({ member: member.id, source: vantage, load, atMs, freshUntilMs });
  }

  #vipsOf(id: MemberId): readonly VipId[] {
    const member = this.#config.members.get(id);
    return member === undefined ? [] : vipsOf(member).map((vip) => vip.id);
  }

  #shiftBy({ flipped, revised, turned }: Changes): Shift {
    const changed = [...flipped, ...revised];
    for (const verdict of changed) this.#follow(verdict);
    return { ...NO_SHIFT, vips: new Set(changed.map(({ vip }) => vip)), flipped, revised, turned };
  }

  #follow(verdict: Verdict): void {
    if (verdict.recovering) {
      this.#recovering.add(verdict.vip);
      this.#step(verdict.vip);
    } else {
      this.#forget(verdict.vip);
    }
  }

  /** Works out anew what a recovering VIP takes; true when that has changed. */
  #step(vip: VipId): boolean {
    const verdict = this.#tracker.verdicts().get(vip);
    if (verdict === undefined) return false;
    const take = takeOf(verdict, this.#slowStartMs.get(vip) ?? 0, this.#nowMs);
    if (this.#ramps.get(vip) === take) return false;
    this.#ramps.set(vip, take);
    return true;
  }

  #forget(vip: VipId): void {
    this.#recovering.delete(vip);
    this.#ramps.delete(vip);
  }
}

function joinChanges(changes: readonly Changes[]): Changes {
  return {
    flipped: changes.flatMap(({ flipped }) => flipped),
    revised: changes.flatMap(({ revised }) => revised),
    turned: changes.flatMap(({ turned }) => turned),
  };
}

/** The slow start of each VIP's check. */
export function slowStarts(config: Config): ReadonlyMap<VipId, number> {
  return new Map(trackedVips(config).map(({ vip, check }) => [vip, check?.slowStartMs ?? 0]));
}

/** A member with a capacity. */
interface SizedMember {
  readonly id: MemberId;
  readonly capacity: number;
}

function sizedMembers(config: Config): readonly SizedMember[] {
  return [...config.members.values()].flatMap(({ id, capacity }) =>
    capacity === null ? [] : [{ id, capacity }],
  );
}

function checkOf(config: Config, pool: PoolId): Check | null {
  const id = config.pools.get(pool)?.check ?? null;
  return id === null ? null : (config.checks.get(id) ?? null);
}

/** Stored verdicts as the tracker takes them, as far as their VIPs and vantages are still in the config. */
function verdictsOf(config: Config, stored: readonly StoredVerdict[]): readonly Verdict[] {
  const byVip = new Map(stored.map((verdict) => [verdict.vip, verdict]));
  return trackedVips(config).flatMap(({ vip }) => {
    const found = byVip.get(vip);
    if (found === undefined) return [];
    const votes = [...config.vantages.keys()].map((vantage) => ({
      vantage,
      opinion: found.opinions.get(vantage) ?? "unknown",
      counts: false,
      error: null,
      timings: null,
      reportedAtMs: null,
    }));
    const { up, sinceMs, recovering, flaps, healthySinceMs } = found;
    const hold = healthySinceMs === null ? null : { healthySinceMs, untilMs: null };
    const reason = "held from before a restart";
    return [{ vip, up, basis: "held", reason, votes, sinceMs, recovering, flaps, hold, steadyMs: 0 }];
  });
}

/** Puts forced verdicts over judged ones; the votes stay visible. None is steady beyond the end of an override. */
export function forceVerdicts(
  judged: ReadonlyMap<VipId, Verdict>,
  { forced }: OverrideFacts,
  ends: ReadonlyMap<VipId, number>,
): ReadonlyMap<VipId, Verdict> {
  if (forced.size + ends.size === 0) return judged;
  const verdicts = new Map(judged);
  for (const [vip, { verdict, override }] of forced) {
    const { author, reason, createdMs } = override;
    verdicts.set(vip, {
      vip,
      up: verdict === "up",
      basis: "forced",
      reason: `${describeAction(override.action)}, by ${author}: ${reason}`,
      votes: judged.get(vip)?.votes ?? [],
      sinceMs: createdMs,
      recovering: false,
      flaps: judged.get(vip)?.flaps ?? 0,
      hold: null,
      steadyMs: null,
    });
  }
  for (const [vip, steadyMs] of ends) {
    const verdict = verdicts.get(vip);
    if (verdict === undefined) continue;
    verdicts.set(vip, { ...verdict, steadyMs: Math.min(verdict.steadyMs ?? steadyMs, steadyMs) });
  }
  return verdicts;
}

/** How long the overrides on each VIP stay as they are, where they end by themselves. */
export function untilOverridesEnd({ endsMs }: OverrideFacts, nowMs: number): ReadonlyMap<VipId, number> {
  return new Map(Array.from(endsMs, ([vip, endMs]) => [vip, inSteps(endMs - nowMs)]));
}

/** Where two sets of override facts differ. */
export function differences(
  config: Config,
  before: OverrideFacts,
  after: OverrideFacts,
): Pick<Shift, "vips" | "choices"> {
  const vips = new Set(changedKeys(before.forced, after.forced, (a, b) => a?.verdict === b?.verdict));
  const weighed = changedKeys(before.memberWeights, after.memberWeights);
  const eased = changedKeys(before.draining, after.draining);
  for (const member of [...weighed, ...eased, ...before.drained.symmetricDifference(after.drained)]) {
    const found = config.members.get(member);
    for (const vip of found === undefined ? [] : vipsOf(found)) vips.add(vip.id);
  }
  return { vips, choices: new Set(changedKeys(before.choiceWeights, after.choiceWeights)) };
}

function changedKeys<K, V>(
  before: ReadonlyMap<K, V>,
  after: ReadonlyMap<K, V>,
  same: (a: V | undefined, b: V | undefined) => boolean = Object.is,
): readonly K[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => !same(before.get(key), after.get(key)));
}
