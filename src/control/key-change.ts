/** Changes where a zone stands with its keys: one process at a time, from what is on disk, and on record. */

import type { DnssecZone } from "../config/config.ts";
import { tags } from "../dnssec/parent-ds.ts";
import { changesAlgorithm, type KeyState } from "../dnssec/rollover.ts";
import { FileReader } from "./files.ts";
import { readKeyState, writeKeyState } from "./key-state.ts";
import { removeKey } from "./keys.ts";
import type { Store } from "./store.ts";

/** Who changes it, and when. */
export interface KeyChange {
  readonly stateFolder: string;
  readonly zone: DnssecZone;
  readonly author: string;
  readonly reason: string;
  readonly nowMs: number;
}

/**
 * Replaces the state by what `make` makes of the one on disk (null: there is none), and returns it; null, and nothing has
 * changed, where `make` returns null. What is put on record is a change of the step.
 */
export function changeKeyState(
  store: Store,
  { stateFolder, zone, author, reason, nowMs }: KeyChange,
  make: (state: KeyState | null) => KeyState | null,
): KeyState | null {
  let made: KeyState | null = null;
  store.exclusively(() => {
    const { value: before } = readKeyState(stateFolder, zone.apex, new FileReader());
    made = make(before);
    if (made === null) return null;
    // Nobody names them any more; should this end half-way, they are files without a use.
    if (before !== null && made.step === "idle")
      for (const { tag } of before.from) removeKey(stateFolder, zone.apex, tag);
    writeKeyState(stateFolder, zone.apex, made);
    if (before?.step === made.step && isSameKeys(before, made)) return null;
    const detail = `${zone.label}: ${describeStep(made)}`;
    return { version: store.version(), atMs: nowMs, author, reason, event: "keys-rolled", detail };
  });
  return made;
}

/** As in `step publish of the key rollover 12345 -> 23456`. */
export function describeStep(state: KeyState): string {
  const [from, to] = [state.from, state.to].map((keys) => tags(keys.map(({ tag }) => tag)));
  if (state.step === "idle") return `${to} alone signs`;
  return `step ${state.step} of the ${changesAlgorithm(state) ? "algorithm" : "key"} rollover ${from} -> ${to}`;
}

/** Whether two states lead from the same keys to the same. */
export function isSameKeys(a: KeyState, b: KeyState): boolean {
  return JSON.stringify([a.from, a.to]) === JSON.stringify([b.from, b.to]);
}
