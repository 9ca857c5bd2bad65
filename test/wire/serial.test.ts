import { describe, expect, test } from "vitest";
import { isAfter, serialIn } from "../../src/wire/serial.ts";
import { fc } from "../fast-check.ts";

const serial = fc.integer({ min: 0, max: 0xffff_ffff });

describe("a serial number (RFC 1982)", () => {
  test.each([
    [1, 0, true],
    [0, 0, false],
    [0, 1, false],
    [0, 0xffff_ffff, true],
    [0xffff_ffff, 0, false],
    [0x7fff_ffff, 0, true],
    [0x8000_0000, 0, false],
    [0, 0x8000_0000, false],
    [2026010200, 2026010101, true],
  ])("%i is after %i: %s (RFC 1982 §3.2)", (a, b, outcome) => {
    expect(isAfter(a, b)).toBe(outcome);
  });

  test("is before what is added to it, up to half the circle (RFC 1982 §3.1)", () => {
    fc.assert(
      fc.property(serial, fc.integer({ min: 1, max: 0x7fff_ffff }), (from, added) => {
        const to = (from + added) >>> 0;
        expect([isAfter(to, from), isAfter(from, to)]).toEqual([true, false]);
      }),
    );
  });

  test("stands behind the two names of an SOA, whatever their length", () => {
    const soa = Uint8Array.from([1, 97, 0, 0, 0x89, 0xab, 0xcd, 0xef, ...new Array<number>(16).fill(0)]);
    expect(serialIn(soa)).toBe(0x89abcdef);
    expect(serialIn(soa.subarray(3))).toBeNull();
  });
});
