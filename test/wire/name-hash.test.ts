import { expect, test } from "vitest";
import { hashName, isNameAt } from "../../src/wire/name-hash.ts";
import { viewOf } from "../../src/wire/packet.ts";
import { fc } from "../fast-check.ts";

/** Labels of octets around the letters, and names of them, from the root on. */
const label = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .map((octets) => octets.map((octet) => 0x38 + (octet % 0x4d)));
const name = fc
  .array(fc.oneof(label, fc.uint8Array({ minLength: 1, maxLength: 63 })), { maxLength: 4 })
  .map((labels) => Uint8Array.from([...labels.flatMap((octets) => [octets.length, ...octets]), 0]));

/** `octets` at `at` of a larger memory that is full of something else. */
function placed(octets: Uint8Array, at: number, other: number): DataView {
  const memory = new Uint8Array(at + octets.length).fill(other);
  memory.set(octets, at);
  return viewOf(memory);
}

function inCase(octets: Uint8Array, from: number, to: number): Uint8Array {
  return octets.map((octet) => (octet >= from && octet < from + 26 ? octet - from + to : octet));
}

const lower = (octets: Uint8Array): Uint8Array => inCase(octets, 0x41, 0x61);
const upper = (octets: Uint8Array): Uint8Array => inCase(octets, 0x61, 0x41);

test("the hash of a name depends on nothing but its octets and not on their case (RFC 4343 §3)", () => {
  fc.assert(
    fc.property(name, fc.nat(7), fc.nat(255), (octets, at, other) => {
      const hash = hashName(viewOf(octets), 0, octets.length);
      expect(hashName(placed(upper(octets), at, other), at, octets.length)).toBe(hash);
      expect(hashName(placed(lower(octets), at, other), at, octets.length)).toBe(hash);
    }),
  );
});

test("a name is another's where all octets are the same but for their case", () => {
  fc.assert(
    fc.property(
      name,
      fc.nat(7),
      fc.nat(255),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (octets, at, other, i, bit) => {
        const folded = placed(lower(octets), 3, 0);
        expect(isNameAt(folded, 3, placed(upper(octets), at, other), at, octets.length)).toBe(true);
        const changed = Uint8Array.from(octets);
        changed[i % octets.length]! ^= bit;
        const isSame = Buffer.from(lower(changed)).equals(lower(octets));
        expect(isNameAt(folded, 3, placed(changed, at, other), at, octets.length)).toBe(isSame);
      },
    ),
    { numRuns: 2000 },
  );
});

test("a hundred thousand names fill a table of twice as many places evenly", () => {
  const places = new Uint32Array(1 << 18);
  for (let i = 0; i < 100_000; i += 1) {
    const octets = Buffer.from(`\x06${String(i).padStart(6, "n")}\x07example\x00`, "latin1");
    const place = hashName(viewOf(octets), 0, octets.length) & (places.length - 1);
    places[place] = (places[place] ?? 0) + 1;
  }
  // What chance would leave free: 2^18 * e^(-100,000 / 2^18).
  const free = places.filter((count) => count === 0).length;
  expect(free / ((1 << 18) * Math.exp(-100_000 / (1 << 18)))).toBeCloseTo(1, 1);
});
