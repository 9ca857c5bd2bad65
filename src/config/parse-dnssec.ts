/** The section `dnssec`: which zones are signed, and how. */

import { type Name, nameKey, parseName, rootName } from "../wire/name.ts";
import type { DnssecZone } from "./config.ts";
import { keys } from "./keys.ts";
import type { Reader } from "./read.ts";

/** Below a day a resolver's wrong clock breaks the zone; above 90 days an old answer could be replayed for a season. */
const validityRange = { least: 86_400_000, most: 90 * 86_400_000 };
const defaultValidityMs = 14 * 86_400_000;

/** The section `dnssec`, by `nameKey` of the apex; null where it is not given. */
export function parseDnssec(reader: Reader | null, file: string): ReadonlyMap<string, DnssecZone> {
  const zones = new Map<string, DnssecZone>();
  for (const { name: text, key, value } of reader?.entries() ?? []) {
    const apex = parseApex(key);
    const zone = value.fields(keys["dnssec.*"]);
    const algorithm = zone.optional("algorithm")?.oneOf(["ecdsap256sha256", "ed25519"]) ?? "ecdsap256sha256";
    const validityMs = zone.optional("validity")?.duration(validityRange, 1000) ?? defaultValidityMs;
    if (apex === null) continue;
    if (zones.has(nameKey(apex)))
      key.problem("this zone is there already, and case does not matter in names");
    zones.set(nameKey(apex), {
      apex,
      label: text.endsWith(".") ? text.slice(0, -1) : text,
      algorithm,
      validitySeconds: validityMs / 1000,
      place: { file, line: key.place.line, column: key.place.column },
    });
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
