/** The rhythm of probes, on a clock that the test moves. */

import { describe, expect, test } from "vitest";
import type { Outcome } from "../../src/health/report.ts";
import type { Target } from "../../src/probe/protocol.ts";
import { type Look, Schedule } from "../../src/probe/schedule.ts";
import { fc } from "../fast-check.ts";
import { ManualClock } from "./manual-clock.ts";
import { failure, success, target } from "./targets.ts";

/** What a probe sees, and after how many milliseconds. */
type Script = (target: Target, nth: number) => readonly [Outcome | null, number];

function scheduleOf(script: Script, random: () => number = () => 0.5) {
  const clock = new ManualClock();
  const starts: number[] = [];
  const looks: (Look & { readonly key: string })[] = [];
  const schedule = new Schedule({
    clock,
    random,
    probe: (probed) => {
      starts.push(clock.now());
      const [outcome, ms] = script(probed, starts.length);
      return new Promise((resolve) => clock.after(ms, () => resolve(outcome)));
    },
    onLook: (key, look) => looks.push({ key, ...look }),
  });
  const use = (...targets: readonly Target[]): void =>
    schedule.replace(new Map(targets.map((used) => [used.vip, { target: used }])));
  return { clock, schedule, starts, looks, use };
}

describe("the rhythm of one target", () => {
  test.each<[string, (nth: number) => readonly [Outcome | null, number], readonly number[]]>([
    [
      "a healthy one is checked twice, spread over its interval, then probed every interval with jitter",
      () => [success, 10],
      [500, 1_500, 4_000, 9_250, 14_500],
    ],
    [
      "a failure is checked again recheckMs after its start, until `fall` is reached",
      (nth) => [nth > 3 ? failure : success, 10],
      [500, 1_500, 4_000, 9_250, 10_250, 11_250, 16_500],
    ],
    [
      "a recovery is checked again in the same way, until `rise` is reached",
      (nth) => [nth > 4 ? success : failure, 10],
      [500, 1_500, 2_500, 5_000, 10_250, 11_250, 16_500],
    ],
    [
      "one failure among successes is forgotten after `rise` successes",
      (nth) => [nth === 4 ? failure : success, 10],
      [500, 1_500, 4_000, 9_250, 10_250, 11_250, 16_500],
    ],
    [
      "a probe that takes longer than recheckMs is followed at once by the next",
      () => [failure, 1_800],
      [500, 2_300, 4_100, 6_600],
    ],
    [
      "a probe that could not be made counts for nothing and is made after recheckMs",
      (nth) => [nth === 3 ? null : success, 10],
      [500, 1_500, 4_000, 5_000, 10_250],
    ],
  ])("%s", async (_, script, expected) => {
    const { clock, starts, use } = scheduleOf((_target, nth) => script(nth));
    use(target("a"));
    await clock.pass(expected.at(-1)!);
    expect(starts).toEqual(expected);
  });
});

describe("many targets that come at once", () => {
  test.each([
    [100, 1_000],
    [5_000, 5_000],
  ])("%i of them are begun within %i ms, evenly", async (count, ms) => {
    let state = 1;
    const random = (): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
    const { clock, starts, use } = scheduleOf(() => [success, 1], random);
    use(
      ...Array.from({ length: count }, (_, i) => target(`${i}`, { intervalMs: 60_000, recheckMs: 30_000 })),
    );
    await clock.pass(ms);
    expect(starts).toHaveLength(count);
    const late = starts.filter((startedAtMs) => startedAtMs > ms * 0.9);
    expect(late.length).toBeGreaterThan(count / 20);
  });
});

test("a failure of a probe that was under way when all was to be forgotten does not count", async () => {
  const { clock, schedule, starts, looks, use } = scheduleOf((_, nth) => [
    nth === 3 ? failure : success,
    100,
  ]);
  use(target("a"));
  await clock.pass(4_050);
  schedule.forget();
  await clock.pass(3_000);
  expect(starts).toEqual([500, 1_500, 4_000, 5_000, 6_000]);
  expect(looks.map(({ outcome }) => outcome.kind)).toEqual(["success", "success", "success", "success"]);
});

test("a target that was settled is checked again when it is to be forgotten", async () => {
  const { clock, schedule, starts, looks, use } = scheduleOf(() => [success, 10]);
  use(target("a"));
  await clock.pass(9_500);
  schedule.forget();
  await clock.pass(12_000);
  expect(starts).toEqual([500, 1_500, 4_000, 9_250, 14_500, 15_500, 20_750]);
  expect(looks.map(({ urgent }) => urgent)).toEqual([true, true, false, false, true, true, false]);
});

