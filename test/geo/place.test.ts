import { describe, expect, test } from "vitest";
import { DataSection } from "../../src/geo/mmdb-data.ts";
import { mergePlaces, NO_PLACE, type Place, readPlace } from "../../src/geo/place.ts";
import { encode, type Plain } from "./mmdb-file.ts";

function placeOf(record: Plain): Place {
  const octets: number[] = [];
  encode(record, octets, new Map());
  return readPlace(new DataSection(Uint8Array.from(octets), 0, octets.length).read(0));
}

test.each<[string, Plain, Partial<Place>]>([
  [
    "MaxMind's country",
    { country: { iso_code: "GB" }, continent: { code: "EU" } },
    { country: "GB", continent: "EU" },
  ],
  [
    "where it is used, not where it is registered",
    { registered_country: { iso_code: "US" }, country: { iso_code: "GB" } },
    { country: "GB" },
  ],
  [
    "where it is registered, for want of better",
    { registered_country: { iso_code: "US" } },
    { country: "US" },
  ],
  ["ip-location-db's country", { country_code: "GB" }, { country: "GB" }],
  [
    "IPinfo's flat record",
    { country: "gb", continent_code: "EU", asn: "AS64496" },
    { country: "GB", continent: "EU", asn: 64496 },
  ],
  ["a continent spelt out, which is passed over", { continent: "Europe" }, {}],
  [
    "a state",
    { country: { iso_code: "US" }, subdivisions: [{ iso_code: "CA" }, { iso_code: "037" }] },
    { country: "US", subdivision: "US-CA" },
  ],
  ["a flat state code", { country_code: "US", state1: "ca" }, { country: "US", subdivision: "US-CA" }],
  [
    "a state code with its country",
    { country_code: "US", region_code: "US-CA" },
    { country: "US", subdivision: "US-CA" },
  ],
  ["a state's name, which is passed over", { country_code: "US", state1: "California" }, { country: "US" }],
  ["a state without a country, which is passed over", { state1: "CA" }, {}],
  [
    "coordinates",
    { location: { latitude: -33.5, longitude: 151 } },
    { coordinates: { latitude: -33.5, longitude: 151 } },
  ],
  [
    "flat coordinates",
    { latitude: 51.5, longitude: -0.1 },
    { coordinates: { latitude: 51.5, longitude: -0.1 } },
  ],
  [
    "flat coordinates as text",
    { latitude: "51.5", longitude: "-0.1" },
    { coordinates: { latitude: 51.5, longitude: -0.1 } },
  ],
  ["coordinates off the Earth", { latitude: 91, longitude: 0 }, {}],
  ["half a pair of coordinates", { latitude: 51.5 }, {}],
  ["0, 0", { latitude: 0, longitude: 0 }, {}],
  [
    "a point on the equator",
    { latitude: 0, longitude: 32.5 },
    { coordinates: { latitude: 0, longitude: 32.5 } },
  ],
  ["an ASN", { autonomous_system_number: 64496 }, { asn: 64496 }],
  ["an ASN among traits", { traits: { autonomous_system_number: 64496 } }, { asn: 64496 }],
  ["ASN 0", { asn: 0 }, {}],
  ["ZZ", { country_code: "ZZ" }, {}],
  ["a list", ["GB"], {}],
  ["a string", "GB", {}],
])("%s", (_, record, known) => {
  expect(placeOf(record)).toEqual({ ...NO_PLACE, ...known });
});

describe("of two databases", () => {
  const london: Place = {
    ...NO_PLACE,
    country: "GB",
    subdivision: "GB-ENG",
    coordinates: { latitude: 51.5, longitude: -0.1 },
  };

  test("the second fills what the first lacks", () => {
    expect(mergePlaces({ ...NO_PLACE, asn: 64496 }, london)).toEqual({ ...london, asn: 64496 });
    expect(mergePlaces({ ...NO_PLACE, country: "GB" }, london)).toEqual(london);
  });

  test("the first is not overruled", () => {
    expect(mergePlaces(london, { ...NO_PLACE, coordinates: { latitude: 1, longitude: 1 } })).toEqual(london);
  });

  test("the second gives no finer fields when it means another country", () => {
    const french: Place = { ...NO_PLACE, country: "FR", continent: "EU", asn: 64497 };
    expect(mergePlaces(french, { ...london, continent: "AS", asn: 64496 })).toEqual(french);
    expect(mergePlaces({ ...french, asn: null }, { ...london, asn: 64496 }).asn).toBe(64496);
  });
});
