/** Slow starts: VIPs that have come back, and what they take until they have their whole share again. */

import type { Config, VipId } from "../config/config.ts";
import { nextStepAt, takeOf } from "../health/ramp.ts";
import { trackedVips } from "../health/tracked.ts";
import type { Verdict } from "../health/verdict.ts";

/** The slow start of each VIP's check. */
export function slowStarts(config: Config): ReadonlyMap<VipId, number> {
  return new Map(trackedVips(config).map(({ vip, check }) => [vip, check?.slowStartMs ?? 0]));
}

/** Those under way. Time is what `tick` was last told. */
export class SlowStarts {
  readonly #verdicts: () => ReadonlyMap<VipId, Verdict>;
  readonly #recovering = new Set<VipId>();
  readonly #takes = new Map<VipId, number>();
  #slowStartMs: ReadonlyMap<VipId, number>;
  #nowMs: number;

  /** `verdicts` are those by reports alone, as they are. */
  constructor(config: Config, nowMs: number, verdicts: () => ReadonlyMap<VipId, Verdict>) {
    this.#verdicts = verdicts;
    this.#slowStartMs = slowStarts(config);
    this.#nowMs = nowMs;
  }

  /** What VIPs take that are coming back. */
  get takes(): ReadonlyMap<VipId, number> {
    return this.#takes;
  }

  /** Follows a new config. */
  use(config: Config): void {
    this.#slowStartMs = slowStarts(config);
    for (const vip of this.#recovering) if (!this.#slowStartMs.has(vip)) this.#forget(vip);
  }

  /** Follows verdicts that have changed. */
  follow(vips: Iterable<VipId>): void {
    for (const vip of vips) {
      if (this.#verdicts().get(vip)?.recovering === true) {
        this.#recovering.add(vip);
        this.#step(vip);
      } else {
        this.#forget(vip);
      }
    }
  }

  /** Moves time; returns the VIPs that take more than before. */
  tick(nowMs: number): readonly VipId[] {
    this.#nowMs = nowMs;
    return [...this.#recovering].filter((vip) => this.#step(vip));
  }

  /** When the next takes more; null: none will. */
  nextStepMs(): number | null {
    let next: number | null = null;
    for (const vip of this.#recovering) {
      const verdict = this.#verdicts().get(vip);
      const stepMs = verdict && nextStepAt(verdict, this.#slowStartMs.get(vip) ?? 0, this.#nowMs);
      if (stepMs && (next === null || stepMs < next)) next = stepMs;
    }
    return next;
  }

  /** Works out anew what a VIP takes; true when that has changed. */
  #step(vip: VipId): boolean {
    const verdict = this.#verdicts().get(vip);
    if (verdict === undefined) return false;
    const take = takeOf(verdict, this.#slowStartMs.get(vip) ?? 0, this.#nowMs);
    if (this.#takes.get(vip) === take) return false;
    this.#takes.set(vip, take);
    return true;
  }

  #forget(vip: VipId): void {
    this.#recovering.delete(vip);
    this.#takes.delete(vip);
  }
}
