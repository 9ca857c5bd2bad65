import { describe, expect, test } from "vitest";
import type { Config, Coordinates, Pool } from "../../src/config/config.ts";
import type { Measured } from "../../src/health/average.ts";
import { estimateAnywhere, estimateFrom, type Measurement, median } from "../../src/health/estimate.ts";
import { RttTable } from "../../src/health/rtt.ts";
import { fc } from "../fast-check.ts";
import { configWith, failure, memberOf, poolId, regionId, success, vantageId, vipId } from "./fixtures.ts";

const places: Readonly<Record<string, Coordinates>> = {
  virginia: { latitude: 38.9, longitude: -77.4 },
  dublin: { latitude: 53.3, longitude: -6.3 },
  tokyo: { latitude: 35.7, longitude: 139.7 },
  london: { latitude: 51.5, longitude: -0.1 },
  sydney: { latitude: -33.9, longitude: 151.2 },
  atlantic: { latitude: 50, longitude: -40 },
};
const regionNames = ["virginia", "dublin", "tokyo"];
const regions = regionNames.map(regionId);

/** Regions of these names, each with VIPs in it; the vantages stand in cities of theirs. */
function worldOf(vantages: readonly string[], regionsDeclared: readonly string[] = regionNames): Config {
  const pick = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, places[name]!]));
  const pool: Pool = {
    id: poolId("web"),
    check: null,
    minUp: 0,
    signals: null,
    perVantage: false,
    members: regionsDeclared.flatMap((region, i) =>
      [1, 2, 3].map((n) => memberOf("web", `${region}-${n}`, region, 10 * i + n)),
    ),
  };
  return configWith({ regions: pick(regionsDeclared), vantages: pick(vantages), pools: [pool] });
}

function tableOf(config: Config): RttTable {
  return new RttTable(config, {
    coordinates: (cell) => places[cell] ?? null,
    speakingFor: (cell) => [cell, "europe"],
  });
}

/** Three samples at least for each of a region's VIPs, from a vantage. */
function measure(
  table: RttTable,
  vantage: string,
  region: string,
  rttMs: number,
  fromMs: number,
  samples = 3,
): void {
  for (const n of [1, 2, 3]) {
    for (let i = 0; i < samples; i += 1) {
      table.report(success(vantageId(vantage), vipId(`web/${region}-${n}/ipv4`), fromMs + i, rttMs));
    }
  }
}

function measured(rttMs: number): Measured {
  return { rttMs, samples: 3, atMs: 0 };
}

function measuredAt({ km, rttMs }: { readonly km: number; readonly rttMs: number }): Measurement {
  return { km, measured: measured(rttMs) };
}

function orderOf(table: RttTable, cell: string): readonly string[] {
  return table.ranking(cell, regions).map(({ region }) => region);
}

describe("an estimate", () => {
  test.each([
    ["without measurements is the distance", 4_000, [], 40, "distance"],
    ["takes the RTT and adds the way to the vantage", 4_000, [{ km: 300, rttMs: 50 }], 53, "vantages"],
    ["may be longer or shorter than the distance", 4_000, [{ km: 0, rttMs: 12 }], 12, "vantages"],
    ["does not hear a vantage that is beyond the region", 0, [{ km: 7_800, rttMs: 100 }], 0, "distance"],
    ["hears a vantage of the same city", 10, [{ km: 60, rttMs: 2 }], 2.6, "vantages"],
    [
      "takes the median of the nearest three",
      9_000,
      [
        { km: 400, rttMs: 1 },
        { km: 100, rttMs: 90 },
        { km: 300, rttMs: 5 },
        { km: 200, rttMs: 6 },
      ],
      8,
      "vantages",
    ],
    [
      "does not hear vantages that are much farther than the nearest",
      9_000,
      [
        { km: 100, rttMs: 80 },
        { km: 700, rttMs: 1 },
        { km: 700, rttMs: 1 },
      ],
      81,
      "vantages",
    ],
  ] as const)("%s", (_rule, regionKm, measurements, rttMs, source) => {
    expect(estimateFrom(regionKm, measurements.map(measuredAt))).toMatchObject({ rttMs, source });
  });

  test.each([
    ["is the median of all vantages", [100, 200], [10, 30], 20, "vantages"],
    ["is the median distance where none has measured", [100, 200, 900], [], 2, "distance"],
    ["is nothing without vantages", [], [], 0, "distance"],
  ] as const)("for clients of an unknown place %s", (_rule, kms, rttsMs, rttMs, source) => {
    expect(estimateAnywhere(kms, rttsMs.map(measured))).toMatchObject({ rttMs, source });
  });

  test("does not depend on the order of measurements", () => {
    const measurement = fc.record({ km: fc.nat(20_000), rttMs: fc.nat(300) });
    fc.assert(
      fc.property(
        fc.nat(20_000),
        fc.uniqueArray(measurement, { selector: ({ km }) => km }),
        (regionKm, list) => {
          const measurements = list.map(measuredAt);
          expect(estimateFrom(regionKm, measurements.toReversed())).toEqual(
            estimateFrom(regionKm, measurements),
          );
        },
      ),
    );
  });
});

