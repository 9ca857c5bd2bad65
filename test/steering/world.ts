/** A small world for steering tests: regions, pools and facts in few words. */

import type {
  Config,
  Member,
  MemberId,
  Pool,
  PoolId,
  Region,
  RegionId,
  Service,
  Vantage,
  VantageId,
  Vip,
  VipId,
} from "../../src/config/config.ts";
import type { Geo, GeoMatch, Policy } from "../../src/config/policy.ts";
import { type Location, NOWHERE } from "../../src/geo/location.ts";
import type { RankedRegion } from "../../src/health/rtt.ts";
import type { Hold, Verdict, Vote } from "../../src/health/verdict.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { LastGood } from "../../src/steering/last-good.ts";
import { type LocalPolicy, membersOf } from "../../src/steering/local.ts";
import { localise } from "../../src/steering/localise.ts";
import { type Plan, type Planned, planFor } from "../../src/steering/plan.ts";
import { BARE_CONFIG } from "../config/bare.ts";

export interface MemberSpec {
  readonly region: string;
  readonly weight?: number;
  readonly shedAbove?: number;
  readonly capacity?: number;
  readonly families?: readonly (4 | 6)[];
}

interface MoreOfConfig {
  /** By pool. */
  readonly minUps?: Readonly<Record<string, number>>;
  readonly vantages?: Readonly<Record<string, readonly [latitude: number, longitude: number]>>;
  /** Pools that are steered per vantage. */
  readonly perVantage?: readonly string[];
}

/** A config with these regions and pools, and defaults for all that steering does not look at. */
export function configOf(
  regions: Readonly<Record<string, readonly [latitude: number, longitude: number]>>,
  pools: Readonly<Record<string, Readonly<Record<string, MemberSpec>>>>,
  { minUps = {}, vantages = {}, perVantage = [] }: MoreOfConfig = {},
): Config {
  let host = 0;
  const poolMap = new Map<PoolId, Pool>();
  for (const [pool, specs] of Object.entries(pools)) {
    const members = Object.entries(specs).map(([name, spec]): Member => {
      host += 1;
      const id = `${pool}/${name}`;
      const families = spec.families ?? [4, 6];
      return {
        id: id as MemberId,
        pool: pool as PoolId,
        region: spec.region as RegionId,
        ipv4: families.includes(4) ? vipOf(`${id}/ipv4`, 4, host) : null,
        ipv6: families.includes(6) ? vipOf(`${id}/ipv6`, 6, host) : null,
        weight: spec.weight ?? 1,
        capacity: spec.capacity ?? null,
        shedAbove: spec.shedAbove ?? null,
      };
    });
    poolMap.set(pool as PoolId, {
      id: pool as PoolId,
      check: null,
      members,
      minUp: minUps[pool] ?? 0,
      signals: null,
      perVantage: perVantage.includes(pool),
    });
  }
  const members = [...poolMap.values()].flatMap((pool) => pool.members);
  return {
    ...BARE_CONFIG,
    regions: new Map(
      Object.entries(regions).map(([id, [latitude, longitude]]): [RegionId, Region] => [
        id as RegionId,
        { id: id as RegionId, coordinates: { latitude, longitude } },
      ]),
    ),
    vantages: new Map(
      Object.entries(vantages).map(([id, [latitude, longitude]]): [VantageId, Vantage] => [
        id as VantageId,
        { id: id as VantageId, coordinates: { latitude, longitude } },
      ]),
    ),
    pools: poolMap,
    members: new Map(members.map((member) => [member.id, member])),
  };
}

function vipOf(id: string, family: 4 | 6, host: number): Vip {
  const bytes = new Uint8Array(
    family === 4 ? [192, 0, 2, host] : [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), host],
  );
  const text = family === 4 ? `192.0.2.${host}` : `2001:db8::${host.toString(16)}`;
  return { id: id as VipId, address: { family, bytes, text }, judgedBy: id as VipId, port: null };
}

/** Three regions far apart, pools that most tests can use, and vantages, to whom one pool listens client by client. */
export const WORLD: Config = configOf(
  { us: [39, -77], eu: [53, -6], ap: [35, 139] },
  {
    web: { us: { region: "us", shedAbove: 0.5 }, eu: { region: "eu" }, ap: { region: "ap" } },
    heavy: { us: { region: "us", weight: 3 }, eu: { region: "eu" } },
    standby: { us: { region: "us" }, eu: { region: "eu", weight: 0 }, ap: { region: "ap", weight: 0 } },
    old: { us: { region: "us", families: [4] }, eu: { region: "eu", families: [4] } },
    mixed: { us: { region: "us", families: [4] }, eu: { region: "eu" } },
    one: { eu: { region: "eu", shedAbove: 0.5, capacity: 50 } },
    two: { us: { region: "us", shedAbove: 1, capacity: 100 } },
    sorry: { us: { region: "us", capacity: 20 }, ap: { region: "ap", capacity: 30 } },
    many: { us: { region: "us", weight: 2 }, eu: { region: "eu", weight: 2 }, ap: { region: "ap" } },
    watched: { us: { region: "us", weight: 2 }, eu: { region: "eu" }, ap: { region: "ap" } },
  },
  {
    minUps: { many: 0.6 },
    vantages: { virginia: [39, -77], oregon: [45, -120], dublin: [53, -6], paris: [49, 2], tokyo: [36, 140] },
    perVantage: ["watched"],
  },
);

