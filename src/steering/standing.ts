/** The facts that tests and invariants are tried with: what operators have overridden, and what is down. */

import type { Config, MemberId, RegionId, VipId } from "../config/config.ts";
import { distanceKm } from "../geo/distance.ts";
import type { LatencyView, RankedRegion } from "../health/rtt.ts";
import type { Verdict } from "../health/verdict.ts";
import { cellCoordinates } from "./cell.ts";
import type { Facts } from "./facts.ts";
import { LastGood } from "./last-good.ts";
import { SUPPOSED, supposedVerdict } from "./suppose.ts";

/** What is so whichever regions are up: what operators have overridden. */
export interface Standing {
  readonly memberWeights: ReadonlyMap<MemberId, number>;
  /** By `policy/choice`. */
  readonly choiceWeights: ReadonlyMap<string, number>;
  readonly drained: ReadonlySet<MemberId>;
  /** VIPs that are up or down by order. */
  readonly forced: ReadonlyMap<VipId, "up" | "down">;
}

/** Nothing is overridden: all is as the config says. */
export const AS_DECLARED: Standing = {
  memberWeights: new Map(),
  choiceWeights: new Map(),
  drained: new Set(),
  forced: new Map(),
};

/** What was good last is what came of some other combination, where it was held to the same rules. */
const NOTHING_BEFORE = new LastGood();

/** Light in fibre needs 1 ms for 100 km and back. */
const KM_PER_MS = 100;

/**
 * The facts if these VIPs were down and all others up, but for those that are forced. Round-trip times are those of
 * `rttMs` for clients everywhere, and for regions that it does not have those of distance.
 */
export function factsUnder(
  standing: Standing,
  down: Iterable<VipId>,
  rttMs: ReadonlyMap<RegionId, number>,
  config: Pick<Config, "regions" | "members">,
): Facts {
  const verdicts = new Map<VipId, Verdict>();
  for (const vip of down) verdicts.set(vip, supposedVerdict(vip, false, 0));
  for (const [vip, verdict] of standing.forced) {
    if (verdict === "up") verdicts.delete(vip);
    else verdicts.set(vip, supposedVerdict(vip, false, 0));
  }
  const { memberWeights, choiceWeights, drained } = standing;
  return {
    nowMs: 0,
    verdicts,
    takes: new Map(),
    ramps: new Map(),
    loads: new Map(),
    headrooms: capacitiesOf(config),
    memberWeights,
    choiceWeights,
    drained,
    latency: new SupposedRtts(rttMs, config),
    lastGood: NOTHING_BEFORE,
  };
}

/** Nobody has told a load, so all members count as idle. */
function capacitiesOf({ members }: Pick<Config, "members">): ReadonlyMap<MemberId, number> {
  return new Map(
    [...members.values()].flatMap(({ id, capacity }) => (capacity === null ? [] : [[id, capacity] as const])),
  );
}

/** Round-trip times as supposed, else by distance; where the clients are unknown, in the order of the config. */
class SupposedRtts implements LatencyView {
  readonly #rttMs: ReadonlyMap<RegionId, number>;
  readonly #config: Pick<Config, "regions">;

  constructor(rttMs: ReadonlyMap<RegionId, number>, config: Pick<Config, "regions">) {
    this.#rttMs = rttMs;
    this.#config = config;
  }

  ranking(cell: string, regions: readonly RegionId[]): readonly RankedRegion[] {
    const clients = cellCoordinates(cell);
    const ranked = regions.map((region): RankedRegion => {
      const rttMs = this.#rttMs.get(region);
      if (rttMs !== undefined) return { region, rttMs, source: SUPPOSED };
      const at = this.#config.regions.get(region)?.coordinates;
      const km = clients === null || at === undefined ? 0 : distanceKm(clients, at);
      return { region, rttMs: km / KM_PER_MS, source: "distance" };
    });
    // What is supposed to be at 0 ms is before what stands where the clients are.
    const isByDistance = ({ source }: RankedRegion): number => Number(source === "distance");
    return ranked.sort((a, b) => a.rttMs - b.rttMs || isByDistance(a) - isByDistance(b));
  }
}
