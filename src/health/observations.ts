/** Round-trip times that operators observe, of real users mostly, by who was observed. */

import type { Config, RegionId } from "../config/config.ts";
import { averaged, isSound, type Measured } from "./average.ts";

/** The middle of some round-trip times that clients had to a region. */
export interface Observation extends Measured {
  /** Under what the clients are observed, as in `203.0.113.0/24`, `AS64500`, `GB 52.5,-2.5` and `GB`. */
  readonly as: readonly string[];
  readonly region: RegionId;
}

/** Each region's round-trip time for those observed as a text. */
export type Observed = ReadonlyMap<string, ReadonlyMap<RegionId, Measured>>;

/** An average is used from ten samples on, and for an hour after the last: clients' links differ more than vantages'. */
const SOUND = { samplesMin: 10, freshMs: 3_600_000 };

/** As many texts are remembered; of more, those not observed for longest are forgotten. */
const TEXTS_MAX = 20_000;

/** The averages of observations. */
export class Observations {
  /** The longest not observed first. */
  readonly #averages = new Map<string, Map<RegionId, Measured>>();

  /** Forgets the regions that a new config does not have. */
  retarget({ regions }: Config): void {
    for (const averages of this.#averages.values()) {
      for (const region of averages.keys()) if (!regions.has(region)) averages.delete(region);
    }
  }

  add(observation: Observation): void {
    const { as, region } = observation;
    for (const text of as) {
      const averages = this.#averages.get(text) ?? new Map<RegionId, Measured>();
      this.#averages.delete(text);
      this.#averages.set(text, averages.set(region, averaged(averages.get(region) ?? null, observation)));
    }
    for (const oldest of this.#averages.keys()) {
      if (this.#averages.size <= TEXTS_MAX) break;
      this.#averages.delete(oldest);
    }
  }

  /** Those that may be used now. */
  sound(nowMs: number): Observed {
    const observed = new Map<string, ReadonlyMap<RegionId, Measured>>();
    for (const [text, averages] of this.#averages) {
      const sound = [...averages].filter(([, average]) => isSound(average, nowMs, SOUND));
      if (sound.length > 0) observed.set(text, new Map(sound));
    }
    return observed;
  }
}