test("a median is never outside its values", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1_000), { minLength: 1 }), (values) => {
      const middle = median(values)!;
      expect(values.filter((value) => value <= middle).length * 2).toBeGreaterThanOrEqual(values.length);
      expect(values.filter((value) => value >= middle).length * 2).toBeGreaterThanOrEqual(values.length);
    }),
  );
});

describe("a ranking", () => {
  test("without any measurement is by distance", () => {
    const table = tableOf(worldOf(["dublin"]));
    expect(orderOf(table, "london")).toEqual(["dublin", "virginia", "tokyo"]);
    expect(orderOf(table, "sydney")).toEqual(["tokyo", "virginia", "dublin"]);
    expect(table.ranking("london", regions).map(({ source }) => source)).toEqual(Array(3).fill("distance"));
  });

  test("does not depend on the order in which regions are asked for", () => {
    const table = tableOf(worldOf([]));
    expect(table.ranking("london", regions.toReversed())).toEqual(table.ranking("london", regions));
  });

  test("leaves out regions that are not declared", () => {
    const table = tableOf(worldOf([], ["dublin"]));
    expect(orderOf(table, "london")).toEqual(["dublin"]);
  });

  test("uses what the near vantage measured, not the detour by far ones", () => {
    const table = tableOf(worldOf(["dublin", "virginia", "tokyo"]));
    for (const [vantage, times] of [
      ["dublin", [75, 1, 220]],
      ["virginia", [1, 75, 150]],
      ["tokyo", [150, 220, 1]],
    ] as const) {
      for (const [i, rttMs] of times.entries()) measure(table, vantage, regionNames[i]!, rttMs, 1_000);
    }
    table.tick(2_000);
    expect(orderOf(table, "london")).toEqual(["dublin", "virginia", "tokyo"]);
    expect(orderOf(table, "sydney")).toEqual(["tokyo", "virginia", "dublin"]);
    expect(table.ranking("london", regions)[0]).toMatchObject({ source: "vantages" });
  });

  test("knows a region that is near but slow", () => {
    const table = tableOf(worldOf(["dublin"]));
    measure(table, "dublin", "dublin", 300, 1_000);
    measure(table, "dublin", "virginia", 75, 1_000);
    table.tick(2_000);
    expect(orderOf(table, "london")[0]).toBe("virginia");
  });

  test("for clients of an unknown place is by what all vantages see", () => {
    const table = tableOf(worldOf(["dublin", "virginia"]));
    for (const vantage of ["dublin", "virginia"]) {
      measure(table, vantage, "tokyo", 10, 1_000);
      measure(table, vantage, "dublin", 20, 1_000);
    }
    table.tick(2_000);
    expect(orderOf(table, "nowhere")).toEqual(["tokyo", "dublin", "virginia"]);
  });
});

