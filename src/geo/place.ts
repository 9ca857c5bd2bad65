/** What a record of a geo database says of a location, whatever the record's shape. */

import type { Coordinates } from "./distance.ts";
import type { MmdbValue } from "./mmdb-data.ts";

/** The part of a `Location` that databases know; null: this record does not say. */
export interface Place {
  readonly continent: string | null;
  readonly country: string | null;
  readonly subdivision: string | null;
  readonly asn: number | null;
  readonly coordinates: Coordinates | null;
}

/** The place of an address without a record. */
export const NO_PLACE: Place = {
  continent: null,
  country: null,
  subdivision: null,
  asn: null,
  coordinates: null,
};

/** True when anything at all is known. */
export function isKnown(place: Place): boolean {
  return Object.values(place).some((field) => field !== null);
}

/**
 * Two shapes are understood: MaxMind's nested one (`country.iso_code`, `location.latitude`), which DB-IP and others
 * share, and the flat one of ip-location-db and IPinfo (`country_code`, `latitude`, `asn`).
 */
export function readPlace(record: MmdbValue): Place {
  const country = firstOf(COUNTRY_PATHS, record, asCountry);
  return {
    continent: firstOf(CONTINENT_PATHS, record, asContinent),
    country,
    subdivision: firstOf(SUBDIVISION_PATHS, record, (value) => asSubdivision(value, country)),
    asn: firstOf(ASN_PATHS, record, asAsn),
    coordinates: asCoordinates(at(record, "location")) ?? asCoordinates(record),
  };
}

/**
 * Fills what `first` lacks from `second`. Where the two disagree on the country, the finer fields of `second` are
 * about another place, so only its ASN is taken.
 */
export function mergePlaces(first: Place, second: Place): Place {
  const agree = first.country === null || second.country === null || first.country === second.country;
  const finer = agree ? second : NO_PLACE;
  return {
    continent: first.continent ?? finer.continent,
    country: first.country ?? second.country,
    subdivision: first.subdivision ?? finer.subdivision,
    asn: first.asn ?? second.asn,
    coordinates: first.coordinates ?? finer.coordinates,
  };
}

type Path = readonly (string | number)[];

/** Where an address is used comes before where its network is registered. */
const COUNTRY_PATHS: readonly Path[] = [
  ["country", "iso_code"],
  ["country_code"],
  ["country"],
  ["registered_country", "iso_code"],
];
const CONTINENT_PATHS: readonly Path[] = [["continent", "code"], ["continent_code"], ["continent"]];
const SUBDIVISION_PATHS: readonly Path[] = [["subdivisions", 0, "iso_code"], ["region_code"], ["state1"]];
const ASN_PATHS: readonly Path[] = [
  ["autonomous_system_number"],
  ["traits", "autonomous_system_number"],
  ["asn"],
];

/** The first of several paths whose value can be understood. */
function firstOf<T>(
  paths: readonly Path[],
  record: MmdbValue,
  understand: (value: MmdbValue) => T | null,
): T | null {
  for (const path of paths) {
    const value = path.reduce<MmdbValue | undefined>(at, record);
    const understood = value === undefined ? null : understand(value);
    if (understood !== null) return understood;
  }
  return null;
}

function at(value: MmdbValue | undefined, step: string | number): MmdbValue | undefined {
  if (value instanceof Map && typeof step === "string") return value.get(step);
  if (Array.isArray(value) && typeof step === "number") return value[step];
  return undefined;
}

/** ISO 3166-1 alpha-2; ZZ is what some makers write for unknown. */
function asCountry(value: MmdbValue): string | null {
  if (typeof value !== "string" || !/^[A-Za-z]{2}$/.test(value)) return null;
  const country = value.toUpperCase();
  return country === "ZZ" ? null : country;
}

function asContinent(value: MmdbValue): string | null {
  if (typeof value !== "string") return null;
  const continent = value.toUpperCase();
  return /^(AF|AN|AS|EU|NA|OC|SA)$/.test(continent) ? continent : null;
}

/** `CA` or `US-CA`; states written as names have no code and are left out. */
function asSubdivision(value: MmdbValue, country: string | null): string | null {
  if (typeof value !== "string" || country === null) return null;
  const code = value.toUpperCase();
  if (/^[A-Z0-9]{1,3}$/.test(code)) return `${country}-${code}`;
  return code.startsWith(`${country}-`) && /^[A-Z]{2}-[A-Z0-9]{1,3}$/.test(code) ? code : null;
}

/** A number, or `AS64496`; 0 is reserved (RFC 7607). */
function asAsn(value: MmdbValue): number | null {
  const text = typeof value === "number" || typeof value === "string" ? String(value) : "";
  const digits = /^(?:AS)?(\d{1,10})$/i.exec(text)?.[1];
  const asn = Number(digits ?? 0);
  return asn > 0 && asn <= 0xffff_ffff ? asn : null;
}

/** Exactly 0, 0 is open sea, and what makers write for unknown. */
function asCoordinates(value: MmdbValue | undefined): Coordinates | null {
  const latitude = Number(at(value, "latitude") ?? Number.NaN);
  const longitude = Number(at(value, "longitude") ?? Number.NaN);
  const isOnEarth = Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
  return isOnEarth && (latitude !== 0 || longitude !== 0) ? { latitude, longitude } : null;
}
