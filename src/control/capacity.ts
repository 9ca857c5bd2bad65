/** What each region's death would put on the others: by the plans that would be made then. */

import type { Config, Member, MemberId, PoolId, RegionId, VipId } from "../config/config.ts";
import { vipsOf } from "../health/tracked.ts";
import type { Facts } from "../steering/facts.ts";
import type { Plan } from "../steering/plan.ts";
import { type Supposition, suppose } from "../steering/suppose.ts";
import type { Steps } from "../steps.ts";
import type { Planner } from "./planner.ts";
import type { ProfileWindow } from "./profile.ts";
import { NO_SHIFT } from "./shift.ts";
import { Traffic } from "./traffic.ts";

/** The members of a pool in a region. */
interface RegionUse {
  readonly region: RegionId;
  /** The sum of their capacities. */
  readonly capacity: number;
  /** The part of that in use, by their loads; null: not all of them tell one. */
  readonly load: number | null;
}

/** A region of a pool, and what is left of the pool without it. */
interface RegionLoss extends RegionUse {
  /** What says how many clients are in a class: traffic of the services that answer with it, or nothing. */
  readonly weighedBy: "profile" | "classes";
  /** The others, as they would be if this region died now. */
  readonly others: readonly RegionUse[];
  /** The part of all their capacity that would be in use; null: there are none, or their loads are not known. */
  readonly othersLoad: number | null;
}

export interface PoolCapacity {
  readonly pool: PoolId;
  readonly regions: readonly RegionLoss[];
}

/**
 * The pools whose members all have capacities, region by region.
 *
 * 1. Members carry load times capacity now.
 * 2. Each class of clients is planned as it would be with all VIPs of the region down. What the members there
 *    carry for it goes to those that get more of its answers then, in proportion to how much more.
 * 3. A class counts by its queries in the profile. One query more of each service is shared among its classes, in each
 *    family: it decides where none are known, and then all classes of a service count alike, all services, and both families.
 * 4. What goes to no member with a capacity is not shown.
 */
export function* capacities(
  planner: Planner,
  facts: Facts,
  config: Config,
  windows: Iterable<ProfileWindow>,
): Steps<readonly PoolCapacity[]> {
  const traffic = yield* Traffic.of(windows, planner, config);
  const pools = [...config.pools.values()].filter(({ members }) => members.every(hasCapacity));
  const members = pools.flatMap((pool) => pool.members);
  const carried = new Map(members.map((member) => [member.id, carriedBy(member, facts)]));
  const losses = new Map<RegionId, Loss>();
  for (const region of new Set(members.map((member) => member.region)))
    losses.set(region, yield* lossOf(membersIn(region, config), planner, facts, config, carried, traffic));
  return pools.map(({ id, members }) => {
    const byRegion = [...Map.groupBy(members, (member) => member.region)];
    const regions = byRegion.map(([region, own]): RegionLoss => {
      const { left, recorded } = losses.get(region) ?? { left: carried, recorded: new Set() };
      const others = byRegion.filter(([other]) => other !== region);
      return {
        ...useOf(region, own, carried),
        weighedBy: own.some(({ id }) => recorded.has(id)) ? "profile" : "classes",
        others: others.map(([other, there]) => useOf(other, there, left)),
        othersLoad: useOf(
          region,
          others.flatMap(([, there]) => there),
          left,
        ).load,
      };
    });
    return { pool: id, regions };
  });
}

function membersIn(region: RegionId, config: Config): readonly Member[] {
  return [...config.members.values()].filter((member) => member.region === region);
}

/** What part of the capacity of each pool would be in use if these members died; pools whose loads are not known are left out. */
export function* loadsWithout(
  dead: readonly Member[],
  planner: Planner,
  facts: Facts,
  config: Config,
  windows: Iterable<ProfileWindow>,
): Steps<ReadonlyMap<PoolId, number>> {
  const traffic = yield* Traffic.of(windows, planner, config);
  const pools = [...config.pools.values()].filter(({ members }) => members.every(hasCapacity));
  const carried = new Map(
    pools.flatMap(({ members }) => members.map((one) => [one.id, carriedBy(one, facts)])),
  );
  const { left } = yield* lossOf(dead, planner, facts, config, carried, traffic);
  const loads = new Map<PoolId, number>();
  for (const { id, members } of pools) {
    const alive = members.filter((member) => !dead.includes(member));
    const capacity = alive.reduce((sum, member) => sum + (member.capacity ?? 0), 0);
    const work = sumOf(alive.map((member) => left.get(member.id) ?? null));
    if (work !== null && capacity > 0) loads.set(id, work / capacity);
  }
  return loads;
}

