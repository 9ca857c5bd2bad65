import { describe, expect, test } from "vitest";
import { votesNearby } from "../../src/health/nearby.ts";
import type { Report } from "../../src/health/report.ts";
import type { TrackedVip } from "../../src/health/tracked.ts";
import { type Changes, Tracker } from "../../src/health/tracker.ts";
import { randomFrom } from "../e2e/random.ts";
import { fc } from "../fast-check.ts";
import { checkWith, failure, success, tracked, vantageId, vipId } from "./fixtures.ts";

const [dublin, tokyo, virginia] = ["dublin", "tokyo", "virginia"].map(vantageId) as [never, never, never];
const vantages = [dublin, tokyo, virginia];
const [a, b, c] = ["web/a/ipv4", "web/b/ipv4", "web/c/ipv4"].map(vipId) as [never, never, never];
const hasty = checkWith({ rise: 1, fall: 1 });

function flips(changes: Changes): readonly string[] {
  return changes.flipped.map(({ vip, up }) => `${vip} ${up ? "up" : "down"}`);
}

describe("a VIP", () => {
  test("is assumed to be up until somebody reports on it", () => {
    const tracker = new Tracker(tracked([a], hasty), vantages, 5);
    expect(tracker.verdicts().get(a)).toMatchObject({
      up: true,
      basis: "assumed",
      reason: "assumed: 0 of 1 votes needed",
      sinceMs: 5,
      recovering: false,
    });
  });

  test("of a pool without check is up, and reports on it are ignored", () => {
    const tracker = new Tracker(tracked([a], null), vantages, 0);
    expect(tracker.report(failure(dublin, a, 1))).toEqual({ flipped: [], revised: [], turned: [] });
    expect(tracker.verdicts().get(a)).toMatchObject({
      up: true,
      basis: "unchecked",
      reason: "its pool has no check",
    });
  });

  test("judged by another follows that one's verdict", () => {
    const pair: readonly TrackedVip[] = [
      { vip: a, address: "192.0.2.1", judgedBy: a, check: hasty, signalsFreshMs: null, perVantage: false },
      { vip: b, address: "2001:db8::1", judgedBy: a, check: hasty, signalsFreshMs: null, perVantage: false },
    ];
    const tracker = new Tracker(pair, [dublin], 0);
    expect(flips(tracker.report(failure(dublin, a, 1)))).toEqual([`${a} down`, `${b} down`]);
    expect(tracker.report(success(dublin, b, 2))).toEqual({ flipped: [], revised: [], turned: [] });
    expect(tracker.verdicts().get(b)).toEqual({ ...tracker.verdicts().get(a), vip: b });
  });

  test("that comes back recovers until its slow start is over, which is a revision", () => {
    const tracker = new Tracker(tracked([a], { ...hasty, slowStartMs: 10_000 }), [dublin], 0);
    tracker.report(failure(dublin, a, 1_000));
    const [back] = tracker.report(success(dublin, a, 2_000)).flipped;
    expect(back).toMatchObject({ up: true, recovering: true, sinceMs: 2_000 });
    expect(tracker.tick(11_999)).toEqual({ flipped: [], revised: [], turned: [] });
    expect(tracker.tick(12_000).revised).toMatchObject([{ vip: a, recovering: false, sinceMs: 2_000 }]);
  });

  test("that dies while it recovers is down and does not recover", () => {
    const tracker = new Tracker(tracked([a], { ...hasty, slowStartMs: 10_000 }), [dublin], 0);
    tracker.report(failure(dublin, a, 1_000));
    tracker.report(success(dublin, a, 2_000));
    expect(tracker.report(failure(dublin, a, 3_000)).flipped).toMatchObject([
      { up: false, recovering: false },
    ]);
    expect(tracker.tick(12_000)).toEqual({ flipped: [], revised: [], turned: [] });
  });
});

