/** Agents on a virtual clock: the real schedule, its probes of simulated VIPs, and the way of their reports. */

import type { Check } from "../../src/config/check.ts";
import type { VantageId, VipId } from "../../src/config/config.ts";
import type { Outcome, Report } from "../../src/health/report.ts";
import type { Target } from "../../src/probe/protocol.ts";
import { Schedule } from "../../src/probe/schedule.ts";
import { ManualClock } from "../probe/manual-clock.ts";
import { failure, success } from "./fixtures.ts";

export interface SimulationOptions {
  readonly checks: ReadonlyMap<VipId, Check>;
  readonly vantages: readonly VantageId[];
  /** Uniform in [0, 1): first probes and jitter. */
  readonly random: () => number;
  /** How long a probe takes, by how it ends; the check's timeout at most. */
  readonly probeMs: (kind: Outcome["kind"], check: Check) => number;
  /** How long a report travels; left out: no time. Those of one vantage stay in order. */
  readonly travelMs?: () => number;
  /** What a vantage sees of a VIP that is alive or not; left out: just that. */
  readonly sees?: (vantage: VantageId, vip: VipId, isAlive: boolean) => boolean;
  readonly onReport: (report: Report) => void;
  /** Once a second, as on a node. */
  readonly onTick: (nowMs: number) => void;
}

/** What a tick of a node waits for. */
export const TICK_MS = 1_000;

/** A world of VIPs and agents. Time stands still except in `runUntil`. */
export class Simulation {
  readonly clock: ManualClock = new ManualClock();
  readonly #options: SimulationOptions;
  readonly #dead = new Set<VipId>();
  readonly #cutOff = new Set<VantageId>();
  readonly #silent = new Set<VantageId>();
  readonly #schedules = new Map<VantageId, Schedule>();
  /** When the last report of a vantage arrives. */
  readonly #arrivesAtMs = new Map<VantageId, number>();
  /** By vantage and VIP, when the last report counts as made. */
  readonly #reportedAtMs = new Map<string, number>();

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.clock.after(0, () => this.#tick());
    for (const vantage of options.vantages) {
      const schedule = new Schedule({
        clock: this.clock,
        random: options.random,
        probe: ({ vip }) => this.#probe(vantage, vip),
        onLook: (vip, { outcome }) => this.#send(vantage, vip as VipId, outcome),
      });
      this.#schedules.set(vantage, schedule);
      schedule.replace(
        new Map([...options.checks].map(([vip, check]) => [vip, { target: targetOf(vip, check) }])),
      );
    }
  }

  get nowMs(): number {
    return this.clock.now();
  }

  isDead(vip: VipId): boolean {
    return this.#dead.has(vip);
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

  /** The vantage probes, but its reports are lost; when it is heard again it does as an agent that hears its node. */
  silence(vantage: VantageId, isSilent: boolean): void {
    if (isSilent) this.#silent.add(vantage);
    else if (this.#silent.delete(vantage)) this.#schedules.get(vantage)?.forget();
  }

  /** Lets time pass. */
  async runUntil(endMs: number): Promise<void> {
    // A probe's end is one promise away from the schedule.
    while (this.clock.step(endMs)) await null;
  }

  #tick(): void {
    this.#options.onTick(this.nowMs);
    this.clock.after(TICK_MS, () => this.#tick());
  }

  /** A probe sees the VIP as it is when it starts; one that answers and dies at once is the worst case. */
  #probe(vantage: VantageId, vip: VipId): Promise<Outcome> {
    const { checks, probeMs, sees } = this.#options;
    const check = checks.get(vip)!;
    const isAlive = !this.#dead.has(vip) && !this.#cutOff.has(vantage);
    const kind = (sees?.(vantage, vip, isAlive) ?? isAlive) ? "success" : "failure";
    const tookMs = probeMs(kind, check);
    return new Promise((resolve) => {
      this.clock.after(tookMs, () => {
        const error = tookMs < check.timeoutMs ? "refused" : "timeout";
        resolve((kind === "success" ? success(vantage, vip, 0) : failure(vantage, vip, 0, error)).outcome);
      });
    });
  }

  #send(vantage: VantageId, vip: VipId, outcome: Outcome): void {
    if (this.#silent.has(vantage)) return;
    const { travelMs, onReport } = this.#options;
    const arrivesAtMs = Math.max(this.#arrivesAtMs.get(vantage) ?? 0, this.nowMs + (travelMs?.() ?? 0));
    this.#arrivesAtMs.set(vantage, arrivesAtMs);
    // As `control/ingest` dates them: by their arrival, but each after the one before.
    const arrive = (): void => {
      const key = `${vantage} ${vip}`;
      const atMs = Math.max(this.nowMs, (this.#reportedAtMs.get(key) ?? 0) + 1);
      this.#reportedAtMs.set(key, atMs);
      onReport({ vantage, vip, atMs, outcome });
    };
    if (arrivesAtMs === this.nowMs) arrive();
    else this.clock.after(arrivesAtMs - this.nowMs, arrive);
  }
}

function targetOf(
  vip: VipId,
  { probe, intervalMs, timeoutMs, recheckMs, jitterMs, rise, fall }: Check,
): Target {
  return { vip, address: "192.0.2.1", probe, intervalMs, timeoutMs, recheckMs, jitterMs, rise, fall };
}
