import { describe, expect, test } from "vitest";
import type { RegionId } from "../../src/config/config.ts";
import { compareDrills } from "../../src/drill/compare.ts";
import { drillReport } from "../../src/drill/report.ts";
import { drill, watcher } from "./drills.ts";

/** A client whose resolver moves so long after the node. */
function seen(cacheMs: number, vantage = "dublin") {
  const moved = 14_000 + cacheMs;
  return watcher({
    vantage,
    node: [
      [0, "10.0.0.2"],
      [14_000, "10.0.0.1"],
      [44_000, "10.0.0.2"],
    ],
    through: [
      [0, "10.0.0.2"],
      [moved, "10.0.0.1"],
      [46_000, "10.0.0.2"],
    ],
  });
}

describe("two drills side by side", () => {
  const first = drillReport(drill(), [seen(2_000), seen(3_000, "tokyo")]);

  test("have each figure of both, and the times of clients that are in both", () => {
    const { alike, figures, clients } = compareDrills(first, drillReport(drill({ id: "d2" }), [seen(4_000)]));
    expect(alike).toBe(true);
    expect(figures).toHaveLength(2 * 6 * 3);
    const worst = figures.find(
      ({ passage, part, quantile }) => passage === "failover" && part === "total" && quantile === "worst",
    );
    const difference = (worst?.secondMs ?? 0) - (worst?.firstMs ?? 0);
    expect(difference).toBeGreaterThanOrEqual(800);
    expect(difference).toBeLessThanOrEqual(1_200);
    expect(new Set(clients.map(({ vantage }) => vantage))).toEqual(new Set(["dublin"]));
    expect(clients.map(({ passage }) => passage)).toEqual(["failover", "recovery"]);
    const [failover] = clients;
    expect((failover?.secondMs ?? 0) - (failover?.firstMs ?? 0)).toBe(2_000);
  });

  test("that drained and killed, or were of other services, are not alike", () => {
    const { spec, services } = drill();
    const target = { by: "region", id: "eu-west" as RegionId } as const;
    const drained = drill({ spec: { ...spec, action: { kind: "drain", target } } });
    expect(compareDrills(first, drillReport(drained, [])).alike).toBe(false);
    const others = drill({
      services: services.map((service) => ({ ...service, label: "mix.test.example" })),
    });
    expect(compareDrills(first, drillReport(others, [])).alike).toBe(false);
  });

  test("have no figures where one has seen nothing", () => {
    const { figures, clients } = compareDrills(first, drillReport(drill(), []));
    expect(figures.every(({ secondMs }) => secondMs === null)).toBe(true);
    expect(figures.some(({ firstMs }) => firstMs !== null)).toBe(true);
    expect(clients).toEqual([]);
  });
});