export function pool(id: string): Policy {
  return { kind: "pool", pool: id as PoolId };
}

export function member(id: string): Policy {
  return { kind: "member", member: id as MemberId };
}

export function failover(order: readonly Policy[], minUp = 0): Policy {
  return { kind: "failover", name: null, minUp, order };
}

export function weighted(
  choices: Readonly<Record<string, readonly [number, Policy]>>,
  { name = null, minUp = 0 }: { readonly name?: string | null; readonly minUp?: number } = {},
): Policy {
  return {
    kind: "weighted",
    name,
    minUp,
    choices: Object.entries(choices).map(([key, [weight, use]]) => ({ key, weight, use })),
  };
}

/** Cases by texts such as `country GB`, `asn 64496`, and `default`. */
export function geo(cases: Readonly<Record<string, Policy>>, minUp = 0): Geo {
  const { default: whole, ...others } = cases;
  return {
    kind: "geo",
    name: null,
    minUp,
    fence: false,
    cases: Object.entries(others).map(([text, use]) => ({ match: matchOf(text), use })),
    default: whole ?? null,
  };
}

function matchOf(text: string): GeoMatch {
  const [by = "", value = ""] = text.split(" ");
  switch (by) {
    case "prefix":
      return { by, prefix: value };
    case "label":
      return { by, label: value };
    case "asn":
      return { by, asn: Number(value) };
    case "subdivision":
      return { by, subdivision: value };
    case "country":
      return { by, country: value };
    case "continent":
      return { by, continent: value };
    default:
      throw new Error(`no match ${text}`);
  }
}

export function nearest(
  of: Policy,
  biasKm: Readonly<Record<string, number>> = {},
  within: number | null = null,
): Policy {
  const bias = new Map(Object.entries(biasKm).map(([region, km]) => [region as RegionId, km]));
  return { kind: "nearest", name: null, minUp: 0, of, biasKm: bias, within };
}

export function latency(of: Policy, minUp = 0): Policy {
  return { kind: "latency", name: null, minUp, of, prefixes: [], asns: [] };
}

export function sticky(of: Policy, minUp = 0): Policy {
  return { kind: "sticky", name: null, minUp, of };
}

export function spread(of: Policy, count: number, minUp = 0): Policy {
  return { kind: "spread", name: null, minUp, of, count };
}

export function location(parts: Partial<Location>): Location {
  return { ...NOWHERE, ...parts };
}

export const LONDON: Location = location({
  continent: "EU",
  country: "GB",
  subdivision: "GB-LND",
  coordinates: { latitude: 51.5, longitude: -0.1 },
});
export const TOKYO: Location = location({
  continent: "AS",
  country: "JP",
  coordinates: { latitude: 35.7, longitude: 139.7 },
});
export const BOSTON: Location = location({
  continent: "NA",
  country: "US",
  subdivision: "US-MA",
  coordinates: { latitude: 42.4, longitude: -71.1 },
});

const NOW_MS = 1_000_000_000;

export interface FactSpec {
  /** Members whose VIPs are down, in both families. */
  readonly down?: readonly string[];
  /** Members whose VIPs are healthy and held down, in both families: for a time, or until they are released. */
  readonly heldDown?: readonly string[];
  readonly unreleased?: readonly string[];
  /** By member. */
  readonly takes?: Readonly<Record<string, number>>;
  /** By member: what it would take if it shed no load, where that is more. */
  readonly ramps?: Readonly<Record<string, number>>;
  /** By member. */
  readonly loads?: Readonly<Record<string, number>>;
  /** By member. */
  readonly headrooms?: Readonly<Record<string, number>>;
  readonly memberWeights?: Readonly<Record<string, number>>;
  readonly choiceWeights?: Readonly<Record<string, number>>;
  readonly drained?: readonly string[];
  /** Whether the last good answer to everything was every VIP alike; otherwise none is known. */
  readonly remembers?: boolean;
  /** By region; of others the RTT is 500 ms by distance. */
  readonly rttMs?: Readonly<Record<string, number>>;
  /** By member that is up, how vantages see it; those that are left out have no vote. */
  readonly votes?: Readonly<Record<string, Readonly<Record<string, "up" | "down">>>>;
}

