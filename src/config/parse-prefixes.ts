/** Lists of prefixes: from where something is taken. */

import type { Prefix } from "../wire/address.ts";
import type { Reader } from "./read.ts";

/** A list of prefixes, each named once; empty where it is not given. */
export function parsePrefixes(reader: Reader | null): readonly Prefix[] {
  const prefixes = new Map<string, Prefix>();
  for (const item of reader?.items("a list of prefixes") ?? []) {
    const prefix = item.prefix();
    if (prefix === null) continue;
    if (prefixes.has(prefix.text)) item.problem("this prefix is in the list already");
    prefixes.set(prefix.text, prefix);
  }
  return [...prefixes.values()];
}
