/** What a report says of drills that went well, badly, or unseen. */

import { describe, expect, test } from "vitest";
import type { VipId } from "../../src/config/config.ts";
import type { DrillAction } from "../../src/config/drills.ts";
import type { DrillRecord } from "../../src/drill/drill.ts";
import { sumOf } from "../../src/drill/measure.ts";
import { type DrillReport, drillReport } from "../../src/drill/report.ts";
import { fc } from "../fast-check.ts";
import { type Answers, drill, EU, type Sight, stretching, US, watcher, wellBehaved } from "./drills.ts";

function reportOf(sights: readonly Sight[], changes: Partial<DrillRecord> = {}): DrillReport {
  return drillReport(drill(changes), sights.map(watcher));
}

describe("a passage", () => {
  test("is made of segments from death to connection", () => {
    const { clients } = reportOf([wellBehaved]);
    expect(clients[0]).toMatchObject({
      vantage: "dublin",
      resolver: "192.0.2.53:53",
      label: "www.test.example",
      family: 4,
      failover: {
        kind: "passed",
        // The first look at or after 14.02 s asks at 14.2 s, and its response takes 10 ms.
        segments: { detectMs: 3_900, decideMs: 100, publishMs: 210, cacheMs: 1_800, clientMs: 5 },
        totalMs: 6_015,
        lastBeforeMs: 5_800,
        addresses: ["10.0.0.1"],
      },
      recovery: {
        kind: "passed",
        segments: { detectMs: 3_900, decideMs: 100, publishMs: 210, cacheMs: 3_800, clientMs: 5 },
        totalMs: 8_015,
      },
    });
  });

  test("of a drain has neither detection nor decision", () => {
    const action = { kind: "drain", target: { by: "region", id: "eu-west" } } as DrillAction;
    const { spec, moments } = drill();
    const { clients } = reportOf([wellBehaved], {
      spec: { ...spec, action },
      moments: moments.filter(({ kind }) => kind !== "flipped" && kind !== "voted"),
    });
    expect(clients[0]?.failover).toMatchObject({
      segments: { detectMs: 0, decideMs: 0, publishMs: 4_210, cacheMs: 1_800, clientMs: 5 },
    });
  });

  test("counts a connection that comes later than the answer", () => {
    const connects = (address: string, atMs: number): boolean => address !== "10.0.0.1" || atMs >= 18_000;
    const { clients } = reportOf([{ ...wellBehaved, connects }]);
    expect(clients[0]?.failover).toMatchObject({ segments: { clientMs: 2_005 }, totalMs: 8_015 });
  });

  test("ends with the answer where nothing could be connected to before either", () => {
    const { clients } = reportOf([{ ...wellBehaved, connects: () => false }]);
    expect(clients[0]?.failover).toMatchObject({ segments: { clientMs: 0 }, totalMs: 6_010 });
  });

  test("of a recovery begins when the orders ended, though a busy node noted that after the verdict had turned", () => {
    const { clients } = reportOf([wellBehaved], {
      moments: drill().moments.map((moment) =>
        moment.kind === "ended" ? { ...moment, atMs: 44_100 } : moment,
      ),
    });
    expect(clients[0]?.recovery).toMatchObject({ kind: "passed", totalMs: 8_015 });
  });

  test("of answers that are drawn by weight ends after the last one of before", () => {
    const drawn: Answers = Array.from({ length: 60 }, (_, i) => [
      i * 1_000,
      i % 2 === 0 && (i < 15 || i > 44) ? "10.0.0.2" : "10.0.0.1",
    ]);
    const { clients } = reportOf([{ node: drawn, through: drawn }]);
    expect(clients[0]).toMatchObject({
      failover: { kind: "passed", lastBeforeMs: 4_800 },
      recovery: { kind: "passed", totalMs: 6_015 },
      share: { before: 0.4 },
    });
  });

  test("that takes no time after the verdict is not negative, though clocks differ", () => {
    const early: Answers = [
      [0, "10.0.0.2"],
      [13_990, "10.0.0.1"],
    ];
    const { clients } = reportOf([{ node: early, through: early }], {
      moments: drill().moments.map((moment) =>
        moment.kind === "flipped" && !moment.up ? { ...moment, atMs: 14_012 } : moment,
      ),
    });
    expect(clients[0]?.failover).toMatchObject({
      segments: { detectMs: 3_900, decideMs: 112, publishMs: 0, cacheMs: 0, clientMs: 3 },
    });
  });
});

