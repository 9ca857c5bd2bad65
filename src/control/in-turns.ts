/** Does long work while everything else of control goes on. */

import { setImmediate as turn } from "node:timers/promises";
import type { Steps } from "../steps.ts";

/** A report that has come in waits for at most this, and for the step that is being done. */
const TURN_MS = 0.5;
/** Does steps, and lets the event loop turn after every half a millisecond of them. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const last = takeTurn(steps);
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
