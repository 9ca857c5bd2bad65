/** Puts what changes of the facts on record, behind the changes themselves. */

import type { VipId } from "../config/config.ts";
import { isSameHold } from "../health/failback.ts";
import type { CellRanking } from "../health/rtt.ts";
import { sideOf, type Verdict } from "../health/verdict.ts";
import type { Answer } from "../steering/last-good.ts";
import type { FileSource, FileStamp } from "./files.ts";
import {
  endOf,
  entryOf,
  type Fact,
  type HistoryLimits,
  type HistoryStore,
  type NewHistoryEntry,
  type PastFiles,
  PastState,
  pastRanking,
  pastVerdict,
  rankingSubject,
} from "./history.ts";
import { KeptTexts } from "./kept-texts.ts";
import type { Override } from "./override.ts";

/** A state is written after so many entries, or as many as it has facts: reading back costs no more than twice a state. */
const ENTRIES_MIN = 1_000;
/** And after so long, so that there is one to prune up to. */
const STATE_MS = 24 * 3_600_000;
const PRUNE_MS = 60_000;
/** So many are written at a time: some 20 ms' work, which is all that the next failover may have to wait for. */
const BATCH = 1_000;
/** So long after the store has failed it is tried again. */
const RETRY_MS = 10_000;

/** What a load has read, as far as answers depend on it. */
export interface LoadedFiles {
  /** Config, zones with what they include, and labels. */
  readonly texts: ReadonlyMap<string, FileStamp>;
  /** Where these are read from. */
  readonly source: FileSource;
  /** Geo databases. */
  readonly databases: ReadonlyMap<string, FileStamp>;
}

/** Takes note in memory at once, and writes what it has on `flush`, all together. */
export class Recorder {
  readonly #store: HistoryStore;
  readonly #limits: HistoryLimits;
  readonly #texts: KeptTexts;
  /** As the store has it once all is written. */
  readonly #state = new PastState();
  /** Those that were noted last. */
  #overrides: ReadonlySet<Override> = new Set();
  #unwritten: NewHistoryEntry[] = [];
  /** Those of files that the store does not have: each is a snapshot, so a state that names the last of them is not enough. */
  #unwrittenFiles: readonly NewHistoryEntry[] = [];
  /** Written since the last state; infinite: the store does not follow this one, as at the start. */
  #entries = Number.POSITIVE_INFINITY;
  #stateMs = Number.NEGATIVE_INFINITY;
  #pruneMs = Number.NEGATIVE_INFINITY;
  #retryMs = Number.NEGATIVE_INFINITY;

  constructor(store: HistoryStore, limits: HistoryLimits) {
    this.#store = store;
    this.#limits = limits;
    this.#texts = new KeptTexts(store);
  }

  /** The files in force; null: none yet. */
  files(): PastFiles | null {
    return this.#state.files();
  }

  /** Verdicts that have just changed. */
  judged(verdicts: Iterable<Verdict>, atMs: number): void {
    for (const verdict of verdicts)
      this.#note({ kind: "verdict", vip: verdict.vip, verdict: pastVerdict(verdict) }, atMs);
  }

  /** All orders of regions as they are. */
  ranked(rankings: readonly CellRanking[], atMs: number): void {
    const subjects = new Set<string>();
    for (const { cell, regions } of rankings) {
      const order = regions.map(({ region }) => region);
      subjects.add(rankingSubject(cell, order));
      const before = this.#state.ranking(cell, order);
      const isSame = before?.every(({ region }, i) => region === order[i]) ?? false;
      if (!isSame) this.#note(pastRanking({ cell, regions }), atMs);
    }
    this.#end("ranking", subjects, atMs);
  }