describe("a measurement", () => {
  test("counts from three samples on", () => {
    const table = tableOf(worldOf(["dublin"]));
    measure(table, "dublin", "dublin", 300, 1_000, 2);
    table.tick(2_000);
    expect(table.ranking("dublin", regions)[0]).toMatchObject({ source: "distance" });
    measure(table, "dublin", "dublin", 300, 3_000, 1);
    table.tick(12_000);
    expect(table.ranking("dublin", regions).at(-1)).toMatchObject({ region: "dublin", rttMs: 300 });
  });

  test("is a moving average: a new sample weighs 0.3", () => {
    const table = tableOf(worldOf(["dublin"]));
    measure(table, "dublin", "dublin", 10, 1_000);
    measure(table, "dublin", "dublin", 20, 2_000, 1);
    table.tick(3_000);
    expect(table.ranking("dublin", regions)[0]?.rttMs).toBeCloseTo(13);
  });

  test("is not moved by failures, by reports without a connection, and by those that are not newer", () => {
    const table = tableOf(worldOf(["dublin"]));
    const [vantage, vip] = [vantageId("dublin"), vipId("web/dublin-1/ipv4")];
    measure(table, "dublin", "dublin", 10, 1_000);
    table.report(failure(vantage, vip, 2_000));
    table.report(success(vantage, vip, 500, 900));
    table.report(success(vantageId("other"), vip, 2_000, 900));
    table.report(success(vantage, vipId("other"), 2_000, 900));
    table.tick(3_000);
    expect(table.ranking("dublin", regions)[0]?.rttMs).toBeCloseTo(10);
  });

  test("of a region is the median over its VIPs, so one slow VIP does not speak for it", () => {
    const table = tableOf(worldOf(["dublin"]));
    measure(table, "dublin", "dublin", 10, 1_000);
    const slow = vipId("web/dublin-1/ipv4");
    for (let i = 0; i < 20; i += 1) table.report(success(vantageId("dublin"), slow, 2_000 + i, 900));
    table.tick(3_000);
    expect(table.ranking("dublin", regions)[0]?.rttMs).toBeCloseTo(10);
  });

  test("is forgotten after five minutes without a sample", () => {
    const table = tableOf(worldOf(["dublin"]));
    measure(table, "dublin", "dublin", 30, 1_000);
    table.tick(301_000);
    expect(table.ranking("dublin", regions)[0]).toMatchObject({ source: "vantages" });
    table.tick(311_003);
    expect(table.ranking("dublin", regions)[0]).toMatchObject({ source: "distance" });
  });
});

describe("the first of a ranking", () => {
  /** Dublin is first at 50 ms; then Virginia comes to this. */
  function challengedBy(rttMs: number): { readonly table: RttTable; readonly changed: boolean } {
    const table = tableOf(worldOf(["atlantic"]));
    measure(table, "atlantic", "dublin", 50, 1_000);
    measure(table, "atlantic", "virginia", 60, 1_000);
    table.tick(2_000);
    expect(orderOf(table, "atlantic")).toEqual(["dublin", "virginia", "tokyo"]);
    measure(table, "atlantic", "virginia", rttMs, 3_000, 100);
    return { table, changed: table.tick(12_000) };
  }

  test.each([
    [46, false],
    [45.5, false],
    [44.9, true],
    [10, true],
  ])("at 50 ms, challenged by %d ms, changes: %s", (rttMs, changes) => {
    const { table, changed } = challengedBy(rttMs);
    expect(changed).toBe(changes);
    expect(orderOf(table, "atlantic")[0]).toBe(changes ? "virginia" : "dublin");
  });

  test("stays when a challenger is better by a tenth, but not by 5 ms", () => {
    const table = tableOf(worldOf(["dublin"]));
    measure(table, "dublin", "dublin", 8, 1_000);
    measure(table, "dublin", "virginia", 9, 1_000);
    table.tick(2_000);
    expect(orderOf(table, "dublin")[0]).toBe("dublin");
    measure(table, "dublin", "virginia", 3.5, 3_000, 100);
    expect(table.tick(12_000)).toBe(false);
    expect(orderOf(table, "dublin")[0]).toBe("dublin");
  });

  test("is not reconsidered between ticks, nor more often than every ten seconds", () => {
    const table = tableOf(worldOf(["dublin"]));
    table.tick(1_000);
    const before = table.ranking("dublin", regions);
    measure(table, "dublin", "dublin", 300, 2_000);
    expect(table.ranking("dublin", regions)).toEqual(before);
    expect(table.tick(10_999)).toBe(false);
    expect(table.ranking("dublin", regions)).toEqual(before);
    expect(table.tick(11_000)).toBe(true);
    expect(orderOf(table, "dublin")[0]).not.toBe("dublin");
  });

  test("stays across a new config that does not concern it", () => {
    const { table } = challengedBy(46);
    table.retarget(worldOf(["atlantic", "dublin"]));
    table.tick(13_000);
    expect(orderOf(table, "atlantic")[0]).toBe("dublin");
  });

  test("gives way when its region is gone", () => {
    const { table } = challengedBy(46);
    table.retarget(worldOf(["atlantic"], ["virginia", "tokyo"]));
    expect(orderOf(table, "atlantic")).toEqual(["virginia", "tokyo"]);
  });

  test("loses its measurements when its vantage is gone", () => {
    const { table } = challengedBy(10);
    table.retarget(worldOf([]));
    table.tick(13_000);
    expect(table.ranking("atlantic", regions).map(({ source }) => source)).toEqual(Array(3).fill("distance"));
  });
});

