import { expect, test } from "vitest";
import { type Coordinates, distanceKm } from "../../src/geo/distance.ts";
import { fc } from "../fast-check.ts";

const at = (latitude: number, longitude: number): Coordinates => ({ latitude, longitude });
const HALF_ROUND_KM = Math.PI * 6371.0088;

test.each<[string, Coordinates, Coordinates, number]>([
  ["London to Paris", at(51.5074, -0.1278), at(48.8566, 2.3522), 343.6],
  ["New York to Tokyo", at(40.7128, -74.006), at(35.6895, 139.6917), 10848.8],
  ["a point to itself", at(51.5, -0.1), at(51.5, -0.1), 0],
  ["one degree along the equator", at(0, 10), at(0, 11), HALF_ROUND_KM / 180],
  ["across the antimeridian", at(0, 179.5), at(0, -179.5), HALF_ROUND_KM / 180],
  ["one point on the antimeridian, named twice", at(-17, 180), at(-17, -180), 0],
  ["pole to pole", at(90, 0), at(-90, 0), HALF_ROUND_KM],
  ["the North Pole, on two meridians", at(90, 0), at(90, 135), 0],
  ["over the North Pole", at(89, 0), at(89, 180), HALF_ROUND_KM / 90],
  ["antipodes", at(30, 40), at(-30, -140), HALF_ROUND_KM],
  ["a metre", at(50, 8), at(50.000009, 8), 0.001],
])("%s", (_, a, b, km) => {
  expect(distanceKm(a, b)).toBeCloseTo(km, Math.abs(km) > 200 ? 0 : 4);
});

test("distances are symmetric, never more than half round the Earth, and shortest without a detour", () => {
  const point = fc.record({
    latitude: fc.double({ min: -90, max: 90, noNaN: true }),
    longitude: fc.double({ min: -180, max: 180, noNaN: true }),
  });
  fc.assert(
    fc.property(point, point, point, (a, b, c) => {
      const direct = distanceKm(a, b);
      expect(direct).toBeCloseTo(distanceKm(b, a), 6);
      expect(direct).toBeGreaterThanOrEqual(0);
      expect(direct).toBeLessThanOrEqual(HALF_ROUND_KM + 1e-6);
      expect(direct).toBeLessThanOrEqual(distanceKm(a, c) + distanceKm(c, b) + 1e-3);
    }),
    { seed: 1 },
  );
});
