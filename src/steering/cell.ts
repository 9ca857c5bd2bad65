/** Cells: where clients are, as coarsely as round-trip times to regions can tell. */

import { COUNTRIES } from "../geo/countries.ts";
import type { Coordinates } from "../geo/distance.ts";
import type { Location } from "../geo/location.ts";

/** The cell of clients of whom no coordinates are known. */
export const UNKNOWN_CELL = "unknown";

/** About 550 km at the equator, 3 ms of fibre to the middle: finer than what the nearest vantages can tell. */
const CELL_DEGREES = 5;

/**
 * The cell of a location: its country and a point, as in `GB 52.5,-2.5`. The point is the middle of a square of 5
 * degrees, or the country's centroid where that is all that is known. So there are at most as many cells as countries
 * and squares meet: a few thousand.
 */
export function cellOf(location: Location): string {
  const { country, coordinates } = location;
  if (coordinates === null) return UNKNOWN_CELL;
  const centroid = country === null ? undefined : COUNTRIES.get(country);
  const point =
    coordinates.latitude === centroid?.latitude && coordinates.longitude === centroid.longitude
      ? coordinates
      : middleOfSquare(coordinates, CELL_DEGREES);
  return `${country ?? "ZZ"} ${point.latitude},${point.longitude}`;
}

/** The point of a cell, to estimate distances from; null: it is the unknown cell. */
export function cellCoordinates(cell: string): Coordinates | null {
  const [, latitude, longitude] = /^[A-Z]{2} (-?[\d.]+),(-?[\d.]+)$/.exec(cell) ?? [];
  if (latitude === undefined || longitude === undefined) return null;
  return { latitude: Number(latitude), longitude: Number(longitude) };
}

/** The middle of the square, with sides of some degrees that divide 90, that holds a point. */
export function middleOfSquare({ latitude, longitude }: Coordinates, degrees: number): Coordinates {
  return {
    latitude: middle(latitude, 90, degrees),
    longitude: middle(longitude, 180, degrees),
  };
}

function middle(angle: number, limit: number, degrees: number): number {
  const last = limit / degrees - 1;
  return (Math.min(Math.floor(angle / degrees), last) + 0.5) * degrees;
}
