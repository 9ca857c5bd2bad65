/** `meridian key roll`, `cancel` and `seen`: what an operator says to a rollover. A node that runs goes on from there by itself. */

import type { Config, DnssecZone } from "../config/config.ts";
import { COMMAND_LINE } from "../control/author.ts";
import { changeKeyState, describeStep } from "../control/key-change.ts";
import { makeKey } from "../control/keys.ts";
import { ALGORITHMS } from "../dnssec/algorithm.ts";
import { begin, type KeyState, seenByHand, turn } from "../dnssec/rollover.ts";
import { complain, print } from "./console.ts";
import { withStore } from "./node-store.ts";
import { withZone } from "./signed-zone.ts";

interface Options {
  readonly config: string;
}

/** Makes a key and starts to put it in the place of the one that signs. */
export function rollKey(zone: string, options: Options): void {
  change(zone, options, "key roll", (state, { node }, { apex, algorithm, label }) => {
    if (state.step !== "idle") return `${label} is in ${describeStep(state)}: wait for its end, or cancel it`;
    const key = makeKey(node.stateFolder, apex, ALGORITHMS[algorithm]);
    return key === null
      ? `Cannot make a key for ${label}: every key tag that was tried is taken`
      : begin(state, key);
  });
}

/** Goes back to the old key. */
export function cancelRollover(zone: string, options: Options): void {
  change(zone, options, "key cancel", (state, _config, { algorithm, label }) => {
    const turned = turn(state);
    if (turned === null) return `${label} has no rollover that could be cancelled: ${describeStep(state)}`;
    return turned.to.every((key) => key.algorithm === ALGORITHMS[algorithm])
      ? turned
      : `${label} is to have algorithm ${algorithm}: change that in the config, and the rollover turns round by itself`;
  });
}

/** Takes an operator's word that the parent has the DS of a key, and of none that goes. */
export function sawDs(zone: string, tag: string, options: Options): void {
  change(zone, options, "key seen", (state, _config, { label }) => {
    const seen = seenByHand(state, Date.now());
    if (seen === null) return `${label} does not wait for a DS: ${describeStep(state)}`;
    const tags = state.to.map((key) => String(key.tag));
    return tags.includes(tag) ? seen : `${label} waits for the DS of ${tags.join(", ")}, not of ${tag}`;
  });
}

/** Puts another state on disk, or complains with the reason why not. */
function change(
  text: string,
  { config: folder }: Options,
  reason: string,
  make: (state: KeyState, config: Config, zone: DnssecZone) => KeyState | string,
): void {
  withZone(text, folder, (config, zone) => {
    const { rollover, label } = zone;
    const { name, stateFolder } = config.node;
    if (rollover === null || rollover.by !== name) {
      complain(
        rollover === null
          ? `Keys of ${label} change by hand: add "rollover: { by: ${name} }" under dnssec.${label} to have them rolled`
          : `Keys of ${label} are rolled by the node ${rollover.by}, and this is ${name}`,
      );
      return;
    }
    withStore(config, (store) => {
      const by = { stateFolder, zone, author: COMMAND_LINE, reason, nowMs: Date.now() };
      let problem = `${label} has no state of its keys yet: start the node, which begins to keep one`;
      const made = changeKeyState(store, by, (state) => {
        if (state === null) return null;
        const next = make(state, config, zone);
        if (typeof next !== "string") return next;
        problem = next;
        return null;
      });
      if (made === null) complain(problem);
      else print(`${label}: ${describeStep(made)}`);
    });
  });
}
