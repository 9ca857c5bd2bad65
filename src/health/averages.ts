/** Moving averages of the round-trip times that vantages measure. */

import type { Config, RegionId, VantageId, VipId } from "../config/config.ts";
import { median } from "./estimate.ts";
import type { Report } from "./report.ts";
import { vipsOf } from "./tracked.ts";

/** Each region's round-trip time from each vantage that has a fresh one. */
export type Measurements = ReadonlyMap<RegionId, ReadonlyMap<VantageId, number>>;

/** The weight of a new sample in the moving average (EWMA): half of a lasting change shows after two samples. */
const ALPHA = 0.3;

/** A VIP's average is used from this many samples on. */
const SAMPLES_MIN = 3;

/** An average without a new sample for this long is no longer used: long enough to outlast an outage. */
const FRESH_MS = 300_000;

/**
 * One average for each vantage and VIP. A sample is the `connectMs` of a success: a TCP handshake is one round trip.
 */
export class Averages {
  readonly #averages = new Map<VantageId, Map<VipId, Average>>();
  #regionOf: ReadonlyMap<VipId, RegionId> = new Map();

  constructor(config: Config) {
    this.retarget(config);
  }

  /** Follows a new config; what speaks of a vantage that is gone, or of a VIP that is gone or has moved, is dropped. */
  retarget(config: Config): void {
    const regionOf = regionsOfVips(config);
    for (const vantage of this.#averages.keys()) {
      if (!config.vantages.has(vantage)) this.#averages.delete(vantage);
    }
    for (const vantage of config.vantages.keys()) {
      const averages = this.#averages.get(vantage) ?? new Map<VipId, Average>();
      this.#averages.set(vantage, averages);
      for (const vip of averages.keys()) {
        if (regionOf.get(vip) !== this.#regionOf.get(vip)) averages.delete(vip);
      }
    }
    this.#regionOf = regionOf;
  }

  /** Takes the sample of a report, if it has one that is newer than the last. */
  add({ vantage, vip, atMs, outcome }: Report): void {
    const sampleMs = outcome.kind === "success" ? outcome.timings.connectMs : null;
    const averages = this.#averages.get(vantage);
    if (sampleMs === null || averages === undefined || !this.#regionOf.has(vip)) return;
    const average = averages.get(vip);
    if (average === undefined) averages.set(vip, { rttMs: sampleMs, samples: 1, atMs });
    else if (atMs > average.atMs) {
      average.rttMs += ALPHA * (sampleMs - average.rttMs);
      average.samples += 1;
      average.atMs = atMs;
    }
  }

  /** Each vantage's time to each region: the median over the region's VIPs. */
  measurements(nowMs: number): Measurements {
    const measurements = new Map<RegionId, Map<VantageId, number>>();
    for (const [vantage, averages] of this.#averages) {
      for (const [region, rttsMs] of this.#rttsByRegion(averages, nowMs)) {
        const rttMs = median(rttsMs);
        if (rttMs === null) continue;
        const measured = measurements.get(region) ?? new Map<VantageId, number>();
        measurements.set(region, measured.set(vantage, rttMs));
      }
    }
    return measurements;
  }

  #rttsByRegion(
    averages: ReadonlyMap<VipId, Average>,
    nowMs: number,
  ): ReadonlyMap<RegionId, readonly number[]> {
    const byRegion = new Map<RegionId, number[]>();
    for (const [vip, { rttMs, samples, atMs }] of averages) {
      const region = this.#regionOf.get(vip);
      if (region === undefined || samples < SAMPLES_MIN || nowMs - atMs > FRESH_MS) continue;
      const rttsMs = byRegion.get(region);
      if (rttsMs === undefined) byRegion.set(region, [rttMs]);
      else rttsMs.push(rttMs);
    }
    return byRegion;
  }
}

/** The moving average of one vantage's samples of one VIP. */
interface Average {
  rttMs: number;
  samples: number;
  atMs: number;
}

function regionsOfVips(config: Config): ReadonlyMap<VipId, RegionId> {
  const regions = new Map<VipId, RegionId>();
  for (const member of config.members.values()) {
    for (const vip of vipsOf(member)) regions.set(vip.id, member.region);
  }
  return regions;
}
