import { describe, expect, test } from "vitest";
import { afterProbe, type Standing, UNKNOWN } from "../../src/health/opinion.ts";
import { fc } from "../fast-check.ts";

/** `+` is a success, `-` a failure. */
function standingAfter(probes: string, thresholds: { rise: number; fall: number }): Standing {
  let standing = UNKNOWN;
  for (const probe of probes) {
    standing = afterProbe(standing, probe === "+" ? "success" : "failure", thresholds);
  }
  return standing;
}

describe("an opinion with rise 2 and fall 3", () => {
  test.each([
    ["", "unknown"],
    ["+", "healthy"],
    ["-", "unknown"],
    ["--", "unknown"],
    ["---", "unhealthy"],
    ["--+", "healthy"],
    ["+-", "degraded"],
    ["+--", "degraded"],
    ["+---", "unhealthy"],
    ["+--+--", "degraded"],
    ["---+", "unhealthy"],
    ["---++", "healthy"],
    ["---+-+", "unhealthy"],
    ["---+-++", "healthy"],
    ["---++-", "degraded"],
  ])("after the probes '%s' is %s", (probes, opinion) => {
    expect(standingAfter(probes, { rise: 2, fall: 3 }).opinion).toBe(opinion);
  });
});

describe("an opinion with rise 1 and fall 1", () => {
  test.each([
    ["-", "unhealthy"],
    ["+-", "unhealthy"],
    ["-+", "healthy"],
  ])("after the probes '%s' is %s", (probes, opinion) => {
    expect(standingAfter(probes, { rise: 1, fall: 1 }).opinion).toBe(opinion);
  });
});

const thresholds = fc.record({ rise: fc.integer({ min: 1, max: 5 }), fall: fc.integer({ min: 1, max: 5 }) });
const probes = fc.array(fc.constantFrom("+", "-"), { maxLength: 40 }).map((list) => list.join(""));

test("whatever came before, `fall` failures make a VIP unhealthy and `rise` successes healthy", () => {
  fc.assert(
    fc.property(probes, thresholds, (before, { rise, fall }) => {
      expect(standingAfter(before + "-".repeat(fall), { rise, fall }).opinion).toBe("unhealthy");
      expect(standingAfter(before + "+".repeat(rise), { rise, fall }).opinion).toBe("healthy");
    }),
  );
});

test("an opinion turns unhealthy only at the end of `fall` failures in a row, and healthy again only of `rise` successes", () => {
  fc.assert(
    fc.property(probes, thresholds, (all, { rise, fall }) => {
      for (let i = 1; i <= all.length; i += 1) {
        const before = standingAfter(all.slice(0, i - 1), { rise, fall }).opinion;
        const after = standingAfter(all.slice(0, i), { rise, fall }).opinion;
        if (before !== "unhealthy" && after === "unhealthy") {
          expect(all.slice(0, i).endsWith("-".repeat(fall))).toBe(true);
        }
        if (before === "unhealthy" && after !== "unhealthy") {
          expect(all.slice(0, i).endsWith("+".repeat(rise))).toBe(true);
        }
      }
    }),
  );
});
