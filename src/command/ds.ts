/** `meridian ds`: what the parent of a signed zone must have, as lines for its master file. */

import { filesOf } from "../control/keys.ts";
import { planOf } from "../dnssec/rollover.ts";
import { RRType } from "../wire/codes.ts";
import { formatName, type Name } from "../wire/name.ts";
import { formatRdata } from "../zone/rdata.ts";
import { complain, print } from "./console.ts";
import { keysOf, stateOf, withZone } from "./signed-zone.ts";

/** Prints the DS of every key of a zone; in a rollover of those that CDS asks for. */
export function printDs(zone: string, options: { readonly config: string }): void {
  withZone(zone, options.config, (config, wanted) => {
    const { apex, label } = wanted;
    const there = keysOf(config, apex);
    const state = wanted.rollover && stateOf(config, wanted);
    const keys = state === null ? there : filesOf(planOf(state).cds, there);
    if (keys.length === 0) complain(`${label} has no key: make one with "meridian key add ${label}"`);
    for (const { ds } of keys) print(formatDs(apex, ds));
  });
}

/** A DS as a line of a master file. */
export function formatDs(apex: Name, ds: Uint8Array): string {
  return `${formatName(apex).toLowerCase()} IN DS ${formatRdata(RRType.DS, ds)}`;
}
