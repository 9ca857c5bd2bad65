import { readFileSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import { expect, test, vi } from "vitest";
import { inTurns, onLongWork } from "../../src/control/in-turns.ts";
import { systemCalls } from "../../src/serve/system.ts";
import type { Steps } from "../../src/steps.ts";

/** SCHED_IDLE of sched(7). */
const IDLE = 5;

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

test.skipIf(process.getuid?.() !== 0 || systemCalls() === null)(
  "steps give way to everybody who wants the core, and what comes in between does not (needs root, koffi)",
  async () => {
    const nice = getPriority();
    setPriority(nice + 2);
    vi.resetModules();
    const late = await import("../../src/control/in-turns.ts");
    setPriority(nice);
    const inSteps: string[] = [];
    const between: string[] = [];
    const timer = setInterval(() => between.push(scheduling()), 1);
    await late.inTurns(noting(inSteps));
    clearInterval(timer);
    expect(inSteps[0]).toBe(`policy ${IDLE}`);
    // A turn that found no time is followed by some of ordinary work.
    expect([`policy ${IDLE}`, `nice ${nice}`]).toEqual(expect.arrayContaining([...new Set(inSteps)]));
    expect(new Set([...between, scheduling()])).toEqual(new Set([`nice ${nice}`]));
    await expect(late.inTurns(failing())).rejects.toThrow("a test");
    expect(scheduling()).toBe(`nice ${nice}`);
  },
);

test("answers are asked for room while there is long work, again and again, and not for short work", async () => {
  let asked = 0;
  onLongWork(() => {
    asked += 1;
  });
  await inTurns(work(10));
  const askedForShort = asked;
  await inTurns(work(700));
  onLongWork(() => undefined);
  expect(askedForShort).toBe(0);
  expect(asked).toBeGreaterThanOrEqual(2);
});

test("a step that throws ends the work", async () => {
  await expect(inTurns(failing())).rejects.toThrow("a test");
});

/** Works for 20 ms, and notes in each step how this thread is scheduled. */
function* noting(seen: string[]): Steps<void> {
  for (const _ of work(20)) {
    seen.push(scheduling());
    yield;
  }
}

/** Fields 41 and 19 of this thread's stat (proc_pid_stat(5)), behind a name that may hold anything. */
function scheduling(): string {
  const stat = readFileSync("/proc/thread-self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[38] === "0" ? `nice ${fields[16]}` : `policy ${fields[38]}`;
}

function* failing(): Steps<void> {
  yield;
  throw new Error("a test");
}
