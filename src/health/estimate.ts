/** What round-trip time clients would see to a region, judged by what vantages near them see. */

import type { Measured } from "./average.ts";
import { heardOf } from "./nearby.ts";

/** A vantage's round-trip time to a region, and how far the vantage is from the clients. */
export interface Measurement {
  readonly km: number;
  readonly measured: Measured;
}

/** A round-trip time with its source, as in `RankedRegion`. */
export type Estimate =
  | { readonly rttMs: number; readonly source: "distance" }
  | { readonly rttMs: number; readonly source: "vantages"; readonly measured: Measured };

/** Light in fibre needs 1 ms for 100 km and back. */
const KM_PER_MS = 100;

/**
 * The estimate for clients at a known place, `regionKm` from the region.
 *
 * 1. Heard are the measurements by vantages that speak for the clients (`nearby.ts`), of those that have measured any.
 * 2. The estimate is the median of their round-trip times, each with the way from the clients to the vantage added.
 * 3. Where none is heard, it is the distance to the region.
 */
export function estimateFrom(regionKm: number, measurements: readonly Measurement[]): Estimate {
  const heard = heardOf(
    regionKm,
    measurements.toSorted((a, b) => a.km - b.km),
  );
  if (heard.length === 0) return { rttMs: regionKm / KM_PER_MS, source: "distance" };
  const seen = heard.map(({ km, measured }) => ({
    ...measured,
    rttMs: measured.rttMs + km / KM_PER_MS,
  }));
  return byVantages(seen);
}

/**
 * The estimate for clients whose place is unknown: they may be where any vantage is. So it is the median of what the
 * vantages measured; where none did, of their distances to the region; and 0 where there are no vantages.
 */
export function estimateAnywhere(vantageKms: readonly number[], measured: readonly Measured[]): Estimate {
  if (measured.length > 0) return byVantages(measured);
  return { rttMs: (median(vantageKms) ?? 0) / KM_PER_MS, source: "distance" };
}

function byVantages(seen: readonly Measured[]): Estimate {
  const measured = togetherOf(seen);
  return { rttMs: measured.rttMs, source: "vantages", measured };
}

/** The median of some averages, with all samples behind them. */
export function togetherOf(averages: readonly Measured[]): Measured {
  return {
    rttMs: median(averages.map(({ rttMs }) => rttMs)) ?? 0,
    samples: averages.reduce((sum, { samples }) => sum + samples, 0),
    atMs: averages.reduce((latest, { atMs }) => Math.max(latest, atMs), Number.NEGATIVE_INFINITY),
  };
}

/** The middle value; the mean of the two in the middle of an even number; null: there are no values. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2;
}