describe("the reason", () => {
  test.each([
    [
      "names the most frequent error class first",
      ["refused", "timeout", "timeout"],
      "3 of 3 vantages: timeout, refused",
    ],
    [
      "counts only those who say so, and names those who see it up",
      ["refused", "refused", null],
      "2 of 3 vantages: refused; up from virginia only",
    ],
    ["of a VIP that is up counts those too", [null, null, null], "up for 3 of 3 vantages"],
    ["names those who see it down", [null, "refused", null], "up for 2 of 3 vantages; down from tokyo only"],
  ] as const)("%s", (_rule, errors, reason) => {
    const tracker = new Tracker(tracked([a], hasty), vantages, 0);
    for (const [i, error] of errors.entries()) {
      const vantage = vantages[i]!;
      tracker.report(error === null ? success(vantage, a, 1) : failure(vantage, a, 1, error));
    }
    expect(tracker.verdicts().get(a)?.reason).toBe(reason);
  });

  test("says when a VIP answers again, but is not yet believed", () => {
    const tracker = new Tracker(tracked([a], { ...hasty, rise: 2 }), [dublin], 0);
    tracker.report(failure(dublin, a, 1));
    tracker.report(success(dublin, a, 2));
    expect(tracker.verdicts().get(a)?.reason).toBe("1 of 1 vantage: answers again, not yet often enough");
  });
});

describe("a vote that turns", () => {
  const watched = tracked([a, b, c], hasty).map((vip) => ({ ...vip, perVantage: vip.vip !== c }));

  test("is told where single votes matter, whether or not the verdict changes", () => {
    const tracker = new Tracker(watched, vantages, 0);
    for (const vantage of vantages) for (const vip of [a, b, c]) tracker.report(success(vantage, vip, 1));
    expect(tracker.report(failure(dublin, a, 2))).toEqual({
      flipped: [],
      revised: [],
      turned: [{ vip: a, vantage: dublin, was: "up" }],
    });
    expect(tracker.report(failure(tokyo, c, 2)).turned).toEqual([]);
    expect(tracker.report(failure(dublin, a, 3)).turned).toEqual([]);
    const { flipped, turned } = tracker.report(failure(virginia, a, 4));
    expect(flipped).toMatchObject([{ vip: a, up: false }]);
    expect(turned).toEqual([{ vip: a, vantage: virginia, was: "up" }]);
  });

  test("is one on each VIP that is down for some, when a vantage is isolated or comes back", () => {
    const tracker = new Tracker(watched, vantages, 0);
    for (const vantage of vantages) for (const vip of [a, b, c]) tracker.report(success(vantage, vip, 1));
    tracker.report(failure(dublin, a, 2));
    expect(tracker.report(failure(dublin, c, 2)).turned).toEqual([{ vip: a, vantage: dublin, was: "down" }]);
    expect(votesNearby(tracker.verdicts().get(a)!, [dublin])).toEqual({ up: [], down: [] });
    expect(tracker.report(success(dublin, c, 3)).turned).toEqual([{ vip: a, vantage: dublin, was: null }]);
    expect(votesNearby(tracker.verdicts().get(a)!, [dublin])).toEqual({ up: [], down: [dublin] });
  });

  test("is one that goes stale, of both VIPs that are judged together, if any said down", () => {
    const pair = watched.slice(0, 2).map((vip) => ({ ...vip, judgedBy: a }));
    const tracker = new Tracker(pair, vantages, 0);
    for (const vantage of vantages) tracker.report(success(vantage, a, 1));
    expect(tracker.tick(60_000).turned).toEqual([]);
    for (const vantage of vantages) tracker.report(success(vantage, a, 60_000));
    tracker.report(failure(dublin, a, 60_001));
    expect(tracker.tick(120_000).turned).toEqual([
      { vip: a, vantage: dublin, was: "down" },
      { vip: b, vantage: dublin, was: "down" },
    ]);
  });

  test("is each vote there is, once single votes matter", () => {
    const tracker = new Tracker(tracked([a], hasty), vantages, 0);
    for (const vantage of [dublin, tokyo]) tracker.report(success(vantage, a, 1));
    expect(tracker.retarget(watched.slice(0, 1), vantages, 2).turned).toEqual([
      { vip: a, vantage: dublin, was: null },
      { vip: a, vantage: tokyo, was: null },
    ]);
  });

  test("is one that another config takes away", () => {
    const tracker = new Tracker(watched, vantages, 0);
    for (const vip of [a, b]) for (const vantage of vantages) tracker.report(success(vantage, vip, 1));
    const { turned } = tracker.retarget(watched.slice(0, 1), [dublin, tokyo], 2);
    expect(turned).toEqual([]);
    const moved = [{ ...watched[0]!, address: "elsewhere" }];
    expect(tracker.retarget(moved, [dublin, tokyo], 3).turned).toEqual([
      { vip: a, vantage: dublin, was: "up" },
      { vip: a, vantage: tokyo, was: "up" },
    ]);
  });
});

