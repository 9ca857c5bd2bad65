/** From where dns takes what it leaves to control; everything else it refuses by itself. */

import type { Admission } from "../book/content.ts";
import type { Config } from "../config/config.ts";
import type { Prefix } from "../wire/address.ts";

/** One for each prefix. */
export function admissionsOf({ acme, transfer, node }: Config): readonly Admission[] {
  const found = new Map<string, Admission>();
  const admit = (prefix: Prefix, right: Partial<Admission>): void => {
    const before = found.get(prefix.text) ?? { prefix, updates: false, transfers: false, explains: false };
    found.set(prefix.text, { ...before, ...right });
  };
  for (const { from } of acme.grants) for (const prefix of from) admit(prefix, { updates: true });
  for (const { peers } of transfer.values())
    for (const { from } of peers) for (const prefix of from) admit(prefix, { transfers: true });
  for (const prefix of node.explain) admit(prefix, { explains: true });
  return [...found.values()];
}
