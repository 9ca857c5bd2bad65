/** The overrides in force, as facts: what they make of verdicts, until when, and what shifts when they become others. */

import type { Config, VipId } from "../config/config.ts";
import { inSteps } from "../health/outlook.ts";
import { vipsOf } from "../health/tracked.ts";
import type { Verdict } from "../health/verdict.ts";
import {
  applyOverrides,
  describeAction,
  inFull,
  nextTurnMs,
  type Override,
  type OverrideFacts,
} from "./override.ts";
import type { Shift } from "./shift.ts";

/** What of a shift overrides can cause. */
type OverrideShift = Pick<Shift, "vips" | "choices">;

/** Those that operators have ordered, under the config in force. */
export class OverridesInForce {
  #config: Config;
  #all: readonly Override[];
  #facts: OverrideFacts;
  /** When the next of them ends or drains more; null: none will. */
  #turnMs: number | null;
  #untilEnd: ReadonlyMap<VipId, number>;

  constructor(config: Config, overrides: readonly Override[], nowMs: number) {
    this.#config = config;
    this.#all = overrides;
    this.#facts = applyOverrides(config, overrides, nowMs);
    this.#turnMs = nextTurnMs(overrides, nowMs);
    this.#untilEnd = untilOverridesEnd(this.#facts, nowMs);
  }

  /** Each until its end. */
  get all(): readonly Override[] {
    return this.#all;
  }

  get facts(): OverrideFacts {
    return this.#facts;
  }

  /** For how long those on a VIP stay as they are, of those that end; as it was when somebody last looked. */
  get untilEnd(): ReadonlyMap<VipId, number> {
    return this.#untilEnd;
  }

  get turnMs(): number | null {
    return this.#turnMs;
  }

  /** Follows a new config. */
  use(config: Config, nowMs: number): void {
    this.#config = config;
    this.#facts = applyOverrides(config, this.#all, nowMs);
  }

  /** Puts others in force. */
  replace(overrides: readonly Override[], nowMs: number): OverrideShift {
    const before = this.#facts;
    this.#all = overrides;
    this.#facts = applyOverrides(this.#config, overrides, nowMs);
    this.#turnMs = nextTurnMs(overrides, nowMs);
    return differences(this.#config, before, this.#facts);
  }

  /** Moves time: some end, or drain more. */
  tick(nowMs: number): OverrideShift {
    const isTurn = this.#turnMs !== null && this.#turnMs <= nowMs;
    return isTurn ? this.replace(this.#all, nowMs) : { vips: new Set(), choices: new Set() };
  }

  /** Looks how long they stay as they are; returns the VIPs for which that has become another time. */
  look(nowMs: number): readonly VipId[] {
    const before = this.#untilEnd;
    this.#untilEnd = untilOverridesEnd(this.#facts, nowMs);
    return changedKeys(before, this.#untilEnd);
  }

  /** What others would come to in the end, and what that would shift. */
  supposing(
    overrides: readonly Override[],
    nowMs: number,
  ): { readonly facts: OverrideFacts; readonly shift: OverrideShift } {
    const known = new Map(this.#all.map(({ id, createdMs }) => [id, createdMs]));
    const inTheEnd = overrides.map((override) =>
      known.get(override.id) === override.createdMs ? override : inFull(override),
    );
    const facts = applyOverrides(this.#config, inTheEnd, nowMs);
    return { facts, shift: differences(this.#config, this.#facts, facts) };
  }
}

/** Puts forced verdicts over judged ones; the votes stay visible. None is steady beyond the end of an override. */
export function forceVerdicts(
  judged: ReadonlyMap<VipId, Verdict>,
  { forced }: OverrideFacts,
  ends: ReadonlyMap<VipId, number>,
): ReadonlyMap<VipId, Verdict> {
  if (forced.size + ends.size === 0) return judged;
  const verdicts = new Map(judged);
  for (const [vip, { verdict, override }] of forced) {
    const { author, reason, createdMs } = override;
    verdicts.set(vip, {
      vip,
      up: verdict === "up",
      basis: "forced",
      reason: `${describeAction(override.action)}, by ${author}: ${reason}`,
      votes: judged.get(vip)?.votes ?? [],
      sinceMs: createdMs,
      recovering: false,
      flaps: judged.get(vip)?.flaps ?? 0,
      hold: null,
      steadyMs: null,
    });
  }
  for (const [vip, steadyMs] of ends) {
    const verdict = verdicts.get(vip);
    if (verdict === undefined) continue;
    verdicts.set(vip, { ...verdict, steadyMs: Math.min(verdict.steadyMs ?? steadyMs, steadyMs) });
  }
  return verdicts;
}

/** How long the overrides on each VIP stay as they are, where they end by themselves. */
export function untilOverridesEnd({ endsMs }: OverrideFacts, nowMs: number): ReadonlyMap<VipId, number> {
  return new Map(Array.from(endsMs, ([vip, endMs]) => [vip, inSteps(endMs - nowMs)]));
}

/** Where two sets of override facts differ. */
export function differences(config: Config, before: OverrideFacts, after: OverrideFacts): OverrideShift {
  const vips = new Set(changedKeys(before.forced, after.forced, (a, b) => a?.verdict === b?.verdict));
  const weighed = changedKeys(before.memberWeights, after.memberWeights);
  const eased = changedKeys(before.draining, after.draining);
  for (const member of [...weighed, ...eased, ...before.drained.symmetricDifference(after.drained)]) {
    const found = config.members.get(member);
    for (const vip of found === undefined ? [] : vipsOf(found)) vips.add(vip.id);
  }
  return { vips, choices: new Set(changedKeys(before.choiceWeights, after.choiceWeights)) };
}

function changedKeys<K, V>(
  before: ReadonlyMap<K, V>,
  after: ReadonlyMap<K, V>,
  same: (a: V | undefined, b: V | undefined) => boolean = Object.is,
): readonly K[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => !same(before.get(key), after.get(key)));
}
