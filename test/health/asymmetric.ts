/** Failures that vantages see differently, the rules of quorum that judge them by the same reports, and what clients get. */

import type { Quorum } from "../../src/config/check.ts";
import type { Config, Coordinates, VantageId, VipId } from "../../src/config/config.ts";
import { FactKeeper } from "../../src/control/fact-keeper.ts";
import { distanceKm } from "../../src/geo/distance.ts";
import { NOWHERE } from "../../src/geo/location.ts";
import { afterProbe, type Standing, UNKNOWN } from "../../src/health/opinion.ts";
import { judge } from "../../src/health/quorum.ts";
import type { Report } from "../../src/health/report.ts";
import { type Changes, Tracker } from "../../src/health/tracker.ts";
import { localise } from "../../src/steering/localise.ts";
import { type Plan, planFor } from "../../src/steering/plan.ts";
import { below, pick, type Random } from "../e2e/random.ts";
import { nearest, pool } from "../steering/world.ts";
import {
  checkWith,
  configWith,
  memberOf,
  poolId,
  serviceWith,
  tracked,
  vantageId,
  vipId,
} from "./fixtures.ts";
import { Simulation } from "./simulation.ts";

/** By continent; a world has the first three of them, or up to all. */
const VANTAGES = ["eu/1", "na/1", "as/1", "eu/2", "na/2", "as/2", "eu/3", "na/3", "as/3"].map(vantageId);
const VANTAGES_MIN = 3;
const VIPS = ["eu/a", "eu/b", "na/a", "na/b", "as/a", "as/b"].map(vipId);

/** Where vantages are: Dublin, Frankfurt, Paris; Virginia, Oregon, Dallas; Tokyo, Singapore, Osaka. */
const CITIES = new Map<VantageId, Coordinates>(
  Object.entries({
    "eu/1": { latitude: 53.3, longitude: -6.3 },
    "eu/2": { latitude: 50.1, longitude: 8.7 },
    "eu/3": { latitude: 48.9, longitude: 2.3 },
    "na/1": { latitude: 38.9, longitude: -77.4 },
    "na/2": { latitude: 45.8, longitude: -119.7 },
    "na/3": { latitude: 32.8, longitude: -96.8 },
    "as/1": { latitude: 35.7, longitude: 139.7 },
    "as/2": { latitude: 1.4, longitude: 103.8 },
    "as/3": { latitude: 34.7, longitude: 135.5 },
  }).map(([id, at]) => [vantageId(id), at]),
);
/** Where VIPs are: one city of each continent. */
const REGIONS = Object.fromEntries(
  ["eu", "na", "as"].map((region) => [region, CITIES.get(vantageId(`${region}/1`))!]),
);
const CHECK = checkWith({ fall: 2, jitterMs: 500 });

const HEALTHY_MS = 20_000;
const FAILING_MS = 90_000;

/** What judges: told of every report, it says which VIPs are down that were not. */
interface Rule {
  report(report: Report): readonly VipId[];
  tick(nowMs: number): readonly VipId[];
}

/** The rules compared. All but Meridian's are a quorum alone: whoever reports has a vote. */
export const RULES: Readonly<Record<string, (vantages: readonly VantageId[]) => Rule>> = {
  Meridian: meridian,
  majority: () => plain({ kind: "majority" }),
  // A VIP is healthy if more than 18 % of the checkers say so: it is down when at least 82 % say down.
  "Route 53": () => plain({ kind: "percent", percent: 82 }),
  any: () => plain({ kind: "any" }),
  all: () => plain({ kind: "all" }),
  "one vantage": ([first]) => plain({ kind: "any" }, first),
};

/** What a failure came to by one rule. */
export interface Judged {
  /** VIPs that were well, and were taken down. */
  readonly falseFailovers: number;
  /** VIPs that were dead, and never taken down. */
  readonly missed: number;
  /** For each VIP that was dead and taken down, after how long. */
  readonly detectedMs: readonly number[];
}

