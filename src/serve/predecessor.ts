/** A node takes the work of another over: the side of the new node. The other side is `successor.ts`. */

import type { FromSuccessor, PassedChange, ToSuccessor } from "./successor.ts";
import type { SystemCalls } from "./system.ts";

/** The node that started this one to take its place. It may end at any moment; then this one is alone, and goes on. */
export class Predecessor {
  /** The version of the book that it serves, once the one on disk is as fresh; 0: it has ended, or served none. */
  readonly book: Promise<number>;
  /** Settles when its control has ended. */
  readonly gone: Promise<void>;
  readonly #changes: PassedChange[] = [];
  #onChange: (change: PassedChange) => void = (change) => this.#changes.push(change);

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
        case "challenges":
          this.#onChange(message);
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
  follow(onChange: (change: PassedChange) => void): void {
    this.#onChange = onChange;
    for (const change of this.#changes.splice(0)) onChange(change);
  }

  /** Says that this node serves. Its standard error has been the predecessor's to read; `kept` is the one to use from now on. */
  succeed(calls: SystemCalls, kept: number): void {
    calls.dup2(kept, 2);
    calls.close(kept);
    const message: FromSuccessor = { kind: "serving" };
    process.send?.(message, undefined, undefined, () => undefined);
  }
}
