import { describe, expect, test } from "vitest";
import { DataSection, Malformed, type MmdbValue } from "../../src/geo/mmdb-data.ts";
import { fc } from "../fast-check.ts";
import { encode, float, int32, type Plain, pointerTo, uint16 } from "./mmdb-file.ts";

function section(octets: readonly number[]): DataSection {
  return new DataSection(Uint8Array.from(octets), 0, octets.length);
}

function roundTrip(value: Plain): MmdbValue {
  const octets: number[] = [];
  encode(value, octets, new Map());
  return section(octets).read(0);
}

test.each<[string, Plain, MmdbValue]>([
  ["an empty string", "", ""],
  ["a string beyond ASCII", "Zürich 東京", "Zürich 東京"],
  ["a string of 28 octets", "x".repeat(28), "x".repeat(28)],
  ["a string of 29 octets", "x".repeat(29), "x".repeat(29)],
  ["a string of 285 octets", "x".repeat(285), "x".repeat(285)],
  ["a string of 65821 octets", "x".repeat(65821), "x".repeat(65821)],
  ["a double", 51.5164, 51.5164],
  ["a negative double", -0.093, -0.093],
  ["a float", float(1.5), 1.5],
  ["octets", Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3)],
  ["zero", 0, 0],
  ["a uint16", uint16(65535), 65535],
  ["a uint32", 4294967295, 4294967295],
  ["an int32", int32(-5), -5],
  ["a positive int32", int32(70000), 70000],
  ["a uint64", 2n ** 64n - 1n, 2n ** 64n - 1n],
  ["a uint128", 2n ** 128n - 1n, 2n ** 128n - 1n],
  ["true", true, true],
  ["false", false, false],
  ["an array", ["a", 1, [true]], ["a", 1, [true]]],
  [
    "a map",
    { a: 1, b: { c: "d" } },
    new Map<string, MmdbValue>([
      ["a", 1],
      ["b", new Map([["c", "d"]])],
    ]),
  ],
  [
    "a map without what is under names",
    { names: { en: ["x", { y: 1.5 }], de: true }, a: 1 },
    new Map([["a", 1]]),
  ],
  [
    "a string met again, through its pointer",
    ["London", "London", "Paris", "London"],
    ["London", "London", "Paris", "London"],
  ],
])("%s is read as it was written", (_, plain, value) => {
  expect(roundTrip(plain)).toEqual(value);
});

test.each([0, 1, 2047, 2048, 2049, 526335, 526336, 600000])("a pointer to %d is followed", (target) => {
  const octets = new Array(target).fill(0);
  encode("there", octets, new Map());
  const at = octets.length;
  octets.push(...pointerTo(target));
  expect(section(octets).read(at)).toBe("there");
});

test("a pointer of five octets is followed", () => {
  expect(section([0x41, 0x61, 0x38, 0, 0, 0, 0]).read(2)).toBe("a");
});

describe("refused are", () => {
  test.each<[string, readonly number[], RegExp]>([
    ["a pointer to itself", [0x20, 0x00], /nested deeper/],
    ["a map that holds itself", [0xe1, 0x41, 0x61, 0x20, 0x00], /nested deeper/],
    ["a pointer out of the section", [0x20, 0x50], /pointer to 80/],
    ["a string longer than the section", [0x5c, 0x61], /28 more octets/],
    ["a map longer than the section", [0xff, 0xff, 0xff, 0xff], /expected 1 more octets/],
    ["an array longer than the section", [0x1f, 0x04, 0xff, 0xff, 0xff], /expected 1 more octets/],
    ["a key that is a number", [0xe1, 0xa1, 0x01, 0xa1, 0x01], /expected a string/],
    ["a double of 4 octets", [0x64, 0, 0, 0, 0], /floating-point number of 4 octets: expected 8/],
    ["a uint16 of 3 octets", [0xa3, 0, 0, 0], /integer of 3 octets: expected at most 2/],
    [
      "a uint64 of 9 octets",
      [0x09, 0x02, ...new Array(9).fill(1)],
      /integer of 9 octets: expected at most 8/,
    ],
    ["an end marker", [0x00, 0x06], /type 13/],
  ])("%s", (_, octets, message) => {
    expect(() => section(octets).read(0)).toThrow(Malformed);
    expect(() => section(octets).read(0)).toThrow(message);
  });

  test("pointers that multiply values", () => {
    // Each array holds the one before sixteen times: 16^12 strings in 400 octets.
    const octets = [0x41, 0x61];
    let previous = 0;
    for (let level = 0; level < 12; level += 1) {
      const at = octets.length;
      octets.push(0x10, 0x04, ...new Array(16).fill(pointerTo(previous)).flat());
      previous = at;
    }
    expect(() => section(octets).read(previous)).toThrow(/pointers multiply/);
  });
});

test("any octets are read or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
      try {
        section([...octets]).read(0);
      } catch (error) {
        expect(error).toBeInstanceOf(Malformed);
      }
    }),
    { seed: 1, numRuns: 2000 },
  );
});
