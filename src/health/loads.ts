/** What members' loads say, and what part of its answers each of them sheds for it. */

import type { MemberId } from "../config/config.ts";

/** How one member sheds. */
export interface SheddingRule {
  readonly member: MemberId;
  /** The load above which it sheds; null: it never does. */
  readonly shedAbove: number | null;
  /**
   * How long it takes at most until a load tells of a share that has changed: the longest TTL of its answers, and the
   * way of the load from there to here.
   */
  readonly delayMs: number;
}

/** What one source says of one member. */
export interface LoadReport {
  readonly member: MemberId;
  /** A vantage, or a source of signals. */
  readonly source: string;
  readonly load: number;
  readonly atMs: number;
  /** The last moment at which it counts. */
  readonly freshUntilMs: number;
}

/** Takes move in steps of 2 %: fine enough to meet a load closely, coarse enough to replan seldom. */
const STEP = 0.02;

/** A take is in balance when the load is off by no more: wider than a step, or it would be stepped over for ever. */
const BALANCE = 0.03;

/** A member that sheds all it can still takes a hundredth: without answers no load would tell that it is well again. */
const TAKE_MIN = 0.01;

/** In units of `delayMs`: how long a take needs for a change by a factor of e, at an imbalance of e. See `Loads`. */
const SLOWNESS = 3;

/** No imbalance moves a take faster than by a factor of 2 in `SLOWNESS * delayMs`. */
const PRESSURE_MAX: number = Math.log(2);

/** A tick that comes later than this moves no take further: nobody has looked meanwhile. */
const TICK_MS_MAX = 5_000;

/**
 * The loads of all members, and their takes.
 *
 * 1. Several sources may speak of one member. Its load is the highest that more than half of them reach, so that one
 *    source among three can neither empty a member nor hide that it is full; of two, both must say it.
 * 2. A load that is not renewed in time counts no longer. A member whose load nobody knows sheds nothing: its take
 *    goes back to 1, no faster than it fell.
 * 3. Above `shedAbove` the part of its answers that a member is to shed rises evenly from 0, to all of them at a load
 *    of 1:
 *
 *        take = 1 - (load - shedAbove) / (1 - shedAbove)      that is      take * (1 - shedAbove) + load = 1
 *
 *    Where the left side of the second form is above 1 the take falls, where it is below it rises, and its logarithm,
 *    the pressure, says how far it is off: `d log(take) / dt = -pressure / (SLOWNESS * delayMs)`.
 * 4. It cannot oscillate. Near the balance the load follows the take `delayMs` later at most, `load = base + demand *
 *    take`, and the whole left side changes by a factor of at most 1 for each factor of the take, whatever the demand,
 *    the base and the threshold: `take * (1 - shedAbove + demand) = 1 - base <= 1`. A delayed feedback of gain 1 / T
 *    overshoots only where T < e * delay (e is 2.72) and sways for ever only where T < 2 / pi * delay; T is 3 * delay.
 */
export class Loads {
  #rules: ReadonlyMap<MemberId, SheddingRule> = new Map();
  /** Of those whose load has ever been told. */
  readonly #usual = new Map<MemberId, Usual>();
  /** Those whose load somebody has told, or whose take is not yet back at 1. */
  readonly #burdened = new Map<MemberId, Burden>();
  #nowMs: number;

  constructor(rules: Iterable<SheddingRule>, nowMs: number) {
    this.#nowMs = nowMs;
    this.retarget(rules);
  }

