import { expect, test } from "vitest";
import { Orders } from "../../src/serve/orders.ts";

/** How long a worker that sees the orders of `orders` rests, in milliseconds. */
function restMs(orders: Orders): number {
  const worker = new Orders(orders.shared);
  const fromMs = performance.now();
  worker.rest();
  return performance.now() - fromMs;
}

test("a worker rests while others are to have room, and no longer", () => {
  const orders = new Orders();
  // The longest of one kind beside the shortest of the other: a busy machine makes each of them longer.
  const shortest = (): number => Math.min(...Array.from({ length: 20 }, () => restMs(orders)));
  expect(shortest()).toBeLessThan(0.2);
  orders.askForRoom(true);
  expect(shortest()).toBeGreaterThan(0.25);
  orders.askForRoom(false);
  expect(shortest()).toBeLessThan(0.2);
});
