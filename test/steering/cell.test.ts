import { describe, expect, test } from "vitest";
import { COUNTRIES } from "../../src/geo/countries.ts";
import { distanceKm } from "../../src/geo/distance.ts";
import { cellCoordinates, cellOf, middleOfSquare, observedAs, speakingFor } from "../../src/steering/cell.ts";
import { fc } from "../fast-check.ts";
import { locations } from "./arbitraries.ts";
import { location } from "./world.ts";

const NO_NETWORKS = { prefixes: [], asns: [] };

describe("a cell", () => {
  test.each([
    {
      name: "the longest prefix that the policy names",
      prefixes: ["192.0.2.0/24", "192.0.0.0/16"],
      text: "192.0.2.0/24",
    },
    { name: "a prefix before the AS", prefixes: ["192.0.0.0/16"], text: "192.0.0.0/16" },
    { name: "the AS", prefixes: ["203.0.113.0/24"], text: "AS64500" },
  ])("tells apart $name", ({ prefixes, text }) => {
    const client = location({
      country: "GB",
      coordinates: { latitude: 51.5, longitude: -0.1 },
      asn: 64500,
      prefixes: ["192.0.2.0/24", "192.0.0.0/16"],
    });
    const cell = cellOf(client, { prefixes, asns: [64500] });
    expect(cell).toBe(`GB 52.5,-2.5 ${text}`);
    expect(cellCoordinates(cell)).toEqual({ latitude: 52.5, longitude: -2.5 });
    expect(speakingFor(cell)).toEqual([text, "GB 52.5,-2.5", "GB"]);
  });

  test("knows under what its clients are observed", () => {
    const coordinates = { latitude: 51.5, longitude: -0.1 };
    expect(
      observedAs(location({ country: "GB", coordinates, asn: 64500, prefixes: ["192.0.2.0/24"] })),
    ).toEqual(["192.0.2.0/24", "AS64500", "GB 52.5,-2.5", "GB"]);
    expect(observedAs(location({}))).toEqual([]);
    expect(speakingFor("ZZ 87.5,-177.5")).toEqual(["ZZ 87.5,-177.5"]);
    expect(speakingFor("unknown")).toEqual([]);
    expect(speakingFor("unknown AS64500")).toEqual(["AS64500"]);
  });

  test("has whoever speaks for it among those it is observed as", () => {
    fc.assert(
      fc.property(locations, (client) => {
        const networks = { prefixes: ["192.0.2.0/24"], asns: [64496] };
        const observed = observedAs(client);
        for (const text of speakingFor(cellOf(client, networks))) expect(observed).toContain(text);
      }),
    );
  });

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
    expect(cellOf(location({ country, coordinates: { latitude, longitude } }), NO_NETWORKS)).toBe(cell);
  });

  test("without coordinates is unknown, and has none", () => {
    expect(cellOf(location({ country: "GB" }), NO_NETWORKS)).toBe("unknown");
    expect(cellCoordinates("unknown")).toBeNull();
    expect(cellCoordinates("unknown AS64500")).toBeNull();
  });

  test("of a country's centroid gives back that centroid", () => {
    for (const [country, { latitude, longitude }] of COUNTRIES) {
      const coordinates = { latitude, longitude };
      expect(cellCoordinates(cellOf(location({ country, coordinates }), NO_NETWORKS))).toEqual(coordinates);
    }
  });

  test("has its point within half a diagonal of everything in it", () => {
    const points = fc.record({
      latitude: fc.double({ min: -90, max: 90, noNaN: true }),
      longitude: fc.double({ min: -180, max: 180, noNaN: true }),
    });
    fc.assert(
      fc.property(points, (coordinates) => {
        const middle = cellCoordinates(cellOf(location({ coordinates }), NO_NETWORKS));
        expect(middle).not.toBeNull();
        expect(distanceKm(coordinates, middle!)).toBeLessThan(394);
        expect(distanceKm(coordinates, middleOfSquare(coordinates, 1))).toBeLessThan(80);
      }),
    );
  });
});
