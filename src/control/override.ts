/** Overrides: an operator's word that wins over facts and config, and how they become facts. */

import type { Config, Member, MemberId, Vip, VipId } from "../config/config.ts";
import { weightRange } from "../config/parse-pool.ts";
import type { Policy } from "../config/policy.ts";
import { formatDuration } from "../config/units.ts";
import { type Fall, nextFallAt, takeInFall } from "../health/ramp.ts";
import { vipsOf } from "../health/tracked.ts";
import { didYouMean } from "../suggest.ts";
import { lookup, memberOfVip } from "./lookup.ts";
import { policiesIn } from "./policy-walk.ts";
import { partWay, type Stage } from "./stage.ts";

/** What an override does, and to what. */
export type Action =
  | {
      readonly kind: "weight";
      readonly target: Target<"member" | "region" | "choice">;
      readonly weight: number;
    }
  | {
      readonly kind: "drain";
      readonly target: Target<"member" | "region">;
      /** For so long its share shrinks, evenly, from when it was ordered; absent: it is gone at once. */
      readonly rampMs?: number;
    }
  | {
      readonly kind: "force";
      readonly target: VipTarget;
      readonly verdict: "up" | "down";
    }
  | {
      readonly kind: "freeze";
      readonly target: VipTarget;
      /** How each VIP was when it was ordered, and stays. */
      readonly verdicts: Readonly<Record<string, "up" | "down">>;
    };

/** Something of the config by its name; it may have gone from the config since. */
export interface Target<By extends string = "member" | "region" | "choice" | "vip"> {
  readonly by: By;
  /**
   * A member is `pool/member`, a VIP `pool/member/ipv4`, a choice `policy/choice`; a policy that is written in place
   * goes by its service's name.
   */
  readonly id: string;
}

/** What has verdicts. */
export type VipTarget = Target<"member" | "region" | "vip">;

/** An action with who ordered it, why, and until when. */
export interface Override {
  /** From `overrideId`: an action on the same target replaces the one before. */
  readonly id: string;
  readonly action: Action;
  readonly author: string;
  readonly reason: string;
  readonly createdMs: number;
  /** From this moment it no longer counts; null: until somebody ends it. */
  readonly untilMs: number | null;
  /** What of it is in force; absent: all. */
  readonly stage?: Stage;
}

/** The part of the facts that overrides decide. */
export interface OverrideFacts {
  readonly memberWeights: ReadonlyMap<MemberId, number>;
  readonly choiceWeights: ReadonlyMap<string, number>;
  readonly drained: ReadonlySet<MemberId>;
  /** What members that are drained little by little still take of what they are offered, above 0 and below 1. */
  readonly draining: ReadonlyMap<MemberId, number>;
  /** By force, or because they are frozen so. */
  readonly forced: ReadonlyMap<VipId, { readonly verdict: "up" | "down"; readonly override: Override }>;
  /** When the first of those that drain, force or freeze a VIP does something else by itself: it ends, or drains more. */
  readonly endsMs: ReadonlyMap<VipId, number>;
}

/** `drain:region:eu-west`: one override for each kind and target. */
export function overrideId(action: Action): string {
  return `${action.kind}:${action.target.by}:${action.target.id}`;
}

/** For people: `drain region eu-west over 5m`, `weight of choice web/canary 5`, `force vip web/eu-west/ipv4 down`. */
export function describeAction(action: Action): string {
  const target = `${action.target.by} ${action.target.id}`;
  switch (action.kind) {
    case "weight":
      return `weight of ${target} ${action.weight}`;
    case "drain":
      return action.rampMs === undefined
        ? `drain ${target}`
        : `drain ${target} over ${formatDuration(action.rampMs)}`;
    case "force":
      return `force ${target} ${action.verdict}`;
    case "freeze":
      return `freeze ${target}`;
  }
}

/** What is wrong with an action under this config: an unknown target or a weight out of range; null: nothing. */
export function actionProblem(config: Config, action: Action): string | null {
  const { least, most } = weightRange;
  if (action.kind === "weight" && !(action.weight >= least && action.weight <= most)) {
    return `weight: expected ${least} to ${most}, got ${action.weight}`;
  }
  return targetProblem(config, action.target);
}

/** What is wrong with a target under this config; null: nothing. */
export function targetProblem(config: Config, target: Target): string | null {
  const { by, id } = target;
  if (isKnown(config, target)) return null;
  return `no ${by} "${id}" in ${config.file}${didYouMean(id, candidates(config, by))}`;
}

