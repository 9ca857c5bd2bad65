import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { COUNTRIES } from "../../src/geo/countries.ts";
import { distanceKm } from "../../src/geo/distance.ts";
import { cellCoordinates, cellOf, middleOfSquare, UNKNOWN_CELL } from "../../src/steering/cell.ts";
import { location } from "./world.ts";

describe("a cell", () => {
  test.each([
    { name: "the middle of a square", country: "GB", at: [51.5, -0.1], cell: "GB 52.5,-2.5" },
    {
      name: "its own square on each side of a border",
      country: "FR",
      at: [51.1, -0.1],
      cell: "FR 52.5,-2.5",
    },
    { name: "a square that ends at the pole", country: "AQ", at: [-90, 180], cell: "AQ -87.5,177.5" },
    { name: "a country that is not known", country: null, at: [90, -180], cell: "ZZ 87.5,-177.5" },
  ])("says $name", ({ country, at: [latitude = 0, longitude = 0], cell }) => {
    expect(cellOf(location({ country, coordinates: { latitude, longitude } }))).toBe(cell);
  });

  test("without coordinates is unknown, and has none", () => {
    expect(cellOf(location({ country: "GB" }))).toBe(UNKNOWN_CELL);
    expect(cellCoordinates(UNKNOWN_CELL)).toBeNull();
  });

  test("of a country's centroid gives back that centroid", () => {
    for (const [country, { latitude, longitude }] of COUNTRIES) {
      const coordinates = { latitude, longitude };
      expect(cellCoordinates(cellOf(location({ country, coordinates })))).toEqual(coordinates);
    }
  });

  test("has its point within half a diagonal of everything in it", () => {
    const points = fc.record({
      latitude: fc.double({ min: -90, max: 90, noNaN: true }),
      longitude: fc.double({ min: -180, max: 180, noNaN: true }),
    });
    fc.assert(
      fc.property(points, (coordinates) => {
        const middle = cellCoordinates(cellOf(location({ coordinates })));
        expect(middle).not.toBeNull();
        expect(distanceKm(coordinates, middle!)).toBeLessThan(394);
        expect(distanceKm(coordinates, middleOfSquare(coordinates, 1))).toBeLessThan(80);
      }),
    );
  });
});
