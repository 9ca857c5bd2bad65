/** Changes plans in a book that is being served. */

import type { Plan } from "../steering/plan.ts";
import { word } from "../wire/bytes.ts";
import { WordSink } from "../wire/sink.ts";
import type { BookDirectory } from "./compile.ts";
import { bufferWords, PLAN_SERVFAIL, slotWords } from "./layout.ts";

/** Words before each packed plan: word offset of its slot in the book, and how many words follow. */
const HEAD_WORDS = 2;

/**
 * Packs new plans one after the other as `slot, length, buffer`. A whole buffer is count, then VIP and cumulative share
 * by turns, zeros up to the capacity. One array crosses to dns at once; thousands of objects do not.
 */
export class PatchWriter {
  readonly #directory: BookDirectory;
  readonly #sink = new WordSink();

  constructor(directory: BookDirectory) {
    this.#directory = directory;
  }

  /** What was put so far. */
  get packed(): Uint32Array {
    return this.#sink.words().slice();
  }

  /** Adds a plan for a class of a service. */
  put(service: number, classNumber: number, family: 4 | 6, plan: Plan): this {
    const entry = this.#directory.services[service];
    if (entry === undefined) throw new RangeError(`no service ${service} in the book`);
    const { slots, capacity4, capacity6 } = entry;
    const classAt = slots + classNumber * (slotWords(capacity4) + slotWords(capacity6));
    const capacity = family === 4 ? capacity4 : capacity6;
    const length = bufferWords(capacity);
    this.#sink.push(family === 4 ? classAt : classAt + slotWords(capacity4), length);
    const at = this.#sink.reserve(length);
    writePlan(this.#sink.words(), at, plan, this.#directory.vips, capacity);
    return this;
  }
}

/** A plan as the words of one buffer. */
export function planWords(plan: Plan, vips: BookDirectory["vips"], capacity: number): Uint32Array {
  const words = new Uint32Array(bufferWords(capacity));
  writePlan(words, 0, plan, vips, capacity);
  return words;
}

/** Writes a plan where there are zeros. */
function writePlan(
  words: Uint32Array,
  at: number,
  plan: Plan,
  vips: BookDirectory["vips"],
  capacity: number,
): void {
  if (plan.kind === "servfail") words[at] = PLAN_SERVFAIL;
  if (plan.kind !== "answer") return;
  if (plan.shares.length > capacity)
    throw new RangeError(`a plan of ${plan.shares.length} VIPs in a slot for ${capacity}`);
  let sum = 0;
  let to = at;
  for (const { vip, share } of plan.shares) {
    const number = vips.get(vip);
    if (number === undefined) throw new RangeError(`no VIP ${vip} in the book`);
    sum += share;
    words[to + 1] = number;
    words[to + 2] = Math.min(Math.max(Math.round(sum * 2 ** 32) - 1, 0), 0xffffffff);
    to += 2;
  }
  words[to] = 0xffffffff;
  words[at] = plan.shares.length;
}

/**
 * Puts packed plans in force. For each it writes the idle buffer of the slot, then lets one store of the sequence
 * switch over, so that a reader sees the old plan or the new one. `words` are those of the book from `wordsAt` on.
 */
export function applyPatches(words: Uint32Array, packed: Uint32Array, wordsAt = 0): void {
  for (let at = 0; at < packed.length; ) {
    const slot = word(packed, at) - wordsAt;
    const length = word(packed, at + 1);
    const from = at + HEAD_WORDS;
    const sequence = (word(words, slot) + 1) >>> 0;
    const to = slot + 1 + (sequence & 1) * length;
    for (let i = 0; i < length; i += 1) words[to + i] = word(packed, from + i);
    Atomics.store(words, slot, sequence);
    at = from + length;
  }
}
