/** From reports to verdicts: a state machine without clock or timers, moved by `report()`, `tick()` and operators. */

import type { Check } from "../config/check.ts";
import type { VantageId, VipId } from "../config/config.ts";
import { holdOf, isSameHold } from "./failback.ts";
import { freshForMs, Matrix, type TurnedVote, type VantageState } from "./matrix.ts";
import { steadyFor } from "./outlook.ts";
import type { Report } from "./report.ts";
import { assumedUp, comeBack, judgeBy, nextRuling, type Ruling, reasonOf } from "./ruling.ts";
import type { TrackedVip } from "./tracked.ts";
import { sideOf, type Verdict } from "./verdict.ts";

/** What a call changed. A verdict that only got another reason, other votes or another outlook is in neither list. */
export interface Changes {
  /** Verdicts whose `up` changed. */
  readonly flipped: readonly Verdict[];
  /** Verdicts as up or down as before, whose `basis`, `recovering` or `hold` changed. */
  readonly revised: readonly Verdict[];
  /** Votes that are others than before, on VIPs to which single votes matter (`perVantage`), whatever came of the verdict. */
  readonly turned: readonly TurnedVote[];
}

/**
 * The verdicts on all VIPs of a config.
 *
 * 1. Reports of different vantages and VIPs may come in any order: opinions, votes, judgements and isolation are the
 *    same in the end. Of one vantage on one VIP, reports that are not newer than the last are ignored.
 * 2. What depends on the way there is what remembers: `sinceMs`, `recovering`, `flaps`, and for a VIP that too few vote
 *    on, whether it is up, and whether that is held or assumed. A hold remembers that a VIP was down, so two nodes that
 *    heard the same in another order may differ until it is over: for the longest hold after the votes have come to
 *    rest. Nobody is up whom the votes call down, whatever the order.
 * 3. Time moves by `tick()` alone and never back. Reports are judged at once; only staleness and the ends of slow
 *    starts and holds wait for a tick.
 * 4. A VIP judged by another has that one's verdict, under its own name.
 * 5. Outlooks (`steadyMs`) follow at the next tick, with a flip at once.
 */
export class Tracker {
  readonly #wayMs: number;
  #nowMs: number;
  #matrix: Matrix = new Matrix(new Map(), []);
  /** By every VIP that it speaks for. */
  #judged: ReadonlyMap<VipId, Judged> = new Map();
  /** Those whose verdict changes by the clock alone: they recover, or are held down until some time. */
  readonly #waiting = new Set<Judged>();
  #verdicts: ReadonlyMap<VipId, Verdict> = new Map();
  /** Those whose verdicts in `#verdicts` have been overtaken: they are written when somebody asks. */
  readonly #overtaken = new Set<Judged>();
  /** VIPs whose outlook is another one since somebody has taken note of it. */
  #outlooks = new Set<VipId>();

  /** `wayMs` is how late a report and the patch that follows from it may be, together. */
  constructor(vips: readonly TrackedVip[], vantages: Iterable<VantageId>, nowMs: number, wayMs = 0) {
    this.#wayMs = wayMs;
    this.#nowMs = nowMs;
    this.retarget(vips, vantages, nowMs);
  }