function hasCapacity({ capacity }: Member): boolean {
  return capacity !== null;
}

/** What a member carries: its load of its capacity; null where one of them is not known. */
export function carriedBy({ id, capacity }: Member, { loads }: Facts): number | null {
  const load = loads.get(id);
  return load === undefined || capacity === null ? null : load * capacity;
}

function useOf(
  region: RegionId,
  members: readonly Member[],
  carried: ReadonlyMap<MemberId, number | null>,
): RegionUse {
  const capacity = members.reduce((sum, member) => sum + (member.capacity ?? 0), 0);
  const work = sumOf(members.map(({ id }) => carried.get(id) ?? null));
  return { region, capacity, load: work === null || capacity === 0 ? null : work / capacity };
}

/** null where one of them is not known. */
export function sumOf(parts: Iterable<number | null>): number | null {
  let sum = 0;
  for (const part of parts) {
    if (part === null) return null;
    sum += part;
  }
  return sum;
}

/** What is left if a region dies. */
interface Loss {
  /** What each member would carry. */
  readonly left: ReadonlyMap<MemberId, number | null>;
  /** The dead whose clients the profile has queries of. */
  readonly recorded: ReadonlySet<MemberId>;
}

function* lossOf(
  dead: readonly Member[],
  planner: Planner,
  facts: Facts,
  config: Config,
  carried: ReadonlyMap<MemberId, number | null>,
  traffic: Traffic,
): Steps<Loss> {
  const memberOf = new Map<VipId, MemberId>();
  for (const member of config.members.values())
    for (const { id } of vipsOf(member)) memberOf.set(id, member.id);
  const vips = new Set(dead.flatMap(vipsOf).map(({ id }) => id));
  const deaths = Array.from(vips, (vip): Supposition => ({ kind: "verdict", vip, up: false }));
  const moves: Move[] = [];
  const answers = new Map<MemberId, number>();
  const recorded = new Set<MemberId>();
  for (const one of planner.compare({ vips, choices: NO_SHIFT.choices }, suppose(facts, deaths))) {
    for (const family of ["ipv4", "ipv6"] as const) {
      const before = sharesOf(one.before[family], memberOf);
      const move = moveOf(before, sharesOf(one.after[family], memberOf), dead);
      const { service, services, locals } = one.cohort;
      const queries = traffic.queries(service, one.classNumber, family);
      for (const { id } of dead) {
        const share = (before.get(id) ?? 0) * (queries + services.length / locals.length);
        if (share === 0) continue;
        if (queries > 0) recorded.add(id);
        answers.set(id, (answers.get(id) ?? 0) + share);
        moves.push({ from: id, share, to: move });
      }
    }
    yield;
  }
  const left = new Map(carried);
  for (const { from, share, to } of moves) {
    const work = carried.get(from) ?? null;
    for (const [id, part] of to) {
      const own = left.get(id) ?? null;
      const gained = work === null ? null : (work * share * part) / (answers.get(from) ?? share);
      left.set(id, own === null || gained === null ? null : own + gained);
    }
  }
  return { left, recorded };
}

/** Answers of one class that a dead member gave. */
interface Move {
  readonly from: MemberId;
  readonly share: number;
  /** Who gives them then: parts that add up to 1. */
  readonly to: ReadonlyMap<MemberId, number>;
}

function sharesOf(plan: Plan, memberOf: ReadonlyMap<VipId, MemberId>): ReadonlyMap<MemberId, number> {
  const shares = new Map<MemberId, number>();
  for (const { vip, share } of plan.kind === "answer" ? plan.shares : []) {
    const id = memberOf.get(vip);
    if (id !== undefined) shares.set(id, share);
  }
  return shares;
}

/** Who gets more than before, by how much of all that anybody does. */
function moveOf(
  before: ReadonlyMap<MemberId, number>,
  after: ReadonlyMap<MemberId, number>,
  dead: readonly Member[],
): ReadonlyMap<MemberId, number> {
  const gains = new Map<MemberId, number>();
  for (const [id, share] of after) gains.set(id, Math.max(0, share - (before.get(id) ?? 0)));
  // As the last resort, answers may be given with the dead themselves: they serve nobody.
  for (const { id } of dead) gains.delete(id);
  const all = gains.values().reduce((sum, gain) => sum + gain, 0);
  return new Map([...gains].filter(([, gain]) => gain > 0).map(([id, gain]) => [id, gain / all]));
}
