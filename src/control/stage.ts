/** Stages: how far an override has come that takes effect step by step. */

import type { Config, VipId } from "../config/config.ts";
import { dissentersOf } from "../health/verdict.ts";
import type { Facts } from "../steering/facts.ts";
import { formatPercent } from "../steering/words.ts";
import { memberOfVip } from "./lookup.ts";
import type { Override } from "./override.ts";

/** What is in force of an override. */
export interface Stage {
  /** How much of it, 0 to 1: of a drain the share that is taken away, of a weight the part of the way to it. */
  readonly part: number;
  /** Where it is going: in force as a whole, or ended. */
  readonly goal: 0 | 1;
  /** What was in force in its place, and is again when it is taken back; null: nothing. */
  readonly replaced: Override | null;
  /** When the next step is due; null: it is paused. */
  readonly nextMs: number | null;
  /** Who gets more clients by it and was well when it began: harm to one of them takes it back. */
  readonly watched: readonly VipId[];
}

/** What lies between the value without an override and the one that it orders. */
export function partWay(from: number, to: number, stage: Stage | undefined): number {
  return stage === undefined ? to : from + (to - from) * stage.part;
}

/** `35 % of the way, next step at 2026-01-01T00:05:00.000Z`. */
export function describeStage(stage: Stage): string {
  const { nextMs } = stage;
  const next = nextMs === null ? "paused" : `next step at ${new Date(nextMs).toISOString()}`;
  return `${describeWay(stage)}, ${next}`;
}

/** `35 % of the way`. */
export function describeWay({ part, goal }: Stage): string {
  return `${formatPercent(goal === 1 ? part : 1 - part)} of the way`;
}

/** What is wrong with a VIP, in a clause; null: nothing is. One that has gone from the config harms nobody. */
export function harmTo(vip: VipId, { verdicts, loads }: Facts, config: Config): string | null {
  const member = memberOfVip(config, vip);
  const verdict = verdicts.get(vip);
  if (member === null) return null;
  if (verdict !== undefined && !verdict.up) return `${vip} is down: ${verdict.reason}`;
  const dissenters = verdict === undefined ? [] : dissentersOf(verdict);
  if (dissenters.length > 0) return `${vip} is down from ${dissenters.join(", ")}`;
  const load = loads.get(member.id) ?? 0;
  if (member.shedAbove === null || load <= member.shedAbove) return null;
  return `${member.id} has a load of ${formatPercent(load)}, above ${formatPercent(member.shedAbove)}`;
}