/** Facts in which everything is up, but for what the spec says. */
export function factsOf(spec: FactSpec = {}): Facts {
  const {
    down = [],
    heldDown = [],
    unreleased = [],
    takes = {},
    ramps = {},
    loads = {},
    headrooms = {},
    memberWeights = {},
    choiceWeights = {},
    drained = [],
    remembers = false,
    rttMs = {},
    votes = {},
  } = spec;
  return {
    nowMs: NOW_MS,
    verdicts: new Map([
      ...Object.entries(votes).flatMap(([id, sides]) =>
        bothVips(id).map((vip) => [vip, verdict(vip, { votes: votesOf(sides) })] as const),
      ),
      ...downWith(down, null),
      ...downWith(heldDown, { healthySinceMs: NOW_MS - 1, untilMs: NOW_MS + 1 }),
      ...downWith(unreleased, { healthySinceMs: NOW_MS - 1, untilMs: null }),
    ]),
    takes: byVip(takes),
    ramps: byVip(ramps),
    headrooms: new Map(Object.entries(headrooms).map(([id, headroom]) => [id as MemberId, headroom])),
    loads: new Map(Object.entries(loads).map(([id, load]) => [id as MemberId, load])),
    memberWeights: new Map(Object.entries(memberWeights).map(([id, weight]) => [id as MemberId, weight])),
    choiceWeights: new Map(Object.entries(choiceWeights)),
    drained: new Set(drained.map((id) => id as MemberId)),
    latency: {
      ranking: (_cell, regions) =>
        regions
          .map(
            (region): RankedRegion => ({
              region,
              rttMs: rttMs[region] ?? 500,
              source: rttMs[region] === undefined ? "distance" : "vantages",
            }),
          )
          .sort((a, b) => a.rttMs - b.rttMs),
    },
    lastGood: remembers ? { recall: everyVip } : new LastGood(),
  };
}

function everyVip(local: LocalPolicy, _service: unknown, family: 4 | 6): Plan & { readonly kind: "answer" } {
  const members = [...membersOf(local)].map(({ ipv4, ipv6 }) => (family === 4 ? ipv4 : ipv6));
  const vips = members.filter((vip) => vip !== null);
  const shares = vips.map(({ id }) => ({ vip: id, share: 1 / vips.length }));
  return { kind: "answer", shares, spreads: null, sticky: null, lastResort: false };
}

function downWith(members: readonly string[], hold: Hold | null): readonly [VipId, Verdict][] {
  const why = hold === null ? {} : { reason: "up for 3 of 3 vantages, held down" };
  return members.flatMap(bothVips).map((vip) => [vip, verdict(vip, { up: false, hold, ...why })]);
}

function byVip(byMember: Readonly<Record<string, number>>): ReadonlyMap<VipId, number> {
  return new Map(Object.entries(byMember).flatMap(([id, share]) => bothVips(id).map((vip) => [vip, share])));
}

/** A vantage that is silent says what it said last, and it does not count. */
function votesOf(sides: Readonly<Record<string, "up" | "down">>): readonly Vote[] {
  return Array.from(WORLD.vantages.keys(), (vantage) => ({
    vantage,
    opinion: sides[vantage] === "up" ? "healthy" : "unhealthy",
    counts: sides[vantage] !== undefined,
    error: null,
    timings: null,
    reportedAtMs: NOW_MS,
  }));
}

function bothVips(memberId: string): readonly VipId[] {
  return [`${memberId}/ipv4` as VipId, `${memberId}/ipv6` as VipId];
}

export function verdict(vip: VipId, parts: Partial<Verdict> = {}): Verdict {
  return {
    vip,
    up: true,
    basis: "judged",
    reason: "2 of 3 vantages: timeout",
    votes: [],
    sinceMs: NOW_MS - 12_000,
    recovering: false,
    flaps: 0,
    hold: null,
    steadyMs: null,
    ...parts,
  };
}

export function serviceOf(
  whenDown: Service["whenDown"] = { kind: "all" },
): Pick<Service, "label" | "whenDown" | "ttlSeconds" | "ttlSecondsMin"> {
  return { label: "www.example", whenDown, ttlSeconds: 30, ttlSecondsMin: 30 };
}

/** Localises and plans in one go. */
export function plan(
  policy: Policy,
  spec: FactSpec = {},
  {
    at = LONDON,
    family = 4,
    whenDown = { kind: "all" },
  }: { readonly at?: Location; readonly family?: 4 | 6; readonly whenDown?: Service["whenDown"] } = {},
): Planned {
  return planFor(localise(policy, at, WORLD), serviceOf(whenDown), family, factsOf(spec), WORLD);
}

/** The shares by member, rounded to 1e-9; a plan without answers as its kind. */
export function sharesOf({ plan: made }: Planned): Readonly<Record<string, number>> | string {
  if (made.kind !== "answer") return made.kind;
  return Object.fromEntries(
    made.shares.map(({ vip, share }) => [vip.replace(/\/ipv[46]$/, ""), Math.round(share * 1e9) / 1e9]),
  );
}
