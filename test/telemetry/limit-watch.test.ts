import { expect, test } from "vitest";
import { Counter, type CounterName, ROW_CELLS } from "../../src/telemetry/counters.ts";
import { LimitWatch } from "../../src/telemetry/limit-watch.ts";

function sums(cells: Partial<Record<CounterName, number>>): number[] {
  const all = new Array<number>(ROW_CELLS).fill(0);
  for (const [cell, value] of Object.entries(cells)) all[Counter[cell as CounterName]] = value;
  return all;
}

test("a limit is told when it starts, and once when it has been quiet for a minute", () => {
  const watch = new LimitWatch();
  expect(watch.look(sums({}), 0)).toBeNull();
  expect(watch.look(sums({ limitDropped: 3 }), 5_000)).toEqual({ kind: "started", isDryRun: false });
  expect(watch.look(sums({ limitDropped: 3, limitTruncated: 4 }), 10_000)).toBeNull();
  expect(watch.look(sums({ limitDropped: 3, limitTruncated: 4 }), 69_999)).toBeNull();
  expect(watch.look(sums({ limitDropped: 3, limitTruncated: 4 }), 70_000)).toEqual({
    kind: "ended",
    held: 7,
    seconds: 5,
  });
  expect(watch.look(sums({ limitDropped: 3, limitTruncated: 4 }), 200_000)).toBeNull();
});

test("a second attack is told as the first was, with its own figures", () => {
  const watch = new LimitWatch();
  watch.look(sums({ limitDropped: 3 }), 0);
  watch.look(sums({ limitDropped: 3 }), 60_000);
  expect(watch.look(sums({ limitDropped: 4 }), 90_000)).toEqual({ kind: "started", isDryRun: false });
  expect(watch.look(sums({ limitDropped: 4 }), 150_000)).toEqual({ kind: "ended", held: 1, seconds: 0 });
});

test("a dry run is told as such", () => {
  expect(new LimitWatch().look(sums({ wouldDrop: 1, wouldTruncate: 1 }), 0)).toEqual({
    kind: "started",
    isDryRun: true,
  });
});
