/** The section `dnssec`: which zones are signed, and how. */

import type { DnssecZone } from "./config.ts";
import { keys } from "./keys.ts";
import { parseByZone } from "./parse-by-zone.ts";
import type { Reader } from "./read.ts";

/** Below a day a resolver's wrong clock breaks the zone; above 90 days an old answer could be replayed for a season. */
const validityRange = { least: 86_400_000, most: 90 * 86_400_000 };
const defaultValidityMs = 14 * 86_400_000;

/** The section `dnssec`, by `nameKey` of the apex; null where it is not given. */
export function parseDnssec(reader: Reader | null, file: string): ReadonlyMap<string, DnssecZone> {
  return parseByZone(reader, file, (value, declared) => {
    const zone = value.fields(keys["dnssec.*"]);
    const algorithm = zone.optional("algorithm")?.oneOf(["ecdsap256sha256", "ed25519"]) ?? "ecdsap256sha256";
    const validityMs = zone.optional("validity")?.duration(validityRange, 1000) ?? defaultValidityMs;
    return { ...declared, algorithm, validitySeconds: validityMs / 1000 };
  });
}
