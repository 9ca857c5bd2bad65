/** Overrides: an operator's word that wins over facts and config, and how they become facts. */

import type { Config, Member, MemberId, VipId } from "../config/config.ts";
import { suggest } from "../config/suggest.ts";

/** What an override does, and to what. */
export type Action =
  | {
      readonly kind: "weight";
      readonly target: Target<"member" | "region" | "choice">;
      readonly weight: number;
    }
  | { readonly kind: "drain"; readonly target: Target<"member" | "region"> }
  | {
      readonly kind: "force";
      readonly target: Target<"member" | "region" | "vip">;
      readonly verdict: "up" | "down";
    };

/** Something of the config by its name; it may have gone from the config since. */
export interface Target<By extends string = "member" | "region" | "choice" | "vip"> {
  readonly by: By;
  /** A member is `pool/member`, a VIP `pool/member/ipv4`, a choice `policy/choice`. */
  readonly id: string;
}

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
}

/** The part of the facts that overrides decide. */
export interface OverrideFacts {
  readonly memberWeights: ReadonlyMap<MemberId, number>;
  readonly choiceWeights: ReadonlyMap<string, number>;
  readonly drained: ReadonlySet<MemberId>;
  readonly forced: ReadonlyMap<VipId, { readonly verdict: "up" | "down"; readonly override: Override }>;
}

/** The largest weight an operator may set, as in the config. */
export const WEIGHT_MAX = 1_000_000;

/** `drain:region:eu-west`: one override for each kind and target. */
export function overrideId(action: Action): string {
  return `${action.kind}:${action.target.by}:${action.target.id}`;
}

/** For people: `drain region eu-west`, `weight of choice web/canary 5`, `force vip web/eu-west/ipv4 down`. */
export function describeAction(action: Action): string {
  const target = `${action.target.by} ${action.target.id}`;
  switch (action.kind) {
    case "weight":
      return `weight of ${target} ${action.weight}`;
    case "drain":
      return `drain ${target}`;
    case "force":
      return `force ${target} ${action.verdict}`;
  }
}

/** What is wrong with an action under this config: an unknown target or a weight out of range; null: nothing. */
export function actionProblem(config: Config, action: Action): string | null {
  if (action.kind === "weight" && !(action.weight >= 0 && action.weight <= WEIGHT_MAX)) {
    return `weight: expected 0 to ${WEIGHT_MAX}, got ${action.weight}`;
  }
  const { by, id } = action.target;
  if (isKnown(config, action.target)) return null;
  const near = suggest(id, candidates(config, by));
  return `no ${by} "${id}" in ${config.file}${near === null ? "" : `; did you mean "${near}"?`}`;
}

/** Whether the override's target has gone from the config; it is kept, because the target may come back. */
export function isStale(config: Config, override: Override): boolean {
  return !isKnown(config, override.action.target);
}

/** Whether the override counts at `nowMs`. */
export function isActive(override: Override, nowMs: number): boolean {
  return override.untilMs === null || nowMs < override.untilMs;
}

/** When the next override ends by itself; null: none will. */
export function nextEndMs(overrides: Iterable<Override>): number | null {
  let next: number | null = null;
  for (const { untilMs } of overrides) {
    if (untilMs !== null && (next === null || untilMs < next)) next = untilMs;
  }
  return next;
}

/**
 * The overrides that count at `nowMs`, as facts.
 *
 * 1. The narrower target wins: a VIP's over its member's, a member's over its region's.
 * 2. A region's weight is the weight of every member in it.
 * 3. Overrides do not depend on their order, and those of unknown targets do nothing.
 */
export function applyOverrides(config: Config, overrides: Iterable<Override>, nowMs: number): OverrideFacts {
  const memberWeights = new Map<MemberId, number>();
  const choiceWeights = new Map<string, number>();
  const drained = new Set<MemberId>();
  const forced = new Map<VipId, { verdict: "up" | "down"; override: Override }>();
  const active = [...overrides].filter((override) => isActive(override, nowMs));
  for (const override of active.sort((a, b) => breadth(b) - breadth(a))) {
    const { action } = override;
    if (action.kind === "weight" && action.target.by === "choice") {
      choiceWeights.set(action.target.id, action.weight);
      continue;
    }
    for (const member of membersOf(config, action.target)) {
      if (action.kind === "weight") memberWeights.set(member.id, action.weight);
      else if (action.kind === "drain") drained.add(member.id);
      else {
        for (const vip of [member.ipv4, member.ipv6]) {
          if (vip === null || (action.target.by === "vip" && vip.id !== action.target.id)) continue;
          forced.set(vip.id, { verdict: action.verdict, override });
        }
      }
    }
  }
  return { memberWeights, choiceWeights, drained, forced };
}

/** A wide target is applied first, so that a narrow one overwrites it. */
function breadth(override: Override): number {
  return ["vip", "choice", "member", "region"].indexOf(override.action.target.by);
}

function isKnown(config: Config, target: Target): boolean {
  if (target.by === "choice") return choiceKeys(config, target.id).includes(target.id);
  if (target.by === "region") return lookup(config.regions, target.id) !== undefined;
  return membersOf(config, target).length > 0;
}

/** The members that a target speaks of; none for a choice. */
function membersOf(config: Config, target: Target): readonly Member[] {
  switch (target.by) {
    case "choice":
      return [];
    case "region":
      return [...config.members.values()].filter((member) => member.region === target.id);
    case "member": {
      const member = lookup(config.members, target.id);
      return member === undefined ? [] : [member];
    }
    case "vip": {
      const member = lookup(config.members, target.id.slice(0, target.id.lastIndexOf("/")));
      const found = member?.ipv4?.id === target.id || member?.ipv6?.id === target.id;
      return member !== undefined && found ? [member] : [];
    }
  }
}

/** `policy/choice` for each choice of the policy that `id` begins with. */
function choiceKeys(config: Config, id: string): readonly string[] {
  const name = id.split("/", 1)[0] ?? "";
  const policy = config.policies.get(name);
  return policy?.kind === "weighted" ? policy.choices.map((choice) => `${name}/${choice.key}`) : [];
}

function candidates(config: Config, by: Target["by"]): readonly string[] {
  const members = [...config.members.values()];
  switch (by) {
    case "member":
      return members.map((member) => member.id);
    case "region":
      return [...config.regions.keys()];
    case "choice":
      return [...config.policies.keys()].flatMap((name) => choiceKeys(config, name));
    case "vip":
      return members.flatMap((member) => [member.ipv4, member.ipv6].flatMap((vip) => vip?.id ?? []));
  }
}

/** Looks up an operator's word that may or may not be one of the branded keys. */
function lookup<T>(map: ReadonlyMap<string, T>, key: string): T | undefined {
  return map.get(key);
}
