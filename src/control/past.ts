/** Rebuilds what was so at a past time, from what is on record: enough to say why a client got its answer then. */

import type { Config, RegionId, VipId } from "../config/config.ts";
import { takeOf } from "../health/ramp.ts";
import type { LatencyView, RankedRegion } from "../health/rtt.ts";
import { trackedVips } from "../health/tracked.ts";
import type { Verdict } from "../health/verdict.ts";
import type { Facts } from "../steering/facts.ts";
import { AS_DECLARED, factsUnder } from "../steering/standing.ts";
import type { ExplainOutcome, ExplainQuestion } from "./desk.ts";
import { explainName } from "./explain.ts";
import { type HistoryStore, type PastFiles, PastState } from "./history.ts";
import { inTurns } from "./in-turns.ts";
import { readTexts } from "./kept-texts.ts";
import type { Edition } from "./live-book.ts";
import { applyOverrides, type Override, takesWith } from "./override.ts";
import { forceVerdicts, untilOverridesEnd } from "./overrides-in-force.ts";
import { Planner } from "./planner.ts";
import { slowStarts } from "./slow-starts.ts";
import type { Loader } from "./snapshot.ts";

/** A moment, or that it cannot be rebuilt. */
export type PastOutcome = Past | { readonly kind: "unknown"; readonly message: string };

/** What is needed of config and geo data. */
type PastEdition = Pick<Edition, "snapshot" | "planner">;

export interface ArchiveOptions {
  readonly store: HistoryStore;
  readonly loader: Loader;
  readonly inForce: () => Edition;
  /** Which files those are. */
  readonly files: () => PastFiles | null;
}

/** Rebuilds moments; the files of the last one are remembered, because who asks for one asks for another. */
export class Archive {
  readonly #options: ArchiveOptions;
  #last: { readonly texts: string; readonly edition: PastEdition } | null = null;

  constructor(options: ArchiveOptions) {
    this.#options = options;
  }

