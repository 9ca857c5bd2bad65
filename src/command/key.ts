/** `meridian key`: makes, lists and removes the keys of signed zones. What it prints is public. */

import type { DnssecZone, RolloverConfig } from "../config/config.ts";
import { describeStep } from "../control/key-change.ts";
import { judge } from "../control/key-roller.ts";
import { makeKey, removeKey, type ZoneKey } from "../control/keys.ts";
import { lookAtParent } from "../control/parent.ts";
import { ALGORITHMS, algorithmName, isAlgorithmName } from "../dnssec/algorithm.ts";
import { explainRollover } from "../dnssec/explain-rollover.ts";
import { isSame, type KeyState } from "../dnssec/rollover.ts";
import { formatName } from "../wire/name.ts";
import { complain, plural, print } from "./console.ts";
import { formatDs } from "./ds.ts";
import { readConfig } from "./node.ts";
import { keysOf, stateOf, withZone } from "./signed-zone.ts";

/** Makes a key and prints the DS that the parent needs; the node that runs takes it up by itself. */
export function addKey(
  zone: string,
  options: { readonly config: string; readonly algorithm?: string },
): void {
  withZone(zone, options.config, (config, wanted) => {
    const name = options.algorithm ?? wanted.algorithm;
    if (wanted.rollover !== null && keysOf(config, wanted.apex).length > 0) {
      complain(`Keys of ${wanted.label} are rolled: "meridian key roll ${wanted.label}" makes the next one`);
      return;
    }
    if (!isAlgorithmName(name)) {
      complain(`There is no algorithm "${name}": expected ${Object.keys(ALGORITHMS).join(" or ")}`);
      return;
    }
    const key = makeKey(config.node.stateFolder, wanted.apex, ALGORITHMS[name]);
    if (key === null)
      complain(`Cannot make a key for ${wanted.label}: every key tag that was tried is taken`);
    else print(formatDs(wanted.apex, key.ds));
  });
}

/** Prints every key of every signed zone: tag, algorithm, zone, what it does. Below a zone's keys stands what they wait for. */
export async function listKeys(options: { readonly config: string }): Promise<void> {
  const config = readConfig(options.config);
  if (config === null) return;
  for (const zone of config.dnssec.values()) {
    const keys = keysOf(config, zone.apex);
    const state = stateOf(config, zone);
    for (const key of keys) {
      const use = state === null ? "" : `\t${useOf(state, key)}`;
      print(`${key.tag}\t${algorithmName(key.algorithm)}\t${formatName(zone.apex)}${use}`);
    }
    if (state !== null && zone.rollover !== null) await explain(zone, zone.rollover, state, keys);
  }
}

/** What a key is there for. */
function useOf(state: KeyState, key: ZoneKey): string {
  const is = (refs: KeyState["to"]): boolean => refs.some((ref) => isSame(ref, key));
  if (is(state.from)) return "goes";
  if (!is(state.to)) return "unused";
  return state.step === "idle" ? "signs" : "comes";
}

async function explain(
  zone: DnssecZone,
  rollover: RolloverConfig,
  state: KeyState,
  keys: readonly ZoneKey[],
): Promise<void> {
  // What the node has seen stays in its memory; the parent can say it again.
  const asks = state.step === "submit" || state.step === "retire";
  const look = asks ? judge(await lookAtParent(zone.apex, rollover, Date.now), zone, state, keys) : null;
  const { propagationMs, everyMs, by } = rollover;
  const view = explainRollover(state, { propagationMs, look }, everyMs, Date.now());
  const next = view.nextStep === null ? "" : `, next ${view.nextStep}`;
  print(`${zone.label}: ${state.step}${next}, by ${by}: ${view.why}`);
}

/** Removes a key for good, but not the last one of a zone: that would make the zone bogus. */
export function dropKey(zone: string, tag: string, options: { readonly config: string }): void {
  withZone(zone, options.config, (config, wanted) => {
    const keys = keysOf(config, wanted.apex);
    const state = wanted.rollover && stateOf(config, wanted);
    const isUsed = state !== null && [...state.from, ...state.to].some((key) => String(key.tag) === tag);
    if (isUsed) {
      complain(`${tag} is in use: ${describeStep(state)}; the rollover removes keys by itself`);
      return;
    }
    if (!keys.some((key) => String(key.tag) === tag)) {
      const tags = keys.map((key) => key.tag).join(", ");
      complain(`${wanted.label} has no key ${tag}: its ${plural(keys.length, "key")} ${tags}`);
    } else if (keys.length === 1) {
      complain(
        `${tag} is the only key of ${wanted.label}: take the zone out of dnssec first, or add another key`,
      );
    } else {
      removeKey(config.node.stateFolder, wanted.apex, Number(tag));
    }
  });
}
