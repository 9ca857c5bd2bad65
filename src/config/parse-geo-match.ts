/** The keys of a `geo` policy's maps: which clients a case is for. */

import type { keys } from "./keys.ts";
import type { GeoMatch } from "./policy.ts";
import type { Reader } from "./read.ts";

type CaseKey = Exclude<(typeof keys)["policy.geo"][number], "default" | "minUp" | "fence">;

/** Reads a key; null where it is a problem. `countries` has the codes of ISO 3166-1 alpha-2. */
export type ParseMatch = (key: Reader, countries: ReadonlySet<string>) => GeoMatch | null;

const continents: readonly string[] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];
const asnRange = { least: 1, most: 4_294_967_295 };

/** Two letters that people write for a country whose code is another. */
const oftenMeant: ReadonlyMap<string, string> = new Map([
  ["UK", "GB"],
  ["EL", "GR"],
]);

/** The maps of cases, and how the keys of each are read. Most specific first: the order of `Geo.cases`. */
export const caseMaps: readonly (readonly [CaseKey, ParseMatch])[] = [
  ["prefixes", parsePrefixMatch],
  ["labels", parseLabelMatch],
  ["asns", parseAsnMatch],
  ["subdivisions", parseSubdivisionMatch],
  ["countries", parseCountryMatch],
  ["continents", parseContinentMatch],
];

function parsePrefixMatch(key: Reader): GeoMatch | null {
  const prefix = key.prefix();
  return prefix === null ? null : { by: "prefix", prefix: prefix.text };
}

/** The operator's own name of prefixes. */
export function parseLabelMatch(key: Reader): GeoMatch | null {
  const label = key.text();
  return label === null ? null : { by: "label", label };
}

/** As in `64500`. */
export function parseAsnMatch(key: Reader): GeoMatch | null {
  const asn = parseAsn(key);
  return asn === null ? null : { by: "asn", asn };
}

/** An AS number (RFC 6793); null where it is a problem. */
export function parseAsn(reader: Reader): number | null {
  const asn = reader.wholeNumber(asnRange);
  return Number.isNaN(asn) ? null : asn;
}

/** As in `US-CA`. */
export function parseSubdivisionMatch(key: Reader, countries: ReadonlySet<string>): GeoMatch | null {
  const subdivision = key.matching(/^[A-Z]{2}-[A-Z0-9]{1,3}$/, "a subdivision of ISO 3166-2 such as US-CA");
  if (subdivision === null || !isCountry(key, subdivision.slice(0, 2), countries)) return null;
  return { by: "subdivision", subdivision };
}

/** As in `GB`. */
export function parseCountryMatch(key: Reader, countries: ReadonlySet<string>): GeoMatch | null {
  const country = key.text();
  return country === null || !isCountry(key, country, countries) ? null : { by: "country", country };
}

/** As in `EU`. */
export function parseContinentMatch(key: Reader): GeoMatch | null {
  const continent = key.oneOf(continents);
  return continent === null ? null : { by: "continent", continent };
}

function isCountry(key: Reader, code: string, countries: ReadonlySet<string>): boolean {
  if (countries.has(code)) return true;
  const meant = oftenMeant.get(code.toUpperCase());
  if (meant === undefined) key.unknown("ISO 3166-1 country", code, countries);
  else key.problem(`there is no ISO 3166-1 country "${code}", did you mean "${meant}"`);
  return false;
}
