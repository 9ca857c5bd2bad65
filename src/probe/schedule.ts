/** When each target is probed. */

import type { Outcome } from "../health/report.ts";
import type { Clock } from "./clock.ts";
import type { Target } from "./protocol.ts";

/** A new target is probed for the first time within this time; when many are new, each takes another millisecond. */
const FIRST_PROBE_MS_MAX = 1_000;
const FIRST_PROBE_MS_EACH = 1;

export interface ScheduleOptions {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly probe: (target: Target) => Promise<Outcome | null>;
  /** Called with the key of the target at the end of each probe that saw something. */
  readonly onLook: (key: string, look: Look) => void;
}

/** The end of one probe. */
export interface Look {
  readonly outcome: Outcome;
  /** By the schedule's clock. */
  readonly endedAtMs: number;
  /** False: the outcome is the one expected of a target that has settled, so it can wait for company. */
  readonly urgent: boolean;
}

/**
 * Probes every target in its own rhythm; one probe of a target at a time.
 *
 * 1. A new target is probed at a random moment within `FIRST_PROBE_MS_MAX`, or its interval if that is shorter. Of 5,000
 *    that come at once a thousand are begun each second: all of them within one second would keep a core busy for more than
 *    that, and what the agent is late to read looks like a slow VIP.
 * 2. A target is settled after `rise` successes in a row, or `fall` failures. Until then the next probe starts
 *    `recheckMs` after the last one's start, or at its end if that is later.
 * 3. When settled, the next probe starts `intervalMs` after the last one's start, plus a random part of `jitterMs`.
 * 4. The first of these waits is a random part of the interval instead, so that targets that came together spread.
 * 5. A probe that this machine could not make changes nothing, and is tried again after `recheckMs`.
 *
 * Each target has a timer of its own. 5,000 targets at 5 s cost 3 % of a core that way, wake-ups included; the probes
 * cost many times as much, so that a timer wheel would be no gain.
 */
export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #courses = new Map<string, Course>();

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /** Probes these from now on, by key; a target whose key stays goes on undisturbed. */
  replace(targets: ReadonlyMap<string, { readonly target: Target }>): void {
    for (const [key, course] of this.#courses) {
      if (targets.has(key)) continue;
      course.stop();
      this.#courses.delete(key);
    }
    const fresh = [...targets].filter(([key]) => !this.#courses.has(key));
    const withinMs = Math.max(FIRST_PROBE_MS_MAX, fresh.length * FIRST_PROBE_MS_EACH);
    for (const [key, { target }] of fresh) {
      const course = new Course(key, target, Math.min(withinMs, target.intervalMs), this.#options);
      this.#courses.set(key, course);
    }
  }

  /**
   * Takes no target for settled any more: each is checked again as when it was new. Of the probes under way failures
   * do not count.
   */
  forget(): void {
    for (const course of this.#courses.values()) course.forget();
  }

  /** Starts no more probes, and ignores those under way. */
  stop(): void {
    this.replace(new Map());
  }
}

/** The probes of one target. */
class Course {
  readonly #key: string;
  readonly #target: Target;
  readonly #options: ScheduleOptions;
  #last: Outcome["kind"] | null = null;
  /** How many probes in a row have ended like the last one. */
  #streak = 0;
  #spread = false;
  #underWay = false;
  /** The probe under way may fail for a reason that is not the VIP's. */
  #doubted = false;
  #stopped = false;
  #cancel: () => void;

  /** `withinMs` is how long the first probe may wait. */
  constructor(key: string, target: Target, withinMs: number, options: ScheduleOptions) {
    this.#key = key;
    this.#target = target;
    this.#options = options;
    this.#cancel = this.#startIn(options.random() * withinMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  forget(): void {
    this.#last = null;
    this.#streak = 0;
    this.#doubted = this.#underWay;
  }

  #startIn(ms: number): () => void {
    return this.#options.clock.after(ms, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    const { clock, probe, onLook } = this.#options;
    const startedAtMs = clock.now();
    this.#underWay = true;
    const seen = await probe(this.#target);
    this.#underWay = false;
    if (this.#stopped) return;
    const outcome = this.#doubted && seen?.kind === "failure" ? null : seen;
    this.#doubted = false;
    const endedAtMs = clock.now();
    if (outcome !== null) onLook(this.#key, { outcome, endedAtMs, urgent: this.#count(outcome) });
    const waitMs = outcome === null ? this.#target.recheckMs : this.#waitMs();
    this.#cancel = this.#startIn(Math.max(0, startedAtMs + waitMs - endedAtMs));
  }

  /** Counts an outcome, and says whether it is news. */
  #count({ kind }: Outcome): boolean {
    const expected = this.#settled() && kind === this.#last;
    this.#streak = kind === this.#last ? this.#streak + 1 : 1;
    this.#last = kind;
    return !expected;
  }

  #settled(): boolean {
    const { rise, fall } = this.#target;
    return this.#last !== null && this.#streak >= (this.#last === "success" ? rise : fall);
  }

  /** From the start of the last probe to the start of the next. */
  #waitMs(): number {
    const { intervalMs, jitterMs, recheckMs } = this.#target;
    if (!this.#settled()) return recheckMs;
    if (this.#spread) return intervalMs + this.#options.random() * jitterMs;
    this.#spread = true;
    return this.#options.random() * intervalMs;
  }
}
