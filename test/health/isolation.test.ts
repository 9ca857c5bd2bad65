import { describe, expect, test } from "vitest";
import { contradictsUnhealthy, isIsolated } from "../../src/health/isolation.ts";
import { fc } from "../fast-check.ts";

describe("who calls a VIP unhealthy is contradicted", () => {
  test.each([
    ["never when alone", { known: 1, healthy: 0 }, false],
    ["by the only other", { known: 2, healthy: 1 }, true],
    ["not by one of two others", { known: 3, healthy: 1 }, false],
    ["by both of two others", { known: 3, healthy: 2 }, true],
    ["not by half of four others", { known: 5, healthy: 2 }, false],
    ["not by those who are only degraded", { known: 5, healthy: 0 }, false],
  ])("%s", (_name, opinions, contradicted) => {
    expect(contradictsUnhealthy(opinions)).toBe(contradicted);
  });
});

describe("a vantage is isolated", () => {
  test.each([
    ["not without an opinion", { known: 0, contradicted: 0 }, false],
    ["not for the only VIP", { known: 1, contradicted: 1 }, false],
    ["not for one of two", { known: 2, contradicted: 1 }, false],
    ["for both of two", { known: 2, contradicted: 2 }, true],
    ["not for one of three", { known: 3, contradicted: 1 }, false],
    ["for two of three", { known: 3, contradicted: 2 }, true],
    ["not for half", { known: 10, contradicted: 5 }, false],
    ["for more than half", { known: 10, contradicted: 6 }, true],
  ])("%s", (_name, testimony, isolated) => {
    expect(isIsolated(testimony)).toBe(isolated);
  });
});

test("where all vantages report on all VIPs, never all of them are isolated", () => {
  const sizes = fc.record({ vantages: fc.integer({ min: 1, max: 6 }), vips: fc.integer({ min: 1, max: 6 }) });
  const matrices = sizes.chain(({ vantages, vips }) =>
    fc.array(fc.array(fc.boolean(), { minLength: vantages, maxLength: vantages }), {
      minLength: vips,
      maxLength: vips,
    }),
  );
  fc.assert(
    fc.property(matrices, (seesDown) => {
      const vantages = seesDown[0]!.map((_, vantage) => {
        const contradicted = seesDown.filter(
          (row) =>
            row[vantage] &&
            contradictsUnhealthy({ known: row.length, healthy: row.filter((down) => !down).length }),
        );
        return isIsolated({ known: seesDown.length, contradicted: contradicted.length });
      });
      expect(vantages).toContain(false);
    }),
  );
});
