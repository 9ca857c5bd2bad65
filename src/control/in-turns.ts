/** Does long work while everything else of control goes on, and behind the answers. */

import { getPriority } from "node:os";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { giveWay } from "../serve/priority.ts";
import { systemCalls } from "../serve/system.ts";
import type { Steps } from "../steps.ts";

/** A report that has come in waits for at most this, and for the step that is being done. */
const TURN_MS = 0.5;
/** Where dns has put this process while it starts: far behind the answers, if it may come forward again. */
const startingNice = getPriority();
/**
 * A turn that took so long found no time that answers leave. Those of the next seconds are taken as ordinary work, a tenth of the
 * core: rests in between let a worker catch up, which would else wait for the next tick of the kernel's scheduler, 4 ms on many
 * machines.
 */
const STARVED_MS = 20;
const FED_MS = 3_000;
const REST_MS = 5;
let fedUntilMs = 0;

/** Work that is done sooner is not worth any answer's wait. */
const LONG_MS = 50;
/** Room that was asked for is given for longer. */
const ASK_EVERY_MS = 250;
let askForRoom: () => void = () => undefined;

/** Has `ask` called again and again while there is long work. */
export function onLongWork(ask: () => void): void {
  askForRoom = ask;
}

/** Does steps, and lets the event loop turn after every half a millisecond of them. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  let askMs = performance.now() + LONG_MS;
  for (;;) {
    if (performance.now() >= askMs) {
      askForRoom();
      askMs = performance.now() + ASK_EVERY_MS;
    }
    const isFed = performance.now() < fedUntilMs;
    const last = isFed ? takeTurn(steps) : givingWay(() => takeTurn(steps));
    if (last.done === true) return last.value;
    await (isFed ? sleep(REST_MS) : turn());
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

/** Does some work in the time that answers leave, where this process may come forward again. */
function givingWay<T>(work: () => T): T {
  const calls = getPriority() < startingNice ? systemCalls() : null;
  if (calls === null) return work();
  const beganMs = performance.now();
  const comeForward = giveWay(calls);
  try {
    return work();
  } finally {
    comeForward();
    const endedMs = performance.now();
    if (endedMs - beganMs > STARVED_MS) fedUntilMs = endedMs + FED_MS;
  }
}
