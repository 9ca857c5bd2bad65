/** How long a verdict stays as it is: told case by case, and held against what becomes of it. */

import { describe, expect, test } from "vitest";
import type { Check, Failback, Quorum } from "../../src/config/check.ts";
import type { VantageId, VipId } from "../../src/config/config.ts";
import type { Standing } from "../../src/health/opinion.ts";
import { inSteps, type Prospect, steadyFor } from "../../src/health/outlook.ts";
import type { Ruling } from "../../src/health/ruling.ts";
import { Tracker } from "../../src/health/tracker.ts";
import { report } from "../e2e/harness.ts";
import { below, pick, type Random, randomFrom } from "../e2e/random.ts";
import { checkWith, failure, success, tracked, vantageId, vipId } from "./fixtures.ts";
import { Simulation, TICK_MS } from "./simulation.ts";

const WORLDS = Number(process.env["MERIDIAN_OUTLOOKS"] ?? 300);
const LONG = { timeout: 3_600_000 };

const AT_ONCE: Failback = { kind: "auto", holdDownMs: 0, holdDownMsMax: 60_000, halfLifeMs: 60_000 };
const HELD: Failback = { ...AT_ONCE, holdDownMs: 20_000 };
const MANUAL: Failback = { kind: "manual" };

/** The node knows of all that began 3.5 s ago: timeout 2 s, the way 0.5 s, a second between looks. */

const check = checkWith({ intervalMs: 30_000, recheckMs: 10_000 });
const terms = { wayMs: 500, freshMs: 92_000, isolatedMs: 15_000, takesSignals: false, perVantage: false };

const healthy: Standing = { opinion: "healthy", streak: 0 };
const failing = (streak: number): Standing => ({ opinion: "degraded", streak });
const unhealthy = (streak = 0): Standing => ({ opinion: "unhealthy", streak });
const unknown: Standing = { opinion: "unknown", streak: 0 };

const firm = (standing: Standing): Prospect => ({ standing, firm: true });
const weak = (standing: Standing): Prospect => ({ standing, firm: false });

const up: Ruling = { up: true, basis: "judged", sinceMs: 0, recovering: false, flaps: 0, hold: null };
const down: Ruling = { ...up, up: false, flaps: 1 };

describe("a VIP that is up", () => {
  test.each<[string, readonly Prospect[], number | null, Partial<Check>?]>([
    ["goes down no sooner than with the rechecks after a first failure", [firm(healthy)], 16_500],
    ["and that is not known for longer than votes last", [firm(healthy)], 57_500, { fall: 30 }],
    ["after a failure with one recheck less", [firm(failing(1))], 6_500],
    ["at any moment when one more is enough", [firm(failing(2))], 0],
    [
      "with the second of three vantages that turns",
      [firm(failing(2)), firm(healthy), firm(healthy)],
      15_000,
    ],
    ["with the second that has seen a failure", [firm(failing(2)), firm(failing(1)), firm(healthy)], 6_500],
    [
      "with the first, where any is enough",
      [firm(failing(2)), firm(healthy)],
      0,
      { quorum: { kind: "any" } },
    ],
    [
      "with the last, where it takes all",
      [firm(unhealthy()), firm(healthy)],
      15_000,
      { quorum: { kind: "all" } },
    ],
    ["where the votes against may be lost", [firm(unhealthy()), weak(healthy), weak(healthy)], 0],
    ["but not for those, where nobody says down", [weak(healthy), weak(healthy), weak(unknown)], 16_500],
  ])("%s", (_rule, prospects, ms, of = {}) => {
    expect(steadyFor(up, prospects, { ...check, ...of }, terms, 0)).toBe(ms);
  });

  test("goes down at any moment where signals are taken, or too few vote", () => {
    expect(steadyFor(up, [firm(healthy)], check, { ...terms, takesSignals: true }, 0)).toBe(0);
    expect(steadyFor({ ...up, basis: "held" }, [firm(healthy)], check, terms, 0)).toBe(0);
    expect(steadyFor({ ...up, basis: "assumed" }, [firm(unknown)], check, terms, 0)).toBe(0);
  });
});

test("a VIP of a pool that is steered per vantage can change with the first that turns", () => {
  const perVantage = { ...terms, perVantage: true };
  const seen = [firm(failing(1)), firm(healthy), firm(healthy)];
  expect(steadyFor(up, seen, check, perVantage, 0)).toBe(6_500);
  expect(steadyFor(up, [...seen, weak(unhealthy())], check, perVantage, 0)).toBe(0);
});

