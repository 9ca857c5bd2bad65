/** How often a verdict changes at most: the closed form against every strategy, and against adversaries that are run. */

import { describe, expect, test } from "vitest";
import type { Check, Failback, Quorum } from "../../src/config/check.ts";
import { flapsAfterFall, holdMs } from "../../src/health/failback.ts";
import { flipBound, formatFlipBound } from "../../src/health/flip-bound.ts";
import { Tracker } from "../../src/health/tracker.ts";
import { randomFrom } from "../e2e/random.ts";
import { checkWith, failure, success, tracked, vantageId, vipId } from "./fixtures.ts";
import { Simulation } from "./simulation.ts";

/** How many random adversaries of each kind are tried. */
const ADVERSARIES = Number(process.env["MERIDIAN_FLIPS"] ?? 60);
const HOUR_MS = 3_600_000;
const REPORT_MS = 500;

type AutoFailback = Failback & { readonly kind: "auto" };
const vip = vipId("web/a/ipv4");
const vantages = ["dublin", "tokyo", "virginia", "lima"].map(vantageId);
const held: AutoFailback = {
  kind: "auto",
  holdDownMs: 60_000,
  holdDownMsMax: HOUR_MS,
  halfLifeMs: 900_000,
};

describe("the bound", () => {
  test.each<[string, Partial<Check>, number, { byVotes: number; byHolds: number | null }]>([
    // 601 half cycles of 6 s, and the 300 s cycle leaves 2.5 s that are no more.
    ["of one vantage with the defaults", { fall: 2 }, 1, { byVotes: 601, byHolds: null }],
    [
      "of three vantages, each of which can turn the verdict",
      { fall: 2 },
      3,
      { byVotes: 1803, byHolds: null },
    ],
    // Falls at 0, 1, 3, 7, 15 and 31 min, with a rise after each hold; the next hold is 32 min long, but 16 min do.
    ["with a hold of a minute", { fall: 2, failback: held }, 3, { byVotes: 1803, byHolds: 13 }],
    // The hold never grows: one each minute, and rise and fall at both ends.
    [
      "with a hold that does not grow",
      { fall: 2, failback: { ...held, holdDownMsMax: 60_000 } },
      3,
      { byVotes: 1803, byHolds: 122 },
    ],
    [
      "with a hold of more than an hour",
      { failback: { ...held, holdDownMs: 2 * HOUR_MS, holdDownMsMax: 2 * HOUR_MS } },
      1,
      { byVotes: 555, byHolds: 2 },
    ],
  ])("%s", (_what, changes, count, bound) => {
    expect(flipBound(checkWith(changes), count, REPORT_MS)).toEqual(bound);
  });

  test("is one line for people, with what it supposes", () => {
    const lineOf = (changes: Partial<Check>): string => {
      const check = checkWith({ fall: 2, ...changes });
      return formatFlipBound(check, flipBound(check, 3, REPORT_MS));
    };
    expect(lineOf({})).toBe(
      "check web: a verdict changes at most 1,803 times an hour while no vantage falls silent or is isolated",
    );
    expect(lineOf({ failback: held })).toBe(
      "check web: a verdict changes at most 13 times an hour (holdDown 1m)",
    );
    expect(lineOf({ failback: { kind: "manual" } })).toBe(
      "check web: what is down stays down until it is released",
    );
    const short = { ...held, holdDownMs: 1_000, holdDownMsMax: 1_000 };
    expect(lineOf({ intervalMs: 60_000, failback: short })).toContain("while no vantage falls silent");
  });

  test("by holds is what the best of all strategies comes to", () => {
    const random = randomFrom(1);
    for (let round = 0; round < 200; round += 1) {
      const failback = randomFailback(random, 20);
      const withinMs = 1 + Math.floor(random() * 200);
      const { byHolds } = flipBound(checkWith({ failback }), 1, 0, withinMs);
      expect(byHolds, JSON.stringify({ failback, withinMs })).toBe(mostFlips(failback, withinMs));
    }
  });
});

