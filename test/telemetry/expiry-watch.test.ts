import { expect, test } from "vitest";
import { ExpiryWatch } from "../../src/telemetry/expiry-watch.ts";

test("signatures are late once, when less than an eighth of their validity is left, until they are renewed", () => {
  const watch = new ExpiryWatch();
  expect(watch.look(1_000_000)).toBeNull();
  watch.note(1_800, 800);
  expect([watch.look(1_000), watch.look(1_700), watch.isLate]).toEqual([null, null, false]);
  expect([watch.look(1_701), watch.look(1_900), watch.isLate]).toEqual(["late", null, true]);
  watch.note(2_700, 800);
  expect([watch.look(1_901), watch.look(1_902), watch.isLate]).toEqual(["renewed", null, false]);
});

test("where nothing is signed nothing is late", () => {
  const watch = new ExpiryWatch();
  watch.note(null, Number.POSITIVE_INFINITY);
  expect(watch.look(4_000_000_000)).toBeNull();
});
