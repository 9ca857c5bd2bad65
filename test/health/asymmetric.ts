/** Failures that vantages see differently, and the rules of quorum that judge them by the same reports. */

import type { Quorum, VantageId, VipId } from "../../src/config/config.ts";
import { afterProbe, type Standing, UNKNOWN } from "../../src/health/opinion.ts";
import { judge } from "../../src/health/quorum.ts";
import type { Report } from "../../src/health/report.ts";
import { type Changes, Tracker } from "../../src/health/tracker.ts";
import { below, pick, type Random } from "../e2e/random.ts";
import { checkWith, tracked, vantageId, vipId } from "./fixtures.ts";
import { Simulation } from "./simulation.ts";

/** By continent; a world has the first three of them, or up to all. */
const VANTAGES = ["eu/1", "na/1", "as/1", "eu/2", "na/2", "as/2", "eu/3", "na/3", "as/3"].map(vantageId);
const VANTAGES_MIN = 3;
const VIPS = ["eu/a", "eu/b", "na/a", "na/b", "as/a", "as/b"].map(vipId);
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

interface Failure {
  readonly dead: readonly VipId[];
  /** Of these either verdict is right. */
  readonly disputed: readonly VipId[];
  readonly sees: (vantage: VantageId, vip: VipId, isAlive: boolean, nowMs: number) => boolean;
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

function failureOf(kind: (typeof KINDS)[number], vantages: readonly VantageId[], random: Random): Failure {
  const region = pick(["eu", "na", "as"], random);
  const ofRegion = VIPS.filter((vip) => isIn(vip, region));
  const some = someOf(vantages, random);
  const truth: Failure = { dead: [], disputed: [], sees: (_vantage, _vip, isAlive) => isAlive };
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
      };
    case "some agents lie":
      return { ...truth, sees: lying };
    case "probes get lost everywhere":
      return { ...truth, sees: lossOf(vantages, 0.02 + 0.18 * random(), random) };
    case "a region dies":
      return { ...truth, dead: ofRegion };
    case "a region dies, some vantages lose probes":
      return { ...truth, dead: ofRegion, sees: lossy };
    case "a region dies, some agents lie":
      return { ...truth, dead: ofRegion, sees: lying };
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