describe("adversaries who report what and when they like", () => {
  test("never change a verdict oftener than the holds allow", () => {
    for (let seed = 0; seed < ADVERSARIES; seed += 1) {
      const random = randomFrom(seed);
      const check = randomCheck(random);
      const most = mostWithin(changesByChance(check, random), HOUR_MS);
      expect(most, `seed ${seed}`).toBeLessThanOrEqual(flipBound(check, 1, 0).byHolds!);
    }
  });

  test("who know the rules change it exactly as often", () => {
    for (let seed = 0; seed < ADVERSARIES / 4; seed += 1) {
      const failback = randomFailback(randomFrom(seed), 1_000_000);
      const { byHolds } = flipBound(checkWith({ failback }), 1, 0);
      // Each flap takes a millisecond to report; what they cost in all is given on top.
      const slackMs = 10 * byHolds!;
      const calmMost = Math.ceil(HOUR_MS / (failback.holdDownMs + failback.halfLifeMs));
      const found = Array.from({ length: calmMost + 1 }, (_, calm) =>
        mostWithin(changesByPlan(failback, calm, byHolds!), HOUR_MS + slackMs),
      );
      const { byHolds: withSlack } = flipBound(checkWith({ failback }), 1, 0, HOUR_MS + slackMs);
      expect(Math.max(...found), `seed ${seed}`).toBeGreaterThanOrEqual(byHolds!);
      expect(Math.max(...found), `seed ${seed}`).toBeLessThanOrEqual(withSlack!);
    }
  });
});

describe("VIPs that answer as badly as they can, probed by the real schedule", () => {
  test("never change a verdict oftener than the thresholds allow, and one vantage is brought to that", async () => {
    const ratios: number[] = [];
    for (let seed = 0; seed < ADVERSARIES; seed += 1) {
      const random = randomFrom(seed);
      const count = seed % 3 === 0 ? 1 : 1 + Math.floor(random() * 4);
      const isWorst = seed % 2 === 0;
      const drawn = { ...randomCheck(random), minVantages: 1, failback: { ...held, holdDownMs: 0 } };
      const check = isWorst ? { ...drawn, jitterMs: 0 } : drawn;
      const withinMs = Math.min(HOUR_MS, 300 * check.intervalMs);
      const changes = await changesByProbes(check, count, withinMs, random, isWorst);
      const { byVotes } = flipBound(check, count, 0, withinMs);
      const most = mostWithin(changes, withinMs);
      expect(most, `seed ${seed}`).toBeLessThanOrEqual(byVotes);
      if (isWorst && count === 1) ratios.push(most / byVotes);
    }
    expect(Math.max(...ratios)).toBe(1);
    expect(Math.min(...ratios)).toBeGreaterThan(0.9);
  });

  test("change a verdict three times as often with three vantages in turn", async () => {
    const check = checkWith({ fall: 2, jitterMs: 0 });
    const { byVotes } = flipBound(check, 3, 0, 600_000);
    const found: number[] = [];
    for (let seed = 0; seed < 20; seed += 1) {
      const changes = await changesByProbes(check, 3, 600_000, randomFrom(seed), true);
      found.push(mostWithin(changes, 600_000));
    }
    expect(Math.max(...found)).toBeLessThanOrEqual(byVotes);
    expect(Math.max(...found) / byVotes).toBeGreaterThan(0.95);
  });
});

/** The most flips by dynamic programming over every way to wait, in steps of a half-life. */
function mostFlips(failback: AutoFailback, withinMs: number): number {
  const best = new Map<string, number>();
  /** The most flips from a fall with so many flaps on, that fall not counted. */
  const after = (flaps: number, restMs: number): number => {
    const key = `${flaps} ${restMs}`;
    const known = best.get(key);
    if (known !== undefined) return known;
    const upInMs = restMs - holdMs(failback, flaps);
    let most = 0;
    if (upInMs >= 0) most = 1 + fallAfterRise(flaps, upInMs);
    best.set(key, most);
    return most;
  };
  const fallAfterRise = (flaps: number, restMs: number): number => {
    let most = 0;
    for (let waitMs = 0; waitMs <= restMs; waitMs += failback.halfLifeMs) {
      const next = flapsAfterFall({ flaps, sinceMs: 0 }, failback, waitMs);
      most = Math.max(most, 1 + after(next, restMs - waitMs));
    }
    return most;
  };
  // It begins with a fall, or with a rise from the hold after the first.
  return Math.max(1 + after(1, withinMs), 1 + fallAfterRise(1, withinMs));
}

function randomFailback(random: () => number, mostMs: number): AutoFailback {
  const between = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  // Short holds need many flaps to fill an hour: they are as good for the proof at a fortieth of it.
  const holdDownMs = between(Math.ceil(mostMs / 40), mostMs);
  const holdDownMsMax = holdDownMs * between(1, 10);
  return { kind: "auto", holdDownMs, holdDownMsMax, halfLifeMs: between(1, mostMs) };
}