/** Whether the override's target has gone from the config; it is kept, because the target may come back. */
export function isStale(config: Config, override: Override): boolean {
  return !isKnown(config, override.action.target);
}

/** Whether the override counts at `nowMs`. */
export function isActive(override: Override, nowMs: number): boolean {
  return override.untilMs === null || nowMs < override.untilMs;
}

/** When the next override does something else by itself, after `nowMs`: it ends, or drains more; null: none will. */
export function nextTurnMs(overrides: Iterable<Override>, nowMs: number): number | null {
  const turns = Array.from(overrides, (override) => turnOf(override, nowMs)).filter((atMs) => atMs !== null);
  return turns.reduce<number | null>((next, atMs) => (next === null || atMs < next ? atMs : next), null);
}

function turnOf(override: Override, nowMs: number): number | null {
  const { untilMs } = override;
  if (!isActive(override, nowMs)) return null;
  const fallMs = nextFallAt(fallOf(override), nowMs);
  return fallMs === null || (untilMs !== null && untilMs < fallMs) ? untilMs : fallMs;
}

/** Where nothing is drained little by little it has no length. */
function fallOf({ action, createdMs }: Override): Fall {
  return { sinceMs: createdMs, rampMs: (action.kind === "drain" && action.rampMs) || 0 };
}

/** When a drain has come to its full effect. */
export function drainedAtMs(override: Override): number {
  const { sinceMs, rampMs } = fallOf(override);
  return sinceMs + rampMs;
}

/** The override as it is once a drain has come to its full effect: what it does in the end, rules have to hold for. */
export function inFull(override: Override): Override {
  const { action } = override;
  if (action.kind !== "drain") return override;
  const { kind, target } = action;
  return { ...override, action: { kind, target } };
}

/** An override as it was ordered, however little of it is in force yet, or still. */
export function asOrdered({ stage: _, ...override }: Override): Override {
  return inFull(override);
}

/** What VIPs take when those of members that are being drained take less. */
export function takesWith(
  takes: ReadonlyMap<VipId, number>,
  { draining }: Pick<OverrideFacts, "draining">,
  config: Config,
): ReadonlyMap<VipId, number> {
  if (draining.size === 0) return takes;
  const less = new Map(takes);
  for (const [id, take] of draining) {
    const member = lookup(config.members, id);
    for (const vip of member === null ? [] : vipsOf(member))
      less.set(vip.id, take * (takes.get(vip.id) ?? takes.get(vip.judgedBy) ?? 1));
  }
  return less;
}

/**
 * The overrides that count at `nowMs`, as facts.
 *
 * 1. The narrower target wins: a VIP's over its member's, a member's over its region's; of one target force wins over freeze.
 * 2. A region's weight is the weight of every member in it.
 * 3. Of drains that reach one member the one wins that leaves it least.
 * 4. Overrides do not depend on their order, and those of unknown targets do nothing.
 */
export function applyOverrides(config: Config, overrides: Iterable<Override>, nowMs: number): OverrideFacts {
  const memberWeights = new Map<MemberId, number>();
  const choiceWeights = new Map<string, number>();
  const takes = new Map<MemberId, number>();
  const forced = new Map<VipId, { verdict: "up" | "down"; override: Override }>();
  const endsMs = new Map<VipId, number>();
  const active = [...overrides].filter((override) => isActive(override, nowMs));
  for (const override of active.sort((a, b) => breadth(b) - breadth(a))) {
    const { action } = override;
    if (action.kind === "weight" && action.target.by === "choice") {
      const from = replacedWeight(override) ?? declaredWeight(config, action.target.id);
      choiceWeights.set(action.target.id, partWay(from, action.weight, override.stage));
      continue;
    }
    for (const member of membersOf(config, action.target)) {
      if (action.kind === "weight") {
        const from = replacedWeight(override) ?? memberWeights.get(member.id) ?? member.weight;
        memberWeights.set(member.id, partWay(from, action.weight, override.stage));
      } else if (action.kind === "drain") {
        const take =
          override.stage === undefined ? takeInFall(fallOf(override), nowMs) : 1 - override.stage.part;
        takes.set(member.id, Math.min(takes.get(member.id) ?? 1, take));
      } else {
        for (const vip of vipsOf(member)) {
          const verdict = action.kind === "force" ? action.verdict : action.verdicts[vip.id];
          if (verdict !== undefined && isUnder(action.target, vip)) forced.set(vip.id, { verdict, override });
        }
      }
      const turnMs = action.kind === "weight" ? null : turnOf(override, nowMs);
      if (turnMs === null) continue;
      for (const { id } of vipsOf(member))
        endsMs.set(id, Math.min(endsMs.get(id) ?? Number.POSITIVE_INFINITY, turnMs));
    }
  }
  const drained = new Set([...takes].filter(([, take]) => take === 0).map(([member]) => member));
  const draining = new Map([...takes].filter(([, take]) => take > 0 && take < 1));
  return { memberWeights, choiceWeights, drained, draining, forced, endsMs };
}

