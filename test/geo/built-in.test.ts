import { readFileSync } from "node:fs";
import { Reader, type Response } from "maxmind";
import { beforeAll, describe, expect, test } from "vitest";
import { type Atlas, buildAtlas } from "../../src/geo/atlas.ts";
import type { Location } from "../../src/geo/location.ts";
import { readMmdb } from "../../src/geo/mmdb.ts";
import { isLeaf, LEAF } from "../../src/geo/tree.ts";
import { type ClassTrie, compileClasses, leafClass, leafScope, lookupClass } from "../../src/geo/trie.ts";
import { addressOf, type IpAddress } from "../../src/wire/address.ts";
import { viewOf } from "../../src/wire/packet.ts";

const FILE = "node_modules/@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb";

let atlas: Atlas;
let byCountry: ClassTrie;
let numberOf: ReadonlyMap<Location, number>;
let theirs: Reader<{ country_code: string } & Response>;

beforeAll(() => {
  const bytes = readFileSync(FILE);
  const database = readMmdb(bytes);
  if (database.kind === "problem") throw new Error(database.message);
  atlas = buildAtlas({ databases: [database], labels: [], prefixes: [] });
  byCountry = compileClasses(atlas, Uint16Array.from(atlas.locations.keys()));
  numberOf = new Map(atlas.locations.map((location, number) => [location, number]));
  theirs = new Reader(bytes);
});

/** The same addresses in each run: half of them anywhere, half close to a place where the country changes. */
function* someAddresses(count: number): Generator<IpAddress> {
  let seed = 1;
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  for (let i = 0; i < count; i += 1) {
    const bytes = Uint8Array.from({ length: i % 2 === 0 ? 4 : 16 }, () => Math.floor(256 * random()));
    // All of IPv6 that is in use lies in 2000::/3.
    if (bytes.length === 16) bytes[0] = 0x20 | (bytes[0]! & 0x0f);
    const { scope } = lookup(byCountry, addressOf(bytes));
    const address = random() < 0.5 || scope === 0 ? bytes : edges(bytes, scope)[random() < 0.5 ? 0 : 1];
    yield addressOf(address);
  }
}

/** The first and the last address of the prefix of that length around an address. */
function edges(bytes: Uint8Array, length: number): readonly [Uint8Array, Uint8Array] {
  const hostBits = (i: number): number => 0xff >> Math.min(8, Math.max(0, length - 8 * i));
  return [bytes.map((octet, i) => octet & ~hostBits(i)), bytes.map((octet, i) => octet | hostBits(i))];
}

function lookup(trie: ClassTrie, address: IpAddress): { readonly number: number; readonly scope: number } {
  const leaf = lookupClass(trie.nodes, 0, viewOf(address.bytes), address.family === 6);
  return { number: leafClass(leaf), scope: leafScope(leaf) };
}

test("the atlas says of 20,000 addresses what maxmind's reader says", () => {
  const differing = [...someAddresses(20_000)].filter(
    (address) => atlas.locate(address).country !== (theirs.get(address.text)?.country_code ?? null),
  );
  expect(differing).toEqual([]);
});

test("every country of the database has a continent and coordinates", () => {
  const lacking = atlas.locations.filter(
    ({ continent, coordinates }) => continent === null || coordinates === null,
  );
  expect(lacking).toEqual([atlas.locations[0]]);
});

const CONTINENTS = [null, "AF", "AN", "AS", "EU", "NA", "OC", "SA"];

describe.each<[string, (number: number) => number]>([
  ["every country", (number) => number],
  ["continents", (number) => CONTINENTS.indexOf(atlas.locations[number]!.continent)],
  ["one country against all others", (number) => (atlas.locations[number]!.country === "GB" ? 1 : 0)],
])("with classes by %s", (_, classOfNumber) => {
  let classOf: Uint16Array;
  let trie: ClassTrie;
  beforeAll(() => {
    classOf = Uint16Array.from(atlas.locations.keys(), classOfNumber);
    trie = compileClasses(atlas, classOf);
  });
  const classAt = (address: IpAddress): number => classOf[numberOf.get(atlas.locate(address))!]!;

  test("an address has the class of its location, and so have both ends of its scope (RFC 7871 §7.2.1)", () => {
    const wrong = [...someAddresses(10_000)].filter((address) => {
      const { number, scope } = lookup(trie, address);
      return [address, ...edges(address.bytes, scope).map(addressOf)].some((within) => {
        const found = lookup(trie, within);
        return classAt(within) !== number || found.number !== number || found.scope !== scope;
      });
    });
    expect(wrong).toEqual([]);
  });

  test("a scope is all of one class, and no shorter one would be", () => {
    const wrong = [...someAddresses(2_000)].filter((address) => {
      const { scope } = lookup(trie, address);
      return (
        classesWithin(address, scope, 2).size !== 1 ||
        (scope > 0 && classesWithin(address, scope - 1, 2).size !== 2)
      );
    });
    expect(wrong).toEqual([]);
  });

  /** The classes of all locations within a prefix, until there are `enough`. */
  function classesWithin(address: IpAddress, length: number, enough: number): ReadonlySet<number> {
    const { pairs, ipv4, ipv6 } = atlas.tree;
    let entry = address.family === 4 ? ipv4 : ipv6;
    for (let i = 0; i < length && !isLeaf(entry); i += 1) {
      entry = pairs[2 * entry + ((address.bytes[i >> 3]! >> (7 - (i & 7))) & 1)]!;
    }
    const classes = new Set<number>();
    const collect = (at: number): void => {
      if (isLeaf(at)) classes.add(classOf[at - LEAF]!);
      else for (const side of [0, 1]) if (classes.size < enough) collect(pairs[2 * at + side]!);
    };
    collect(entry);
    return classes;
  }
});