describe("the verdict", () => {
  test("is passed, with figures against bound and objective", () => {
    const { verdict, failover, recovery, services } = reportOf([wellBehaved]);
    expect(verdict).toEqual({ kind: "passed", reasons: [] });
    expect(failover?.total).toEqual({ p50Ms: 6_015, p95Ms: 6_015, worstMs: 6_015 });
    expect(failover?.slowest).toMatchObject({ vantage: "dublin" });
    expect(recovery?.total.worstMs).toBe(8_015);
    expect(services[0]).toMatchObject({ boundMs: 11_200, objectiveMs: 15_000, lastBeforeMs: 5_800 });
  });

  test("is failed above the bound, and above the objective", () => {
    const slow: Sight = {
      ...wellBehaved,
      through: [
        [0, "10.0.0.2"],
        [14_500, "10.0.0.2"],
        [18_000, "10.0.0.1"],
      ],
    };
    const services = [{ label: "www.test.example", boundMs: 6_000, objectiveMs: 5_000, ttlSeconds: 10 }];
    expect(reportOf([slow], { services }).verdict).toEqual({
      kind: "failed",
      reasons: [
        "www.test.example was answered as before 7.80 s after it began, the failover bound is 6.00 s",
        "www.test.example was answered as before 7.80 s after it began, the objective is 5.00 s",
      ],
    });
  });

  test("names a resolver that stretches TTLs, and judges without it", () => {
    const { verdict, stretchers, failover, clients } = reportOf([wellBehaved, stretching]);
    expect(verdict.kind).toBe("passed");
    expect(failover?.passages).toBe(1);
    expect(clients[1]?.failover).toEqual({ kind: "waiting", afterMs: 29_998.5, for: "resolver" });
    expect(stretchers).toEqual([
      {
        vantage: "tokyo",
        resolver: "192.0.2.99:53",
        label: "www.test.example",
        ttlSeconds: 5,
        answeredTtlSeconds: 300,
        heldMs: 26_000,
        factor: 60,
      },
    ]);
  });

  test("names one that keeps answers longer than the TTL that it tells", () => {
    const { stretchers } = reportOf([{ ...stretching, ttlSeconds: 5 }]);
    expect(stretchers).toMatchObject([{ resolver: "192.0.2.99:53", answeredTtlSeconds: 5, heldMs: 26_000 }]);
    expect(stretchers[0]?.factor).toBeCloseTo(24_500 / 5_000);
  });

  test("is failed when a client does not move although its resolver is not to blame", () => {
    const stuck: Sight = { ...wellBehaved, node: [[0, "10.0.0.2"]], through: [[0, "10.0.0.2"]] };
    expect(reportOf([stuck]).verdict).toMatchObject({ kind: "failed" });
    expect(reportOf([stuck]).verdict.reasons.at(-1)).toBe(
      "www.test.example (IPv4) from dublin through 192.0.2.53:53 had not moved when it ended: a node still answered as before",
    );
  });

  test("is failed when there is no connection to the new answer", () => {
    const connects = (address: string): boolean => address === "10.0.0.2";
    expect(reportOf([{ ...wellBehaved, connects }]).verdict.reasons).toEqual([
      "www.test.example (IPv4) from dublin through 192.0.2.53:53 had not moved when it ended: there was no connection to what it was answered with",
    ]);
  });

  test("is failed when the answers are not those that were expected", () => {
    const { spec } = drill();
    const expecting = (to: VipId, words: string): DrillReport =>
      reportOf([wellBehaved], { spec: { ...spec, expect: { to: [to], words: [words], withinMs: null } } });
    expect(expecting(US, "us-east").verdict.kind).toBe("passed");
    expect(expecting(EU, "eu-west").verdict.reasons).toEqual([
      "www.test.example (IPv4) from dublin through 192.0.2.53:53 was answered with 10.0.0.1, expected eu-west",
    ]);
  });

  test("is failed when nobody found the death out, and when not all is as before", () => {
    const { moments } = drill();
    const without = (...kinds: readonly string[]): DrillReport =>
      reportOf([wellBehaved], { moments: moments.filter(({ kind }) => !kinds.includes(kind)) });
    expect(without("flipped").verdict.reasons).toEqual(["no verdict turned: the death was not found out"]);
    expect(without("restored").verdict.reasons).toEqual([
      "verdicts and plans were not as before in the time for that",
    ]);
  });

  test("of vantages that fall silent is passed while no verdict turns", () => {
    const { spec, moments } = drill();
    const action = { kind: "cut", vantages: ["dublin"] } as unknown as DrillAction;
    const cut = { spec: { ...spec, action }, vips: [] };
    const still = { node: [[0, "10.0.0.2"]], through: [[0, "10.0.0.2"]] } as const;
    const quiet = moments.filter(({ kind }) => kind !== "flipped" && kind !== "voted");
    expect(reportOf([still], { ...cut, moments: quiet }).verdict.kind).toBe("passed");
    expect(reportOf([still], cut).verdict).toMatchObject({ kind: "failed" });
  });

  test.each([
    [{ kind: "guard", guard: "regionsUp", reason: "1 region is up" }, "guard regionsUp: 1 region is up"],
    [{ kind: "by-hand", author: "bob", reason: "an incident" }, "ended by bob: an incident"],
    [{ kind: "control-died" }, "control died, so that what happened meanwhile is not known"],
  ] as const)("is aborted where it ended before its time: %j", (ending, reason) => {
    expect(reportOf([wellBehaved], { ending }).verdict).toEqual({ kind: "aborted", reasons: [reason] });
  });

  test.each<[string, readonly Sight[], string]>([
    ["nobody watched", [], "no agent watched"],
    [
      "nobody got what it takes away",
      [{ node: [[0, "10.0.0.1"]], through: [[0, "10.0.0.1"]] }],
      "no client was seen to move",
    ],
    ["looks are missing where it moved", [{ ...wellBehaved, lost: [15_000, 17_500] }], "looks are missing"],
    [
      "more was seen than is kept",
      [{ ...wellBehaved, runsKept: 1 }],
      "dublin saw more than is kept of a drill",
    ],
    ["nobody looked when it began", [{ ...wellBehaved, fromMs: 13_000 }], "nothing was seen when it began"],
    ["the agent went away", [{ ...stretching, ttlSeconds: 5, toMs: 15_000 }], "looks are missing"],
  ])("is inconclusive when %s", (_, sights, reason) => {
    const { verdict } = reportOf([...sights, ...(reason.startsWith("no") ? [] : [wellBehaved])]);
    expect(verdict.kind).toBe("inconclusive");
    expect(verdict.reasons.join()).toContain(reason);
  });

  test("names an agent that does not watch", () => {
    const old = { ...watcher(wellBehaved), watches: false, uncertaintyMs: null, courses: [] };
    expect(drillReport(drill(), [old]).watchers).toEqual([
      {
        vantage: "dublin",
        resolver: "192.0.2.53:53",
        watches: false,
        uncertaintyMs: null,
        looks: 0,
        dropped: 0,
      },
    ]);
  });
});