  /** All overrides as they are. Those that are the same objects as before are the same. */
  overridden(overrides: readonly Override[], atMs: number): void {
    const before = this.#overrides;
    this.#overrides = new Set(overrides);
    this.#end("override", new Set(overrides.map(({ id }) => id)), atMs);
    for (const override of this.#overrides)
      if (!before.has(override)) this.#note({ kind: "override", id: override.id, override }, atMs);
  }

  /** Plans of the past, with their keys, by which is answered from now on. */
  answeredByLastGood(plans: ReadonlyMap<string, Answer>, atMs: number): void {
    for (const [key, plan] of plans) this.#note({ kind: "last good", key, plan }, atMs);
  }

  /** Only plans with these keys are still known. */
  forgetLastGood(isKnown: (key: string) => boolean, atMs: number): void {
    this.#end("last good", { has: isKnown }, atMs);
  }

  /** Other files are in force, with these verdicts on their VIPs. Settles when their texts are kept. */
  async loaded(
    by: Pick<PastFiles, "version" | "author" | "reason">,
    { texts, source, databases }: LoadedFiles,
    verdicts: ReadonlyMap<VipId, Verdict>,
    atMs: number,
  ): Promise<void> {
    this.#end("verdict", new Set<string>(verdicts.keys()), atMs);
    this.judged(
      [...verdicts.values()].filter((verdict) => this.#isNews(verdict)),
      atMs,
    );
    const files = {
      ...by,
      texts: this.#texts.use({ texts, source }),
      databases: Object.fromEntries(databases),
    };
    this.#note({ kind: "files", files }, atMs);
    await this.#texts.keep(atMs);
  }

  /** The store holds nothing of this one any more: all that is so is told anew, with the texts of the files that are loaded next. */
  beginAgain(): void {
    this.#entries = Number.POSITIVE_INFINITY;
    this.#retryMs = Number.NEGATIVE_INFINITY;
    this.#texts.forget();
  }

  /** Writes what there is, or of much at least so much. Throws when the store cannot; then all that is so is told anew, some time later. */
  flush(nowMs: number, most: number = BATCH): void {
    if (nowMs < this.#retryMs) return;
    const written = this.#entries;
    const isLost = written === Number.POSITIVE_INFINITY;
    const rest = isLost ? [] : this.#unwritten.slice(most);
    const entries = isLost ? [...this.#unwrittenFiles] : this.#unwritten.slice(0, most);
    const together = written + entries.length;
    const isLong = together >= Math.max(ENTRIES_MIN, this.#state.size);
    const isOld = together > 0 && nowMs >= this.#stateMs + STATE_MS;
    const isState = rest.length === 0 && (isLost || isLong || isOld);
    if (isState) entries.push(this.#state.entry(nowMs));
    this.#unwritten = rest;
    this.#entries = Number.POSITIVE_INFINITY;
    this.#retryMs = nowMs + RETRY_MS;
    if (entries.length > 0) this.#store.append(entries);
    this.#unwrittenFiles = this.#unwrittenFiles.filter((entry) => !entries.includes(entry));
    this.#prune(nowMs);
    this.#entries = isState ? 0 : together;
    if (isState) this.#stateMs = nowMs;
    this.#retryMs = Number.NEGATIVE_INFINITY;
  }

  #prune(nowMs: number): void {
    if (nowMs < this.#pruneMs) return;
    this.#pruneMs = nowMs + PRUNE_MS;
    this.#texts.touch(nowMs);
    this.#store.prune(this.#limits, nowMs);
  }

  /** A VIP that nobody checks is up, on record or not. */
  #isNews({ vip, up, basis, sinceMs, recovering, hold, votes }: Verdict): boolean {
    const before = this.#state.verdict(vip);
    if (before === null) return basis !== "unchecked";
    return !(
      before.up === up &&
      before.basis === basis &&
      before.sinceMs === sinceMs &&
      before.recovering === recovering &&
      isSameHold(before.hold, hold) &&
      before.votes.length === votes.length &&
      before.votes.every((vote, i) => vote.vantage === votes[i]?.vantage && sideOf(vote) === sideOf(votes[i]))
    );
  }

  /** Takes note that there are no others of a kind any more. */
  #end(kind: Fact["kind"], subjects: Pick<ReadonlySet<string>, "has">, atMs: number): void {
    const ended = [...this.#state.all(kind)].filter(({ subject }) => !subjects.has(subject));
    for (const entry of ended) this.#take(endOf(entry, atMs));
  }

  #note(fact: Fact, atMs: number): void {
    const entry = entryOf(fact, atMs);
    if (this.#state.last(entry.kind, entry.subject) !== entry.content) this.#take(entry);
  }

  #take(entry: NewHistoryEntry): void {
    this.#state.take(entry);
    this.#unwritten.push(entry);
    if (entry.kind === "files") this.#unwrittenFiles = [...this.#unwrittenFiles, entry];
  }
}
