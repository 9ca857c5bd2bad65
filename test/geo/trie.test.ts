import { expect, test } from "vitest";
import { type Atlas, buildAtlas } from "../../src/geo/atlas.ts";
import { type ClassTrie, compileClasses, leafClass, leafScope, lookupClass } from "../../src/geo/trie.ts";
import { addressOf, type IpAddress, type Prefix, parseAddress, parsePrefix } from "../../src/wire/address.ts";
import { viewOf } from "../../src/wire/packet.ts";
import { fc } from "../fast-check.ts";

function atlasOf(prefixes: readonly Prefix[]): Atlas {
  return buildAtlas({ databases: [], labels: [], prefixes });
}

function lookup(trie: ClassTrie, address: IpAddress): { readonly number: number; readonly scope: number } {
  const leaf = lookupClass(trie.nodes, 0, viewOf(address.bytes), address.family === 6);
  return { number: leafClass(leaf), scope: leafScope(leaf) };
}

/** The classes of an atlas whose locations are the innermost of these prefixes. */
function classesBy(atlas: Atlas, classOfPrefix: Readonly<Record<string, number>>): Uint16Array {
  return Uint16Array.from(atlas.locations, ({ prefixes }) => classOfPrefix[prefixes[0] ?? ""] ?? 0);
}

test.each<[string, Readonly<Record<string, number>>, string, number, number]>([
  ["one class for all has scope 0", {}, "192.0.2.1", 0, 0],
  ["a prefix of its own class is its own scope", { "192.0.2.0/24": 1 }, "192.0.2.1", 1, 24],
  ["beside it the scope is what is left of the next wider prefix", { "192.0.2.0/24": 1 }, "192.0.3.1", 0, 24],
  ["far from it the scope is wide", { "192.0.2.0/24": 1 }, "9.9.9.9", 0, 1],
  ["the other family is not touched", { "192.0.2.0/24": 1 }, "2001:db8::1", 0, 0],
  ["halves of one class are one", { "192.0.2.0/25": 1, "192.0.2.128/25": 1 }, "192.0.2.200", 1, 24],
  [
    "a prefix of the class around it does not show",
    { "192.0.2.0/24": 1, "192.0.2.64/26": 1 },
    "192.0.2.65",
    1,
    24,
  ],
  ["/0 covers its family", { "0.0.0.0/0": 3 }, "192.0.2.1", 3, 0],
  ["/32", { "192.0.2.1/32": 2 }, "192.0.2.1", 2, 32],
  ["/128", { "2001:db8::1/128": 2 }, "2001:db8::1", 2, 128],
  ["beside a /128", { "2001:db8::1/128": 2 }, "2001:db8::", 0, 128],
  ["the highest class", { "192.0.2.0/23": 65535 }, "192.0.3.255", 65535, 23],
])("%s", (_, classOfPrefix, address, number, scope) => {
  const atlas = atlasOf(Object.keys(classOfPrefix).map((text) => parsePrefix(text)!));
  const trie = compileClasses(atlas, classesBy(atlas, classOfPrefix));
  expect(lookup(trie, parseAddress(address)!)).toEqual({ number, scope });
});

test("scopes of a class say at least what its answers depend on", () => {
  const atlas = atlasOf(["192.0.2.0/24", "192.0.2.64/26", "10.0.0.0/8"].map((text) => parsePrefix(text)!));
  const classes = classesBy(atlas, { "192.0.2.64/26": 1, "10.0.0.0/8": 2 });
  const trie = compileClasses(atlas, classes, (number) => ({
    ipv4: number === 0 ? 0 : 25,
    ipv6: 7 * (1 - number),
  }));
  const scopeAt = (text: string): number => lookup(trie, parseAddress(text)!).scope;
  expect(["10.1.2.3", "192.0.2.65", "192.0.2.1", "11.0.0.1", "2001:db8::1"].map(scopeAt)).toEqual([
    25, 26, 26, 8, 7,
  ]);
});

test("a family of one class costs a table and no node", () => {
  expect(compileClasses(atlasOf([]), Uint16Array.of(5)).nodes).toHaveLength(8192);
});

test("a trie may lie anywhere in a block of words, and an address anywhere in a packet", () => {
  const atlas = atlasOf([parsePrefix("192.0.2.0/24")!]);
  const { nodes } = compileClasses(atlas, Uint32Array.of(7, 70_000));
  const words = new Uint32Array(new SharedArrayBuffer(4 * (nodes.length + 1000)));
  words.fill(0xffff_ffff);
  words.set(nodes, 777);
  const leaf = lookupClass(words, 777, viewOf(Uint8Array.of(192, 0, 2, 255, 0xff)), false);
  expect([leafClass(leaf), leafScope(leaf)]).toEqual([70_000, 24]);
});

test("a class too few or too large is our mistake", () => {
  const atlas = atlasOf([parsePrefix("192.0.2.0/24")!]);
  expect(() => compileClasses(atlas, Uint16Array.of(1))).toThrow("1 classes for 2 locations");
  expect(() => compileClasses(atlas, Uint32Array.of(1, 2 ** 22))).toThrow("a class above 4194303");
});

/** Prefixes of at most 10 bits behind some zeros, so that they nest, touch and merge, and 1024 addresses stand for all. */
const somePrefix = (zeros: number): fc.Arbitrary<Prefix> =>
  fc
    .record({
      family: fc.constantFrom<4 | 6>(4, 6),
      high: fc.nat(1023),
      length: fc.integer({ min: 0, max: 10 }),
    })
    .map(({ family, high, length }) => {
      const address = addressAt(family, zeros, high & (0x3ff << (10 - length)));
      return { address, length: zeros + length, text: `${address.text}/${zeros + length}` };
    });

test.each([
  ["in the tables", 0],
  ["across their end", 7],
  ["in nodes", 20],
])("a scope holds one class only, and the prefix one bit shorter holds another: %s", (_, zeros) => {
  fc.assert(
    fc.property(fc.array(somePrefix(zeros), { maxLength: 12 }), fc.array(fc.nat(2)), (prefixes, choices) => {
      const atlas = atlasOf(prefixes);
      const classOf = Uint16Array.from(atlas.locations, (_, i) => choices[i] ?? i % 2);
      const classAt = (address: IpAddress): number | undefined =>
        classOf[atlas.locations.indexOf(atlas.locate(address))];
      const trie = compileClasses(atlas, classOf);
      for (const family of [4, 6] as const) {
        const addresses = Array.from({ length: 1024 }, (_, high) => addressAt(family, zeros, high));
        const classes = addresses.map(classAt);
        const outside = classAt(addressAt(family, 0, 1023));
        for (const high of [0, 1, 2, 3, 4, 64, 511, 512, 767, 1023]) {
          const { number, scope } = lookup(trie, addresses[high]!);
          const within = (length: number): ReadonlySet<number | undefined> => {
            if (length < zeros) return new Set([...classes, outside]);
            const hidden = 10 - (length - zeros);
            return new Set(classes.filter((_, other) => other >> hidden === high >> hidden));
          };
          expect(within(scope)).toEqual(new Set([number]));
          if (scope > 0) expect(within(scope - 1).size).toBeGreaterThan(1);
        }
      }
    }),
    { seed: 1 },
  );
});

/** The address whose 10 bits behind some zeros are `high`, the others zero. */
function addressAt(family: 4 | 6, zeros: number, high: number): IpAddress {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  new DataView(bytes.buffer).setUint32(0, (high << 22) >>> zeros);
  return addressOf(bytes);
}
