import { afterEach, describe, expect, test } from "vitest";
import { Precedence } from "../../src/serve/precedence.ts";
import { goBeforeOthers, shortenSlice } from "../../src/serve/priority.ts";
import { type SystemCalls, systemCalls } from "../../src/serve/system.ts";
import { ownScheduling } from "./scheduling.ts";

const calls = systemCalls();
const mayGoFirst = calls !== null && goBeforeOthers(calls);
afterEach(() => {
  if (calls !== null) shortenSlice(calls, "parent");
});
if (calls !== null) shortenSlice(calls, "parent");

const ORDINARY = 0;
const FIRST = 1;

/** A worker whose use of its core is told and not measured. */
class Worker {
  readonly #precedence: Precedence;
  #nowMs = 1_000;
  #usedUs = 0;

  constructor(schedule: Pick<SystemCalls, "sched_setattr">, workersOnCore = 1) {
    this.#precedence = new Precedence({ calls: schedule, workersOnCore, usedUs: () => this.#usedUs });
  }

  /** Goes on for `ms`, a round every millisecond, and uses `share` of its core; returns its policy then. */
  use(share: number, ms: number, isBehind = false): number {
    for (let i = 0; i < ms; i += 1) {
      this.#nowMs += 1;
      this.#usedUs += share * 1_000;
      this.#precedence.look(this.#nowMs, isBehind);
    }
    return ownScheduling().policy;
  }

  setClock(ms: number): void {
    this.#nowMs = ms;
  }
}

describe.runIf(mayGoFirst)("a worker (as root, or with a limit for real-time priorities)", () => {
  test("goes before others while it leaves them a twentieth of its core", () => {
    const worker = new Worker(calls!);
    expect(worker.use(0.5, 1)).toBe(FIRST);
    expect(worker.use(0.5, 1_000)).toBe(FIRST);
    expect(worker.use(0.94, 1_000)).toBe(FIRST);
  });

  test("goes before others while it catches up after a pause of the machine", () => {
    const worker = new Worker(calls!);
    worker.use(0.5, 200);
    expect(worker.use(1, 30, true)).toBe(FIRST);
    expect(worker.use(0.5, 200)).toBe(FIRST);
  });

  test("is one of many 50 ms after a flood began, until it has ended", () => {
    const worker = new Worker(calls!);
    worker.use(0.5, 200);
    expect(worker.use(1, 100, true)).toBe(ORDINARY);
    // Two thirds of the core is what it gets then beside a busy control.
    expect(worker.use(0.66, 1_000, true)).toBe(ORDINARY);
    expect(worker.use(0.3, 200)).toBe(FIRST);
  });

  test("goes first again where it keeps up, though some batches are full", () => {
    const worker = new Worker(calls!);
    worker.use(0.5, 200);
    expect(worker.use(1, 100, true)).toBe(ORDINARY);
    for (let i = 0; i < 50; i += 1) {
      worker.use(0.7, 3);
      worker.use(0.7, 1, true);
    }
    expect(worker.use(0.7, 1)).toBe(FIRST);
  });

  test("counts those that share its core", () => {
    const worker = new Worker(calls!, 2);
    expect(worker.use(0.46, 200)).toBe(FIRST);
    expect(worker.use(0.49, 200)).toBe(ORDINARY);
  });

  test("goes on when the clock is set back", () => {
    const worker = new Worker(calls!);
    worker.use(0.5, 200);
    worker.setClock(0);
    expect(worker.use(1, 110)).toBe(ORDINARY);
  });
});

test("a worker that may not go first is never asked what it uses", () => {
  const precedence = new Precedence({
    calls: { sched_setattr: () => -1 },
    workersOnCore: 1,
    usedUs: () => {
      throw new Error("asked");
    },
  });
  expect(() => {
    for (let nowMs = 0; nowMs < 1_000; nowMs += 1) precedence.look(nowMs, false);
  }).not.toThrow();
});
