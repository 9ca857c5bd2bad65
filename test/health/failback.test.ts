import { describe, expect, test } from "vitest";
import type { Failback } from "../../src/config/check.ts";
import { flapsAfterFall, holdMs } from "../../src/health/failback.ts";
import { Tracker } from "../../src/health/tracker.ts";
import { fc } from "../fast-check.ts";
import { checkWith, failure, success, tracked, vantageId, vipId } from "./fixtures.ts";

const held = { kind: "auto", holdDownMs: 60_000, holdDownMsMax: 600_000, halfLifeMs: 300_000 } as const;
const atOnce = { ...held, holdDownMs: 0 };
const [dublin, tokyo] = [vantageId("dublin"), vantageId("tokyo")];
const vip = vipId("web/a/ipv4");

describe("flaps", () => {
  test.each<[string, Failback, number, number, number]>([
    ["are one after the first fall", held, 0, 5_000, 1],
    ["are one more after each fall that follows", held, 1, 0, 2],
    ["are forgotten one by one, for each whole half-life up", held, 3, 300_000, 3],
    ["do not go by a part of a half-life", held, 3, 299_999, 4],
    ["are never fewer than the one that just happened", held, 3, 86_400_000, 1],
    ["are counted no further than the hold grows", held, 5, 0, 5],
    ["survive a clock that was set back", held, 1, -86_400_000, 2],
    ["are not counted where nothing is held", atOnce, 3, 0, 0],
    ["are not counted where operators decide", { kind: "manual" }, 3, 0, 0],
  ])("%s", (_rule, failback, flaps, upForMs, after) => {
    expect(flapsAfterFall({ flaps, sinceMs: 1_000 }, failback, 1_000 + upForMs)).toBe(after);
  });
});

test.each([
  [0, 60_000],
  [1, 60_000],
  [2, 120_000],
  [4, 480_000],
  [5, 600_000],
  [1_000, 600_000],
])("after %d flaps the hold is %d ms", (flaps, ms) => {
  expect(holdMs(held, flaps)).toBe(ms);
});

describe("a VIP that is held down", () => {
  const check = checkWith({ rise: 1, fall: 1, failback: held });

  /** Down at 1 s, healthy again at 2 s. */
  function heldTracker(): Tracker {
    const tracker = new Tracker(tracked([vip], check), [dublin, tokyo], 0);
    tracker.report(failure(dublin, vip, 1_000));
    tracker.report(success(dublin, vip, 2_000));
    return tracker;
  }

  test("comes up at its time, not before", () => {
    const tracker = heldTracker();
    expect(tracker.nextHoldEndMs()).toBe(62_000);
    tracker.report(success(dublin, vip, 61_999));
    expect(tracker.tick(61_999).flipped).toEqual([]);
    expect(tracker.tick(62_000).flipped).toMatchObject([{ up: true, sinceMs: 62_000, hold: null, flaps: 1 }]);
    expect(tracker.nextHoldEndMs()).toBeNull();
  });

  test("comes up with a report at that time, though no tick was before it", () => {
    const tracker = heldTracker();
    expect(tracker.report(success(tokyo, vip, 62_000)).flipped).toMatchObject([{ up: true }]);
  });

  test("does not come up while nobody vouches for it, and does at the next vote", () => {
    const tracker = heldTracker();
    expect(tracker.tick(62_000)).toMatchObject({ flipped: [], revised: [{ up: false, basis: "held" }] });
    expect(tracker.nextHoldEndMs()).toBeNull();
    expect(tracker.report(success(dublin, vip, 70_000)).flipped).toMatchObject([{ up: true }]);
  });

  test("says so with a revision, and another when it fails again", () => {
    const tracker = heldTracker();
    expect(tracker.report(failure(dublin, vip, 3_000)).revised).toMatchObject([{ up: false, hold: null }]);
    const { revised } = tracker.report(success(dublin, vip, 4_000));
    expect(revised).toMatchObject([{ hold: { healthySinceMs: 4_000, untilMs: 64_000 }, flaps: 1 }]);
  });

  test("follows a config with another hold at once", () => {
    const tracker = heldTracker();
    const longer = checkWith({ ...check, failback: { ...held, holdDownMs: 90_000 } });
    expect(tracker.retarget(tracked([vip], longer), [dublin, tokyo], 3_000).revised).toMatchObject([
      { hold: { untilMs: 92_000 } },
    ]);
    const none = checkWith({ ...check, failback: atOnce });
    expect(tracker.retarget(tracked([vip], none), [dublin, tokyo], 4_000).flipped).toMatchObject([
      { up: true },
    ]);
  });

  test("comes up when it is released, with slow start, and with the VIP that it decides for", () => {
    const other = vipId("web/a/ipv6");
    const slow = checkWith({ ...check, failback: { kind: "manual" }, slowStartMs: 10_000 });
    const both = [
      ...tracked([vip], slow),
      {
        vip: other,
        address: "2001:db8::1",
        judgedBy: vip,
        check: slow,
        signalsFreshMs: null,
        perVantage: false,
      },
    ];
    const tracker = new Tracker(both, [dublin], 0);
    tracker.report(failure(dublin, vip, 1_000));
    expect(tracker.release([vip], 1_500).flipped).toEqual([]);
    tracker.report(success(dublin, vip, 2_000));
    expect(tracker.tick(8_000).flipped).toEqual([]);
    expect(tracker.release([vip, other], 9_000).flipped).toMatchObject([
      { vip, up: true, recovering: true, sinceMs: 9_000 },
      { vip: other, up: true },
    ]);
    expect(tracker.release([other], 9_000).flipped).toEqual([]);
  });
});

