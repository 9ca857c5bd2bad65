import { describe, expect, test } from "vitest";
import {
  formatDuration,
  formatDurationRange,
  parseDuration,
  parseEndpoint,
  parseNumber,
  parseWholeNumber,
} from "../../src/config/units.ts";
import { fc } from "../fast-check.ts";

describe("parseDuration", () => {
  test.each([
    ["500ms", 500],
    ["0s", 0],
    ["5s", 5000],
    ["1.5s", 1500],
    ["1.001s", 1001],
    ["4.35s", 4350],
    ["1m", 60_000],
    ["0.5h", 1_800_000],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "5", "s", "5 s", "5S", "-5s", "1m30s", "1.5ms", "1w", ".5s", "1e3s", "9999999999999s"])(
    "%s is no duration",
    (text) => {
      expect(parseDuration(text)).toBeNull();
    },
  );

  test("reads what formatDuration writes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100_000_000 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  test("bounds are written in their largest whole units", () => {
    expect(formatDurationRange({ least: 0, most: 86_400_000 })).toBe("from 0ms to 24h");
    expect(formatDurationRange({ least: 1500, most: 120_000 })).toBe("from 1500ms to 2m");
  });
});

describe("numbers", () => {
  test.each([
    ["0", 0],
    ["-12", -12],
    ["2.5", 2.5],
  ])("%s is one", (text, value) => {
    expect(parseNumber(text)).toBe(value);
  });

  test.each(["", "1e3", "0x10", "+1", ".5", "5.", "NaN", "Infinity", "1_000", " 1", "9".repeat(16)])(
    "%s is none",
    (text) => {
      expect(parseNumber(text)).toBeNull();
      expect(parseWholeNumber(text)).toBeNull();
    },
  );

  test("a fraction is no whole number", () => {
    expect(parseWholeNumber("1.0")).toBeNull();
  });
});

describe("parseEndpoint", () => {
  test.each([
    ["127.0.0.1:5300", "127.0.0.1", 5300],
    ["[::1]:53", "::1", 53],
    ["0.0.0.0:0", "0.0.0.0", 0],
    ["[2001:DB8::1]:65535", "2001:db8::1", 65_535],
  ])("reads %s", (text, address, port) => {
    expect(parseEndpoint(text)).toMatchObject({ address: { text: address }, port });
  });

  test.each([
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:65536",
    "127.0.0.1:-1",
    "127.0.0.1:5x",
    "::1:53",
    "[::1]",
    "[127.0.0.1]:53",
    "localhost:53",
    "[::ffff:127.0.0.1]:53",
    ":53",
  ])("%s is no endpoint", (text) => {
    expect(parseEndpoint(text)).toBeNull();
  });
});
