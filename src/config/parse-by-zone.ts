/** Sections that are maps by zone: `dnssec` and `transfer`. */

import { type Name, nameKey, parseName, rootName } from "../wire/name.ts";
import type { DeclaredZone } from "./config.ts";
import type { Reader } from "./read.ts";

/** The entries of a section, by `nameKey` of the apex; null where it is not given. */
export function parseByZone<T>(
  reader: Reader | null,
  file: string,
  parse: (value: Reader, zone: DeclaredZone) => T,
): ReadonlyMap<string, T> {
  const zones = new Map<string, T>();
  for (const { name: text, key, value } of reader?.entries() ?? []) {
    const apex = parseApex(key);
    const label = text.endsWith(".") ? text.slice(0, -1) : text;
    const place = { file, line: key.place.line, column: key.place.column };
    // Also where there is no apex, for the problems that the value has.
    const parsed = parse(value, { apex: apex ?? rootName, label, place });
    if (apex === null) continue;
    if (zones.has(nameKey(apex)))
      key.problem("this zone is there already, and case does not matter in names");
    zones.set(nameKey(apex), parsed);
  }
  return zones;
}

function parseApex(key: Reader): Name | null {
  const text = key.text("the name of a zone");
  if (text === null) return null;
  const parsed = parseName(text, rootName);
  if (parsed.kind === "name") return parsed.name;
  key.problem(`expected the name of a zone, but ${parsed.message}`);
  return null;
}
