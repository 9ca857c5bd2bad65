/** Agents on a virtual clock: probes at the times a real schedule would choose, reported to a real tracker. */

import type { Check, VantageId, VipId } from "../../src/config/config.ts";
import { type Changes, Tracker } from "../../src/health/tracker.ts";
import { failure, success, tracked } from "./fixtures.ts";

export interface SimulationOptions {
  readonly vips: readonly VipId[];
  readonly vantages: readonly VantageId[];
  readonly check: Check;
  /** Uniform in [0, 1): first probes and jitter. */
  readonly random: () => number;
  /** How long a dead VIP leaves a probe waiting: 0 refuses at once; the check's timeout at most. */
  readonly failsAfterMs: number;
}

/** What a tracker said, and when. */
export interface Said {
  readonly atMs: number;
  readonly changes: Changes;
}

const ANSWER_MS = 10;

/** A world of VIPs and agents. Time stands still except in `runUntil`. */
export class Simulation {
  readonly tracker: Tracker;
  nowMs = 0;
  readonly #options: SimulationOptions;
  readonly #courses: Course[] = [];
  readonly #dead = new Set<VipId>();
  readonly #cutOff = new Set<VantageId>();
  readonly #silent = new Set<VantageId>();
  #nextTickAtMs = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.tracker = new Tracker(tracked(options.vips, options.check), options.vantages, 0);
    for (const vantage of options.vantages) {
      for (const vip of options.vips) {
        const startsAtMs = options.random() * options.check.intervalMs;
        this.#courses.push({ vantage, vip, startsAtMs, running: null, last: "success", streak: 0 });
      }
    }
  }

  kill(vip: VipId): void {
    this.#dead.add(vip);
  }

  revive(vip: VipId): void {
    this.#dead.delete(vip);
  }

  /** The vantage reaches no VIP any more, but still the node. */
  cutOff(vantage: VantageId, isCutOff: boolean): void {
    if (isCutOff) this.#cutOff.add(vantage);
    else this.#cutOff.delete(vantage);
  }

  /** The vantage probes, but its reports do not arrive. */
  silence(vantage: VantageId, isSilent: boolean): void {
    if (isSilent) this.#silent.add(vantage);
    else this.#silent.delete(vantage);
  }

  /** Lets time pass, and yields whenever the tracker says something. */
  *runUntil(endMs: number): Generator<Said> {
    for (;;) {
      const course = this.#courses.reduce((a, b) => (dueAt(b) < dueAt(a) ? b : a));
      const atMs = Math.min(dueAt(course), this.#nextTickAtMs);
      if (atMs > endMs) break;
      this.nowMs = atMs;
      const changes = atMs === this.#nextTickAtMs ? this.#tick() : this.#advance(course);
      if (changes !== null && changes.flipped.length + changes.revised.length > 0) yield { atMs, changes };
    }
    this.nowMs = endMs;
  }

  #tick(): Changes {
    this.#nextTickAtMs += 1_000;
    return this.tracker.tick(this.nowMs);
  }

  /** Starts the probe that is due, or ends the one that runs. */
  #advance(course: Course): Changes | null {
    const { vantage, vip, running } = course;
    if (running === null) {
      // A probe sees the VIP as it is when it starts; one that answers and dies at once is the worst case.
      const fails = this.#dead.has(vip) || this.#cutOff.has(vantage);
      const endsAtMs = this.nowMs + (fails ? this.#options.failsAfterMs : ANSWER_MS);
      course.running = { kind: fails ? "failure" : "success", endsAtMs };
      return null;
    }
    course.running = null;
    course.streak = running.kind === course.last ? course.streak + 1 : 1;
    course.last = running.kind;
    course.startsAtMs = Math.max(this.nowMs, course.startsAtMs + this.#waitMs(course));
    if (this.#silent.has(vantage)) return null;
    if (running.kind === "success") return this.tracker.report(success(vantage, vip, this.nowMs));
    const error = this.#options.failsAfterMs < this.#options.check.timeoutMs ? "refused" : "timeout";
    return this.tracker.report(failure(vantage, vip, this.nowMs, error));
  }

  #waitMs({ last, streak }: Course): number {
    const { intervalMs, jitterMs, recheckMs, rise, fall } = this.#options.check;
    const isSettled = streak >= (last === "success" ? rise : fall);
    return isSettled ? intervalMs + this.#options.random() * jitterMs : recheckMs;
  }
}

/** The probes of one VIP from one vantage. */
interface Course {
  readonly vantage: VantageId;
  readonly vip: VipId;
  startsAtMs: number;
  running: { readonly kind: "success" | "failure"; readonly endsAtMs: number } | null;
  last: "success" | "failure";
  streak: number;
}

function dueAt(course: Course): number {
  return course.running?.endsAtMs ?? course.startsAtMs;
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