/** The kinds of failures; some vantages are one, or now and then up to half of all. */
export const KINDS = [
  "some vantages lose probes",
  "some vantages' networks flap",
  "a continent is cut off",
  "some agents lie",
  "probes get lost everywhere",
  "a region dies",
  "a region dies, some vantages lose probes",
  "a region dies, some agents lie",
] as const;

/** One that parts clients rather than vantages: those in and around a city cannot reach a region that is well. */
export const OUT_OF_REACH = "a region is out of reach from some cities";

type Kind = (typeof KINDS)[number] | typeof OUT_OF_REACH;

interface Failure {
  readonly dead: readonly VipId[];
  /** Of these either verdict is right. */
  readonly disputed: readonly VipId[];
  readonly sees: (vantage: VantageId, vip: VipId, isAlive: boolean, nowMs: number) => boolean;
  /** Whether clients in the city of a vantage, if there is one or not, reach a VIP: what is only the vantage's own trouble is not theirs. */
  readonly reaches: (city: VantageId, vip: VipId) => boolean;
}

/** Lets one failure happen, and has every rule judge it. */
export async function suffer(
  kind: (typeof KINDS)[number],
  random: Random,
): Promise<ReadonlyMap<string, Judged>> {
  const vantages = VANTAGES.slice(0, VANTAGES_MIN + below(VANTAGES.length - VANTAGES_MIN + 1, random));
  const { dead, disputed, sees } = failureOf(kind, vantages, random);
  const rules = Object.entries(RULES).map(([name, make]) => {
    const downAfterMs = new Map<VipId, number>();
    return { name, rule: make(vantages), downAfterMs };
  });
  const hear = (what: (rule: Rule) => readonly VipId[]): void => {
    for (const { rule, downAfterMs } of rules) {
      for (const vip of what(rule))
        if (!downAfterMs.has(vip)) downAfterMs.set(vip, simulation.nowMs - HEALTHY_MS);
    }
  };
  const simulation: Simulation = new Simulation({
    checks: new Map(VIPS.map((vip) => [vip, CHECK])),
    vantages,
    random,
    probeMs: (outcome, { timeoutMs }) => (outcome === "success" ? 10 + 200 * random() : timeoutMs),
    travelMs: () => 200 * random(),
    sees: (vantage, vip, isAlive) =>
      simulation.nowMs < HEALTHY_MS ? isAlive : sees(vantage, vip, isAlive, simulation.nowMs),
    onReport: (report) => hear((rule) => rule.report(report)),
    onTick: (nowMs) => hear((rule) => rule.tick(nowMs)),
  });
  await simulation.runUntil(HEALTHY_MS);
  for (const vip of dead) simulation.kill(vip);
  await simulation.runUntil(HEALTHY_MS + FAILING_MS);

  return new Map(
    rules.map(({ name, downAfterMs }): [string, Judged] => [
      name,
      {
        falseFailovers: VIPS.filter(
          (vip) => downAfterMs.has(vip) && !dead.includes(vip) && !disputed.includes(vip),
        ).length,
        missed: dead.filter((vip) => !downAfterMs.has(vip)).length,
        detectedMs: dead.map((vip) => downAfterMs.get(vip)).filter((ms) => ms !== undefined),
      },
    ]),
  );
}

/** What clients got, in clients times seconds; once a second each city has one client. */
export interface Served {
  clients: number;
  /** Given what they cannot reach. */
  stranded: number;
  /** Given a region that is farther than the nearest that they reach. */
  detoured: number;
}

/** From then on the failure should have been seen. */
const SETTLED_MS = 15_000;

