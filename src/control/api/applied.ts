/** Which overrides had a part in a plan. */

import type { Config } from "../../config/config.ts";
import { SUPPOSED } from "../../steering/suppose.ts";
import type { Trace, TraceFact, TraceNode } from "../../steering/trace.ts";
import { lookup, memberOfVip } from "../lookup.ts";
import { isActive, type Override, type Target } from "../override.ts";

/** The overrides that decided a fact of this trace, each once, in their order. */
export function appliedOverrides(
  trace: Trace,
  overrides: readonly Override[],
  config: Config,
  nowMs: number,
): readonly Override[] {
  const active = overrides.filter((override) => isActive(override, nowMs));
  const applied = new Set<Override>();
  for (const fact of trace.stages.flatMap(({ root }) => factsUnder(root))) {
    for (const override of deciding(fact, active, config)) applied.add(override);
  }
  return overrides.filter((override) => applied.has(override));
}

function factsUnder(node: TraceNode): readonly TraceFact[] {
  return [...node.facts, ...node.children.flatMap(factsUnder)];
}

/** Every drain that reaches a member counts; of weights and forced verdicts only the one with the narrowest target. */
function deciding(fact: TraceFact, active: readonly Override[], config: Config): readonly Override[] {
  switch (fact.kind) {
    case "verdict":
      if (fact.basis !== "forced" || fact.reason === SUPPOSED) return [];
      return narrowest(["force", "freeze"], targetsOfVip(fact.vip, config), active).slice(0, 1);
    case "weight":
      return narrowest(
        ["weight"],
        [{ by: "choice", id: fact.of }, ...targetsOfMember(fact.of, config)],
        active,
      ).filter(({ action }) => action.kind === "weight" && action.weight === fact.overridden);
    case "drained":
      return targetsOfMember(fact.member, config).flatMap((target) => on("drain", target, active));
    case "take": {
      const member = memberOfVip(config, fact.vip);
      return targetsOfMember(member?.id ?? "", config).flatMap((target) => on("drain", target, active));
    }
    case "load":
    case "headroom":
    case "nearby":
    case "rtt":
      return [];
  }
}

/** On one target the first kind comes first. */
function narrowest(
  kinds: readonly Override["action"]["kind"][],
  targets: readonly Target[],
  active: readonly Override[],
): readonly Override[] {
  const found = targets.map((target) => kinds.flatMap((kind) => on(kind, target, active)));
  return found.find((overrides) => overrides.length > 0) ?? [];
}

function on(
  kind: Override["action"]["kind"],
  { by, id }: Target,
  active: readonly Override[],
): readonly Override[] {
  return active.filter(
    ({ action }) => action.kind === kind && action.target.by === by && action.target.id === id,
  );
}

/** What an override can be on to reach a VIP, the narrowest first. */
function targetsOfVip(vip: string, config: Config): readonly Target[] {
  const member = memberOfVip(config, vip);
  return [{ by: "vip", id: vip }, ...(member === null ? [] : targetsOfMember(member.id, config))];
}

function targetsOfMember(id: string, config: Config): readonly Target[] {
  const member = lookup(config.members, id);
  return member === null
    ? []
    : [
        { by: "member", id },
        { by: "region", id: member.region },
      ];
}