describe("verdicts()", () => {
  test("gives a map that later reports do not change", () => {
    const tracker = new Tracker(tracked([a], hasty), [dublin], 0);
    const before = tracker.verdicts();
    expect(tracker.verdicts()).toBe(before);
    tracker.report(failure(dublin, a, 1));
    expect(before.get(a)?.up).toBe(true);
    expect(tracker.verdicts().get(a)?.up).toBe(false);
  });

  test("shows the latest votes though nothing flipped", () => {
    const tracker = new Tracker(tracked([a], checkWith({ fall: 3 })), [dublin], 0);
    tracker.report(success(dublin, a, 1));
    tracker.report(failure(dublin, a, 2, "refused"));
    expect(tracker.verdicts().get(a)?.votes).toEqual([
      {
        vantage: dublin,
        opinion: "degraded",
        counts: true,
        error: { class: "refused", detail: "refused in a test" },
        timings: { connectMs: null, tlsMs: null, firstByteMs: null },
        reportedAtMs: 2,
      },
    ]);
  });
});

describe("a new config", () => {
  function downAt1(): Tracker {
    const tracker = new Tracker(tracked([a, b], { ...hasty, rise: 2 }), [dublin], 0);
    tracker.report(failure(dublin, a, 1));
    tracker.report(success(dublin, b, 1));
    return tracker;
  }

  test("keeps the history of the VIPs that stay", () => {
    const tracker = downAt1();
    expect(tracker.retarget(tracked([a, c], { ...hasty, rise: 2 }), [dublin, tokyo], 10)).toEqual({
      flipped: [],
      revised: [],
      turned: [],
    });
    expect(tracker.verdicts().get(a)).toMatchObject({ up: false, basis: "judged", sinceMs: 1 });
    expect(tracker.verdicts().get(c)).toMatchObject({ up: true, basis: "assumed", sinceMs: 10 });
    expect(tracker.verdicts().has(b)).toBe(false);
    expect(flips(tracker.report(success(dublin, a, 20)))).toEqual([]);
    expect(flips(tracker.report(success(dublin, a, 30)))).toEqual([`${a} up`]);
  });

  test("forgets a VIP that has moved to another address", () => {
    const tracker = downAt1();
    const moved = tracked([a], hasty).map((vip) => ({ ...vip, address: "192.0.2.99" }));
    expect(flips(tracker.retarget(moved, [dublin], 10))).toEqual([`${a} up`]);
    expect(tracker.verdicts().get(a)).toMatchObject({ up: true, basis: "assumed" });
  });

  test("forgets a VIP whose pool has got a check or lost it", () => {
    const tracker = downAt1();
    expect(flips(tracker.retarget(tracked([a], null), [dublin], 10))).toEqual([`${a} up`]);
    expect(tracker.retarget(tracked([a], hasty), [dublin], 20).revised).toMatchObject([{ basis: "assumed" }]);
  });

  test("that takes away the vantage holds the verdicts that rest on it", () => {
    const tracker = downAt1();
    const { revised } = tracker.retarget(tracked([a], hasty), [tokyo], 10);
    expect(revised).toMatchObject([{ vip: a, up: false, basis: "held" }]);
  });

  test("with another quorum judges at once", () => {
    const tracker = new Tracker(tracked([a], hasty), vantages, 0);
    for (const vantage of [dublin, tokyo]) tracker.report(success(vantage, a, 1));
    tracker.report(failure(virginia, a, 1));
    const optimist = tracked([a], { ...hasty, quorum: { kind: "any" } });
    expect(flips(tracker.retarget(optimist, vantages, 10))).toEqual([`${a} down`]);
  });

  test("that gives a VIP back its own judgement holds what it had from the other", () => {
    const follower = (judgedBy: typeof a): readonly TrackedVip[] => [
      { vip: a, address: "192.0.2.1", judgedBy: a, check: hasty, signalsFreshMs: null, perVantage: false },
      { vip: b, address: "2001:db8::1", judgedBy, check: hasty, signalsFreshMs: null, perVantage: false },
    ];
    const tracker = new Tracker(follower(a), [dublin], 0);
    tracker.report(failure(dublin, a, 1));
    expect(flips(tracker.retarget(follower(b), [dublin], 10))).toEqual([]);
    expect(tracker.verdicts().get(b)).toMatchObject({ up: false, basis: "held" });
  });
});

