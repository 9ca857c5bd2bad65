/** Rehearses a drill on a copy of the plans: who would move, where to, and why it may not begin. */

import type { ClassPlans } from "../book/content.ts";
import type { Config, PoolId, RegionId, VantageId, VipId } from "../config/config.ts";
import type { DrillAction, DrillSpec } from "../config/drills.ts";
import { formatDuration } from "../config/units.ts";
import type { DrilledService } from "../drill/drill.ts";
import { vipsOf } from "../health/tracked.ts";
import type { Problem } from "../problem.ts";
import type { Facts } from "../steering/facts.ts";
import type { Plan } from "../steering/plan.ts";
import { type Supposition, suppose } from "../steering/suppose.ts";
import { formatPercent } from "../steering/words.ts";
import type { Steps } from "../steps.ts";
import { loadsWithout } from "./capacity.ts";
import { violationOf } from "./drill-guards.ts";
import { restoresWithin } from "./drill-orders.ts";
import { drilledService, gone, overrideIdOf, type Scene, sceneOf } from "./drill-scene.ts";
import type { Edition } from "./live-book.ts";
import { memberOfVip } from "./lookup.ts";
import { membersOf, type Override } from "./override.ts";
import type { Planner } from "./planner.ts";
import type { ProfileWindow } from "./profile.ts";

/** Answers of a watched service, in one family. */
interface Move {
  readonly service: string;
  readonly family: 4 | 6;
  /** The share of each region, as a mean over the classes of clients that are concerned; those without any are left out. */
  readonly regions: readonly { readonly region: RegionId; readonly before: number; readonly after: number }[];
}

/** What a drill would do, and why it may not. */
export interface RehearsedDrill {
  /** None: it may begin. */
  readonly problems: readonly Problem[];
  readonly services: readonly DrilledService[];
  readonly vips: readonly VipId[];
  readonly vantages: readonly VantageId[];
  readonly moves: readonly Move[];
  /** What part of the capacity of each pool would be in use; pools whose loads are not known are left out. */
  readonly loads: ReadonlyMap<PoolId, number>;
  /** How long putting everything back may take. */
  readonly restoresWithinMs: number;
}

/** Of VIPs that are down already so many are told. */
const DOWN_MAX = 5;

/** Tries a drill on a copy; rules are asked elsewhere. */
export function* rehearseDrill(
  spec: DrillSpec,
  { snapshot: { config }, planner }: Edition,
  facts: Facts,
  overrides: readonly Override[],
  windows: Iterable<ProfileWindow>,
): Steps<RehearsedDrill> {
  const scene = sceneOf(spec, config);
  const services = scene.services.map((service) => drilledService(service, spec, config));
  const { moves, emptied } = yield* movesOf(spec, scene, planner, facts, config);
  const vips = gone(spec, scene);
  const dead = [...config.members.values()].filter((member) =>
    vipsOf(member).every(({ id }) => vips.has(id)),
  );
  const loads = yield* loadsWithout(dead, planner, facts, config, windows);
  const connections = { tried: 0, failed: 0 };
  const { guards } = spec;
  const violation = violationOf({ guards, config, facts, services: scene.services, vips, connections });
  const objections = [
    ...targetProblems(spec, scene, overrides),
    ...emptied.map((label) => `${label} would have nothing up to answer with`),
    ...tooShort(spec, services),
    ...(guards.quietElsewhere ? downAlready(facts) : []),
    ...tooFull(loads, spec),
    ...(violation === null ? [] : [`guard ${violation.guard}: ${violation.reason}`]),
  ];
  return {
    problems: objections.map(objection),
    services,
    vips: [...scene.vips],
    vantages: scene.vantages,
    moves,
    loads,
    restoresWithinMs: restoresWithin(spec, scene, config),
  };
}

/** Why a drill may not begin. */
export function objection(message: string): Problem {
  return { file: "request", line: 0, column: 0, message };
}

function targetProblems(
  { action }: DrillSpec,
  scene: Scene,
  overrides: readonly Override[],
): readonly string[] {
  const problems: string[] = [];
  if (action.kind === "dead" && scene.probed.length === 0)
    problems.push("target: nothing of it is probed, so nobody would find out that it is dead");
  else if (scene.services.length === 0) problems.push("target: no service can be answered with it");
  const id = overrideIdOf(scene);
  if (overrides.some((override) => override.id === id)) problems.push(`override ${id} is in force already`);
  return problems;
}

