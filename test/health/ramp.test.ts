import { expect, test } from "vitest";
import { nextStepAt, takeOf } from "../../src/health/ramp.ts";
import type { Verdict } from "../../src/health/verdict.ts";
import { fc } from "../fast-check.ts";
import { vipId } from "./fixtures.ts";

function recoveringSince(sinceMs: number): Verdict {
  const vip = vipId("web/a/ipv4");
  const past = { sinceMs, recovering: true, flaps: 0, hold: null, steadyMs: null };
  return { vip, up: true, basis: "judged", reason: "", votes: [], ...past };
}

test.each([
  [0, 0.1, 10_000],
  [9_999, 0.1, 10_000],
  [10_000, 0.2, 20_000],
  [45_000, 0.5, 50_000],
  [89_999, 0.9, 90_000],
  [90_000, 1, null],
  [1_000_000, 1, null],
])("after %d ms of a slow start of 90 s a VIP takes %d, until %d", (nowMs, take, nextMs) => {
  expect(takeOf(recoveringSince(0), 90_000, nowMs)).toBe(take);
  expect(nextStepAt(recoveringSince(0), 90_000, nowMs)).toBe(nextMs);
});

test("a VIP that does not recover takes all", () => {
  const verdict = { ...recoveringSince(0), recovering: false };
  expect(takeOf(verdict, 90_000, 1)).toBe(1);
  expect(nextStepAt(verdict, 90_000, 1)).toBeNull();
});

test("without a slow start a VIP takes all at once", () => {
  expect(takeOf(recoveringSince(5), 0, 0)).toBe(1);
});

test("each next step takes a tenth more, and the last one ends the slow start", () => {
  fc.assert(
    fc.property(fc.integer({ min: 9, max: 10_000_000 }), fc.nat(2 ** 40), (slowStartMs, sinceMs) => {
      const verdict = recoveringSince(sinceMs);
      const takes = [takeOf(verdict, slowStartMs, sinceMs)];
      let stepAtMs = nextStepAt(verdict, slowStartMs, sinceMs);
      let lastStepAtMs = sinceMs;
      while (stepAtMs !== null) {
        expect(takeOf(verdict, slowStartMs, stepAtMs - 1)).toBe(takes.at(-1));
        takes.push(takeOf(verdict, slowStartMs, stepAtMs));
        lastStepAtMs = stepAtMs;
        stepAtMs = nextStepAt(verdict, slowStartMs, stepAtMs);
      }
      expect(takes).toEqual([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]);
      expect(lastStepAtMs).toBe(sinceMs + slowStartMs);
    }),
  );
});
