/** Chance that is the same on every run. */

/** Uniform in [0, 1). */
export type Random = () => number;

/** Mulberry32: the same numbers on every run. */
export function randomFrom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let hash = Math.imul(state ^ (state >>> 15), 1 | state);
    hash = (hash + Math.imul(hash ^ (hash >>> 7), 61 | hash)) ^ hash;
    return ((hash ^ (hash >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One of the choices. */
export function pick<T>(choices: readonly T[], random: Random): T {
  return choices[below(choices.length, random)]!;
}

/** A whole number from 0 to below `end`; 0 where there is none. */
export function below(end: number, random: Random): number {
  return end <= 0 ? 0 : Math.floor(random() * end);
}
