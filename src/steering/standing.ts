/** The facts that tests and invariants are tried with: what operators have overridden, and what is down. */

import type { Config, MemberId, RegionId, VipId } from "../config/config.ts";
import { distanceKm } from "../geo/distance.ts";
import type { LatencyView, RankedRegion } from "../health/rtt.ts";
import type { Verdict } from "../health/verdict.ts";
import { cellCoordinates } from "./cell.ts";
import type { Facts } from "./facts.ts";
import { LastGood } from "./last-good.ts";
import { supposedVerdict } from "./suppose.ts";

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
 * distance; `fastest` is ahead of all others everywhere (null: none is).
 */
export function factsUnder(
  standing: Standing,
  down: Iterable<VipId>,
  fastest: RegionId | null,
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
    latency: new Distances(fastest, config),
    lastGood: NOTHING_BEFORE,
  };
}

/** Nobody has told a load, so all members count as idle. */
function capacitiesOf({ members }: Pick<Config, "members">): ReadonlyMap<MemberId, number> {
  return new Map(
    [...members.values()].flatMap(({ id, capacity }) => (capacity === null ? [] : [[id, capacity] as const])),
  );
}

/** Round-trip times by distance alone; where the clients are unknown, in the order of the config. */
class Distances implements LatencyView {
  readonly #fastest: RegionId | null;
  readonly #config: Pick<Config, "regions">;

  constructor(fastest: RegionId | null, config: Pick<Config, "regions">) {
    this.#fastest = fastest;
    this.#config = config;
  }

  ranking(cell: string, regions: readonly RegionId[]): readonly RankedRegion[] {
    const clients = cellCoordinates(cell);
    const ranked = regions.map((region): RankedRegion => {
      const at = this.#config.regions.get(region)?.coordinates;
      const km = clients === null || at === undefined ? 0 : distanceKm(clients, at);
      return { region, rttMs: region === this.#fastest ? 0 : km / KM_PER_MS, source: "distance" };
    });
    const place = ({ region, rttMs }: RankedRegion): number => (region === this.#fastest ? -1 : rttMs);
    return ranked.sort((a, b) => place(a) - place(b));
  }
}