describe("a VIP that is down", () => {
  test.each<[string, Ruling, readonly Prospect[], Failback, number | null]>([
    ["comes up with the rise", down, [firm(unhealthy())], AT_ONCE, 6_500],
    ["at any moment after a success", down, [firm(unhealthy(1))], AT_ONCE, 0],
    ["or with a vantage that has not looked", down, [firm(unhealthy()), firm(unknown)], AT_ONCE, 0],
    [
      "unless its vote is not enough",
      down,
      [firm(unhealthy()), firm(unhealthy()), weak(unknown)],
      AT_ONCE,
      6_500,
    ],
    ["and after its hold", down, [firm(unhealthy())], HELD, 26_500],
    [
      "which lasts until its end",
      { ...down, hold: { healthySinceMs: 0, untilMs: 20_000 } },
      [firm(healthy)],
      HELD,
      16_000,
    ],
    [
      "and one that is over ends at any moment",
      { ...down, hold: { healthySinceMs: 0, untilMs: 0 } },
      [],
      HELD,
      0,
    ],
    ["never, where an operator releases it", down, [firm(unhealthy())], MANUAL, null],
    ["at any moment while too few vote", { ...down, basis: "held" }, [firm(unhealthy())], AT_ONCE, 0],
  ])("%s", (_rule, ruling, prospects, failback, ms) => {
    expect(steadyFor(ruling, prospects, { ...check, failback }, terms, 0)).toBe(ms);
  });
});

test("time to a known moment is told in powers of two of a second, less the time to the next look", () => {
  expect([0, 1_999, 2_000, 16_999, 17_000, 86_401_000].map(inSteps)).toEqual([
    0, 0, 1_000, 8_000, 16_000, 65_536_000,
  ]);
});

test("an outlook follows what is seen at the next tick, and is named once", () => {
  const [dublin] = [vantageId("dublin")];
  const [a, b] = [vipId("web/a/ipv4"), vipId("web/b/ipv4")];
  const tracker = new Tracker([...tracked([a], check), ...tracked([b], null)], [dublin], 0, 500);
  const steadyMs = (vip: VipId) => tracker.verdicts().get(vip)?.steadyMs;
  expect(tracker.takeOutlooks()).toEqual(new Set([a, b]));
  expect([steadyMs(a), steadyMs(b)]).toEqual([0, null]);
  tracker.report(success(dublin, a, 10));
  tracker.tick(1_000);
  expect(steadyMs(a)).toBe(16_500);
  expect(tracker.takeOutlooks()).toEqual(new Set([a]));
  for (let i = 1; i < 60; i += 1) {
    tracker.report(success(dublin, a, i * 1_000));
    tracker.tick(i * 1_000);
  }
  expect(tracker.takeOutlooks()).toEqual(new Set());
  tracker.report(failure(dublin, a, 60_000));
  expect(steadyMs(a)).toBe(16_500);
  tracker.tick(60_000);
  expect(steadyMs(a)).toBe(6_500);
  // 30 s, the probe, and the way; then it is overdue. A single vantage votes alone, so that nothing is lost with it.
  for (let ms = 61_000; ms < 190_000; ms += 1_000) tracker.tick(ms);
  expect(tracker.verdicts().get(a)).toMatchObject({ basis: "held", steadyMs: 0 });
});

test("a hasty check of other VIPs shortens no outlook of a VIP that nobody sees fail", () => {
  const hasty = checkWith({ fall: 1 });
  const [a, b] = [vipId("web/a/ipv4"), vipId("web/b/ipv4")];
  const tracker = new Tracker(
    [...tracked([a], check), ...tracked([b], hasty)],
    [vantageId("dublin")],
    0,
    500,
  );
  for (const vip of [a, b]) tracker.report(success(vantageId("dublin"), vip, 10));
  tracker.tick(1_000);
  expect([a, b].map((vip) => tracker.verdicts().get(vip)?.steadyMs)).toEqual([16_500, 0]);
});

describe(`in ${WORLDS} worlds where anything fails at any time`, () => {
  test("no verdict changes sooner than its outlook says", LONG, async () => {
    let told = 0;
    let flips = 0;
    let tightestMs = Number.POSITIVE_INFINITY;
    for (let seed = 1; seed <= WORLDS; seed += 1) {
      const world = new World(randomFrom(seed));
      await world.live(600_000);
      expect(world.tooSoon, `seed ${seed}`).toEqual([]);
      told += world.told;
      flips += world.flips;
      tightestMs = Math.min(tightestMs, world.tightestMs);
    }
    report(
      `${told} outlooks above 0, ${flips} flips, the first of them ${tightestMs.toFixed(1)} ms after it could be`,
    );
    expect(flips).toBeGreaterThan(WORLDS);
    expect(told).toBeGreaterThan(WORLDS);
  });
});

