/** What a change of overrides or files breaks: at once, and later, when overrides end by themselves. */

import type { Service } from "../config/config.ts";
import type { Problem } from "../problem.ts";
import type { Standing } from "../steering/standing.ts";
import type { Steps } from "../steps.ts";
import {
  applyOverrides,
  describeAction,
  drainedAtMs,
  type Override,
  type OverrideFacts,
} from "./override.ts";
import { differences } from "./overrides-in-force.ts";
import { newlyBroken, type Ruled } from "./rules.ts";

/** A config, and overrides each of which counts until its end. */
export interface Course {
  readonly ruled: Ruled;
  readonly overrides: readonly Override[];
}

/**
 * The invariants that one course breaks and the other, which is in force, does not, each once.
 *
 * An override that ends by itself asks nobody then. So both courses are followed to the end of their last override, and compared after
 * each. Between two ends nothing happens, and after one only services are tried that it touches. What is drained little by
 * little counts as drained from when all of it is.
 */
export function* foresee(inForce: Course, next: Course, nowMs: number): Steps<readonly Problem[]> {
  const problems = new Map<string, Problem>();
  let last: readonly [OverrideFacts, OverrideFacts] | null = null;
  for (const atMs of [nowMs, ...turnsOf(inForce, next, nowMs)]) {
    const [before, after] = [factsOf(inForce, atMs), factsOf(next, atMs)] as const;
    const touched =
      last && new Set([...touchedBy(inForce, last[0], before), ...touchedBy(next, last[1], after)]);
    const services = differingIn(inForce, next, before, after).filter(
      ({ label }) => touched?.has(label) ?? true,
    );
    const others = inForce.ruled === next.ruled ? services : inForce.ruled.snapshot.config.services;
    const broken = yield* newlyBroken(
      { ruled: inForce.ruled, standing: standingOf(before), services: others },
      { ruled: next.ruled, standing: standingOf(after), services },
    );
    const when = atMs === nowMs ? "" : `, ${whenText(inForce, next, atMs)}`;
    for (const problem of broken)
      if (!problems.has(problem.message))
        problems.set(problem.message, { ...problem, message: `${problem.message}${when}` });
    last = [before, after];
  }
  return [...problems.values()];
}

/** When overrides of either course end, or have drained in full what they drain little by little, the first first. */
function turnsOf(a: Course, b: Course, nowMs: number): readonly number[] {
  const turns = [...a.overrides, ...b.overrides].flatMap((override) => [
    override.untilMs,
    drainedAtMs(override),
  ]);
  const toCome = turns.filter((atMs) => atMs !== null && atMs > nowMs);
  return [...new Set(toCome.filter((atMs) => atMs !== null))].sort((one, other) => one - other);
}

function factsOf({ ruled, overrides }: Course, atMs: number): OverrideFacts {
  return applyOverrides(ruled.snapshot.config, overrides, atMs);
}

/** Which services fare otherwise in one course than in the other: of 100,000 a drain may concern a few. */
function differingIn(
  inForce: Course,
  next: Course,
  before: OverrideFacts,
  after: OverrideFacts,
): readonly Service[] {
  const { snapshot, planner } = next.ruled;
  if (inForce.ruled !== next.ruled) return snapshot.config.services;
  return planner.servicesTouchedBy(differences(snapshot.config, before, after));
}

function touchedBy(
  { ruled: { snapshot, planner } }: Course,
  before: OverrideFacts,
  after: OverrideFacts,
): readonly string[] {
  return planner.servicesTouchedBy(differences(snapshot.config, before, after)).map(({ label }) => label);
}

function standingOf({ memberWeights, choiceWeights, drained, forced }: OverrideFacts): Standing {
  const verdicts = new Map(Array.from(forced, ([vip, { verdict }]) => [vip, verdict]));
  return { memberWeights, choiceWeights, drained, forced: verdicts };
}

function whenText(inForce: Course, next: Course, atMs: number): string {
  const turning = [...inForce.overrides, ...next.overrides].flatMap((override) => {
    const action = `"${describeAction(override.action)}"`;
    if (override.untilMs === atMs) return [`${action} has ended`];
    return drainedAtMs(override) === atMs ? [`${action} has drained all`] : [];
  });
  return `once ${[...new Set(turning)].join(" and ")} at ${new Date(atMs).toISOString()}`;
}
