/** Does long work while everything else of control goes on, and behind the answers. */

import { getPriority, setPriority } from "node:os";
import { setImmediate as turn } from "node:timers/promises";
import { giveWay } from "../serve/priority.ts";
import { systemCalls } from "../serve/system.ts";
import type { Steps } from "../steps.ts";

/** A report that has come in waits for at most this, and for the step that is being done. */
const TURN_MS = 0.5;
/**
 * Where dns has put this process while it starts: far behind the answers, if it may come forward again. Otherwise it has a
 * third of a core that it shares with a worker, so that a failover under full load is quick.
 */
const startingNice = getPriority();
/**
 * A turn that took so long found no time that answers leave. The turns of the next seconds are taken at the nice value of the
 * start, which has a tenth of the core in any case.
 */
const STARVED_MS = 20;
const FED_MS = 3_000;
let fedUntilMs = 0;

/** Does steps, and lets the event loop turn after every half a millisecond of them. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const last = standingBack(() => takeTurn(steps));
    if (last.done === true) return last.value;
    await turn();
  }
}

/** Does the steps of one turn, and returns what the last of them gave. */
function takeTurn<T>(steps: Steps<T>): IteratorResult<undefined, T> {
  const endMs = performance.now() + TURN_MS;
  for (;;) {
    const step = steps.next();
    if (step.done === true || performance.now() >= endMs) return step;
  }
}

/** Does some work behind the answers, and comes forward again. */
function standingBack<T>(work: () => T): T {
  const nice = getPriority();
  if (nice >= startingNice) return work();
  const beganMs = performance.now();
  const calls = beganMs < fedUntilMs ? null : systemCalls();
  const comeForward = calls === null ? stepBack(nice) : giveWay(calls);
  try {
    return work();
  } finally {
    comeForward();
    const endedMs = performance.now();
    if (endedMs - beganMs > STARVED_MS) fedUntilMs = endedMs + FED_MS;
  }
}

/** Runs as far behind as this process was when it started, until the function that is returned is called. */
function stepBack(nice: number): () => void {
  setPriority(startingNice);
  return () => setPriority(nice);
}
