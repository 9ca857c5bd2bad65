/** All that changes by itself, and what operators override: the second input of every plan. */

import type { MemberId, VipId } from "../config/config.ts";
import type { LatencyView } from "../health/rtt.ts";
import type { Verdict } from "../health/verdict.ts";
import type { LastGoodView } from "./last-good.ts";

/** A frozen view of the world at `nowMs`. */
export interface Facts {
  readonly nowMs: number;
  readonly verdicts: ReadonlyMap<VipId, Verdict>;
  /** The share, 0 to 1, that a VIP takes of what it would be given: slow start, drains little by little, and load; absent: 1. */
  readonly takes: ReadonlyMap<VipId, number>;
  /** Slow start and drains in that: what a VIP would take if it shed no load; absent: 1. */
  readonly ramps: ReadonlyMap<VipId, number>;
  /** How busy members are, as far as anybody says; 1: as busy as can be. Plans follow `takes`; this is why. */
  readonly loads: ReadonlyMap<MemberId, number>;
  /** What members with a capacity could take on, in the unit of that; always above 0. Of others there is none. */
  readonly headrooms: ReadonlyMap<MemberId, number>;
  /** Overridden weights of pool members. */
  readonly memberWeights: ReadonlyMap<MemberId, number>;
  /** Overridden weights of a named policy's choices, by `policy/choice`. */
  readonly choiceWeights: ReadonlyMap<string, number>;
  /** Members that are drained: used only when nothing else is up. */
  readonly drained: ReadonlySet<MemberId>;
  readonly latency: LatencyView;
  readonly lastGood: LastGoodView;
}
