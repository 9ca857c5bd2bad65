/** Time as the probing code sees it: passed in, so that tests can move it. */

/** A monotonic clock in milliseconds, with its timers. */
export interface Clock {
  readonly now: () => number;
  /** Calls `run` once, `ms` from now; calling what it returns takes that back. */
  readonly after: (ms: number, run: () => void) => () => void;
}

/** The clock of this process. */
export const processClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
