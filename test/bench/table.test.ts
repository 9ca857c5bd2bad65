import { describe, expect, test } from "vitest";
import type { Figures } from "../../bench/measure.ts";
import {
  disturbanceOf,
  faultOf,
  median,
  ratioOf,
  slownessOf,
  tableOf,
  verdictsOn,
} from "../../bench/table.ts";

const FIGURES: Figures = {
  cpuUs: 3,
  cpuOfAllUs: 3,
  busy: 1,
  qps: 300_000,
  sent: 1_000_000,
  lost: 0,
  wrong: 0,
  firstWrong: "",
  p50us: 100,
  p99us: 200,
  p999us: 300,
  by: { "192.0.2.1": 75, "192.0.2.2": 25 },
  stolen: 0,
};

const turn = (costs: Readonly<Record<string, number>>): ReadonlyMap<string, Figures> =>
  new Map(Object.entries(costs).map(([name, cpuUs]) => [name, { ...FIGURES, cpuUs }]));

describe("median", () => {
  test.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
    [[7], 7],
    [[], Number.NaN],
  ])("of %j is %d", (values, expected) => {
    expect(median(values)).toBe(expected);
  });
});

describe("ratios", () => {
  test("compare servers within a turn, so that a slow one does not count against one of them", () => {
    const turns = [turn({ echo: 3, ours: 3.3 }), turn({ echo: 6, ours: 6.6 }), turn({ echo: 3, ours: 3.3 })];
    expect(ratioOf(turns, "ours", "echo")).toBeCloseTo(1.1);
  });

  test("leave out turns in which one of the two did not run", () => {
    const turns = [turn({ ours: 9 }), turn({ echo: 3, ours: 3 })];
    expect(ratioOf(turns, "ours", "echo")).toBe(1);
    expect(ratioOf(turns, "theirs", "echo")).toBeNull();
  });

  test("are held against limits, as far as both servers ran", () => {
    const limits = [
      { of: "ours", to: "echo", atMost: 1.25 },
      { of: "ours", to: "theirs", atMost: 1 },
      { of: "ours", to: "absent", atMost: 1 },
    ];
    expect(verdictsOn([turn({ echo: 4, ours: 5, theirs: 4 })], limits)).toEqual([
      "ours: 1.25 times the CPU of echo, at most 1.25: kept",
      "ours: 1.25 times the CPU of theirs, at most 1.00: MISSED",
    ]);
  });
});

describe("the table", () => {
  test("has a row for each server that ran, in the order that was asked for", () => {
    const [, , ...rows] = tableOf([turn({ ours: 3.3, echo: 3 })], ["echo", "absent", "ours"], "echo").split(
      "\n",
    );
    expect(rows).toEqual([
      "| echo | 3.00 | 1.00 | 3.00 | 300,000 | 100 % | 0 | 0 | 100 | 200 | 300 | 75 : 25 |",
      "| ours | 3.30 | 1.10 | 3.00 | 300,000 | 100 % | 0 | 0 | 100 | 200 | 300 | 75 : 25 |",
    ]);
  });
});

describe("the slowest answers", () => {
  const slow = (p999us: Readonly<Record<string, number>>): ReadonlyMap<string, { readonly p999us: number }> =>
    new Map(Object.entries(p999us).map(([name, us]) => [name, { p999us: us }]));

  test("are held to two milliseconds and to another server's, by the medians of the turns", () => {
    const turns = [
      slow({ ours: 1_000, peer: 900 }),
      slow({ ours: 9_000, peer: 800 }),
      slow({ ours: 1_200, peer: 5_000 }),
    ];
    expect(slownessOf(turns, "ours", "peer")).toEqual([
      "ours: p99.9 of 1.20 ms, at most 2.00 ms: kept",
      "ours: p99.9 of 1.20 ms, at most that of peer, 0.90 ms: MISSED",
    ]);
    expect(slownessOf([slow({ ours: 2_001 })], "ours", "peer")).toEqual([
      "ours: p99.9 of 2.00 ms, at most 2.00 ms: MISSED",
    ]);
    expect(slownessOf(turns, "absent", "peer")).toEqual([]);
  });
});

describe("a fault", () => {
  test.each([
    [
      "any wrong reply",
      { wrong: 1, firstWrong: "address" },
      "ours: 1 wrong replies of 1000000, the first: address",
    ],
    ["more lost queries than allowed", { lost: 1001 }, "ours: 1001 of 1000000 queries lost"],
    ["as many lost queries as allowed", { lost: 1000 }, null],
  ])("%s", (_, change, expected) => {
    expect(faultOf("ours", [{ ...FIGURES, ...change }], 0.001)).toBe(expected);
  });
});

test("what the host took is told of the middle run and of the worst", () => {
  expect(disturbanceOf([0, 0.001, 0.02])).toBe(
    "the host took 0.1 % of the time of a run, and 2.0 % of the worst",
  );
});
