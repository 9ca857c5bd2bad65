/** Cells: where clients are, as finely as round-trip times to regions can tell. */

import { COUNTRIES } from "../geo/countries.ts";
import type { Coordinates } from "../geo/distance.ts";
import type { Location } from "../geo/location.ts";

/** Where clients are of whom no coordinates are known. */
const UNKNOWN = "unknown";

/** About 550 km at the equator, 3 ms of fibre to the middle: finer than what the nearest vantages can tell. */
const CELL_DEGREES = 5;

/** Networks that a policy tells apart, because operators observe their round-trip times. */
export interface Networks {
  /** In canonical text. */
  readonly prefixes: readonly string[];
  readonly asns: readonly number[];
}

/**
 * The cell of a location: its country and a point, as in `GB 52.5,-2.5`, and the network if the policy names it, as in
 * `GB 52.5,-2.5 AS64500` or `GB 52.5,-2.5 203.0.113.0/24`: the longest prefix, else the AS. The point is the middle of
 * a square of 5 degrees, or the country's centroid where that is all that is known. So there are at most as many cells as
 * countries and squares meet, a few thousand, and as many again for each network.
 */
export function cellOf(location: Location, networks: Networks): string {
  const network = networkOf(location, networks);
  return network === null ? areaOf(location) : `${areaOf(location)} ${network}`;
}

function areaOf({ country, coordinates }: Location): string {
  if (coordinates === null) return UNKNOWN;
  const centroid = country === null ? undefined : COUNTRIES.get(country);
  const point =
    coordinates.latitude === centroid?.latitude && coordinates.longitude === centroid.longitude
      ? coordinates
      : middleOfSquare(coordinates, CELL_DEGREES);
  return `${country ?? NO_COUNTRY} ${point.latitude},${point.longitude}`;
}

/** The code of ISO 3166-1 that is nobody's. */
const NO_COUNTRY = "ZZ";

function networkOf(location: Location, { prefixes, asns }: Networks): string | null {
  const prefix = location.prefixes.find((held) => prefixes.includes(held));
  if (prefix !== undefined) return prefix;
  return location.asn !== null && asns.includes(location.asn) ? asText(location.asn) : null;
}

function asText(asn: number): string {
  return `AS${asn}`;
}

/** The point of a cell, to estimate distances from; null: it is unknown. */
export function cellCoordinates(cell: string): Coordinates | null {
  const [, latitude, longitude] = /^[A-Z]{2} (-?[\d.]+),(-?[\d.]+)(?: |$)/.exec(cell) ?? [];
  if (latitude === undefined || longitude === undefined) return null;
  return { latitude: Number(latitude), longitude: Number(longitude) };
}

/** Under what clients at a location are observed, most specific first: the prefixes, the AS, the area, the country. */
export function observedAs(location: Location): readonly string[] {
  const { asn, country, coordinates, prefixes } = location;
  return [
    ...prefixes,
    ...(asn === null ? [] : [asText(asn)]),
    ...(coordinates === null ? [] : [areaOf(location)]),
    ...(country === null ? [] : [country]),
  ];
}

/** Which of these speak for the clients of a cell, most specific first. */
export function speakingFor(cell: string): readonly string[] {
  const [, area, country, network] = /^(?:(([A-Z]{2}) \S+)|unknown)(?: (\S+))?$/.exec(cell) ?? [];
  return [network, area, country === NO_COUNTRY ? undefined : country].filter((key) => key !== undefined);
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