/** The weight that an override took the place of; null: it took none's. */
function replacedWeight({ stage }: Override): number | null {
  const action = stage?.replaced?.action;
  return action?.kind === "weight" ? action.weight : null;
}

/** The weight of a choice in the config. */
function declaredWeight(config: Config, id: string): number {
  const scope = id.split("/", 1)[0] ?? "";
  const policy = config.policies.get(scope) ?? config.services.find(({ label }) => label === scope)?.policy;
  for (const found of policy === undefined ? [] : policiesIn(policy)) {
    const choices = found.kind === "weighted" ? found.choices : [];
    const choice = choices.find(({ key }) => `${scope}/${key}` === id);
    if (choice !== undefined) return choice.weight;
  }
  return 0;
}

/** The VIPs that a target speaks of. */
export function vipsUnder(config: Config, target: VipTarget): readonly VipId[] {
  const vips = membersOf(config, target).flatMap(vipsOf);
  return vips.filter((vip) => isUnder(target, vip)).map(({ id }) => id);
}

/** Whether a target speaks of a VIP of one of its members. */
function isUnder(target: VipTarget, vip: Vip): boolean {
  return target.by !== "vip" || vip.id === target.id;
}

/** A wide target is applied first, so that a narrow one overwrites it; of the same breadth what freezes before what forces. */
function breadth({ action }: Override): number {
  const byTarget = ["vip", "choice", "member", "region"].indexOf(action.target.by);
  return 2 * byTarget + (action.kind === "freeze" ? 1 : 0);
}

function isKnown(config: Config, target: Target): boolean {
  if (target.by === "choice") return choiceKeys(config, target.id).includes(target.id);
  if (target.by === "region") return lookup(config.regions, target.id) !== null;
  return membersOf(config, target).length > 0;
}

/** What has this name in the config, in the first of these ways; null: nothing. */
export function findTarget<By extends Target["by"]>(
  config: Config,
  bys: readonly By[],
  id: string,
): Target<By> | null {
  const by = bys.find((candidate) => isKnown(config, { by: candidate, id }));
  return by === undefined ? null : { by, id };
}

/** The members that a target speaks of; none for a choice. */
export function membersOf(config: Config, target: Target): readonly Member[] {
  switch (target.by) {
    case "choice":
      return [];
    case "region":
      return [...config.members.values()].filter((member) => member.region === target.id);
    case "member":
      return listOf(lookup(config.members, target.id));
    case "vip":
      return listOf(memberOfVip(config, target.id));
  }
}

function listOf(member: Member | null): readonly Member[] {
  return member === null ? [] : [member];
}

/** `policy/choice` for each choice that can be weighed under the policy or service that `id` begins with. */
function choiceKeys(config: Config, id: string): readonly string[] {
  const scope = id.split("/", 1)[0] ?? "";
  const policy = config.policies.get(scope);
  if (policy !== undefined) return keysUnder(scope, policy, scope);
  const service = config.services.find(({ label }) => label === scope);
  return service === undefined ? [] : keysUnder(scope, service.policy, null);
}

/** The choices of the weighted policies, in and below a policy, of that name; null: of those written in place. */
function keysUnder(scope: string, policy: Policy, name: string | null): readonly string[] {
  return policiesIn(policy).flatMap((found) =>
    found.kind === "weighted" && found.name === name ? found.choices.map(({ key }) => `${scope}/${key}`) : [],
  );
}

/** Everything that a target of a kind can name. */
export function candidates(config: Config, by: Target["by"]): readonly string[] {
  const members = [...config.members.values()];
  switch (by) {
    case "member":
      return members.map((member) => member.id);
    case "region":
      return [...config.regions.keys()];
    case "choice":
      return [
        ...[...config.policies].flatMap(([name, policy]) => keysUnder(name, policy, name)),
        ...config.services.flatMap(({ label, policy }) => keysUnder(label, policy, null)),
      ];
    case "vip":
      return members.flatMap((member) => vipsOf(member).map((vip) => vip.id));
  }
}
