/** The section `dnssec`: which zones are signed, and how. */

import type { DnssecZone, RolloverConfig } from "./config.ts";
import { keys } from "./keys.ts";
import { parseByZone } from "./parse-by-zone.ts";
import type { Reader } from "./read.ts";

/** Below a day a resolver's wrong clock breaks the zone; above 90 days an old answer could be replayed for a season. */
const validityRange = { least: 86_400_000, most: 90 * 86_400_000 };
const defaultValidityMs = 14 * 86_400_000;
/** Above a day a rollover would take longer than an operator looks. */
const keyTtlRange = { least: 1000, most: 86_400_000 };
const defaultKeyTtlMs = 3_600_000;

/** A key that is rolled more often than it takes would never sign alone. */
const everyRange = { least: 7 * 86_400_000, most: 3650 * 86_400_000 };
const propagationRange = { least: 0, most: 7 * 86_400_000 };
const defaultPropagationMs = 3_600_000;
const lookEveryRange = { least: 1000, most: 86_400_000 };
const defaultLookEveryMs = 600_000;

/** The section `dnssec`, by `nameKey` of the apex; null where it is not given. */
export function parseDnssec(reader: Reader | null, file: string): ReadonlyMap<string, DnssecZone> {
  return parseByZone(reader, file, (value, declared) => {
    const zone = value.fields(keys["dnssec.*"]);
    const algorithm = zone.optional("algorithm")?.oneOf(["ecdsap256sha256", "ed25519"]) ?? "ecdsap256sha256";
    const validityMs = zone.optional("validity")?.duration(validityRange, 1000) ?? defaultValidityMs;
    const keyTtlMs = zone.optional("keyTtl")?.duration(keyTtlRange, 1000) ?? defaultKeyTtlMs;
    const cds = zone.optional("cds");
    const wish = cds?.oneOf(["keys", "delete"]) ?? "keys";
    const rollover = zone.optional("rollover");
    if (wish === "delete" && rollover !== null)
      cds?.problem('the zone gives up its DS, so there is none to roll: expected no "rollover"');
    return {
      ...declared,
      algorithm,
      validitySeconds: validityMs / 1000,
      keyTtlSeconds: keyTtlMs / 1000,
      cds: wish,
      rollover: rollover && parseRollover(rollover),
    };
  });
}

function parseRollover(reader: Reader): RolloverConfig {
  const rollover = reader.fields(keys["dnssec.*.rollover"]);
  const parent = rollover.optional("parent")?.items("a list of addresses with ports") ?? [];
  return {
    by: rollover.required("by")?.text("the name of a node") ?? "",
    everyMs: rollover.optional("every")?.duration(everyRange) ?? null,
    propagationMs: rollover.optional("propagation")?.duration(propagationRange) ?? defaultPropagationMs,
    parent: parent.flatMap((item) => item.endpoint() ?? []),
    resolver: rollover.optional("resolver")?.endpoint() ?? null,
    lookEveryMs: rollover.optional("lookEvery")?.duration(lookEveryRange) ?? defaultLookEveryMs,
  };
}
