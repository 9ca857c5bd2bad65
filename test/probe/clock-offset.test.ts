/** The node's time as an agent measures it. */

import { describe, expect, test } from "vitest";
import { ClockOffset } from "../../src/probe/clock-offset.ts";
import { fc } from "../fast-check.ts";

/** An exchange that begins at a time of the agent's, with a node whose clock is that much ahead. */
function exchangeAt(sentAtMs: number, aheadMs: number, thereMs: number, backMs: number, holdMs = 0) {
  const receivedAtMs = Math.floor(sentAtMs + thereMs + aheadMs);
  const repliedAtMs = Math.floor(sentAtMs + thereMs + holdMs + aheadMs);
  return { sentAtMs, receivedAtMs, repliedAtMs, returnedAtMs: sentAtMs + thereMs + holdMs + backMs };
}

describe("the offset of a node's clock", () => {
  test("is not known before a sample", () => {
    expect(new ClockOffset().estimate(0)).toBeNull();
  });

  test("is off by half of what the ways there and back differ by", () => {
    const offset = new ClockOffset();
    offset.add({ sentAtMs: 100, receivedAtMs: 5_130, repliedAtMs: 5_140, returnedAtMs: 150 });
    expect(offset.estimate(150)).toEqual({ offsetMs: 5_010, uncertaintyMs: 21 });
  });

  test("is that of the sample with the least delay among the last eight", () => {
    const offset = new ClockOffset();
    offset.add(exchangeAt(0, 1_000, 1, 1));
    for (let i = 1; i < 8; i += 1) offset.add(exchangeAt(i * 1_000, 1_000, 50, 10));
    expect(offset.estimate(8_000)?.offsetMs).toBe(1_000);
    offset.add(exchangeAt(8_000, 1_000, 50, 10));
    expect(offset.estimate(8_000)?.offsetMs).toBe(1_020);
  });

  test("grows less certain while a sample ages: 30 ppm of the time", () => {
    const offset = new ClockOffset();
    offset.add(exchangeAt(0, 1_000, 1, 1));
    expect(offset.estimate(2)?.uncertaintyMs).toBe(2);
    expect(offset.estimate(100_002)?.uncertaintyMs).toBe(5);
  });

  test("is never off by more than is said, whatever the delays", () => {
    const ms = fc.double({ min: 0, max: 500, noNaN: true });
    const samples = fc.array(fc.tuple(ms, ms, ms), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), samples, (aheadMs, delays) => {
        const offset = new ClockOffset();
        for (const [i, [thereMs, holdMs, backMs]] of delays.entries())
          offset.add(exchangeAt(i * 2_000, aheadMs, thereMs, backMs, holdMs));
        const estimate = offset.estimate(delays.length * 2_000);
        // What a double has left of milliseconds at this size.
        expect(Math.abs((estimate?.offsetMs ?? NaN) - aheadMs)).toBeLessThanOrEqual(
          (estimate?.uncertaintyMs ?? NaN) + 1e-3,
        );
      }),
    );
  });
});
