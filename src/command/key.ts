/** `meridian key`: makes, lists and removes the keys of signed zones. What it prints is public. */

import { makeKey, removeKey } from "../control/keys.ts";
import { ALGORITHM_NAMES, algorithmName } from "../dnssec/algorithm.ts";
import { formatName } from "../wire/name.ts";
import { complain, plural, print } from "./console.ts";
import { formatDs } from "./ds.ts";
import { keysOf, readConfig, withZone } from "./signed-zone.ts";

/** Makes a key and prints the DS that the parent needs; the node that runs takes it up by itself. */
export function addKey(
  zone: string,
  options: { readonly config: string; readonly algorithm?: string },
): void {
  withZone(zone, options.config, (config, wanted) => {
    const name = options.algorithm ?? wanted.algorithm;
    const algorithm = ALGORITHM_NAMES.get(name);
    if (algorithm === undefined) {
      complain(`There is no algorithm "${name}": expected ${[...ALGORITHM_NAMES.keys()].join(" or ")}`);
      return;
    }
    const key = makeKey(config.node.stateFolder, wanted.apex, algorithm);
    if (key === null)
      complain(`Cannot make a key for ${wanted.label}: every key tag that was tried is taken`);
    else print(formatDs(wanted.apex, key.ds));
  });
}

/** Prints every key of every signed zone: tag, algorithm, zone. */
export function listKeys(options: { readonly config: string }): void {
  const config = readConfig(options.config);
  for (const { apex } of config?.dnssec.values() ?? []) {
    for (const { tag, algorithm } of keysOf(config, apex)) {
      print(`${tag}\t${algorithmName(algorithm)}\t${formatName(apex)}`);
    }
  }
}

/** Removes a key for good, but not the last one of a zone: that would make the zone bogus. */
export function dropKey(zone: string, tag: string, options: { readonly config: string }): void {
  withZone(zone, options.config, (config, wanted) => {
    const keys = keysOf(config, wanted.apex);
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
