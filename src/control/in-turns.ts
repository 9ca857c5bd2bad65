/** Does long work while everything else of control goes on. */

import { setImmediate as turn } from "node:timers/promises";
import type { Steps } from "../steps.ts";

/** A report that has come in waits for at most this, and for the step that is being done. */
const TURN_MS = 2;

/** Does steps, and lets the event loop turn after every two milliseconds of them. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (let endMs = performance.now() + TURN_MS; ; ) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() < endMs) continue;
    await turn();
    endMs = performance.now() + TURN_MS;
  }
}