/** Lets one failure happen, and tells what clients in all cities got: by verdicts alone, and per vantage. */
export async function serve(
  kind: Kind,
  random: Random,
): Promise<{ readonly byVerdict: Served; readonly perVantage: Served }> {
  const vantages = VANTAGES.slice(0, VANTAGES_MIN + below(VANTAGES.length - VANTAGES_MIN + 1, random));
  const { dead, sees, reaches } = failureOf(kind, vantages, random);
  const config = fleetOf(vantages, true);
  const keeper = new FactKeeper(config, [], [], 0);
  const steered = {
    byVerdict: citiesOf(fleetOf(vantages, false)),
    perVantage: citiesOf(config),
  };
  const served = { byVerdict: newServed(), perVantage: newServed() };
  const simulation: Simulation = new Simulation({
    checks: new Map(config.members.values().map(({ ipv4 }) => [ipv4!.id, CHECK])),
    vantages,
    random,
    probeMs: (outcome, { timeoutMs }) => (outcome === "success" ? 10 + 200 * random() : timeoutMs),
    travelMs: () => 200 * random(),
    sees: (vantage, vip, isAlive) =>
      simulation.nowMs < HEALTHY_MS ? isAlive : sees(vantage, shortOf(vip), isAlive, simulation.nowMs),
    onReport: (report) => void keeper.report([report]),
    onTick: (nowMs) => {
      keeper.tick(nowMs);
      if (nowMs < HEALTHY_MS + SETTLED_MS) return;
      const facts = keeper.facts(nowMs);
      for (const how of ["byVerdict", "perVantage"] as const) {
        for (const { city, local } of steered[how])
          note(served[how], city, planFor(local, SERVICE, 4, facts, config).plan, reaches);
      }
    },
  });
  await simulation.runUntil(HEALTHY_MS);
  for (const vip of dead) simulation.kill(`web/${vip}/ipv4` as VipId);
  await simulation.runUntil(HEALTHY_MS + FAILING_MS);
  return served;
}

/** Everybody gets the region that is nearest. */
const SERVICE = serviceWith({ policy: nearest(pool("web")) });

function fleetOf(vantages: readonly VantageId[], perVantage: boolean): Config {
  const members = VIPS.map((vip, i) => memberOf("web", vip, vip.slice(0, 2), 1 + i));
  return configWith({
    regions: REGIONS,
    vantages: Object.fromEntries(vantages.map((id) => [id, CITIES.get(id)!])),
    checks: [CHECK],
    pools: [{ id: poolId("web"), check: CHECK.id, members, minUp: 0, signals: null, perVantage }],
  });
}

function citiesOf(config: Config) {
  return Array.from(CITIES, ([city, coordinates]) => ({
    city,
    local: localise(SERVICE.policy, { ...NOWHERE, coordinates }, config),
  }));
}

function newServed(): Served {
  return { clients: 0, stranded: 0, detoured: 0 };
}

/** `eu/a` of `web/eu/a/ipv4`. */
function shortOf(vip: VipId): VipId {
  return vipId(vip.split("/").slice(1, 3).join("/"));
}

function note(served: Served, city: VantageId, plan: Plan, reaches: Failure["reaches"]): void {
  served.clients += 1;
  const kmOf = (vip: VipId): number => distanceKm(CITIES.get(city)!, REGIONS[vip.slice(0, 2)]!);
  const nearestKm = Math.min(...VIPS.filter((vip) => reaches(city, vip)).map(kmOf));
  for (const { vip, share } of plan.kind === "answer" ? plan.shares : []) {
    const short = shortOf(vip);
    if (!reaches(city, short)) served.stranded += share;
    else if (kmOf(short) > nearestKm) served.detoured += share;
  }
}

