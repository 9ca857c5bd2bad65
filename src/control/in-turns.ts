/** Does long work while everything else of control goes on, and behind the answers. */

import { getPriority, setPriority } from "node:os";
import { setImmediate as turn } from "node:timers/promises";
import type { Steps } from "../steps.ts";

/** A report that has come in waits for at most this, and for the step that is being done. */
const TURN_MS = 0.5;
/**
 * Where dns has put this process while it starts: far behind the answers, if it may come forward again. Otherwise it has a
 * third of a core that it shares with a worker, so that a failover under full load is quick. A worker that is busy half
 * of the time and has just caught up has then often had more than its own share, so at the next tick it waits until the one
 * after, 4 ms.
 */
const startingNice = getPriority();

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

/** Does some work as far behind as this process was when it started, and comes forward again. */
function standingBack<T>(work: () => T): T {
  const nice = getPriority();
  if (nice >= startingNice) return work();
  setPriority(startingNice);
  try {
    return work();
  } finally {
    setPriority(nice);
  }
}
