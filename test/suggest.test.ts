import { describe, expect, test } from "vitest";
import { countTypos, suggest } from "../src/suggest.ts";
import { fc } from "./fast-check.ts";

describe("suggest", () => {
  const words = ["interval", "timeout", "rise", "fall", "us-east", "us-west", "GB"];

  test.each([
    ["intervall", "interval"],
    ["intreval", "interval"],
    ["timout", "timeout"],
    ["fal", "fall"],
    ["TimeOut", "timeout"],
    ["gb", "GB"],
    ["us-eest", "us-east"],
    ["us-wast", "us-east"],
  ])("%s means %s", (word, meant) => {
    expect(suggest(word, words)).toBe(meant);
  });

  test.each(["", "xx", "ris3x", "weight", "x".repeat(100)])("%s means none of them", (word) => {
    expect(suggest(word, words)).toBeNull();
  });

  test("a word too long to compare is found by its case alone", () => {
    const long = "a".repeat(70);
    expect(suggest(long.toUpperCase(), [`${long}b`, long])).toBe(long);
    expect(suggest(`${long}c`, [long])).toBeNull();
  });

  test("100,000 words hold nobody up, and one of them is found by its case alone", () => {
    const many = Array.from({ length: 100_000 }, (_, i) => `service-${i}.customers.example.com`);
    const startedMs = performance.now();
    expect(suggest("z".repeat(34), many)).toBeNull();
    expect(suggest("service-99999x.customers.example.com", many)).not.toBeNull();
    // Some 50 ms each, where all letters of all words would take 7 s.
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(suggest("Service-99999.Customers.Example.com", many)).toBe(many.at(-1));
  });
});

describe("countTypos", () => {
  const word = fc.string({ maxLength: 12 });

  test("is 0 for equal words only", () => {
    fc.assert(fc.property(word, word, (a, b) => (countTypos(a, b) === 0) === (a === b)));
  });

  test("is the same both ways, at least the difference in length and at most the longer word", () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const typos = countTypos(a, b);
        expect(countTypos(b, a)).toBe(typos);
        expect(typos).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
        expect(typos).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });

  test("says no more than that there are too many", () => {
    fc.assert(
      fc.property(word, word, fc.integer({ min: 1, max: 12 }), (a, b, most) => {
        expect(Math.min(countTypos(a, b, most), most)).toBe(Math.min(countTypos(a, b), most));
      }),
    );
  });

  test("a swap of neighbours is one typo", () => {
    expect(countTypos("web", "wbe")).toBe(1);
  });
});
