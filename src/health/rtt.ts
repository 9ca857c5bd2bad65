/** Round-trip times from vantages to regions, and which region answers a client soonest. */

import type { Config, Coordinates, RegionId, VantageId } from "../config/config.ts";
import { distanceKm } from "../geo/distance.ts";
import type { Measured } from "./average.ts";
import { Averages, type Measurements } from "./averages.ts";
import { estimateAnywhere, estimateFrom, type Measurement } from "./estimate.ts";
import { type Observation, Observations, type Observed } from "./observations.ts";
import type { Report } from "./report.ts";

/** Round-trip times as locations see regions. */
export interface LatencyView {
  /**
   * The regions asked for, best first, for clients in a cell (`steering/cell.ts`); hysteresis is already applied.
   * A region stands by what operators have observed of the most specific of what is known of the cell, else by what the
   * nearest vantages measure, else by its distance.
   */
  ranking(cell: string, regions: readonly RegionId[]): readonly RankedRegion[];
}

/** A region with the round-trip time that clients of a cell would see to it. */
export interface RankedRegion {
  readonly region: RegionId;
  readonly rttMs: number;
  /** supposed: by who asks what would be if. */
  readonly source: "observations" | "vantages" | "distance" | "supposed";
}

/** The same of a table. */
export interface EstimatedRegion extends RankedRegion {
  readonly source: "observations" | "vantages" | "distance";
  /** What it rests on; absent: on distance. */
  readonly measured?: Measured;
}

/** The order of the regions for the clients of a cell. */
export interface CellRanking {
  readonly cell: string;
  /** Best first, hysteresis applied. */
  readonly regions: readonly EstimatedRegion[];
}

/** What is known of a cell by its text. */
export interface CellReader {
  /** The middle of the cell; null: the place of its clients is unknown. */
  coordinates(cell: string): Coordinates | null;
  /** Under what its clients are observed, most specific first. */
  speakingFor(cell: string): readonly string[];
}

/** How often the measurements are frozen anew and the rankings reconsidered. */
const RERANK_MS = 10_000;

/** How many rankings are remembered; of more, those not asked for longest lose their hysteresis. */
const RANKINGS_MAX = 10_000;

/** A challenger takes the first place when it is better by both. */
const BETTER_SHARE = 0.1;
const BETTER_MS = 5;

/**
 * The rankings of regions, from the round-trip times in reports and from operators' observations.
 *
 * 1. What `ranking()` sees is frozen between two reconsiderations in `tick()`, so equal questions get equal answers.
 *    It remembers the question, to answer it again in `tick()`; that does not show in any answer.
 * 2. The first of a ranking stays first until a challenger is better by both 10 % and 5 ms. The rest is in order.
 */
export class RttTable implements LatencyView {
  readonly #cells: CellReader;
  #config: Config;
  readonly #averages: Averages;
  readonly #observations = new Observations();
  #frozen: Measurements = new Map();
  #observed: Observed = new Map();
  /** By cell and regions, the longest not asked for first. */
  readonly #rankings = new Map<string, Ranking>();
  #rerankedAtMs = Number.NEGATIVE_INFINITY;

  constructor(config: Config, cells: CellReader) {
    this.#cells = cells;
    this.#config = config;
    this.#averages = new Averages(config);
  }