function failureOf(kind: Kind, vantages: readonly VantageId[], random: Random): Failure {
  const region = pick(["eu", "na", "as"], random);
  const ofRegion = VIPS.filter((vip) => isIn(vip, region));
  const some = someOf(vantages, random);
  const truth: Failure = {
    dead: [],
    disputed: [],
    sees: (_vantage, _vip, isAlive) => isAlive,
    reaches: () => true,
  };
  const died: Failure = { ...truth, dead: ofRegion, reaches: (_city, vip) => !isIn(vip, region) };
  const lossy = lossOf(some, 0.3 + 0.7 * random(), random);
  const lying = lieOf(some, pick(["down", "up", "opposite"], random));
  switch (kind) {
    case "some vantages lose probes":
      return { ...truth, sees: lossy };
    case "some vantages' networks flap":
      return { ...truth, sees: flapOf(some, random) };
    case "a continent is cut off":
      // Most of the world cannot reach its VIPs either.
      return {
        ...truth,
        disputed: ofRegion,
        sees: (vantage, vip, isAlive) => isAlive && isIn(vantage, region) === isIn(vip, region),
        reaches: (city, vip) => isIn(city, region) === isIn(vip, region),
      };
    case "some agents lie":
      return { ...truth, sees: lying };
    case "probes get lost everywhere":
      return { ...truth, sees: lossOf(vantages, 0.02 + 0.18 * random(), random) };
    case "a region dies":
      return died;
    case "a region dies, some vantages lose probes":
      return { ...died, sees: lossy };
    case "a region dies, some agents lie":
      return { ...died, sees: lying };
    case OUT_OF_REACH: {
      const middle = pick([...CITIES.values()], random);
      const reachKm = pick([0, 500, 1_500], random);
      const isParted = (city: VantageId): boolean => distanceKm(CITIES.get(city)!, middle) <= reachKm;
      const reaches = (city: VantageId, vip: VipId): boolean => !(isParted(city) && isIn(vip, region));
      return { ...truth, reaches, sees: (vantage, vip, isAlive) => isAlive && reaches(vantage, vip) };
    }
  }
}

/** One of them mostly, up to half of them otherwise. */
function someOf(vantages: readonly VantageId[], random: Random): readonly VantageId[] {
  const count = random() < 0.6 ? 1 : 1 + below(Math.floor(vantages.length / 2), random);
  return vantages
    .map((vantage) => ({ vantage, at: random() }))
    .sort((a, b) => a.at - b.at)
    .slice(0, count)
    .map(({ vantage }) => vantage);
}

function isIn(id: VantageId | VipId, continent: string): boolean {
  return id.startsWith(`${continent}/`);
}

function lossOf(lossy: readonly VantageId[], share: number, random: Random): Failure["sees"] {
  return (vantage, _vip, isAlive) => isAlive && !(lossy.includes(vantage) && random() < share);
}

function lieOf(liars: readonly VantageId[], lie: "down" | "up" | "opposite"): Failure["sees"] {
  return (vantage, _vip, isAlive) => {
    if (!liars.includes(vantage)) return isAlive;
    return lie === "opposite" ? !isAlive : lie === "up";
  };
}

/** Their networks are gone for as long as they are there, and so on. */
function flapOf(flapping: readonly VantageId[], random: Random): Failure["sees"] {
  const halfMs = 3_000 + below(20_000, random);
  return (vantage, _vip, isAlive, nowMs) =>
    isAlive && (!flapping.includes(vantage) || Math.floor(nowMs / halfMs) % 2 === 0);
}

function meridian(vantages: readonly VantageId[]): Rule {
  const tracker = new Tracker(tracked(VIPS, CHECK), vantages, 0);
  const downIn = ({ flipped }: Changes): readonly VipId[] =>
    flipped.filter(({ up }) => !up).map(({ vip }) => vip);
  return {
    report: (report) => downIn(tracker.report(report)),
    tick: (nowMs) => downIn(tracker.tick(nowMs)),
  };
}

/** A quorum over what vantages think after their thresholds, and nothing else; `only`: the one vantage that is heard. */
function plain(quorum: Quorum, only?: VantageId): Rule {
  const standings = new Map(VIPS.map((vip) => [vip, new Map<VantageId, Standing>()]));
  return {
    report: ({ vantage, vip, outcome }) => {
      if (only !== undefined && vantage !== only) return [];
      const ofVip = standings.get(vip)!;
      ofVip.set(vantage, afterProbe(ofVip.get(vantage) ?? UNKNOWN, outcome.kind, CHECK));
      const tally = { up: 0, down: 0, isolated: { up: 0, down: 0 } };
      for (const { opinion } of ofVip.values()) {
        if (opinion !== "unknown") tally[opinion === "unhealthy" ? "down" : "up"] += 1;
      }
      return judge(tally, quorum, 1) === "down" ? [vip] : [];
    },
    // No vantage falls silent here, so no vote goes stale.
    tick: () => [],
  };
}
