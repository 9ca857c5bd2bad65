/** How a node's clock differs from this agent's, measured over the report stream as NTP does (RFC 5905 §8). */

/** As many samples are remembered, as in NTP's clock filter (RFC 5905 §10). */
const SAMPLES_MAX = 8;

/** How fast two clocks may drift apart: PHI of RFC 5905 §11.1, for each of the two. */
const DRIFT = 2 * 15e-6;

/** Nodes tell their time in whole milliseconds. */
const RESOLUTION_MS = 1;

/** The four times of one exchange: the first and the last by the agent's clock, the others by the node's. */
export interface Exchange {
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  readonly repliedAtMs: number;
  readonly returnedAtMs: number;
}

/** What is to be added to a time of the agent's clock to make it one of the node's. */
export interface Estimate {
  readonly offsetMs: number;
  /** By how much that may be off at most: the way there and the way back may differ by the whole delay. */
  readonly uncertaintyMs: number;
}

interface Sample extends Estimate {
  readonly atMs: number;
}

/** The latest samples; of these the one with the least uncertainty counts, which grows while it ages. */
export class ClockOffset {
  #samples: readonly Sample[] = [];

  add({ sentAtMs, receivedAtMs, repliedAtMs, returnedAtMs }: Exchange): void {
    const delayMs = Math.max(0, returnedAtMs - sentAtMs - (repliedAtMs - receivedAtMs));
    const sample = {
      atMs: returnedAtMs,
      offsetMs: (receivedAtMs - sentAtMs + (repliedAtMs - returnedAtMs)) / 2,
      uncertaintyMs: delayMs / 2 + RESOLUTION_MS,
    };
    this.#samples = [...this.#samples.slice(1 - SAMPLES_MAX), sample];
  }

  /** null: nothing was measured yet. */
  estimate(nowMs: number): Estimate | null {
    return this.#samples
      .map(({ atMs, offsetMs, uncertaintyMs }) => ({
        offsetMs,
        uncertaintyMs: uncertaintyMs + DRIFT * Math.max(0, nowMs - atMs),
      }))
      .reduce<Estimate | null>((best, each) => (isWorse(best, each) ? each : best), null);
  }
}

function isWorse(best: Estimate | null, than: Estimate): boolean {
  return best === null || best.uncertaintyMs > than.uncertaintyMs;
}