describe("for any observations", () => {
  const addresses = fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3", null);
  const answers = fc.array(fc.tuple(fc.integer({ min: 0, max: 60_000 }), addresses), { maxLength: 12 });
  const sights = fc.array(
    fc.record({
      vantage: fc.constantFrom("dublin", "tokyo"),
      resolver: fc.constantFrom("192.0.2.53:53", "192.0.2.99:53", null),
      node: answers.map((list) => list.toSorted(([a], [b]) => a - b)),
      through: answers.map((list) => list.toSorted(([a], [b]) => a - b)),
      ttlSeconds: fc.integer({ min: 0, max: 400 }),
      connects: fc.constantFrom(
        () => true,
        () => false,
        (_: string, atMs: number) => atMs > 13_000,
        (address: string) => address === "10.0.0.2",
      ),
      lost: fc.tuple(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 0, max: 60_000 })),
    }),
    { maxLength: 3 },
  );
  const kinds = fc.constantFrom("begun", "voted", "flipped", "ended", "restored", "patched");
  const moments = fc.tuple(fc.uniqueArray(kinds), fc.integer({ min: -3_000, max: 3_000 }));

  test("segments add up to the whole, none is negative, and a passage that is measured was seen", () => {
    let passed = 0;
    fc.assert(
      fc.property(sights, moments, (seen, [left, shiftMs]) => {
        const changed = drill().moments.filter(({ kind }) => !left.includes(kind));
        const report = reportOf(seen, {
          moments: changed.map((moment) =>
            moment.kind === "voted" || moment.kind === "flipped"
              ? { ...moment, atMs: moment.atMs + shiftMs }
              : moment,
          ),
        });
        for (const { failover, recovery, runs } of report.clients)
          for (const [passage, fromMs] of [
            [failover, 10_000],
            [recovery, 40_000],
          ] as const) {
            if (passage.kind !== "passed") continue;
            passed += 1;
            for (const ms of Object.values(passage.segments)) expect(ms).toBeGreaterThanOrEqual(0);
            expect(sumOf(passage.segments)).toBeCloseTo(passage.totalMs, 6);
            const moved = runs.flatMap((run) => [run.firstSeenAtMs, run.connectedAtMs ?? run.firstSeenAtMs]);
            expect(moved).toContain(Math.round((fromMs + passage.totalMs) * 1e6) / 1e6);
          }
        const { kind } = report.verdict;
        if (kind === "passed") expect(report.failover).not.toBeNull();
      }),
      { numRuns: Number(process.env["MERIDIAN_FUZZ"] ?? 1) * 300 },
    );
    expect(passed).toBeGreaterThan(0);
  });

  test("what is lost never makes a passage shorter than it was", () => {
    const whole = reportOf([wellBehaved]).clients[0]!.failover;
    const lost = fc.tuple(fc.integer({ min: 5_000, max: 50_000 }), fc.integer({ min: 0, max: 10_000 }));
    fc.assert(
      fc.property(lost, ([fromMs, forMs]) => {
        const { failover } = reportOf([{ ...wellBehaved, lost: [fromMs, fromMs + forMs] }]).clients[0]!;
        if (failover.kind !== "passed" || whole.kind !== "passed") return;
        expect(failover.totalMs).toBeGreaterThanOrEqual(whole.totalMs);
        expect(failover.totalMs - whole.totalMs).toBeLessThan(1_700);
      }),
    );
  });
});