describe("after a restart", () => {
  const slow = checkWith({ rise: 2, fall: 2, slowStartMs: 60_000 });

  function stored(): Tracker {
    const tracker = new Tracker(tracked([a, b], slow), [dublin], 0);
    for (const atMs of [1, 2]) tracker.report(failure(dublin, a, atMs));
    tracker.report(success(dublin, b, 2));
    return tracker;
  }

  test("a VIP is held as it was until somebody reports", () => {
    const tracker = new Tracker(tracked([a, b], slow), [dublin], 1_000);
    tracker.restore(stored().verdicts().values());
    expect(tracker.verdicts().get(a)).toMatchObject({ up: false, basis: "held", sinceMs: 2 });
    expect(tracker.verdicts().get(b)).toMatchObject({ up: true, basis: "held" });
  });

  test("a VIP that was down still needs `rise` successes, even if its clock started anew", () => {
    const tracker = new Tracker(tracked([a, b], slow), [dublin], 0);
    tracker.restore(stored().verdicts().values());
    expect(tracker.report(success(dublin, a, 1)).revised).toMatchObject([{ up: false, basis: "judged" }]);
    expect(flips(tracker.report(success(dublin, a, 2)))).toEqual([`${a} up`]);
  });

  test("a VIP that was failing counts its failures from the first again", () => {
    const before = stored();
    before.report(failure(dublin, b, 3));
    const tracker = new Tracker(tracked([a, b], slow), [dublin], 0);
    tracker.restore(before.verdicts().values());
    expect(flips(tracker.report(failure(dublin, b, 1)))).toEqual([]);
    expect(flips(tracker.report(failure(dublin, b, 2)))).toEqual([`${b} down`]);
  });

  test("slow start goes on where it was", () => {
    const before = stored();
    for (const atMs of [3, 4]) before.report(success(dublin, a, atMs));
    const tracker = new Tracker(tracked([a], slow), [dublin], 1_000);
    tracker.restore(before.verdicts().values());
    expect(tracker.tick(60_003).revised).toEqual([]);
    expect(tracker.tick(60_004).revised).toMatchObject([{ vip: a, recovering: false }]);
  });

  test("forced, unchecked and unknown VIPs are not taken up", () => {
    const forced = { ...stored().verdicts().get(a)!, basis: "forced" as const };
    const tracker = new Tracker(tracked([a], slow), [dublin], 0);
    tracker.restore([forced, { ...forced, basis: "judged", vip: c }]);
    expect(tracker.verdicts().get(a)).toMatchObject({ up: true, basis: "assumed" });
  });
});