describe("what is news", () => {
  test("every outcome is, but those that a settled target repeats", async () => {
    const kinds = [success, success, success, failure, failure, failure, failure, success, success, success];
    const { clock, looks, use } = scheduleOf((_, nth) => [kinds[nth - 1] ?? success, 0]);
    use(target("a"));
    while (looks.length < kinds.length) await clock.pass(100);
    const urgent = looks.map((look) => look.urgent);
    expect(urgent).toEqual([true, true, false, true, true, true, false, true, true, false]);
  });

  test("a look carries the end of its probe", async () => {
    const { clock, looks, use } = scheduleOf(() => [success, 42]);
    use(target("a"));
    await clock.pass(600);
    expect(looks).toEqual([{ key: "a", outcome: success, endedAtMs: 542, urgent: true }]);
  });
});

describe("many targets", () => {
  test("a new target is probed within a second, or within its interval if that is shorter", async () => {
    const { clock, starts, use } = scheduleOf(
      () => [success, 0],
      () => 0.999,
    );
    use(target("a"), target("b", { intervalMs: 200, recheckMs: 200 }));
    await clock.pass(200);
    expect(starts).toHaveLength(1);
    await clock.pass(800);
    expect(starts.length).toBeGreaterThan(1);
  });

  test("those that come together are spread over their interval", async () => {
    let seed = 1;
    const { clock, starts, use } = scheduleOf(
      () => [success, 0],
      () => {
        seed = (seed * 48_271) % 2_147_483_647;
        return seed / 2_147_483_647;
      },
    );
    use(...Array.from({ length: 500 }, (_, i) => target(`${i}`, { jitterMs: 0, rise: 1 })));
    await clock.pass(11_000);
    for (let second = 6; second < 11; second += 1) {
      const begun = starts.filter((atMs) => Math.floor(atMs / 1_000) === second).length;
      expect(begun).toBeGreaterThan(70);
      expect(begun).toBeLessThan(130);
    }
  });

  test("one that goes is probed no more, and its probe under way is ignored", async () => {
    const { clock, starts, looks, use } = scheduleOf(() => [success, 100]);
    use(target("a"), target("b"));
    await clock.pass(550);
    use(target("b"));
    await clock.pass(100_000);
    expect(new Set(looks.map((look) => look.key))).toEqual(new Set(["b"]));
    expect(starts.length - looks.length).toBe(1);
  });

  test("one that stays goes on undisturbed while others come and go", async () => {
    const { clock, looks, use } = scheduleOf(() => [success, 10]);
    use(target("a"));
    for (let i = 0; i < 92; i += 1) {
      await clock.pass(100);
      use(target("a"), target(`b${i}`, { address: "127.0.0.2" }));
    }
    await clock.pass(60);
    const ends = looks.filter((look) => look.key === "a").map((look) => look.endedAtMs);
    expect(ends).toEqual([510, 1_510, 4_010, 9_260]);
  });

  test("none is probed after the stop", async () => {
    const { clock, schedule, starts, looks, use } = scheduleOf(() => [success, 100]);
    use(target("a"));
    await clock.pass(550);
    schedule.stop();
    await clock.pass(100_000);
    expect(starts).toEqual([500]);
    expect(looks).toEqual([]);
  });
});

test("a death is seen `fall` times within interval + jitter + (fall - 1) * max(recheck, timeout) + timeout", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        intervalMs: fc.integer({ min: 1_000, max: 10_000 }),
        jitterMs: fc.integer({ min: 0, max: 2_000 }),
        recheckMs: fc.integer({ min: 100, max: 1_000 }),
        timeoutMs: fc.integer({ min: 100, max: 1_000 }),
        fall: fc.integer({ min: 1, max: 4 }),
        rise: fc.integer({ min: 1, max: 4 }),
      }),
      fc.integer({ min: 20_000, max: 40_000 }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
      async (pace, deathMs, randoms) => {
        const { clock, looks, use } = scheduleOf(
          () => (clock.now() < deathMs ? [success, 5] : [failure, pace.timeoutMs]),
          () => randoms.next().value ?? 0,
        );
        use(target("a", pace));
        const { intervalMs, jitterMs, recheckMs, timeoutMs, fall } = pace;
        await clock.pass(
          deathMs + intervalMs + jitterMs + (fall - 1) * Math.max(recheckMs, timeoutMs) + timeoutMs,
        );
        expect(looks.filter((look) => look.outcome.kind === "failure").length).toBeGreaterThanOrEqual(fall);
      },
    ),
    { numRuns: 50 },
  );
});
