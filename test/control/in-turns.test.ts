import { getPriority, setPriority } from "node:os";
import { expect, test, vi } from "vitest";
import { inTurns } from "../../src/control/in-turns.ts";
import type { Steps } from "../../src/steps.ts";

/** Works for so many milliseconds, a tenth of one in a step. */
function* work(ms: number): Steps<string> {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) {
    const stepEndMs = performance.now() + 0.1;
    while (performance.now() < stepEndMs);
    yield;
  }
  return "done";
}

test("timers and what comes in have their turn while long work is done", async () => {
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  expect(await inTurns(work(100))).toBe("done");
  clearInterval(timer);
  // Two for every millisecond on a machine of its own.
  expect(turns).toBeGreaterThan(5);
});

test.skipIf(process.getuid?.() !== 0)("steps stand as far back as at the start (needs root)", async () => {
  const nice = getPriority();
  setPriority(nice + 2);
  vi.resetModules();
  const late = await import("../../src/control/in-turns.ts");
  const inSteps: number[] = [];
  const between: number[] = [];
  await late.inTurns(noting(inSteps));
  setPriority(nice);
  const timer = setInterval(() => between.push(getPriority()), 1);
  await late.inTurns(noting(inSteps));
  clearInterval(timer);
  expect(new Set(inSteps)).toEqual(new Set([nice + 2]));
  expect(new Set([...between, getPriority()])).toEqual(new Set([nice]));
  await expect(late.inTurns(failing())).rejects.toThrow("a test");
  expect(getPriority()).toBe(nice);
});

test("a step that throws ends the work", async () => {
  await expect(inTurns(failing())).rejects.toThrow("a test");
});

/** Works for 20 ms, and notes the priority in each step. */
function* noting(priorities: number[]): Steps<void> {
  for (const _ of work(20)) {
    priorities.push(getPriority());
    yield;
  }
}

function* failing(): Steps<void> {
  yield;
  throw new Error("a test");
}
