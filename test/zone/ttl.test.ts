import { expect, test } from "vitest";
import { parseTtl } from "../../src/zone/ttl.ts";

test.each([
  ["0", 0],
  ["300", 300],
  ["2147483647", 2147483647],
  ["1s", 1],
  ["1m", 60],
  ["1h", 3600],
  ["1h30m", 5400],
  ["1W", 604800],
  ["2D12h", 216000],
  ["30m1h", 5400],
])("%s is %i seconds", (text, seconds) => {
  expect(parseTtl(text)).toBe(seconds);
});

test.each(["", "h", "1h30", "-1", "1.5h", "1 h", "1y", "2147483648", "9999w", "9".repeat(400)])(
  "%j is no TTL (RFC 2181 §8)",
  (text) => {
    expect(parseTtl(text)).toBeNull();
  },
);
