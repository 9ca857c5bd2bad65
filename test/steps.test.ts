import { expect, test } from "vitest";
import { finish, forEachInSteps, ITEMS_OF_STEP, type Steps } from "../src/steps.ts";

test("work on many things yields after every few of them, and leaves out none", () => {
  const done: number[] = [];
  const items = Array.from({ length: 3 * ITEMS_OF_STEP + 1 }, (_, i) => i);
  const steps = forEachInSteps(items, (item) => done.push(item));
  const counts: number[] = [];
  while (steps.next().done !== true) counts.push(done.length);
  expect(counts).toEqual([1, 2, 3].map((step) => step * ITEMS_OF_STEP));
  expect(done).toEqual(items);
});

test("all steps at once come to the same", () => {
  function* sum(): Steps<number> {
    yield;
    yield;
    return 3;
  }
  expect(finish(sum())).toBe(3);
});