  /** Follows a new config; members that are still there keep their loads and takes. */
  retarget(rules: Iterable<SheddingRule>): void {
    this.#rules = new Map(Array.from(rules, (rule) => [rule.member, rule]));
    for (const member of this.#burdened.keys()) if (!this.#rules.has(member)) this.#burdened.delete(member);
    for (const member of this.#usual.keys()) if (!this.#rules.has(member)) this.#usual.delete(member);
  }

  /** Takes a load; one of an unknown member, or older than what the source has said before, is ignored. */
  report({ member, source, load, atMs, freshUntilMs }: LoadReport): void {
    if (!this.#rules.has(member)) return;
    const burden = this.#burdened.get(member) ?? { said: new Map(), logTake: 0 };
    this.#burdened.set(member, burden);
    const before = burden.said.get(source);
    if (before === undefined || before.atMs < atMs) burden.said.set(source, { load, atMs, freshUntilMs });
  }

  /** Moves time, and with it takes. Returns the members whose take or headroom has become another one. */
  tick(nowMs: number): ReadonlySet<MemberId> {
    const elapsedMs = Math.min(TICK_MS_MAX, Math.max(0, nowMs - this.#nowMs));
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    const changed = new Set<MemberId>();
    for (const [member, burden] of this.#burdened) {
      const rule = this.#rules.get(member);
      if (rule === undefined) continue;
      for (const [source, { freshUntilMs }] of burden.said)
        if (freshUntilMs < nowMs) burden.said.delete(source);
      const before = takeOf(burden);
      burden.logTake = nextLogTake(burden, rule, elapsedMs);
      if (takeOf(burden) !== before) changed.add(member);
      if (this.#remember(member, loadOf(burden), elapsedMs / (MEMORY * rule.delayMs))) changed.add(member);
      if (burden.said.size === 0 && burden.logTake === 0) this.#burdened.delete(member);
    }
    return changed;
  }

  /** The loads that are known. */
  loads(): ReadonlyMap<MemberId, number> {
    const loads = new Map<MemberId, number>();
    for (const [member, burden] of this.#burdened) {
      const load = loadOf(burden);
      if (load !== null) loads.set(member, load);
    }
    return loads;
  }

  /**
   * The part of its capacity, 0.05 to 1, that a member has left for others: 1 less its usual load, which is an average
   * over sixty delays. All of it where nobody has ever told a load.
   *
   * The usual load follows so slowly that it can be what failovers are split by. What a survivor takes on is a load too: it
   * shrinks its headroom, the more the more it has got, and a split that followed at once would swing. In the end
   * all headrooms of a failover have shrunk by the same factor, so that the split stays as it was in the beginning.
   */
  headroom(member: MemberId): number {
    return Math.max(HEADROOM_MIN, 1 - (this.#usual.get(member)?.shown ?? 0));
  }

  /** Moves the usual load by a part of the way to the load there is now; true when that shows. */
  #remember(member: MemberId, load: number | null, part: number): boolean {
    if (load === null) return false;
    const known = this.#usual.get(member);
    if (known === undefined) {
      this.#usual.set(member, { load, shown: load });
      return true;
    }
    known.load += (load - known.load) * part;
    if (Math.abs(known.load - known.shown) < HEADROOM_STEP * this.headroom(member)) return false;
    known.shown = known.load;
    return true;
  }

  /** The share, 0.01 to 1, that each member takes of what it is offered; those that take all are left out. */
  takes(): ReadonlyMap<MemberId, number> {
    const takes = new Map<MemberId, number>();
    for (const [member, burden] of this.#burdened) {
      const take = takeOf(burden);
      if (take < 1) takes.set(member, take);
    }
    return takes;
  }
}

/** A member that seems full keeps a twentieth of its capacity as headroom, so that somebody has some. */
const HEADROOM_MIN = 0.05;

/** A headroom that is off by less than this part of it is left as it is, so that plans are seldom made again for it. */
const HEADROOM_STEP = 0.1;

/** In units of `delayMs`: how slowly headrooms follow loads. See `headroom`. */
const MEMORY = 60;

interface Burden {
  /** By source. */
  readonly said: Map<string, Pick<LoadReport, "load" | "atMs" | "freshUntilMs">>;
  /** The natural logarithm of the take before it is rounded to a step: 0 or less. */
  logTake: number;
}

interface Usual {
  load: number;
  /** As it was when it was last off by a step. */
  shown: number;
}

function takeOf({ logTake }: Burden): number {
  return Math.exp(Math.round(logTake / STEP) * STEP);
}

/** The highest load that more than half of the sources reach; null: nobody says any. */
function loadOf({ said }: Burden): number | null {
  const loads = Array.from(said.values(), ({ load }) => load).sort((a, b) => b - a);
  return loads[Math.floor(loads.length / 2)] ?? null;
}

function nextLogTake(burden: Burden, { shedAbove, delayMs }: SheddingRule, elapsedMs: number): number {
  if (shedAbove === null) return 0;
  const moved = burden.logTake - (pressureOn(burden, shedAbove) * elapsedMs) / (SLOWNESS * delayMs);
  return Math.min(0, Math.max(Math.log(TAKE_MIN), moved));
}

function pressureOn(burden: Burden, shedAbove: number): number {
  const load = loadOf(burden);
  if (load === null) return -PRESSURE_MAX;
  const pressure = Math.log(takeOf(burden) * (1 - shedAbove) + load);
  if (Math.abs(pressure) < BALANCE) return 0;
  return Math.min(PRESSURE_MAX, Math.max(-PRESSURE_MAX, pressure));
}