describe("the order of reports", () => {
  const vips = [a, b, c];
  const outcomes = fc.array(fc.boolean(), { maxLength: 6 });
  const histories = fc.array(outcomes, { minLength: 9, maxLength: 9 });
  const checks = fc.record({
    rise: fc.integer({ min: 1, max: 3 }),
    fall: fc.integer({ min: 1, max: 3 }),
    minVantages: fc.integer({ min: 1, max: 3 }),
    quorum: fc.constantFrom(
      { kind: "majority" as const },
      { kind: "any" as const },
      { kind: "all" as const },
      { kind: "percent" as const, percent: 40 },
    ),
  });

  test("across vantages and VIPs does not matter to votes and judgements", () => {
    fc.assert(
      fc.property(histories, checks, fc.integer(), fc.integer(), (history, changes, seedA, seedB) => {
        const check = checkWith(changes);
        const [first, second] = [seedA, seedB].map((seed) => {
          const tracker = new Tracker(tracked(vips, check), vantages, 0);
          for (const report of interleaved(history, seed)) tracker.report(report);
          tracker.tick(1_000);
          return tracker;
        });
        expect(second!.vantageStates()).toEqual(first!.vantageStates());
        for (const vip of vips) {
          const [one, other] = [first!.verdicts().get(vip)!, second!.verdicts().get(vip)!];
          expect(other.votes).toEqual(one.votes);
          expect(other.basis === "judged").toBe(one.basis === "judged");
          if (one.basis !== "judged") continue;
          expect({ up: other.up, reason: other.reason }).toEqual({ up: one.up, reason: one.reason });
          for (const nearby of [[dublin], [tokyo, virginia], vantages])
            expect(votesNearby(other, nearby)).toEqual(votesNearby(one, nearby));
        }
      }),
    );
  });

  test("does not matter when reports come twice or late: those not newer than the last change nothing", () => {
    fc.assert(
      fc.property(histories, checks, fc.integer(), (history, changes, seed) => {
        const once = new Tracker(tracked(vips, checkWith(changes)), vantages, 0);
        const twice = new Tracker(tracked(vips, checkWith(changes)), vantages, 0);
        const reports = interleaved(history, seed);
        for (const [i, report] of reports.entries()) {
          once.report(report);
          twice.report(report);
          for (const old of reports.slice(0, i + 1)) {
            expect(twice.report(old)).toEqual({ flipped: [], revised: [], turned: [] });
          }
        }
        expect(twice.verdicts()).toEqual(once.verdicts());
      }),
    );
  });

  /** The histories of all cells mixed, each in its own order. */
  function interleaved(history: readonly (readonly boolean[])[], seed: number): readonly Report[] {
    const random = randomFrom(seed);
    const left = history.map((outcomesOfCell, cell) =>
      outcomesOfCell.map((succeeds, i) => {
        const [vantage, vip] = [vantages[Math.floor(cell / 3)]!, vips[cell % 3]!];
        return (succeeds ? success : failure)(vantage, vip, 10 * (i + 1) + cell);
      }),
    );
    const mixed: Report[] = [];
    for (;;) {
      const open = left.filter((reports) => reports.length > 0);
      if (open.length === 0) return mixed;
      mixed.push(open[Math.floor(random() * open.length)]!.shift()!);
    }
  }
});

test("a VIP that all have seen dead is down at once, though an outage in slower checks has isolated who saw it first", () => {
  const fast = checkWith({ rise: 1, fall: 1, minVantages: 2 });
  const slow = checkWith({ rise: 1, fall: 1, minVantages: 2, intervalMs: 60_000 });
  const tracker = new Tracker([...tracked([a], fast), ...tracked([b, c], slow)], [dublin, tokyo], 0);
  for (const vantage of [dublin, tokyo])
    for (const vip of [a, b, c]) tracker.report(success(vantage, vip, 1));
  for (const vip of [b, c, a]) expect(tracker.report(failure(dublin, vip, 2)).flipped).toEqual([]);
  expect(tracker.vantageStates()[0]).toMatchObject({ vantage: dublin, isolated: true });
  expect(tracker.report(failure(tokyo, a, 3)).flipped).toMatchObject([{ vip: a, up: false }]);
});

test("a vantage that comes back in an outage does not bring a VIP back by failing for the first time", () => {
  const tracker = new Tracker(tracked([a], checkWith({ fall: 2 })), [dublin, tokyo], 0);
  for (const vantage of [dublin, tokyo]) tracker.report(success(vantage, a, 1));
  for (const atMs of [20_000, 21_000]) tracker.report(failure(tokyo, a, atMs));
  expect(tracker.tick(22_000).flipped).toMatchObject([{ vip: a, up: false }]);
  for (const atMs of [23_000, 24_000]) expect(tracker.report(failure(dublin, a, atMs)).flipped).toEqual([]);
  expect(tracker.verdicts().get(a)?.reason).toBe("2 of 2 vantages: timeout");
});
