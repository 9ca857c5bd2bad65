/** Signals as votes: enough of them make a report, and a source is worth a vantage and no more. */

import { describe, expect, test } from "vitest";
import type { VantageId } from "../../src/config/config.ts";
import { SignalCounts, sourceVantage } from "../../src/health/signals.ts";
import { Tracker } from "../../src/health/tracker.ts";
import { fc } from "../fast-check.ts";
import { checkWith, failure, success, tracked, vantageId, vipId } from "./fixtures.ts";

const RULES = { everyMs: 10_000, errorsAbove: 0.1, samples: 20 };
const LB = sourceVantage("lb-1");
const VIP = vipId("web/a/ipv4");

describe("counts make a report", () => {
  test.each([
    [{ failed: 0, total: 20 }, "success"],
    [{ failed: 2, total: 20 }, "success"],
    [{ failed: 3, total: 20 }, "failure"],
    [{ failed: 500, total: 500 }, "failure"],
  ] as const)("of %j: %s", (count, kind) => {
    const report = new SignalCounts().add(LB, VIP, count, RULES, 7);
    expect(report).toMatchObject({ vantage: "signals/lb-1", vip: VIP, atMs: 7, outcome: { kind } });
  });

  test("that says what was seen", () => {
    const report = new SignalCounts().add(LB, VIP, { failed: 12, total: 40 }, RULES, 0);
    expect(report?.outcome).toMatchObject({ error: "errors", detail: "12 of 40 requests failed" });
  });

  test("only of enough requests, which may come in several signals, each source and VIP for itself", () => {
    const counts = new SignalCounts();
    expect(counts.add(LB, VIP, { failed: 10, total: 10 }, RULES, 0)).toBeNull();
    expect(counts.add(sourceVantage("lb-2"), VIP, { failed: 0, total: 10 }, RULES, 0)).toBeNull();
    expect(counts.add(LB, vipId("web/b/ipv4"), { failed: 0, total: 10 }, RULES, 0)).toBeNull();
    expect(counts.add(LB, VIP, { failed: 0, total: 10 }, RULES, 30_000)?.outcome.kind).toBe("failure");
    expect(counts.add(LB, VIP, { failed: 0, total: 10 }, RULES, 30_001)).toBeNull();
  });

  test("never of requests that are too long ago, or from under another config", () => {
    const counts = new SignalCounts();
    counts.add(LB, VIP, { failed: 19, total: 19 }, RULES, 0);
    expect(counts.add(LB, VIP, { failed: 0, total: 19 }, RULES, 30_001)).toBeNull();
    counts.clear();
    expect(counts.add(LB, VIP, { failed: 0, total: 19 }, RULES, 30_002)).toBeNull();
  });
});

const VIPS = ["a", "b", "c"].map((name) => vipId(`web/${name}/ipv4`));
const VANTAGES = ["dublin", "tokyo"].map(vantageId);

const steps = fc.array(
  fc.record({
    who: fc.constantFrom("dublin", "tokyo", "other"),
    vip: fc.constantFrom(...VIPS),
    fails: fc.boolean(),
    ms: fc.integer({ min: 1, max: 6_000 }),
  }),
  { maxLength: 60 },
);

test("a source has the say of one more vantage, whatever it says, and no more", () => {
  const quorums = fc.constantFrom({ kind: "majority" }, { kind: "all" }, { kind: "any" } as const);
  fc.assert(
    fc.property(steps, quorums, fc.integer({ min: 1, max: 3 }), (all, quorum, minVantages) => {
      const check = checkWith({ quorum, minVantages });
      const freshMs = 3 * check.intervalMs + check.timeoutMs;
      const withSignals = tracked(VIPS, check).map((vip) => ({ ...vip, signalsFreshMs: freshMs }));
      const bySource = new Tracker(withSignals, VANTAGES, 0);
      const byVantage = new Tracker(tracked(VIPS, check), [...VANTAGES, vantageId("other")], 0);
      let nowMs = 0;
      for (const { who, vip, fails, ms } of all) {
        nowMs += ms;
        const make = fails ? failure : success;
        const told = (tracker: Tracker, vantage: VantageId): readonly unknown[] => {
          const ticked = tracker.tick(nowMs);
          const { flipped } = tracker.report(make(vantage, vip, nowMs));
          return [...ticked.flipped, ...flipped].map((verdict) => [verdict.vip, verdict.up]);
        };
        const source = who === "other" ? LB : vantageId(who);
        expect(told(bySource, source)).toEqual(told(byVantage, vantageId(who)));
      }
    }),
  );
});

test("a source has no say where the pool takes no signals, and none once it is silent", () => {
  const check = checkWith({ fall: 1 });
  const deaf = new Tracker(tracked([VIP], check), [], 0);
  deaf.report(failure(LB, VIP, 1));
  expect(deaf.verdicts().get(VIP)).toMatchObject({ up: true, votes: [] });
  const hearing = new Tracker([{ ...tracked([VIP], check)[0]!, signalsFreshMs: 30_000 }], [], 0);
  hearing.report(failure(LB, VIP, 1, "errors"));
  expect(hearing.verdicts().get(VIP)).toMatchObject({ up: false, reason: "1 of 1 vantage: errors" });
  hearing.tick(30_002);
  expect(hearing.verdicts().get(VIP)).toMatchObject({
    basis: "held",
    votes: [{ vantage: LB, counts: false }],
  });
  expect(hearing.vantageStates()).toEqual([]);
});

test("a change of the config leaves a source its opinions where signals are still taken", () => {
  const check = checkWith({ fall: 1 });
  const vips = (signalsFreshMs: number | null) => [{ ...tracked([VIP], check)[0]!, signalsFreshMs }];
  const tracker = new Tracker(vips(30_000), [], 0);
  tracker.report(failure(LB, VIP, 1));
  tracker.retarget(vips(30_000), [], 2);
  expect(tracker.verdicts().get(VIP)?.votes).toMatchObject([{ vantage: LB, opinion: "unhealthy" }]);
  tracker.retarget(vips(null), [], 3);
  expect(tracker.verdicts().get(VIP)?.votes).toEqual([]);
});
