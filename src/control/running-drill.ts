/** The drill under way: what is known of it, what has happened in it, and what speaks against going on. */

import type { Logger } from "pino";
import type { Config, VipId } from "../config/config.ts";
import { describeMoment } from "../drill/describe.ts";
import type { DrillRecord, Moment } from "../drill/drill.ts";
import type { DrillOrder } from "../drill/observation.ts";
import { votesNeeded } from "../health/quorum.ts";
import { trackedVips } from "../health/tracked.ts";
import { sideOf, type Verdict } from "../health/verdict.ts";
import { PRETENDED } from "../probe/orders.ts";
import type { Violation } from "./drill-guards.ts";
import { restoresWithin, watchOrder } from "./drill-orders.ts";
import { isHealthy } from "./drill-rehearsal.ts";
import { type Scene, sceneOf } from "./drill-scene.ts";
import type { Replanned } from "./planner.ts";

/** A drill in which more happens than this goes on without noting it, but for its own steps. */
const MOMENTS_MAX = 2_000;

/** What could not be put back is tried again after so long, and each time after twice as long, up to the most. */
const RETRY_MS = 200;
const RETRY_MS_MAX = 5_000;

export interface RunningDrillOptions {
  readonly nowMs: () => number;
  /** The verdicts by reports alone. */
  readonly judged: () => ReadonlyMap<VipId, Verdict>;
  readonly log: Logger;
}

export class RunningDrill {
  record: DrillRecord;
  /** What was noticed between two looks; null: nothing. */
  violation: Violation | null = null;
  /** The step that is on its way, for which the next one waits; null: none is. */
  step: Promise<void> | null = null;
  /** From when on putting back is tried, again where it came to nothing. */
  retryMs = 0;
  #waitMs = RETRY_MS;
  /** Why it came to nothing last; null: it did not. */
  #postponedFor: string | null = null;
  readonly #options: RunningDrillOptions;
  /** By VIP and vantage, what its vote last said. */
  readonly #sides = new Map<string, "up" | "down" | null>();
  #config: Config;
  #scene: Scene;

  constructor(record: DrillRecord, config: Config, options: RunningDrillOptions) {
    this.record = record;
    this.#options = options;
    this.#config = config;
    this.#scene = sceneOf(record.spec, config);
  }

  /** In which the scene is. */
  get config(): Config {
    return this.#config;
  }

  get scene(): Scene {
    return this.#scene;
  }

  /** What fails may still be ended. */
  get isFailing(): boolean {
    return this.record.phase === "watching" || this.record.phase === "running";
  }

  /** How long putting everything back may take. */
  get restoresWithinMs(): number {
    return restoresWithin(this.record.spec, this.#scene, this.#config);
  }

  /** Verdicts are as before the drill. */
  get isAsBefore(): boolean {
    return [...this.#scene.vips].every((vip) => {
      const verdict = this.#options.judged().get(vip);
      const wasDown = this.record.downBefore.includes(vip);
      return verdict === undefined || wasDown || (verdict.up && !verdict.recovering);
    });
  }

  /** Whether so many vantages have seen a VIP fail since the failure ended, and not for the drill's sake, as may vote it down. */
  get hasDied(): boolean {
    const endedMs = this.timeOf("ended");
    if (endedMs === null) return false;
    return trackedVips(this.#config).some(({ vip, check }) => {
      if (check === null || !this.#scene.vips.has(vip)) return false;
      const votes =
        this.#options
          .judged()
          .get(vip)
          ?.votes.filter(({ counts }) => counts) ?? [];
      const failing = votes.filter(
        ({ error, reportedAtMs }) =>
          error !== null && error.detail !== PRETENDED && reportedAtMs !== null && reportedAtMs > endedMs,
      );
      return failing.length > 0 && failing.length >= votesNeeded(check.quorum, votes.length);
    });
  }

  /** Whether it is healthy, and held down all the same. */
  isHeldDown(vip: VipId): boolean {
    return (this.#options.judged().get(vip)?.hold ?? null) !== null;
  }

  /** Agents watch until everything must be as before. */
  get watch(): DrillOrder {
    return watchOrder(this.#scene.services, this.#config, this.record.untilMs + this.restoresWithinMs);
  }

  /** When something first happened; null: it did not. */
  timeOf(kind: Moment["kind"]): number | null {
    return this.record.moments.find((moment) => moment.kind === kind)?.atMs ?? null;
  }

  note(moment: Moment): void {
    const { record } = this;
    const isStep = moment.kind === "begun" || moment.kind === "ended" || moment.kind === "restored";
    if (record.moments.length >= MOMENTS_MAX && !isStep) return;
    this.record = { ...record, moments: [...record.moments, moment] };
    this.#options.log.info(`drill ${record.id}: ${describeMoment(moment)}`);
  }

  /** Puts off what could not be put back, and says why, once. */
  postpone(why: string): void {
    const { nowMs, log } = this.#options;
    if (why !== this.#postponedFor) log.error(`drill ${this.record.id}: ${why}`);
    this.#postponedFor = why;
    this.retryMs = nowMs() + this.#waitMs;
    this.#waitMs = Math.min(2 * this.#waitMs, RETRY_MS_MAX);
  }

  /** A drill is of one config: under another it measures nothing, and ends. */
  follow(config: Config): void {
    if (config === this.#config) return;
    this.#config = config;
    this.#scene = sceneOf(this.record.spec, config);
    this.violation ??= { guard: "sameConfig", reason: "another config came into force" };
  }

  /** Notes the votes that have turned, each with the time at which it was reported. */
  noteVotes(): void {
    const { judged, nowMs } = this.#options;
    for (const vip of this.#scene.probed)
      for (const vote of judged().get(vip)?.votes ?? []) {
        const key = `${vip} ${vote.vantage}`;
        const side = sideOf(vote);
        const before = this.#sides.get(key);
        this.#sides.set(key, side);
        if (before === undefined || before === side) continue;
        const atMs = side === null ? nowMs() : (vote.reportedAtMs ?? nowMs());
        this.note({ kind: "voted", atMs, vip, vantage: vote.vantage, side });
      }
  }

  /** Told of verdicts that have flipped, after dns has been told of what follows. */
  flipped(flipped: readonly Verdict[]): void {
    this.noteVotes();
    for (const { vip, up, reason } of flipped) {
      if (this.#scene.vips.has(vip)) this.note({ kind: "flipped", atMs: this.#options.nowMs(), vip, up });
      else if (!up && this.record.spec.guards.quietElsewhere)
        this.violation ??= { guard: "quietElsewhere", reason: `${vip} went down: ${reason}` };
    }
  }

  /** Told of plans that have become others, after dns has been told. */
  replanned(replanned: readonly Replanned[], { services }: Config): void {
    this.noteVotes();
    const watched = new Set(this.record.services.map(({ label }) => label));
    const labels = new Set<string>();
    for (const { cohort, before, after } of replanned) {
      for (const number of cohort.services) {
        const label = services[number]?.label;
        if (label !== undefined && watched.has(label)) labels.add(label);
      }
      for (const family of ["ipv4", "ipv6"] as const)
        if (isHealthy(before[family]) && !isHealthy(after[family]))
          this.violation ??= {
            guard: "lastAnswer",
            reason: `${cohort.service.label} has nothing up to answer with`,
          };
    }
    if (labels.size > 0) this.note({ kind: "patched", atMs: this.#options.nowMs(), services: [...labels] });
  }
}
