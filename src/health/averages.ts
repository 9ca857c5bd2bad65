/** Moving averages of the round-trip times that vantages measure. */

import type { Config, RegionId, VantageId, VipId } from "../config/config.ts";
import { averaged, isSound, type Measured } from "./average.ts";
import { togetherOf } from "./estimate.ts";
import type { Report } from "./report.ts";
import { vipsOf } from "./tracked.ts";

/** Each region's round-trip time from each vantage that has a fresh one. */
export type Measurements = ReadonlyMap<RegionId, ReadonlyMap<VantageId, Measured>>;

/** A VIP's average is used from three samples on, and until it had none for long enough to outlast an outage. */
const SOUND = { samplesMin: 3, freshMs: 300_000 };

/**
 * One average for each vantage and VIP. A sample is the `connectMs` of a success: a TCP handshake is one round trip.
 */
export class Averages {
  readonly #averages = new Map<VantageId, Map<VipId, Measured>>();
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
      const averages = this.#averages.get(vantage) ?? new Map<VipId, Measured>();
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
    const before = averages.get(vip) ?? null;
    if (before?.atMs === atMs) return;
    averages.set(vip, averaged(before, { rttMs: sampleMs, samples: 1, atMs }));
  }

  /** Each vantage's time to each region: the median over the region's VIPs. */
  measurements(nowMs: number): Measurements {
    const measurements = new Map<RegionId, Map<VantageId, Measured>>();
    for (const [vantage, averages] of this.#averages) {
      for (const [region, ofVips] of this.#soundByRegion(averages, nowMs)) {
        const measured = measurements.get(region) ?? new Map<VantageId, Measured>();
        measurements.set(region, measured.set(vantage, togetherOf(ofVips)));
      }
    }
    return measurements;
  }

  #soundByRegion(
    averages: ReadonlyMap<VipId, Measured>,
    nowMs: number,
  ): ReadonlyMap<RegionId, readonly Measured[]> {
    const byRegion = new Map<RegionId, Measured[]>();
    for (const [vip, average] of averages) {
      const region = this.#regionOf.get(vip);
      if (region === undefined || !isSound(average, nowMs, SOUND)) continue;
      const ofRegion = byRegion.get(region);
      if (ofRegion === undefined) byRegion.set(region, [average]);
      else ofRegion.push(average);
    }
    return byRegion;
  }
}

function regionsOfVips(config: Config): ReadonlyMap<VipId, RegionId> {
  const regions = new Map<VipId, RegionId>();
  for (const member of config.members.values()) {
    for (const vip of vipsOf(member)) regions.set(vip.id, member.region);
  }
  return regions;
}
