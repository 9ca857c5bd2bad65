/** How far apart two points on Earth are. */

import type { Location } from "./location.ts";

/** Degrees; south and west are negative. */
export type Coordinates = NonNullable<Location["coordinates"]>;

/** The mean radius of Earth (IUGG); the true figure is off this sphere by half a percent at most. */
const EARTH_RADIUS_KM = 6371.0088;

/** Kilometres along the great circle. Haversine, because it stays exact for points that are close together. */
export function distanceKm(a: Coordinates, b: Coordinates): number {
  const aLatitude = radians(a.latitude);
  const bLatitude = radians(b.latitude);
  const haversine =
    halfSineSquared(bLatitude - aLatitude) +
    Math.cos(aLatitude) * Math.cos(bLatitude) * halfSineSquared(radians(b.longitude - a.longitude));
  // Rounding may carry antipodes a little above 1, where asin ends.
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(haversine)));
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}

function halfSineSquared(angle: number): number {
  return Math.sin(angle / 2) ** 2;
}