  /** Follows a new config. VIPs that stay where they were keep their history, all others begin as assumed. */
  retarget(vips: readonly TrackedVip[], vantages: Iterable<VantageId>, nowMs: number): Changes {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    const verdictsBefore = this.verdicts();
    const before = this.#judged;
    this.#judged = judgedOf(vips, before, this.#nowMs);

    const leaders = new Map(
      vips.flatMap(({ vip, judgedBy, check }) => (vip === judgedBy && check ? [[vip, check]] : [])),
    );
    const signals = new Map(
      vips.flatMap(({ vip, signalsFreshMs }) => (signalsFreshMs === null ? [] : [[vip, signalsFreshMs]])),
    );
    const matrix = new Matrix(leaders, vantages, signals, this.#wayMs);
    for (const vip of leaders.keys()) {
      if (addressIn(this.#judged, vip) === addressIn(before, vip)) matrix.inherit(this.#matrix, vip);
    }
    this.#matrix = matrix;

    this.#waiting.clear();
    this.#overtaken.clear();
    this.#verdicts = new Map();
    for (const judged of new Set(this.#judged.values())) {
      this.#rule(judged, this.#nowMs);
      this.#look(judged);
      this.#overtaken.add(judged);
      for (const { vip } of judged.vips) if (!verdictsBefore.has(vip)) this.#outlooks.add(vip);
    }
    const { flipped, revised } = changesBetween(verdictsBefore, this.verdicts());
    const turned = vips.flatMap(({ vip, perVantage }) => {
      if (!perVantage) return [];
      const mattered = trackedIn(before, vip)?.perVantage === true;
      return turnedBetween(mattered ? verdictsBefore.get(vip) : undefined, this.verdicts().get(vip));
    });
    return { flipped, revised, turned };
  }

  /**
   * Takes up what was known before a restart, from the store. Each such VIP is held as it was until vantages report;
   * their opinions go on from where they were, so that `rise` holds across a restart too.
   */
  restore(verdicts: Iterable<Verdict>): void {
    for (const { vip, up, basis, sinceMs, recovering, flaps, hold, votes } of verdicts) {
      const judged = this.#judged.get(vip);
      if (judged?.leader !== vip || judged.check === null || judged.ruling.basis !== "assumed") continue;
      // The others say nothing of the VIP itself: an override is put on top of verdicts, not into them.
      if (basis !== "judged" && basis !== "held") continue;
      for (const vote of votes) this.#matrix.recall(vip, vote.vantage, vote.opinion);
      const healthySinceMs = hold === null ? null : Math.min(hold.healthySinceMs, this.#nowMs);
      judged.ruling = {
        up,
        basis: "held",
        sinceMs: Math.min(sinceMs, this.#nowMs),
        recovering,
        flaps,
        hold: healthySinceMs === null ? null : holdOf(judged.check.failback, flaps, healthySinceMs),
      };
      this.#await(judged);
      this.#look(judged);
      this.#overtaken.add(judged);
    }
  }

  /** Takes one report. */
  report(report: Report): Changes {
    const turned = this.#matrix.take(report, this.#nowMs);
    const judged = this.#judged.get(report.vip);
    if (turned === null || judged === undefined) return NO_CHANGES;
    this.#overtaken.add(judged);
    if (turned.length === 0) return NO_CHANGES;
    return this.#judge(vipsIn(turned), turned, Math.max(report.atMs, this.#nowMs));
  }

  /** Brings up those of these VIPs that are held down, with those that share their verdict. Nothing else changes. */
  release(vips: Iterable<VipId>, nowMs: number): Changes {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    const flipped: Verdict[] = [];
    for (const vip of vips) {
      const judged = this.#judged.get(vip);
      if (judged === undefined || judged.check === null || judged.ruling.hold === null) continue;
      judged.ruling = comeBack(judged.ruling, judged.check, this.#nowMs);
      this.#await(judged);
      this.#look(judged);
      this.#overtaken.add(judged);
      flipped.push(...this.#verdictsOf(judged));
    }
    return { ...NO_CHANGES, flipped };
  }

  /** When the next hold ends, after the last tick; null: none does by itself. */
  nextHoldEndMs(): number | null {
    let next: number | null = null;
    for (const { ruling } of this.#waiting) {
      const endMs = ruling.hold?.untilMs ?? null;
      // One that is past waits for votes.
      if (endMs !== null && endMs > this.#nowMs && (next === null || endMs < next)) next = endMs;
    }
    return next;
  }

  /** Moves time: votes go stale, slow starts and holds end. Made to be called about once a second. */
  tick(nowMs: number): Changes {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    const turned = this.#matrix.expire(this.#nowMs);
    const affected = vipsIn(turned);
    for (const { leader } of this.#waiting) affected.add(leader);
    const changes = affected.size === 0 ? NO_CHANGES : this.#judge(affected, turned, this.#nowMs);
    for (const vip of [
      ...this.#matrix.takeRestless(),
      ...Array.from(this.#waiting, ({ leader }) => leader),
    ]) {
      const judged = this.#judged.get(vip);
      if (judged !== undefined && this.#look(judged)) this.#overtaken.add(judged);
    }
    return changes;
  }

  /** The VIPs whose outlook has become another one since this was last asked. */
  takeOutlooks(): ReadonlySet<VipId> {
    const taken = this.#outlooks;
    if (taken.size > 0) this.#outlooks = new Set();
    return taken;
  }

  /** The verdicts on all VIPs as they are now. The map is never changed afterwards. */
  verdicts(): ReadonlyMap<VipId, Verdict> {
    if (this.#overtaken.size === 0) return this.#verdicts;
    const verdicts = new Map(this.#verdicts);
    for (const judged of this.#overtaken) {
      for (const verdict of this.#verdictsOf(judged)) verdicts.set(verdict.vip, verdict);
    }
    this.#overtaken.clear();
    this.#verdicts = verdicts;
    return verdicts;
  }

  /** The vantages, for the API and the metrics. */
  vantageStates(): readonly VantageState[] {
    return this.#matrix.vantageStates();
  }

  #judge(vips: ReadonlySet<VipId>, turned: readonly TurnedVote[], nowMs: number): Changes {
    const flipped: Verdict[] = [];
    const revised: Verdict[] = [];
    for (const vip of vips) {
      const judged = this.#judged.get(vip);
      if (judged === undefined) continue;
      const before = judged.ruling;
      this.#rule(judged, nowMs);
      this.#overtaken.add(judged);
      if (judged.ruling === before) continue;
      if (judged.ruling.up !== before.up) this.#look(judged);
      (judged.ruling.up === before.up ? revised : flipped).push(...this.#verdictsOf(judged));
    }
    return { flipped, revised, turned: turned.flatMap((vote) => this.#mattering(vote)) };
  }

  /**
   * The vote on each of the VIPs that it speaks for, if single votes matter to it. Where nobody says down, neither before
   * nor now, it is up for everybody: nothing has changed when vantages come or go.
   */
  #mattering(turned: TurnedVote): readonly TurnedVote[] {
    if (turned.was !== "down" && this.#matrix.tally(turned.vip).down === 0) return [];
    const speaksFor = this.#judged.get(turned.vip)?.vips ?? [];
    return speaksFor.filter(({ perVantage }) => perVantage).map(({ vip }) => ({ ...turned, vip }));
  }

  #rule(judged: Judged, nowMs: number): void {
    if (judged.check === null) return;
    const judgement = judgeBy(judged.check, this.#matrix.tally(judged.leader));
    judged.ruling = nextRuling(judged.ruling, judgement, judged.check, nowMs);
    this.#await(judged);
  }

  #await(judged: Judged): void {
    const { recovering, hold } = judged.ruling;
    if (recovering || hold !== null) this.#waiting.add(judged);
    else this.#waiting.delete(judged);
  }

  /** Works out the outlook anew; true when it is another one. */
  #look(judged: Judged): boolean {
    const { check, leader, vips, ruling } = judged;
    if (check === null) return false;
    const terms = {
      wayMs: this.#wayMs,
      freshMs: freshForMs(check),
      isolatedMs: this.#matrix.isolatedMs,
      takesSignals: vips.some(({ vip, signalsFreshMs }) => vip === leader && signalsFreshMs !== null),
      perVantage: vips.some(({ perVantage }) => perVantage),
    };
    const steadyMs = steadyFor(ruling, this.#matrix.prospects(leader), check, terms, this.#nowMs);
    if (steadyMs === judged.steadyMs) return false;
    judged.steadyMs = steadyMs;
    for (const { vip } of vips) this.#outlooks.add(vip);
    return true;
  }

  #verdictsOf(judged: Judged): readonly Verdict[] {
    const votes = this.#matrix.votes(judged.leader);
    const reason = reasonOf(judged.ruling, votes, judged.check);
    const { ruling, steadyMs } = judged;
    return judged.vips.map(({ vip }) => ({ vip, ...ruling, reason, votes, steadyMs }));
  }
}

const NO_CHANGES: Changes = { flipped: [], revised: [], turned: [] };

function vipsIn(votes: readonly TurnedVote[]): Set<VipId> {
  return new Set(votes.map(({ vip }) => vip));
}

/** The VIPs that share one verdict: the one that is probed, and those judged by it. */
interface Judged {
  readonly leader: VipId;
  readonly check: Check | null;
  readonly vips: TrackedVip[];
  ruling: Ruling;
  /** See `Verdict`. */
  steadyMs: number | null;
}

/** Groups VIPs under those that judge them, each with the ruling it had, if it is still the same VIP. */
function judgedOf(
  vips: readonly TrackedVip[],
  before: ReadonlyMap<VipId, Judged>,
  nowMs: number,
): ReadonlyMap<VipId, Judged> {
  const judged = new Map<VipId, Judged>();
  for (const tracked of vips) {
    const { vip, address, judgedBy, check } = tracked;
    if (vip !== judgedBy) continue;
    const earlier = before.get(vip);
    const stays = addressIn(before, vip) === address && (earlier?.check === null) === (check === null);
    const fresh = assumedUp(check === null ? "unchecked" : "assumed", nowMs);
    judged.set(vip, {
      leader: vip,
      check,
      vips: [tracked],
      ruling: stays && earlier ? earlier.ruling : fresh,
      steadyMs: stays && earlier ? earlier.steadyMs : check === null ? null : 0,
    });
  }
  for (const tracked of vips) {
    const leader = judged.get(tracked.judgedBy);
    if (tracked.vip === tracked.judgedBy || leader === undefined) continue;
    leader.vips.push(tracked);
    judged.set(tracked.vip, leader);
  }
  return judged;
}

function addressIn(judged: ReadonlyMap<VipId, Judged>, vip: VipId): string | null {
  return trackedIn(judged, vip)?.address ?? null;
}

function trackedIn(judged: ReadonlyMap<VipId, Judged>, vip: VipId): TrackedVip | undefined {
  return judged.get(vip)?.vips.find((tracked) => tracked.vip === vip);
}

/** `before` undefined: no vote mattered. */
function turnedBetween(before: Verdict | undefined, after: Verdict | undefined): readonly TurnedVote[] {
  if (after === undefined) return [];
  const { vip, votes } = after;
  const earlier = new Map(before?.votes.map((vote) => [vote.vantage, sideOf(vote)]));
  return votes.flatMap((vote) => {
    const was = earlier.get(vote.vantage) ?? null;
    return was === sideOf(vote) ? [] : [{ vip, vantage: vote.vantage, was }];
  });
}

function changesBetween(
  before: ReadonlyMap<VipId, Verdict>,
  after: ReadonlyMap<VipId, Verdict>,
): Pick<Changes, "flipped" | "revised"> {
  const flipped: Verdict[] = [];
  const revised: Verdict[] = [];
  for (const [vip, verdict] of after) {
    const earlier = before.get(vip);
    if (earlier === undefined) continue;
    if (earlier.up !== verdict.up) flipped.push(verdict);
    else if (isRevised(earlier, verdict)) revised.push(verdict);
  }
  return { flipped, revised };
}

function isRevised(a: Verdict, b: Verdict): boolean {
  return a.basis !== b.basis || a.recovering !== b.recovering || !isSameHold(a.hold, b.hold);
}
