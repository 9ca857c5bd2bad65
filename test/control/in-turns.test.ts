import { expect, test } from "vitest";
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

test("a step that throws ends the work", async () => {
  await expect(inTurns(failing())).rejects.toThrow("a test");
});

function* failing(): Steps<void> {
  yield;
  throw new Error("a test");
}
