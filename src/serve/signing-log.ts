/** Writes to log and metrics what is signed ahead, and when a signature is not made anew in time. */

import type { Logger } from "pino";
import type { Round } from "../answer/sign-ahead.ts";
import { Counter } from "../telemetry/counters.ts";
import { ExpiryWatch } from "../telemetry/expiry-watch.ts";

const LOOK_MS = 10_000;

/** One for a process. */
export class SigningLog {
  readonly #counters: Float64Array;
  readonly #log: Logger;
  readonly #watch = new ExpiryWatch();
  readonly #timer: NodeJS.Timeout;

  /** `counters` is the row of the thread that this belongs to. */
  constructor(counters: Float64Array, log: Logger, lookMs: number = LOOK_MS) {
    this.#counters = counters;
    this.#log = log;
    this.#timer = setInterval(() => this.#look(), lookMs).unref();
  }

  /** A round of signing ahead is done. */
  note({ made, ready, left, earliestExpiration, validitySeconds }: Round): void {
    const cells = this.#counters;
    cells[Counter.signedAhead] = (cells[Counter.signedAhead] ?? 0) + made;
    cells[Counter.signaturesReady] = ready;
    cells[Counter.signaturesLeft] = left;
    cells[Counter.signaturesHoldUntil] = earliestExpiration ?? 0;
    if (made > 0)
      this.#log.info({ made, ready, left, holdUntil: dateOf(earliestExpiration) }, "signed ahead");
    this.#watch.note(earliestExpiration, validitySeconds);
    this.#look();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const event = this.#watch.look(Date.now() / 1000);
    this.#counters[Counter.signaturesLate] = Number(this.#watch.isLate);
    const holdUntil = dateOf(this.#counters[Counter.signaturesHoldUntil] ?? 0);
    if (event === "late")
      this.#log.error({ holdUntil }, "a signature that was made ahead ends soon and has not been made anew");
    else if (event === "renewed") this.#log.warn({ holdUntil }, "signatures are made anew in time again");
  }
}

function dateOf(seconds: number | null): string | null {
  return seconds === null ? null : new Date(1000 * seconds).toISOString();
}
