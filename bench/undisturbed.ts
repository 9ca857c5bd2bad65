/** Measures while the host of a virtual machine leaves it alone. */

import { coreTime } from "./cpu.ts";

/** A run from which the host takes more is done again, up to so many times in all; the one with the least counts. */
const STOLEN_SHARE_MAX = 0.001;
const TRIES = 4;

/** What a run showed. */
export interface Undisturbed<T> {
  readonly result: T;
  /** The share of the cores' time that the host took meanwhile. */
  readonly stolen: number;
}

/** The first run of a few from which the host takes hardly anything, or the one from which it took least. */
export async function undisturbed<T>(run: () => Promise<T>): Promise<Undisturbed<T>> {
  let least: Undisturbed<T> | null = null;
  for (let tries = 1; ; tries += 1) {
    const before = coreTime();
    const result = await run();
    const now = coreTime();
    const stolen = (now.stolen - before.stolen) / (now.all - before.all);
    if (least === null || stolen < least.stolen) least = { result, stolen };
    if (least.stolen <= STOLEN_SHARE_MAX || tries === TRIES) return least;
  }
}