test("however many rankings are asked for, each is answered", () => {
  const table = tableOf(worldOf([]));
  for (let i = 0; i < 12_000; i += 1) expect(table.ranking(`cell ${i}`, regions).length).toBe(3);
  expect(table.tick(1_000)).toBe(false);
});

describe("operators' observations", () => {
  const minute = 60_000;

  /** A table in which the vantage in London finds Dublin at 20 ms, with ten samples of somebody's for Virginia. */
  function observedAs(text: string, rttMs: number, samples = 10): RttTable {
    const table = tableOf(worldOf(["london"]));
    measure(table, "london", "dublin", 20, 0);
    table.observe({ as: [text], region: regionId("virginia"), rttMs, samples, atMs: 0 });
    table.tick(1_000);
    return table;
  }

  test("come before what vantages measure", () => {
    const [first] = observedAs("london", 5).ranking("london", regions);
    expect(first).toEqual({
      region: "virginia",
      rttMs: 5,
      source: "observations",
      measured: { rttMs: 5, samples: 10, atMs: 0 },
    });
  });

  test("of the more specific come first, region by region", () => {
    const table = observedAs("europe", 5);
    expect(orderOf(table, "london")[0]).toBe("virginia");
    table.observe({ as: ["london"], region: regionId("virginia"), rttMs: 90, samples: 10, atMs: 2_000 });
    table.tick(20_000);
    expect(
      table.ranking("london", regions).map(({ region, rttMs, source }) => [region, rttMs, source]),
    ).toEqual([
      ["dublin", 20, "vantages"],
      ["virginia", 90, "observations"],
      ["tokyo", expect.any(Number), "distance"],
    ]);
  });

  test("that are few, or old, do not count", () => {
    const sourceFor = (table: RttTable) =>
      table.ranking("london", regions).find(({ region }) => region === "virginia")?.source;
    expect(sourceFor(observedAs("london", 5, 9))).toBe("distance");
    const table = observedAs("london", 5);
    table.tick(60 * minute);
    expect(sourceFor(table)).toBe("observations");
    table.tick(61 * minute);
    expect(sourceFor(table)).toBe("distance");
  });

  test("that come late change nothing, and of a region that is gone are forgotten", () => {
    const table = observedAs("london", 5);
    table.observe({ as: ["london"], region: regionId("virginia"), rttMs: 500, samples: 10, atMs: -1 });
    table.tick(20_000);
    expect(table.ranking("london", regions)[0]).toMatchObject({ region: "virginia", rttMs: 5 });
    table.retarget(worldOf(["london"], ["dublin", "tokyo"]));
    table.retarget(worldOf(["london"]));
    table.tick(40_000);
    expect(orderOf(table, "london")[0]).toBe("dublin");
  });

  test("of more clients than are remembered push out the longest not observed", () => {
    const table = observedAs("london", 5);
    const one = { region: regionId("virginia"), rttMs: 5, samples: 10, atMs: 0 };
    for (let i = 0; i < 20_000; i += 1) table.observe({ ...one, as: [`AS${i}`] });
    table.tick(20_000);
    expect(orderOf(table, "london")[0]).toBe("dublin");
  });

  test("that were asked for are listed with what they rest on", () => {
    const table = observedAs("london", 5);
    table.ranking("london", regions);
    expect(table.rankings()).toEqual([{ cell: "london", regions: table.ranking("london", regions) }]);
  });
});
