/** Waits for what other parts do in their own time. */

import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";

/** Waits until a condition holds; the test fails when it never does. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!condition() && performance.now() < deadline) await sleep(2);
  expect(condition()).toBe(true);
}
