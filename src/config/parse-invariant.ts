/** The section `invariants`: what must hold whichever regions are up. */

import { keys } from "./keys.ts";
import { caseMaps } from "./parse-geo-match.ts";
import { matcherOf, parseSelectionShares, parseSelections } from "./parse-selection.ts";
import { placeOf, type RuleContext } from "./parse-test.ts";
import type { GeoMatch } from "./policy.ts";
import type { Fields, Reader } from "./read.ts";
import type { Invariant, Requirement } from "./rules.ts";
import { quote } from "./yaml.ts";

type InvariantFields = Fields<(typeof keys)["invariants.*"][number]>;

const failuresRange = { least: 0, most: 1000 };
const regionsRange = { least: 1, most: 1000 };

/** The section `invariants`; null where it is not given. */
export function parseInvariants(reader: Reader | null, context: RuleContext): readonly Invariant[] {
  return (reader?.entries() ?? []).map(({ name, key, value }) => {
    const invariant = value.fields(keys["invariants.*"]);
    const requirements = parseRequirements(invariant, context);
    const asks = invariant.given.some((given) => !["services", "clients", "failures"].includes(given));
    if (value.kind === "map" && !asks)
      value.problemAtKey('expected one of the keys "only", "never", "atMost", "answerable" or "answered"');
    return {
      name,
      place: placeOf(key, context.file),
      services: parseServicePatterns(invariant.optional("services"), context),
      clients: parseClients(invariant.optional("clients"), context.countries),
      failures: invariant.optional("failures")?.wholeNumber(failuresRange) ?? null,
      requirements,
    };
  });
}

function parseRequirements(invariant: InvariantFields, context: RuleContext): readonly Requirement[] {
  const requirements: Requirement[] = [];
  for (const kind of ["only", "never"] as const) {
    const reader = invariant.optional(kind);
    if (reader !== null) requirements.push({ kind, selections: parseSelections(reader, context) });
  }
  const atMost = invariant.optional("atMost");
  if (atMost?.kind === "map") {
    for (const share of parseSelectionShares(atMost, context))
      requirements.push({ kind: "at-most", ...share });
  } else if (atMost !== null) {
    requirements.push({ kind: "each-at-most", share: atMost.fraction() });
  }
  const regions = invariant.optional("answerable")?.wholeNumber(regionsRange);
  if (regions !== undefined) requirements.push({ kind: "answerable", regions });
  const when = invariant.optional("answered")?.oneOf(["always", "while-up"]) ?? null;
  if (when !== null) requirements.push({ kind: "answered", when });
  return requirements;
}

/** All services, or those whose names fit one of the patterns; here `*` is any text. */
export function parseServicePatterns(
  reader: Reader | null,
  { services, declared }: RuleContext,
): Invariant["services"] {
  if (reader === null) return services;
  const items = reader.kind === "list" ? reader.items("a list", "service") : [reader];
  const chosen = new Set(
    items.flatMap((item) => {
      const pattern = item.text("the name of a service, in which * is any text");
      if (pattern === null) return [];
      const matches = matcherOf(pattern.toLowerCase().replace(/\.$/, ""));
      if (!declared.some((label) => matches(label.toLowerCase()))) {
        if (pattern.includes("*")) item.problem(`no service has a name like ${quote(pattern)}`);
        else item.unknown("service", pattern, declared);
      }
      return services.filter(({ label }) => matches(label.toLowerCase()));
    }),
  );
  return services.filter((service) => chosen.has(service));
}

function parseClients(
  reader: Reader | null,
  countries: ReadonlySet<string>,
): readonly (readonly GeoMatch[])[] {
  if (reader === null) return [];
  const fields = reader.fields(keys["invariants.*.clients"]);
  if (reader.kind === "map" && fields.given.length === 0) reader.expected("at least one kind of client");
  return caseMaps.flatMap(([key, parse]) => {
    const list = fields.optional(key);
    if (list === null) return [];
    const items = list.items("a list", "of them");
    return [items.flatMap((item) => parse(item, countries) ?? [])];
  });
}
