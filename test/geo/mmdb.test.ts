import { Reader, type Response } from "maxmind";
import { describe, expect, test } from "vitest";
import { type Mmdb, readMmdb } from "../../src/geo/mmdb.ts";
import { leafNumber } from "../../src/geo/tree.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { fc } from "../fast-check.ts";
import { int32, MARKER, type MmdbFile, type Plain, writeMmdb } from "./mmdb-file.ts";

const LONDON: Plain = {
  city: { names: { en: "London", de: "London" } },
  continent: { code: "EU", geoname_id: 6255148, names: { en: "Europe" } },
  country: { iso_code: "GB", names: { en: "United Kingdom" } },
  location: { latitude: 51.5164, longitude: -0.093, accuracy_radius: 10, time_zone: "Europe/London" },
  subdivisions: [{ iso_code: "ENG", names: { en: "England" } }],
};
const TOKYO: Plain = {
  country: { iso_code: "JP" },
  location: { latitude: 35.6895, longitude: 139.6917 },
  traits: { autonomous_system_number: 2497 },
};
const RECORDS = {
  "192.0.2.0/24": LONDON,
  "192.0.2.128/25": TOKYO,
  "203.0.113.7/32": { country_code: "NZ" },
  "0.0.0.0/3": { country_code: "US" },
};
const RECORDS6 = {
  "2001:db8::/32": LONDON,
  "2001:db8:8000::/33": TOKYO,
  "2001:db8:ffff::1/128": { country_code: "NZ" },
};

function read(file: MmdbFile): Mmdb {
  const database = readMmdb(writeMmdb(file));
  if (database.kind === "problem") throw new Error(database.message);
  return database;
}

function countryOf(database: Mmdb, address: string): string | null {
  return database.places[leafNumber(database.tree, parseAddress(address)!.bytes)]!.country;
}

function problemOf(bytes: Uint8Array): string {
  const outcome = readMmdb(bytes);
  return outcome.kind === "problem" ? outcome.message : "none";
}

const CASES = [
  ["192.0.2.0", "GB"],
  ["192.0.2.127", "GB"],
  ["192.0.2.128", "JP"],
  ["192.0.3.0", null],
  ["203.0.113.7", "NZ"],
  ["203.0.113.6", null],
  ["31.255.255.255", "US"],
  ["32.0.0.0", null],
] as const;
const CASES6 = [
  ["2001:db8::", "GB"],
  ["2001:db8:7fff:ffff::", "GB"],
  ["2001:db8:8000::", "JP"],
  ["2001:db8:ffff::1", "NZ"],
  ["2001:db8:ffff::2", "JP"],
  ["2001:db9::", null],
] as const;

describe.each([24, 28, 32] as const)("with records of %d bits", (recordSize) => {
  const ipv4Only = writeMmdb({ recordSize, ipVersion: 4, records: RECORDS });
  const both = writeMmdb({ recordSize, ipVersion: 6, records: { ...RECORDS, ...RECORDS6 } });

  test.each(CASES)("an IPv4 tree says of %s: %s", (address, country) => {
    expect(countryOf(read({ recordSize, ipVersion: 4, records: RECORDS }), address)).toBe(country);
  });

  test.each([...CASES, ...CASES6])("an IPv6 tree says of %s: %s", (address, country) => {
    const database = read({ recordSize, ipVersion: 6, records: { ...RECORDS, ...RECORDS6 } });
    expect(countryOf(database, address)).toBe(country);
  });

  test("maxmind's reader finds the same in the same file", () => {
    const countryIn = (bytes: Uint8Array, address: string): unknown => {
      const record = new Reader<Response & { country_code?: string }>(Buffer.from(bytes)).get(address);
      return record === null
        ? null
        : (record.country_code ?? ("country" in record && record.country?.iso_code));
    };
    for (const [address, country] of CASES) expect(countryIn(ipv4Only, address)).toBe(country);
    for (const [address, country] of [...CASES, ...CASES6]) expect(countryIn(both, address)).toBe(country);
  });
});

test("a city record gives every field of a place", () => {
  expect(read({ recordSize: 24, ipVersion: 4, records: RECORDS }).places).toContainEqual({
    continent: "EU",
    country: "GB",
    subdivision: "GB-ENG",
    asn: null,
    coordinates: { latitude: 51.5164, longitude: -0.093 },
  });
});

test("metadata say what the database is and when it was built", () => {
  const metadata = { database_type: "GeoLite2-City", build_epoch: 1_750_000_000n };
  const database = read({ recordSize: 28, ipVersion: 6, records: RECORDS6, metadata });
  expect(database).toMatchObject({ type: "GeoLite2-City", builtAtSeconds: 1_750_000_000, ipVersion: 6 });
});

