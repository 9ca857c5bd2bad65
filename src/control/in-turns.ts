/** Does long work while everything else of control goes on, and behind the answers. */

import { getPriority, setPriority } from "node:os";
import { setImmediate as turn } from "node:timers/promises";
import type { Steps } from "../steps.ts";

/** A report that has come in waits for at most this, and for the step that is being done. */
const TURN_MS = 0.5;
/**
 * How far control stands back while it does steps. What it is given otherwise, so that a failover under full load is
 * quick, is a third of a core that it shares with a worker. A worker that is busy half of the time and has just caught up
 * has then often had more than its own share, so at the next tick it waits until the one after, 4 ms.
 */
const NICER_BY = 12;
const NICE_MAX = 19;

let mayComeForward: boolean | null = null;

/** Does steps, and lets the event loop turn after every half a millisecond of them. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  mayComeForward ??= tryToComeForward();
  for (;;) {
    const last = mayComeForward ? standingBack(() => takeTurn(steps)) : takeTurn(steps);
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

/** Does some work at a lower priority, unless dns sets another one meanwhile. */
function standingBack<T>(work: () => T): T {
  const nice = getPriority();
  const nicer = Math.min(nice + NICER_BY, NICE_MAX);
  setPriority(nicer);
  try {
    return work();
  } finally {
    if (getPriority() === nicer) setPriority(nice);
  }
}

/** Only root may, or who has a limit that says so (`LimitNICE=` of systemd). Where it does not work, little is lost. */
function tryToComeForward(): boolean {
  const nice = getPriority();
  try {
    setPriority(Math.min(nice + 1, NICE_MAX));
    setPriority(nice);
    return true;
  } catch {
    return false;
  }
}
