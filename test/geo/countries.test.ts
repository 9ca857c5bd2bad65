import { expect, test } from "vitest";
import { COUNTRIES } from "../../src/geo/countries.ts";

test("all 249 countries of ISO 3166-1 are there, and two more", () => {
  expect(COUNTRIES.size).toBe(251);
});

test.each([...COUNTRIES])("%s has a continent and a point on Earth, to the half degree", (code, country) => {
  expect(code).toMatch(/^[A-Z]{2}$/);
  expect(country.continent).toMatch(/^(AF|AN|AS|EU|NA|OC|SA)$/);
  expect(Math.abs(country.latitude)).toBeLessThanOrEqual(90);
  expect(Math.abs(country.longitude)).toBeLessThanOrEqual(180);
  expect(Number.isInteger(2 * country.latitude) && Number.isInteger(2 * country.longitude)).toBe(true);
});

test.each([
  ["GB", "EU"],
  ["JP", "AS"],
  ["US", "NA"],
  ["BR", "SA"],
  ["NZ", "OC"],
  ["ZA", "AF"],
  ["AQ", "AN"],
  ["TR", "AS"],
  ["CY", "EU"],
  ["RU", "EU"],
])("%s lies in %s", (code, continent) => {
  expect(COUNTRIES.get(code)?.continent).toBe(continent);
});