function randomCheck(random: () => number): Check {
  const between = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  const intervalMs = between(500, 10_000);
  const quorums: readonly Quorum[] = [
    { kind: "majority" },
    { kind: "any" },
    { kind: "all" },
    { kind: "percent", percent: between(1, 100) },
  ];
  return checkWith({
    intervalMs,
    timeoutMs: between(50, intervalMs),
    recheckMs: between(50, intervalMs),
    jitterMs: random() < 0.5 ? 0 : between(0, intervalMs),
    rise: between(1, 4),
    fall: between(1, 5),
    quorum: quorums[between(0, 3)]!,
    minVantages: between(1, 2),
    failback: randomFailback(random, 300_000),
  });
}

/** Reports by chance for three hours: now and then everybody is silent, or of one mind. */
function changesByChance(check: Check, random: () => number): readonly number[] {
  const tracker = new Tracker(tracked([vip], check), vantages, 0);
  const changes: number[] = [];
  const note = (atMs: number, { flipped }: { readonly flipped: readonly unknown[] }): void => {
    if (flipped.length > 0) changes.push(atMs);
  };
  const isUp = (): boolean => tracker.verdicts().get(vip)!.up;
  for (let nowMs = 1; nowMs < 3 * HOUR_MS; ) {
    const endMs = tracker.nextHoldEndMs();
    nowMs = endMs !== null && random() < 0.5 ? endMs : nowMs + 1 + Math.floor(random() * 10_000);
    note(nowMs, tracker.tick(nowMs));
    const mood = random();
    for (const vantage of vantages) {
      // Mostly against what is: up is failed, down is healed.
      const succeeds = mood < 0.8 ? !isUp() : random() < 0.5;
      if (random() < 0.9) note(nowMs, tracker.report((succeeds ? success : failure)(vantage, vip, nowMs)));
    }
  }
  return changes;
}

/** A vantage that fails a VIP as soon as it is up, after `calm` times that it lets the flap be forgotten. */
function changesByPlan(failback: AutoFailback, calm: number, changesMost: number): readonly number[] {
  const check = checkWith({ rise: 1, fall: 1, failback, intervalMs: HOUR_MS, timeoutMs: HOUR_MS });
  const tracker = new Tracker(tracked([vip], check), vantages, 0);
  const changes: number[] = [];
  let nowMs = 1;
  for (let flap = 0; flap < changesMost / 2 + 2; flap += 1) {
    changes.push(nowMs);
    expect(tracker.report(failure(vantages[0]!, vip, nowMs)).flipped).toHaveLength(1);
    nowMs += 1;
    tracker.report(success(vantages[0]!, vip, nowMs));
    nowMs = tracker.nextHoldEndMs()!;
    changes.push(nowMs);
    expect(tracker.tick(nowMs).flipped).toHaveLength(1);
    nowMs += flap < calm ? failback.halfLifeMs : 1;
  }
  return changes;
}

/**
 * The changes that probes lead to. The worst VIP fails each vantage until that one calls it unhealthy, and then answers
 * until it is healthy again; the first failure takes as long as it may, and all others no time.
 */
async function changesByProbes(
  check: Check,
  count: number,
  withinMs: number,
  random: () => number,
  isWorst: boolean,
): Promise<readonly number[]> {
  const seen = vantages.slice(0, count);
  const tracker = new Tracker(tracked([vip], check), seen, 0);
  const changes: number[] = [];
  // The first wait of a schedule is a part of its interval, so the adversary waits for that to be over, and then for its turn.
  const patience = new Map(seen.map((vantage) => [vantage, 3 + Math.floor(random() * 10)]));
  let failures = 0;
  const simulation = new Simulation({
    checks: new Map([[vip, check]]),
    vantages: seen,
    random,
    probeMs: (kind) => {
      if (!isWorst) return Math.floor(random() * check.timeoutMs);
      if (kind === "failure") failures += 1;
      return kind === "failure" && failures === check.fall ? check.timeoutMs : 0;
    },
    sees: (vantage) => {
      const left = patience.get(vantage)!;
      patience.set(vantage, left - 1);
      if (left > 0) return true;
      if (!isWorst) return random() < 0.5;
      const vote = tracker
        .verdicts()
        .get(vip)!
        .votes.find((cast) => cast.vantage === vantage)!;
      return vote.opinion === "unhealthy";
    },
    onReport: (report) => {
      if (tracker.report(report).flipped.length > 0) changes.push(report.atMs);
    },
    onTick: (nowMs) => {
      if (tracker.tick(nowMs).flipped.length > 0) changes.push(nowMs);
    },
  });
  await simulation.runUntil(withinMs + 30 * (check.intervalMs + check.jitterMs));
  return changes;
}

/** The most of these moments that lie in any span of so long, both ends included. */
function mostWithin(momentsMs: readonly number[], spanMs: number): number {
  let most = 0;
  let first = 0;
  for (const [last, atMs] of momentsMs.entries()) {
    while (atMs - momentsMs[first]! > spanMs) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