/** A node, agents and VIPs that fail and come back, for some vantages or for all; vantages fall silent. */
class World {
  told = 0;
  flips = 0;
  tightestMs = Number.POSITIVE_INFINITY;
  readonly tooSoon: string[] = [];
  readonly #tracker: Tracker;
  readonly #simulation: Simulation;
  readonly #random: Random;
  readonly #vips: readonly VipId[];
  readonly #vantages: readonly VantageId[];
  /** By VIP: no verdict before this moment. */
  readonly #steadyUntilMs = new Map<VipId, number>();
  /** What a vantage sees wrongly. */
  readonly #blind = new Set<string>();

  constructor(random: Random) {
    this.#random = random;
    const between = (least: number, most: number): number => least + below(most - least + 1, random);
    this.#vantages = Array.from({ length: between(1, 5) }, (_, i) => vantageId(`v${i}`));
    const checks = Array.from({ length: 2 }, () => randomCheck(random));
    const reportMs = between(1, 1_000);
    const publishMs = between(1, 500);
    const judged = Array.from({ length: between(1, 6) }, (_, i): [VipId, Check] => [
      vipId(`web/${i}/ipv4`),
      pick(checks, random),
    ]);
    this.#vips = judged.map(([vip]) => vip);
    const trackedVips = judged.flatMap(([vip, of]) => tracked([vip], of));
    this.#tracker = new Tracker(trackedVips, this.#vantages, 0, reportMs + publishMs);
    const isFast = random() < 0.5;
    this.#simulation = new Simulation({
      checks: new Map(judged),
      vantages: this.#vantages,
      random,
      probeMs: (_kind, { timeoutMs }) => (isFast ? 0 : timeoutMs * random()),
      travelMs: () => (isFast ? 0 : reportMs * random()),
      sees: (vantage, vip, isAlive) => isAlive !== this.#blind.has(`${vantage} ${vip}`),
      onReport: (one) => {
        this.#flipped(this.#tracker.report(one).flipped.map(({ vip }) => vip));
      },
      onTick: (nowMs) => {
        this.#flipped(this.#tracker.tick(nowMs).flipped.map(({ vip }) => vip));
        for (const { vip, steadyMs } of this.#tracker.verdicts().values()) {
          if (steadyMs === 0) continue;
          this.told += 1;
          // The last answer with this TTL is given just before the patch after the next tick takes effect.
          const untilMs =
            steadyMs === null ? Number.POSITIVE_INFINITY : nowMs + TICK_MS + publishMs + steadyMs;
          this.#steadyUntilMs.set(vip, Math.max(this.#steadyUntilMs.get(vip) ?? 0, untilMs));
        }
      },
    });
  }

  /** Every few seconds something becomes different. */
  async live(forMs: number): Promise<void> {
    const random = this.#random;
    for (let atMs = 0; atMs < forMs; ) {
      atMs += 1 + 20_000 * random();
      await this.#simulation.runUntil(atMs);
      const vip = pick(this.#vips, random);
      const vantage = pick(this.#vantages, random);
      const what = random();
      if (what < 0.25) this.#simulation.kill(vip);
      else if (what < 0.6) this.#simulation.revive(vip);
      else if (what < 0.75) this.#blind.add(`${vantage} ${vip}`);
      else if (what < 0.95) this.#blind.clear();
      else this.#simulation.silence(vantage, true);
    }
  }

  #flipped(vips: readonly VipId[]): void {
    const { nowMs } = this.#simulation;
    for (const vip of vips) {
      this.flips += 1;
      const steadyUntilMs = this.#steadyUntilMs.get(vip);
      if (steadyUntilMs === undefined) continue;
      const marginMs = nowMs - steadyUntilMs;
      this.tightestMs = Math.min(this.tightestMs, marginMs);
      if (marginMs < 0) this.tooSoon.push(`${vip} at ${nowMs}, not before ${steadyUntilMs}`);
      this.#steadyUntilMs.delete(vip);
    }
  }
}

function randomCheck(random: Random): Check {
  const between = (least: number, most: number): number => least + below(most - least + 1, random);
  const intervalMs = between(1_000, 20_000);
  const quorums: readonly Quorum[] = [
    { kind: "majority" },
    { kind: "any" },
    { kind: "all" },
    { kind: "percent", percent: between(1, 100) },
  ];
  return checkWith({
    intervalMs,
    timeoutMs: between(50, Math.min(intervalMs, 3_000)),
    recheckMs: random() < 0.5 ? intervalMs : between(50, intervalMs),
    jitterMs: between(0, intervalMs),
    rise: between(1, 5),
    fall: between(1, 5),
    quorum: pick(quorums, random),
    minVantages: between(1, 2),
    failback: pick([AT_ONCE, HELD], random),
  });
}