test("an IPv4 database knows nothing of IPv6", () => {
  expect(countryOf(read({ recordSize: 24, ipVersion: 4, records: RECORDS }), "2001:db8::1")).toBe(null);
});

test("one record for the whole space is found everywhere", () => {
  const records = { "::/1": { country_code: "GB" }, "8000::/1": { country_code: "GB" } };
  const database = read({ recordSize: 24, ipVersion: 6, records });
  expect(countryOf(database, "192.0.2.1")).toBe("GB");
  expect(countryOf(database, "2001:db8::1")).toBe("GB");
});

test("an aliased IPv4 tree is found under each alias, and kept once", () => {
  const records = { ...RECORDS, "2a00::/16": { country_code: "DE" } };
  const plain = read({ recordSize: 24, ipVersion: 6, records });
  const aliased = read({ recordSize: 24, ipVersion: 6, records, aliases: ["2002::/16"] });
  expect(countryOf(aliased, "2002:c000:0280::1")).toBe("JP");
  expect(countryOf(aliased, "192.0.2.128")).toBe("JP");
  expect(aliased.tree.pairs.length - plain.tree.pairs.length).toBeLessThan(2 * 16);
});

describe("a file that cannot be used is a problem:", () => {
  const file: MmdbFile = { recordSize: 24, ipVersion: 4, records: RECORDS };
  const whole = writeMmdb(file);
  const withMetadata = (metadata: MmdbFile["metadata"] & object): Uint8Array =>
    writeMmdb({ ...file, metadata });
  const patched = (at: number, octets: readonly number[]): Uint8Array => {
    const bytes = whole.slice();
    bytes.set(octets, at);
    return bytes;
  };

  test.each<[string, Uint8Array, RegExp]>([
    ["an empty one", new Uint8Array(0), /no metadata marker/],
    ["a text", new TextEncoder().encode("<html>404 Not Found</html>"), /no metadata marker/],
    ["one cut short", whole.slice(0, whole.length / 2), /no metadata marker/],
    ["one cut in its metadata", whole.slice(0, -20), /more octets/],
    ["one that ends at the marker", Uint8Array.from(MARKER), /expected 1 more octets/],
    ["metadata that are a string", Uint8Array.from([...MARKER, 0x41, 0x61]), /not a map/],
    ["a missing field", Uint8Array.from([...MARKER, 0xe0]), /without binary_format_major_version/],
    ["version 1", withMetadata({ binary_format_major_version: 1 }), /version 1: expected 2/],
    ["ip_version 5", withMetadata({ ip_version: 5 }), /ip_version 5: expected 4 or 6/],
    ["record_size 20", withMetadata({ record_size: 20 }), /record_size 20: expected 24, 28 or 32/],
    ["a negative node count", withMetadata({ node_count: int32(-1) }), /node_count: expected a whole number/],
    ["half a node", withMetadata({ node_count: 1.5 }), /node_count: expected a whole number/],
    [
      "too many nodes",
      withMetadata({ node_count: 4_000_000_000 }),
      /4000000000 nodes: expected a file longer/,
    ],
    ["too few nodes", withMetadata({ node_count: 1 }), /record at -\d+ of the data section: expected 0 to/],
    ["a node that is its own child", patched(0, [0, 0, 0, 0, 0, 0]), /below the last bit/],
    ["a record behind the data section", patched(0, [0xff, 0xff, 0xff]), /expected 0 to/],
    [
      "nothing about locations",
      writeMmdb({ ...file, records: { "0.0.0.0/1": { is_vpn: true } } }),
      /geo database/,
    ],
  ])("%s", (_, bytes, message) => {
    expect(problemOf(bytes)).toMatch(/^Cannot read MMDB: /);
    expect(problemOf(bytes)).toMatch(message);
  });

  test("nodes that multiply by having two parents each", () => {
    // Node n has node n + 1 on both sides: 2^32 paths through 32 nodes.
    const nodes = Array.from({ length: 32 }, (_, n) => [0, 0, n + 1, 0, 0, n + 1]).flat();
    const rest = writeMmdb({ recordSize: 24, ipVersion: 4, records: {}, metadata: { node_count: 32 } }).slice(
      6,
    );
    expect(problemOf(Uint8Array.from([...nodes, ...rest]))).toMatch(/runs into itself/);
  });

  test("any octets changed, cut or added: no throw, and it ends", () => {
    const bytes = writeMmdb({ recordSize: 28, ipVersion: 6, records: { ...RECORDS, ...RECORDS6 } });
    const edit = fc.record({ at: fc.nat(bytes.length - 1), octet: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), fc.nat(bytes.length), (edits, length) => {
        const changed = bytes.slice();
        for (const { at, octet } of edits) changed[at] = octet;
        expect(["database", "problem"]).toContain(readMmdb(changed).kind);
        expect(["database", "problem"]).toContain(readMmdb(changed.slice(length)).kind);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
