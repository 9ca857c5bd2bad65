/** The sections `regions` and `vantages`: where VIPs stand, and where agents look from. */

import type { Coordinates, Region, RegionId, Vantage, VantageId } from "./config.ts";
import { keys } from "./keys.ts";
import type { Reader } from "./read.ts";

/** The section `regions`; null where it is not given. */
export function parseRegions(reader: Reader | null): ReadonlyMap<RegionId, Region> {
  const places = parsePlaces(reader, keys["regions.*"]);
  return new Map(
    places.map(([name, coordinates]) => [name as RegionId, { id: name as RegionId, coordinates }]),
  );
}

/** The section `vantages`; null where it is not given. */
export function parseVantages(reader: Reader | null): ReadonlyMap<VantageId, Vantage> {
  const places = parsePlaces(reader, keys["vantages.*"]);
  return new Map(
    places.map(([name, coordinates]) => [name as VantageId, { id: name as VantageId, coordinates }]),
  );
}

function parsePlaces(
  reader: Reader | null,
  known: readonly ["at"],
): readonly (readonly [string, Coordinates])[] {
  const places = reader?.named() ?? [];
  return places.map(({ name, value }) => {
    const coordinates = value.fields(known).required("at")?.coordinates();
    return [name, coordinates ?? { latitude: Number.NaN, longitude: Number.NaN }];
  });
}
