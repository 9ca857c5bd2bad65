/** The moving average of round-trip times. */

/** The weight of a new sample (EWMA): half of a lasting change shows after two samples. */
const ALPHA = 0.3;

/** A round-trip time that was measured. */
export interface Measured {
  readonly rttMs: number;
  /** How many samples are behind it. */
  readonly samples: number;
  /** When the last of them was taken. */
  readonly atMs: number;
}

/** The average after one more value, the middle of some samples; null: the first. One from before the last changes nothing. */
export function averaged(before: Measured | null, { rttMs, samples, atMs }: Measured): Measured {
  if (before === null) return { rttMs, samples, atMs };
  if (atMs < before.atMs) return before;
  return {
    rttMs: before.rttMs + ALPHA * (rttMs - before.rttMs),
    samples: before.samples + samples,
    atMs,
  };
}

/** Whether an average rests on enough samples, and on new ones. */
export function isSound(
  { samples, atMs }: Measured,
  nowMs: number,
  { samplesMin, freshMs }: { readonly samplesMin: number; readonly freshMs: number },
): boolean {
  return samples >= samplesMin && nowMs - atMs <= freshMs;
}
