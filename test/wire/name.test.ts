import { describe, expect, test } from "vitest";
import {
  formatName,
  isWildcardName,
  isWithin,
  labelCount,
  type Name,
  nameKey,
  parentOf,
  parseName,
  readEscape,
  readName,
  rootName,
  sameName,
} from "../../src/wire/name.ts";
import { fc } from "../fast-check.ts";

function name(text: string, origin: Name | null = null): Name {
  const parsed = parseName(text, origin);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

function message(text: string, origin: Name | null = null): string {
  const parsed = parseName(text, origin);
  return parsed.kind === "problem" ? parsed.message : `read as ${formatName(parsed.name)}`;
}

/** Any name: a list of labels of any octets, short enough to fit. */
const anyName: fc.Arbitrary<Name> = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 63 }), { maxLength: 12 })
  .map((labels) => {
    const octets: number[] = [];
    for (const label of labels)
      if (octets.length + label.length + 2 <= 255) octets.push(label.length, ...label);
    return readName(Uint8Array.from([...octets, 0]), 0, octets.length + 1)!;
  });

const origin = name("Example.");

describe("parseName", () => {
  test.each([
    [".", "."],
    ["www.example.", "www.example."],
    ["www", "www.Example."],
    ["a.b", "a.b.Example."],
    ["@", "Example."],
    ["*", "*.Example."],
    ["\\@", "\\@.Example."],
    ["a\\.b.", "a\\.b."],
    ["\\065\\000.", "A\\000."],
    ["_sip._tcp", "_sip._tcp.Example."],
    ["a\\ b.", "a\\032b."],
  ])("reads %s as %s", (text, expected) => {
    expect(formatName(name(text, origin))).toBe(expected);
  });

  test.each([
    ["", "an empty text is not a name"],
    ["a..b.", "has an empty label"],
    [".a.", "has an empty label"],
    ["..", "has an empty label"],
    ["a\\", "has a bad escape"],
    ["a\\25.", "has a bad escape"],
    ["a\\256.", "has a bad escape"],
    ["a\\é.", "has a bad escape"],
    ["bücher.", "not printable ASCII"],
    ["a b.", "not printable ASCII"],
    [`${"a".repeat(64)}.`, "more than 63 octets"],
    ["www", "is relative and there is no origin"],
    ["@", "is relative and there is no origin"],
  ])("refuses %j: %s", (text, expected) => {
    expect(message(text)).toContain(expected);
  });

  test("a name may have 255 octets, with its origin, and no more (RFC 1035 §2.3.4)", () => {
    const long = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.`;
    expect(name(`${long}${"d".repeat(61)}.`).length).toBe(255);
    expect(message(`${long}${"d".repeat(62)}.`)).toContain("longer than 255 octets");
    expect(name(`${long}${"d".repeat(53)}`, origin).length).toBe(255);
    expect(message(`${long}${"d".repeat(54)}`, origin)).toContain("longer than 255 octets");
    expect(message(`${long}${"d".repeat(61)}.e.`)).toContain("longer than 255 octets");
  });

  test("reads back what formatName writes, for names of any octets", () => {
    fc.assert(
      fc.property(anyName, (any) => {
        expect(name(formatName(any))).toEqual(any);
      }),
    );
  });

  test("any text gives a name or a problem", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const parsed = parseName(text, origin);
        if (parsed.kind === "name") expect(readName(parsed.name, 0, 255)).toEqual(parsed.name);
      }),
    );
  });
});

describe("what names are to each other", () => {
  test("names that differ in case are one name with one key", () => {
    expect(nameKey(name("WWW.Example."))).toBe(nameKey(name("www.eXample.")));
    expect(sameName(name("WWW.Example."), name("www.eXample."))).toBe(true);
    expect(sameName(name("www.example."), name("ww.example."))).toBe(false);
    expect(sameName(name("www.example."), name("wwx.example."))).toBe(false);
  });

  test("keys differ where names differ in more than case, whatever their octets", () => {
    fc.assert(
      fc.property(anyName, anyName, (a, b) => {
        expect(nameKey(a) === nameKey(b)).toBe(sameName(a, b));
      }),
    );
  });

  test.each([
    ["www.example.", "example.", true],
    ["example.", "EXAMPLE.", true],
    ["example.", ".", true],
    [".", "example.", false],
    ["wwwexample.", "example.", false],
    ["www.example.org.", "example.", false],
    ["a\\.example.", "example.", false],
  ])("%s is within %s: %s", (inner, outer, expected) => {
    expect(isWithin(name(inner), name(outer))).toBe(expected);
  });

  test.each([
    ["*.example.", true],
    ["*.", true],
    ["**.example.", false],
    ["*a.example.", false],
    ["a.example.", false],
    ["www.*.example.", false],
    [".", false],
  ])("%s is a wildcard: %s (RFC 4592 §2.1.1)", (text, expected) => {
    const octets = Uint8Array.of(0, ...name(text));
    expect(isWildcardName(octets, 1)).toBe(expected);
  });

  test("a name is within each of its parents, and they have one label less each", () => {
    fc.assert(
      fc.property(anyName, (any) => {
        let labels = labelCount(any);
        for (let parent = parentOf(any); parent !== null; parent = parentOf(parent)) {
          labels -= 1;
          expect(labelCount(parent)).toBe(labels);
          expect(isWithin(any, parent)).toBe(true);
        }
        expect(labels).toBe(0);
      }),
    );
  });
});

describe("readName", () => {
  test("reads the name at an offset and leaves the rest", () => {
    const bytes = Uint8Array.of(9, 1, 0x61, 0, 7);
    expect(formatName(readName(bytes, 1, 5)!)).toBe("a.");
    expect(readName(bytes, 3, 5)).toEqual(rootName);
  });

  test.each([
    ["no octet", [], 0],
    ["a label cut short", [2, 0x61], 2],
    ["no root label before the end", [1, 0x61, 0], 2],
    ["a compression pointer", [0xc0, 0], 2],
    ["a reserved label type", [0x40, 0], 2],
  ])("finds none in %s", (_, octets, end) => {
    expect(readName(Uint8Array.from(octets), 0, end)).toBeNull();
  });

  test("finds none longer than 255 octets", () => {
    const bytes = Uint8Array.from([...Array.from({ length: 128 }, () => [1, 0x61]).flat(), 0]);
    expect(readName(bytes, 0, bytes.length)).toBeNull();
    expect(readName(bytes, 2, bytes.length)?.length).toBe(255);
  });
});

test("readEscape tells what an escape stands for and how long it is", () => {
  expect(readEscape("\\097bc", 0)).toEqual({ octet: 97, length: 4 });
  expect(readEscape("x\\;", 1)).toEqual({ octet: 0x3b, length: 2 });
  expect(readEscape("\\", 0)).toBeNull();
});
