/** Long work in small steps, so that whoever has it done can see to other things in between. */

/** Yields after each step, which takes a fraction of a millisecond, and returns what came of the work. */
export type Steps<T> = Generator<undefined, T>;

/** How many things of a microsecond or two make a step. */
export const ITEMS_OF_STEP = 64;

/** Does the same with each item. */
export function* forEachInSteps<T>(items: Iterable<T>, work: (item: T) => void): Steps<void> {
  let done = 0;
  for (const item of items) {
    work(item);
    done += 1;
    if (done % ITEMS_OF_STEP === 0) yield;
  }
}

/** Does all steps at once. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
