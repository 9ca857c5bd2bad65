import { describe, expect, test } from "vitest";
import { type Atlas, type AtlasSources, buildAtlas } from "../../src/geo/atlas.ts";
import type { LabelledPrefix } from "../../src/geo/labels.ts";
import { type Location, NOWHERE } from "../../src/geo/location.ts";
import { type Mmdb, readMmdb } from "../../src/geo/mmdb.ts";
import { parseAddress, parsePrefix } from "../../src/wire/address.ts";
import { type MmdbFile, writeMmdb } from "./mmdb-file.ts";

function database(records: MmdbFile["records"], ipVersion: 4 | 6 = 6, aliases: readonly string[] = []): Mmdb {
  const read = readMmdb(writeMmdb({ recordSize: 28, ipVersion, records, aliases }));
  if (read.kind === "problem") throw new Error(read.message);
  return read;
}

const COUNTRIES = database({
  "192.0.2.0/24": { country: { iso_code: "GB" } },
  "198.51.100.0/24": { country: { iso_code: "US" } },
  "2001:db8::/32": { country: { iso_code: "JP" } },
});
const CITIES = database(
  {
    "192.0.2.128/25": {
      country: { iso_code: "GB" },
      subdivisions: [{ iso_code: "ENG" }],
      location: { latitude: 51.5, longitude: -0.1 },
    },
    "203.0.113.0/24": { country: { iso_code: "NZ" } },
  },
  4,
);
const ASNS = database({
  "192.0.2.192/26": { autonomous_system_number: 64496 },
  "2001:db8::/33": { autonomous_system_number: 64497 },
});

function atlasOf(sources: Partial<AtlasSources>): Atlas {
  return buildAtlas({ databases: [COUNTRIES], labels: [], prefixes: [], ...sources });
}

function at(atlas: Atlas, address: string): Location {
  return atlas.locate(parseAddress(address)!);
}

function label(text: string, name: string): LabelledPrefix {
  return { prefix: parsePrefix(text)!, label: name };
}

const GB: Location = {
  ...NOWHERE,
  continent: "EU",
  country: "GB",
  coordinates: { latitude: 53, longitude: -1.5 },
};

test("without sources everywhere is nowhere", () => {
  const atlas = atlasOf({ databases: [] });
  expect(at(atlas, "192.0.2.1")).toBe(NOWHERE);
  expect(at(atlas, "2001:db8::1")).toBe(NOWHERE);
  expect(atlas.locations).toEqual([NOWHERE]);
});

test("a country brings its continent and its centroid", () => {
  expect(at(atlasOf({}), "192.0.2.1")).toEqual(GB);
});

test("an address that no data speaks of is nowhere, and nowhere is location 0", () => {
  const atlas = atlasOf({});
  expect(at(atlas, "9.9.9.9")).toBe(NOWHERE);
  expect(atlas.locations[0]).toBe(NOWHERE);
});

test("equal locations are one object, also across families and databases", () => {
  const atlas = atlasOf({ databases: [COUNTRIES, database({ "2a00::/16": { country_code: "GB" } })] });
  expect(at(atlas, "2a00::1")).toBe(at(atlas, "192.0.2.1"));
  expect(new Set(atlas.locations.map((location) => JSON.stringify(location))).size).toBe(
    atlas.locations.length,
  );
});

test("later databases fill what earlier ones lack", () => {
  const atlas = atlasOf({ databases: [COUNTRIES, CITIES, ASNS] });
  const london = { ...GB, subdivision: "GB-ENG", coordinates: { latitude: 51.5, longitude: -0.1 } };
  expect(at(atlas, "192.0.2.1")).toEqual(GB);
  expect(at(atlas, "192.0.2.129")).toEqual(london);
  expect(at(atlas, "192.0.2.255")).toEqual({ ...london, asn: 64496 });
  expect(at(atlas, "203.0.113.1").country).toBe("NZ");
  expect(at(atlas, "2001:db8::1")).toMatchObject({ country: "JP", asn: 64497 });
  expect(at(atlas, "2001:db8:8000::1")).toMatchObject({ country: "JP", asn: null });
});

test("an alias of the IPv4 tree keeps what both databases say", () => {
  const aliases = ["2002::/16"];
  const countries = database({ "192.0.2.0/24": { country_code: "GB" } }, 6, aliases);
  const asns = database({ "192.0.2.128/25": { asn: 64496 } }, 6, aliases);
  const atlas = atlasOf({ databases: [countries, asns], labels: [label("192.0.2.128/25", "office")] });
  expect(at(atlas, "2002:c000:0280::1")).toEqual({ ...GB, asn: 64496 });
  expect(at(atlas, "192.0.2.128")).toEqual({ ...GB, asn: 64496, labels: ["office"] });
});

describe("labels", () => {
  const atlas = atlasOf({
    labels: [
      label("192.0.0.0/16", "corp"),
      label("192.0.2.64/26", "lab"),
      label("192.0.2.127/32", "corp"),
      label("2001:db8:1::/48", "office"),
      label("0.0.0.0/0", "all"),
    ],
  });

  test.each<[string, readonly string[]]>([
    ["9.9.9.9", ["all"]],
    ["192.0.2.1", ["corp", "all"]],
    ["192.0.2.63", ["corp", "all"]],
    ["192.0.2.64", ["lab", "corp", "all"]],
    ["192.0.2.127", ["corp", "lab", "all"]],
    ["192.0.2.128", ["corp", "all"]],
    ["2001:db8:1:ffff::1", ["office"]],
    ["2001:db8:2::", []],
  ])("of %s are, longest prefix first, %j", (address, labels) => {
    expect(at(atlas, address).labels).toEqual(labels);
  });

  test("do not hide what the database says", () => {
    expect(at(atlas, "192.0.2.65")).toEqual({ ...GB, labels: ["lab", "corp", "all"] });
  });
});

test("prefixes that policies name come longest first, each once, apart from labels", () => {
  const prefixes = ["192.0.2.0/25", "192.0.0.0/16", "192.0.2.0/25"].map((text) => parsePrefix(text)!);
  const atlas = atlasOf({ prefixes, labels: [label("192.0.2.0/25", "office")] });
  expect(at(atlas, "192.0.2.1")).toEqual({
    ...GB,
    labels: ["office"],
    prefixes: ["192.0.2.0/25", "192.0.0.0/16"],
  });
  expect(at(atlas, "192.0.2.128").prefixes).toEqual(["192.0.0.0/16"]);
});

test("a hundred thousand labelled prefixes are laid over", () => {
  const labels = Array.from({ length: 100_000 }, (_, i) =>
    label(`10.${i >> 11}.${(i >> 3) & 0xff}.${(i & 7) * 32}/27`, `site-${i % 1000}`),
  );
  const atlas = atlasOf({ labels });
  expect(at(atlas, "10.0.1.33").labels).toEqual(["site-9"]);
});
