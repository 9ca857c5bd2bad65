/** Complaints: what could not be done beside everything else, in the log. */

import type { Logger } from "pino";
import { StoreUnavailable } from "./store-file.ts";

/**
 * A store that fails must not keep anybody from failing over: what could not be stored is logged, once for as long as that lasts, and
 * work goes on.
 */
export class Complaints {
  readonly #log: Logger;
  /** By what could not be stored, since when the store had failed. */
  readonly #saidOf = new Map<string, number>();

  constructor(log: Logger) {
    this.#log = log;
  }

  say(what: string, cause: unknown): void {
    if (cause instanceof StoreUnavailable) {
      if (this.#saidOf.get(what) === cause.problem.sinceMs) return;
      this.#saidOf.set(what, cause.problem.sinceMs);
    }
    this.#log.error({ cause: String(cause) }, what);
  }

  /** Does some work, or says what has not been done. */
  unless(what: string, work: () => void): void {
    try {
      work();
    } catch (cause) {
      this.say(what, cause);
    }
  }
}