  async at(atMs: number): Promise<PastOutcome> {
    const entries = this.#options.store.until(atMs);
    const state = new PastState();
    for (const entry of entries ?? []) state.take(entry);
    const files = state.files();
    if (files === null) return unknown("nothing is on record of so early");
    const edition = await this.#editionOf(files);
    return typeof edition === "string"
      ? unknown(edition)
      : new Past(atMs, files, state, edition, this.#notesOn(files, edition));
  }

  /** A string says why there is none. */
  async #editionOf(files: PastFiles): Promise<PastEdition | string> {
    const { store, loader, inForce } = this.#options;
    const texts = textsOf(files);
    const current = inForce();
    if (texts === textsOf(this.#options.files())) return current;
    if (texts === this.#last?.texts) return this.#last.edition;
    const found = await readTexts(store, files);
    if (typeof found === "string")
      return `version ${files.version} was in force then, and what ${found} said in it is not on record`;
    const { value: snapshot, problems } = await inTurns(
      loader.loadPastInSteps(found, current.snapshot.config),
    );
    const planned = snapshot === null ? null : await inTurns(Planner.inSteps(snapshot, current.planner));
    if (snapshot === null || planned === null || planned.value === null)
      return `the files of version ${files.version} cannot be read any more: ${problems[0]?.message ?? ""}`;
    const edition = { snapshot, planner: planned.value };
    this.#last = { texts, edition };
    return edition;
  }

  #notesOn({ databases }: PastFiles, { snapshot }: PastEdition): readonly string[] {
    const notes: string[] = [];
    if (JSON.stringify(databases) !== JSON.stringify(this.#options.files()?.databases))
      notes.push("geo data have been replaced since: places are by those in use now");
    const members = [...snapshot.config.members.values()];
    if (members.some(({ shedAbove, capacity }) => shedAbove !== null || capacity !== null))
      notes.push("loads are not on record: members count as idle");
    if (snapshot.config.services.some(({ ttlSeconds, ttlSecondsMin }) => ttlSecondsMin < ttlSeconds))
      notes.push("adaptive TTLs are those of when verdicts last changed");
    return notes;
  }
}

/** One moment. */
export class Past {
  readonly kind = "rebuilt";
  readonly atMs: number;
  /** The version of the files that were in force. */
  readonly version: number;
  /** Those that were set, also if their end had come. */
  readonly overrides: readonly Override[];
  readonly facts: Facts;
  readonly #edition: PastEdition;
  readonly #latency: PastLatency;
  readonly #notes: readonly string[];

  constructor(
    atMs: number,
    { version }: PastFiles,
    state: PastState,
    edition: PastEdition,
    notes: readonly string[],
  ) {
    this.atMs = atMs;
    this.version = version;
    this.overrides = state.overrides();
    this.#edition = edition;
    this.#notes = notes;
    const { config } = edition.snapshot;
    const supposed = factsUnder(AS_DECLARED, [], new Map(), config);
    this.#latency = new PastLatency(state, supposed.latency);
    const applied = applyOverrides(config, this.overrides, atMs);
    const { memberWeights, choiceWeights, drained } = applied;
    const judged = verdictsOf(state, config);
    const verdicts = forceVerdicts(judged, applied, untilOverridesEnd(applied, atMs));
    const takes = takesWith(takesOf(judged, config, atMs), applied, config);
    const latency = this.#latency;
    this.facts = {
      ...supposed,
      nowMs: atMs,
      verdicts,
      takes,
      ramps: takes,
      memberWeights,
      choiceWeights,
      drained,
      latency,
      lastGood: state.lastGood(),
    };
  }

  get config(): Config {
    return this.#edition.snapshot.config;
  }

  /** In the order of the config, without VIPs that nobody checks. */
  get verdicts(): readonly Verdict[] {
    return trackedVips(this.config).flatMap(({ vip }) => this.facts.verdicts.get(vip) ?? []);
  }

  explain(question: ExplainQuestion): ExplainOutcome {
    return explainName(this.#edition, this.facts, question);
  }

  /** What of it is not as it was, as far as has been asked. */
  notes(): readonly string[] {
    const cells = [...this.#latency.missing];
    const missing =
      cells.length === 0 ? [] : [`no order of regions is on record for ${cells.join(", ")}: by distance`];
    return [...this.#notes, ...missing];
  }
}

/** The orders of regions that were in force; by distance where there are none. */
class PastLatency implements LatencyView {
  readonly missing = new Set<string>();
  readonly #state: PastState;
  readonly #distances: LatencyView;

  constructor(state: PastState, distances: LatencyView) {
    this.#state = state;
    this.#distances = distances;
  }

  ranking(cell: string, regions: readonly RegionId[]): readonly RankedRegion[] {
    const known = this.#state.ranking(cell, regions);
    if (known !== null) return known;
    this.missing.add(cell);
    return this.#distances.ranking(cell, regions);
  }
}

/** Those of the VIPs that the config has. */
function verdictsOf(state: PastState, config: Config): ReadonlyMap<VipId, Verdict> {
  return new Map(
    trackedVips(config).flatMap(({ vip }) => {
      const verdict = state.verdict(vip);
      return verdict === null ? [] : [[vip, verdict] as const];
    }),
  );
}

function takesOf(
  judged: ReadonlyMap<VipId, Verdict>,
  config: Config,
  atMs: number,
): ReadonlyMap<VipId, number> {
  const slowStartMs = slowStarts(config);
  return new Map(
    [...judged].flatMap(([vip, verdict]) =>
      verdict.recovering ? [[vip, takeOf(verdict, slowStartMs.get(vip) ?? 0, atMs)] as const] : [],
    ),
  );
}

function textsOf(files: PastFiles | null): string {
  return JSON.stringify(files?.texts);
}

function unknown(message: string): PastOutcome {
  return { kind: "unknown", message };
}