  /** Follows a new config. Rankings keep their first, and are reconsidered at the next tick. */
  retarget(config: Config): void {
    this.#config = config;
    this.#averages.retarget(config);
    this.#observations.retarget(config);
    for (const ranking of this.#rankings.values()) {
      ranking.view = this.#viewFrom(ranking.cell, ranking.asked, config);
      ranking.regions = this.#rank(ranking.view, firstOf(ranking));
    }
    this.#rerankedAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Takes the sample of a report, if it is of a success. */
  report(report: Report): void {
    this.#averages.add(report);
  }

  /** Takes what an operator has observed. */
  observe(observation: Observation): void {
    this.#observations.add(observation);
  }

  /** What vantages measure, as it counts now. */
  measurements(): Measurements {
    return this.#frozen;
  }

  /** The rankings that have been asked for, the longest not asked for first. */
  rankings(): readonly CellRanking[] {
    return Array.from(this.#rankings.values(), ({ cell, regions }) => ({ cell, regions }));
  }

  /** Reconsiders the rankings, at most every ten seconds. True when the order of any of them has changed. */
  tick(nowMs: number): boolean {
    if (nowMs < this.#rerankedAtMs + RERANK_MS) return false;
    this.#rerankedAtMs = nowMs;
    this.#frozen = this.#averages.measurements(nowMs);
    this.#observed = this.#observations.sound(nowMs);
    let changed = false;
    for (const ranking of this.#rankings.values()) {
      const regions = this.#rank(ranking.view, firstOf(ranking));
      changed ||= regions.some(({ region }, i) => region !== ranking.regions[i]?.region);
      ranking.regions = regions;
    }
    return changed;
  }

  ranking(cell: string, regions: readonly RegionId[]): readonly RankedRegion[] {
    const asked = regions.toSorted();
    const key = keyOf(cell, asked);
    const ranking = this.#rankings.get(key) ?? this.#rankingOf(cell, asked);
    this.#rankings.delete(key);
    this.#rankings.set(key, ranking);
    for (const oldest of this.#rankings.keys()) {
      if (this.#rankings.size <= RANKINGS_MAX) break;
      this.#rankings.delete(oldest);
    }
    return ranking.regions;
  }

  /** What `ranking()` would say if the config were this one; no question leaves a trace, and equal ones get equal answers. */
  frozenFor(config: Config): LatencyView {
    const answered = new Map<string, readonly RankedRegion[]>();
    return {
      ranking: (cell, regions) => {
        const asked = regions.toSorted();
        const key = keyOf(cell, asked);
        const known = answered.get(key);
        if (known !== undefined) return known;
        const incumbent = this.#rankings.get(key);
        const ranked = this.#rank(
          this.#viewFrom(cell, asked, config),
          incumbent === undefined ? null : firstOf(incumbent),
        );
        answered.set(key, ranked);
        return ranked;
      },
    };
  }

  #rankingOf(cell: string, asked: readonly RegionId[]): Ranking {
    const view = this.#viewFrom(cell, asked, this.#config);
    return { cell, asked, view, regions: this.#rank(view, null) };
  }

  #viewFrom(cell: string, asked: readonly RegionId[], { vantages: from, regions: to }: Config): View {
    const clients = this.#cells.coordinates(cell);
    const observedAs = this.#cells.speakingFor(cell);
    const vantages = [...from.values()];
    const regions = asked.map((id) => to.get(id)).filter((region) => region !== undefined);
    const vantageKms = (to: Coordinates): readonly (readonly [VantageId, number])[] =>
      vantages.map(({ id, coordinates }) => [id, distanceKm(coordinates, to)]);
    if (clients !== null) {
      const regionKms = regions.map(({ id, coordinates }) => [id, distanceKm(clients, coordinates)] as const);
      return { kind: "place", observedAs, vantageKms: vantageKms(clients), regionKms };
    }
    return {
      kind: "anywhere",
      observedAs,
      regionKms: regions.map(({ id, coordinates }) => [id, vantageKms(coordinates).map(([, km]) => km)]),
    };
  }

  #rank(view: View, incumbent: RegionId | null): readonly EstimatedRegion[] {
    return rankBy(this.#estimates(view), incumbent);
  }

  #estimates(view: View): readonly EstimatedRegion[] {
    if (view.kind === "anywhere") {
      return view.regionKms.map(([region, kms]) => ({
        region,
        ...(this.#observedBy(view, region) ??
          estimateAnywhere(kms, [...(this.#frozen.get(region)?.values() ?? [])])),
      }));
    }
    return view.regionKms.map(([region, regionKm]) => ({
      region,
      ...(this.#observedBy(view, region) ??
        estimateFrom(regionKm, this.#measurementsOf(region, view.vantageKms))),
    }));
  }

  /** By the most specific of what the clients are observed as that has been observed; null: none has. */
  #observedBy({ observedAs }: View, region: RegionId): Omit<EstimatedRegion, "region"> | null {
    for (const text of observedAs) {
      const measured = this.#observed.get(text)?.get(region);
      if (measured !== undefined) return { rttMs: measured.rttMs, source: "observations", measured };
    }
    return null;
  }

  #measurementsOf(
    region: RegionId,
    vantageKms: readonly (readonly [VantageId, number])[],
  ): readonly Measurement[] {
    const measuredBy = this.#frozen.get(region);
    return vantageKms.flatMap(([vantage, km]) => {
      const measured = measuredBy?.get(vantage);
      return measured === undefined ? [] : [{ km, measured }];
    });
  }
}

function keyOf(cell: string, asked: readonly RegionId[]): string {
  return [cell, ...asked].join("\n");
}

/** A ranking that has been asked for. */
interface Ranking {
  readonly cell: string;
  readonly asked: readonly RegionId[];
  view: View;
  regions: readonly EstimatedRegion[];
}

/** What the clients of a cell are observed as, and how far things are from them: it does not change between two configs. */
type View = { readonly observedAs: readonly string[] } & (
  | {
      readonly kind: "place";
      readonly vantageKms: readonly (readonly [VantageId, number])[];
      readonly regionKms: readonly (readonly [RegionId, number])[];
    }
  /** The clients' place is unknown; each region has its distances to all vantages. */
  | { readonly kind: "anywhere"; readonly regionKms: readonly (readonly [RegionId, readonly number[]])[] }
);

function firstOf(ranking: Ranking): RegionId | null {
  return ranking.regions[0]?.region ?? null;
}

/** Regions by their round-trip times, but that the one that was first stays until another is better by enough. */
export function rankBy<R extends RankedRegion>(
  estimates: readonly R[],
  incumbent: RegionId | null,
): readonly R[] {
  const ranked = estimates.toSorted((a, b) => a.rttMs - b.rttMs);
  const best = ranked[0];
  const stays = ranked.find(({ region }) => region === incumbent);
  if (best === undefined || stays === undefined || isBetter(best, stays)) return ranked;
  return [stays, ...ranked.filter((region) => region !== stays)];
}

/** A round-trip time, in whole ms, at which a challenger overtakes one with that round-trip time; 0 or less: none does. */
export function overtakesAtMs(incumbentRttMs: number): number {
  return Math.ceil(Math.min(incumbentRttMs - BETTER_MS, incumbentRttMs * (1 - BETTER_SHARE))) - 1;
}

/** A round-trip time, in whole ms, at which one that is first is overtaken by a challenger with that round-trip time. */
export function overtakenAtMs(challengerRttMs: number): number {
  return Math.floor(Math.max(challengerRttMs + BETTER_MS, challengerRttMs / (1 - BETTER_SHARE))) + 1;
}

function isBetter(challenger: RankedRegion, incumbent: RankedRegion): boolean {
  const gainMs = incumbent.rttMs - challenger.rttMs;
  return gainMs >= BETTER_MS && gainMs >= BETTER_SHARE * incumbent.rttMs;
}