describe("the order of reports, where VIPs are held down", () => {
  const vantages = [dublin, tokyo, vantageId("virginia")];
  const QUIET_MS = 10_000;
  /** Reports as `vantage` and outcome; at their place times 10 ms. */
  const reports = fc.array(fc.record({ vantage: fc.nat({ max: 2 }), succeeds: fc.boolean() }), {
    maxLength: 40,
  });
  const checks = fc.record({
    rise: fc.integer({ min: 1, max: 3 }),
    fall: fc.integer({ min: 1, max: 3 }),
    failback: fc.record({
      kind: fc.constant("auto" as const),
      holdDownMs: fc.integer({ min: 0, max: 500 }),
      holdDownMsMax: fc.integer({ min: 500, max: 1_000 }),
      halfLifeMs: fc.integer({ min: 1, max: 500 }),
    }),
  });

  /** How far each report is late, and a tracker that hears them so. */
  function heardLate(
    history: readonly { readonly vantage: number; readonly succeeds: boolean }[],
    lateness: readonly number[],
    check: ReturnType<typeof checkWith>,
  ): Tracker {
    const tracker = new Tracker(tracked([vip], check), vantages, 0);
    const arrivals = history.map(({ vantage, succeeds }, i) => {
      const report = (succeeds ? success : failure)(vantages[vantage]!, vip, 10 * (i + 1));
      // A vantage's own reports come in their order, as over one stream.
      return { report, atMs: 10 * (i + 1) + lateness[vantage]! };
    });
    for (const { report } of arrivals.toSorted((a, b) => a.atMs - b.atMs)) tracker.report(report);
    return tracker;
  }

  test("does not matter once the longest hold has passed in which no vote changed", () => {
    fc.assert(
      fc.property(
        reports,
        fc.array(fc.nat({ max: 300 }), { minLength: 3, maxLength: 3 }),
        checks,
        (history, lateness, changes) => {
          const check = checkWith(changes);
          const trackers = [
            heardLate(history, [0, 0, 0], check),
            heardLate(history, lateness, check),
            heardLate(history, [0, 0, 0], checkWith({ ...changes, failback: atOnce })),
          ];
          const verdicts = trackers.map((tracker) => {
            tracker.tick(QUIET_MS);
            return tracker.verdicts().get(vip)!;
          });
          const [one, other, undamped] = verdicts;
          expect(other!.votes).toEqual(one!.votes);
          if (one!.basis === "judged") {
            expect([one!.up, other!.up]).toEqual([undamped!.up, undamped!.up]);
          }
        },
      ),
    );
  });

  test("never has a VIP up that the votes call down", () => {
    fc.assert(
      fc.property(reports, checks, (history, changes) => {
        const damped = new Tracker(tracked([vip], checkWith(changes)), vantages, 0);
        const undamped = new Tracker(
          tracked([vip], checkWith({ ...changes, failback: atOnce })),
          vantages,
          0,
        );
        for (const [i, { vantage, succeeds }] of history.entries()) {
          const report = (succeeds ? success : failure)(vantages[vantage]!, vip, 10 * (i + 1));
          for (const tracker of [damped, undamped]) tracker.report(report);
          const [is, would] = [damped, undamped].map((tracker) => tracker.verdicts().get(vip)!.up);
          expect(is && !would).toBe(false);
        }
      }),
    );
  });
});
