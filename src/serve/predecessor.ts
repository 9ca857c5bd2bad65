/** A node takes the work of another over: the side of the new node. The other side is `successor.ts`. */

import type { FromSuccessor, ToSuccessor } from "./successor.ts";
import type { SystemCalls } from "./system.ts";

/** A patch, as the predecessor had it from its control. */
export type PassedPatch = Extract<ToSuccessor, { kind: "patch" }>;

/** The node that started this one to take its place. It may end at any moment; then this one is alone, and goes on. */
export class Predecessor {
  /** The version of the book that it serves, once the one on disk is as fresh; 0: it has ended, or served none. */
  readonly book: Promise<number>;
  /** Settles when its control has ended. */
  readonly gone: Promise<void>;
  readonly #patches: PassedPatch[] = [];
  #onPatch: (patch: PassedPatch) => void = (patch) => this.#patches.push(patch);

  constructor() {
    const book = Promise.withResolvers<number>();
    const gone = Promise.withResolvers<void>();
    const leave = (): void => {
      process.off("message", hear);
      process.off("disconnect", leave);
      book.resolve(0);
      gone.resolve();
    };
    const hear = (message: ToSuccessor): void => {
      switch (message.kind) {
        case "load":
          book.resolve(message.version);
          break;
        case "patch":
          this.#onPatch(message);
          break;
      }
    };
    process.on("message", hear);
    process.on("disconnect", leave);
    if (process.connected !== true) leave();
    this.book = book.promise;
    this.gone = gone.promise;
  }

  /** Puts in force what has come meanwhile, and everything that comes. */
  follow(onPatch: (patch: PassedPatch) => void): void {
    this.#onPatch = onPatch;
    for (const patch of this.#patches.splice(0)) onPatch(patch);
  }

  /** Says that this node serves. Its standard error has been the predecessor's to read; `kept` is the one to use from now on. */
  succeed(calls: SystemCalls, kept: number): void {
    calls.dup2(kept, 2);
    calls.close(kept);
    const message: FromSuccessor = { kind: "serving" };
    process.send?.(message, undefined, undefined, () => undefined);
  }
}
