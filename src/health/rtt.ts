/** Round-trip times from vantages to regions, and which region answers a client soonest. */

import type { RegionId } from "../config/config.ts";

/** Round-trip times as locations see regions. */
export interface LatencyView {
  /**
   * The regions asked for, best first, for clients in a cell (`steering/cell.ts`); hysteresis is already applied.
   * A region that nobody has measured stands by its estimate from distance.
   */
  ranking(cell: string, regions: readonly RegionId[]): readonly RankedRegion[];
}

/** A region with the round-trip time that clients of a cell would see to it. */
export interface RankedRegion {
  readonly region: RegionId;
  readonly rttMs: number;
  readonly source: "vantages" | "distance";
}
