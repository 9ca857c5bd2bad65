/** Changes plans in a book that is being served. */

import type { Plan } from "../steering/plan.ts";
import { word } from "../wire/bytes.ts";
import type { BookDirectory } from "./compile.ts";
import { bufferWords, PLAN_SERVFAIL, slotWords } from "./layout.ts";

/** A new plan for one slot. */
export interface PlanPatch {
  /** Word offset of the slot in the book. */
  readonly slot: number;
  /** A whole buffer: count, then VIP and cumulative share by turns, zeros up to the capacity. */
  readonly words: Uint32Array;
}

/** The patch that puts `plan` in force for a class of a service. */
export function encodePlan(
  directory: BookDirectory,
  service: number,
  classNumber: number,
  family: 4 | 6,
  plan: Plan,
): PlanPatch {
  const entry = directory.services[service];
  if (entry === undefined) throw new RangeError(`no service ${service} in the book`);
  const { slots, capacity4, capacity6 } = entry;
  const classAt = slots + classNumber * (slotWords(capacity4) + slotWords(capacity6));
  return {
    slot: family === 4 ? classAt : classAt + slotWords(capacity4),
    words: planWords(plan, directory.vips, family === 4 ? capacity4 : capacity6),
  };
}

/** A plan as the words of one buffer. */
export function planWords(plan: Plan, vips: BookDirectory["vips"], capacity: number): Uint32Array {
  const words = new Uint32Array(bufferWords(capacity));
  if (plan.kind === "servfail") words[0] = PLAN_SERVFAIL;
  if (plan.kind !== "answer") return words;
  if (plan.shares.length > capacity)
    throw new RangeError(`a plan of ${plan.shares.length} VIPs in a slot for ${capacity}`);
  let sum = 0;
  for (const [i, { vip, share }] of plan.shares.entries()) {
    const number = vips.get(vip);
    if (number === undefined) throw new RangeError(`no VIP ${vip} in the book`);
    sum += share;
    words[1 + 2 * i] = number;
    words[2 + 2 * i] = Math.min(Math.max(Math.round(sum * 2 ** 32) - 1, 0), 0xffffffff);
  }
  words[2 * plan.shares.length] = 0xffffffff;
  words[0] = plan.shares.length;
  return words;
}

/**
 * Puts a patch in force: writes the idle buffer of the slot, then lets one store of the sequence switch over, so
 * that a reader sees the old plan or the new one.
 */
export function applyPatch(words: Uint32Array, patch: PlanPatch): void {
  const sequence = (word(words, patch.slot) + 1) >>> 0;
  words.set(patch.words, patch.slot + 1 + (sequence & 1) * patch.words.length);
  Atomics.store(words, patch.slot, sequence);
}
