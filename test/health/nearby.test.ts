import { describe, expect, test } from "vitest";
import { heardOf, isDownNearby, votesNearby } from "../../src/health/nearby.ts";
import type { Verdict, Vote } from "../../src/health/verdict.ts";
import { fc } from "../fast-check.ts";
import { vantageId } from "./fixtures.ts";

const [paris, madrid, frankfurt, tokyo] = ["paris", "madrid", "frankfurt", "tokyo"].map(vantageId) as [
  never,
  never,
  never,
  never,
];

describe("about a region, for clients, speak", () => {
  test.each<readonly [string, number, readonly number[], readonly number[]]>([
    ["the nearest alone, when the next is much farther", 6_000, [200, 701], [200]],
    ["all that are about as near", 6_000, [200, 650, 700], [200, 650, 700]],
    ["three at most", 6_000, [200, 300, 400, 500], [200, 300, 400]],
    ["none that is farther from them than the region", 900, [1_001, 1_100], []],
    ["those in the region's own city", 900, [950, 1_000, 1_001], [950, 1_000]],
    ["none, where there are no vantages", 900, [], []],
  ])("%s", (_rule, regionKm, kms, heard) => {
    const nearestFirst = kms.map((km) => ({ km }));
    expect(heardOf(regionKm, nearestFirst).map(({ km }) => km)).toEqual(heard);
  });
});

/** Up by a quorum: those in `down` see it down, those in `silent` have no vote. */
function verdict(
  down: readonly string[],
  parts: Partial<Verdict> = {},
  silent: readonly string[] = [],
): Verdict {
  const votes = [paris, madrid, frankfurt, tokyo].map(
    (vantage): Vote => ({
      vantage,
      opinion: down.includes(vantage) ? "unhealthy" : "healthy",
      counts: !silent.includes(vantage),
      error: null,
      timings: null,
      reportedAtMs: 1,
    }),
  );
  const since = { sinceMs: 1, recovering: false, flaps: 0, hold: null, steadyMs: null };
  return { vip: "web/eu/ipv4" as never, up: true, basis: "judged", reason: "", votes, ...since, ...parts };
}

const isDown = (judged: Verdict | null, nearby: readonly (typeof paris)[]): boolean =>
  isDownNearby(votesNearby(judged, nearby));

describe("a VIP that is up is, for clients near some vantages,", () => {
  test.each<readonly [string, Verdict | null, readonly (typeof paris)[], boolean]>([
    ["down where the only one sees it down", verdict([paris]), [paris], true],
    ["up where it does not", verdict([paris]), [tokyo], false],
    ["down for more than half", verdict([paris, madrid]), [paris, madrid, frankfurt], true],
    ["up for half", verdict([paris]), [paris, madrid], false],
    ["up where none is near", verdict([paris, madrid]), [], false],
    ["up where those who see it down have no vote", verdict([paris], {}, [paris]), [paris], false],
    [
      "down for those who have one",
      verdict([paris], {}, [madrid, frankfurt]),
      [paris, madrid, frankfurt],
      true,
    ],
    ["up by an operator's word", verdict([paris], { basis: "forced" }), [paris], false],
    ["up while too few vote", verdict([paris], { basis: "held" }), [paris], false],
    ["up while nobody has judged it", null, [paris], false],
  ])("%s", (_rule, judged, nearby, down) => {
    expect(isDown(judged, nearby)).toBe(down);
  });

  test("never brought back by them when it is down for all: they have no say", () => {
    expect(votesNearby(verdict([], { up: false }), [paris])).toBeNull();
  });
});

test("a vote that turns to down brings a VIP up for nobody, and one of another place changes nothing", () => {
  const all = [paris, madrid, frankfurt, tokyo];
  fc.assert(
    fc.property(
      fc.subarray(all),
      fc.subarray(all),
      fc.subarray(all),
      fc.constantFrom(...all),
      (down, silent, nearby, turned) => {
        const before = isDown(verdict(down, {}, silent), nearby);
        const after = isDown(verdict([...down, turned], {}, silent), nearby);
        if (!nearby.includes(turned)) expect(after).toBe(before);
        else expect(Number(after)).toBeGreaterThanOrEqual(Number(before));
      },
    ),
  );
});