/** A drill must last until the last well-behaved client has moved, or it measures nothing. */
function tooShort({ action, durationMs }: DrillSpec, services: readonly DrilledService[]): readonly string[] {
  return services.flatMap(({ label, boundMs, ttlSeconds }) => {
    const leastMs = action.kind === "cut" ? 0 : action.kind === "dead" ? (boundMs ?? 0) : ttlSeconds * 1_000;
    if (durationMs >= leastMs) return [];
    const text = `is over before the last client of ${label} moves, expected at least ${formatDuration(leastMs)}`;
    return [`duration: ${formatDuration(durationMs)} ${text}`];
  });
}

function downAlready({ verdicts }: Facts): readonly string[] {
  const down = [...verdicts.values()].filter(({ up, basis }) => !up && basis !== "forced");
  return down
    .slice(0, DOWN_MAX)
    .map(({ vip, reason }) => `guard quietElsewhere: ${vip} is down already: ${reason}`);
}

function tooFull(loads: ReadonlyMap<PoolId, number>, { guards }: DrillSpec): readonly string[] {
  return [...loads].flatMap(([pool, load]) => {
    if (load <= guards.loadAtMost) return [];
    const most = formatPercent(guards.loadAtMost);
    return [
      `guard loadAtMost: pool ${pool} would use ${formatPercent(load)} of the capacity that is left, expected at most ${most}`,
    ];
  });
}

/** What facts would be. */
function supposedBy(action: DrillAction, { vips }: Scene, config: Config): readonly Supposition[] {
  switch (action.kind) {
    case "dead":
      return Array.from(vips, (vip) => ({ kind: "verdict", vip, up: false }));
    case "drain":
      return membersOf(config, action.target).map(({ id }) => ({
        kind: "drained",
        member: id,
        drained: true,
      }));
    case "weight": {
      const { weight } = action;
      return membersOf(config, action.target).map(({ id }) => ({
        kind: "member weight",
        member: id,
        weight,
      }));
    }
    case "cut":
      return [];
  }
}

/** Plans what is concerned as it would be; the plans in force stay as they are. */
function* movesOf(
  spec: DrillSpec,
  scene: Scene,
  planner: Planner,
  facts: Facts,
  config: Config,
): Steps<{ readonly moves: readonly Move[]; readonly emptied: readonly string[] }> {
  const supposed = suppose(facts, supposedBy(spec.action, scene, config));
  const watched = new Set(scene.services.map(({ label }) => label));
  const sums = new Map<string, Sum>();
  const emptied = new Set<string>();
  for (const { cohort, before, after } of planner.compare(
    { vips: scene.vips, choices: new Set() },
    supposed,
  )) {
    const labels = cohort.services.flatMap((number) => config.services[number]?.label ?? []);
    for (const family of ["ipv4", "ipv6"] as const) {
      if (isHealthy(before[family]) && !isHealthy(after[family])) emptied.add(cohort.service.label);
      const label = labels.find((one) => watched.has(one));
      if (label === undefined) continue;
      const key = `${label} ${family}`;
      const sum = sums.get(key) ?? { label, family, classes: 0, regions: new Map() };
      sums.set(key, sum);
      sum.classes += 1;
      addShares(sum, before, after, config);
    }
    yield;
  }
  return {
    moves: [...sums.values()].map(moveOf).filter(({ regions }) => regions.length > 0),
    emptied: [...emptied],
  };
}

/** What is answered is up. */
export function isHealthy(plan: Plan): boolean {
  return plan.kind === "answer" && !plan.lastResort;
}

/** What classes of a service and a family add up to. */
interface Sum {
  readonly label: string;
  readonly family: "ipv4" | "ipv6";
  classes: number;
  readonly regions: Map<RegionId, { before: number; after: number }>;
}

function addShares({ family, regions }: Sum, before: ClassPlans, after: ClassPlans, config: Config): void {
  for (const [side, plans] of [
    ["before", before],
    ["after", after],
  ] as const) {
    const plan = plans[family];
    for (const { vip, share } of plan.kind === "answer" ? plan.shares : []) {
      const region = memberOfVip(config, vip)?.region;
      if (region === undefined) continue;
      const shares = regions.get(region) ?? { before: 0, after: 0 };
      regions.set(region, shares);
      shares[side] += share;
    }
  }
}

function moveOf({ label, family, classes, regions }: Sum): Move {
  return {
    service: label,
    family: family === "ipv4" ? 4 : 6,
    regions: Array.from(regions, ([region, { before, after }]) => {
      return { region, before: before / classes, after: after / classes };
    }),
  };
}
