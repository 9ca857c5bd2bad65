import { describe, expect, test } from "vitest";
import { numberAfter, rrTypeCode, rrTypeName } from "../../src/wire/codes.ts";

describe("RR types", () => {
  test.each([
    [1, "A"],
    [65, "HTTPS"],
    [257, "CAA"],
    [0, "TYPE0"],
    [65280, "TYPE65280"],
  ])("%i is %s, both ways", (code, name) => {
    expect(rrTypeName(code)).toBe(name);
    expect(rrTypeCode(name)).toBe(code);
    expect(rrTypeCode(name.toLowerCase())).toBe(code);
  });

  test("a known type may be written by its number (RFC 3597 §5)", () => {
    expect(rrTypeCode("TYPE28")).toBe(28);
  });

  test.each(["", "AAA", "TYPE", "TYPE65536", "TYPE-1", "TYPE1.0", "TYPE000001", "toString"])(
    "%j is none",
    (text) => {
      expect(rrTypeCode(text)).toBeNull();
    },
  );
});

test("numberAfter reads classes by number too", () => {
  expect(numberAfter("CLASS", "CLASS1")).toBe(1);
  expect(numberAfter("CLASS", "IN")).toBeNull();
});
