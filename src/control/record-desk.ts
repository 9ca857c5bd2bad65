/** What of the facts is on record: kept for a restart, for explanations of a past time, and for who follows events. */

import type { Logger } from "pino";
import { trackedVips } from "../health/tracked.ts";
import type { Answer } from "../steering/last-good.ts";
import type { Authorship } from "./change.ts";
import type { Complaints } from "./complaints.ts";
import { EventLog } from "./event-log.ts";
import type { FactKeeper } from "./fact-keeper.ts";
import { FactSaver } from "./fact-saver.ts";
import type { HistoryEntry, HistoryLimits, HistoryQuery, PastFiles } from "./history.ts";
import type { Edition } from "./live-book.ts";
import type { Override } from "./override.ts";
import { Archive, type PastOutcome } from "./past.ts";
import { Recorder } from "./recorder.ts";
import type { Shift } from "./shift.ts";
import type { Loaded, Loader } from "./snapshot.ts";
import { Snapshots } from "./snapshots.ts";
import type { Store } from "./store.ts";
import { ifAvailable } from "./store-file.ts";

/** So often the log says the heads of the chains, so that who keeps logs elsewhere can tell when the end of one is cut off. */
const HEADS_MS = 24 * 3_600_000;

export interface RecordDeskOptions {
  readonly store: Store;
  readonly loader: Loader;
  readonly configFolder: string;
  readonly limits: HistoryLimits;
  readonly keeper: FactKeeper;
  /** By which plans of the past was answered before a restart. */
  readonly lastGood: ReadonlyMap<string, Answer>;
  readonly edition: () => Edition;
  /** Of the last change. */
  readonly version: () => number;
  readonly nowMs: () => number;
  readonly complaints: Complaints;
  readonly log: Logger;
}

/** Told of what has changed once it is in answers, and never holds that up. */
export class RecordDesk {
  readonly events: EventLog;
  readonly snapshots: Snapshots;
  readonly #options: RecordDeskOptions;
  readonly #recorder: Recorder;
  readonly #saver: FactSaver;
  readonly #archive: Archive;
  /** The files in force, and whose change they were; null: none yet. */
  #inForce: readonly [loaded: Loaded, atMs: number, by: Authorship] | null = null;
  /** Settles when the texts of the files in force are in the store. */
  #textsKept: Promise<void> = Promise.resolve();
  #headsLoggedMs = Number.NEGATIVE_INFINITY;

  constructor(options: RecordDeskOptions) {
    const { store, loader, configFolder, limits, keeper, lastGood, edition, nowMs, complaints } = options;
    this.#options = options;
    this.#recorder = new Recorder(store.history, limits);
    this.#recorder.overridden(keeper.overrides, nowMs());
    this.#recorder.answeredByLastGood(lastGood, nowMs());
    this.#saver = new FactSaver({
      store: store.facts,
      onError: (what, cause) => complaints.say(what, cause),
    });
    this.events = new EventLog(store, () => this.#writeAll());
    const files = (): PastFiles | null => this.files();
    this.#archive = new Archive({ store: store.history, loader, inForce: edition, files });
    this.snapshots = new Snapshots({
      store: store.history,
      configFolder,
      flush: () => this.flush(),
      inForce: files,
    });
  }

  /** The files in force; null: none yet. */
  files(): PastFiles | null {
    return this.#recorder.files();
  }

  past(atMs: number): Promise<PastOutcome> {
    this.#writeAll();
    return this.#archive.at(atMs);
  }

  history(query: HistoryQuery): readonly HistoryEntry[] {
    this.#writeAll();
    return this.#options.store.history.list(query);
  }

  /** Verdicts and votes that have changed. */
  judged({ flipped, revised, turned }: Shift): void {
    const { keeper, nowMs } = this.#options;
    const votedOn = turned.flatMap(({ vip }) => keeper.judged().get(vip) ?? []);
    this.#recorder.judged([...flipped, ...revised, ...votedOn], nowMs());
    const memorable = [...flipped, ...revised.filter(({ up }) => !up)];
    if (memorable.length > 0) this.#saver.judged(memorable);
  }

  /** Plans of the past, with their keys, by which is answered from now on. */
  answeredByLastGood(plans: ReadonlyMap<string, Answer>): void {
    this.#recorder.answeredByLastGood(plans, this.#options.nowMs());
    this.#saver.answeredByLastGood(plans);
  }

  overridden(overrides: readonly Override[]): void {
    this.#recorder.overridden(overrides, this.#options.nowMs());
  }

  /** Orders of regions have become others. */
  ranked(): void {
    const { keeper, nowMs } = this.#options;
    this.#recorder.ranked(keeper.roundTrips().rankings, nowMs());
  }

  /** Other files are in force: what they do not speak of is forgotten. */
  loaded(loaded: Loaded, by: Authorship): void {
    const { keeper, nowMs, store } = this.#options;
    const atMs = nowMs();
    this.#inForce = [loaded, atMs, by];
    this.#recordFiles(loaded, atMs, by);
    const tracked = loaded.value === null ? [] : trackedVips(loaded.value.config);
    const isKnown = (key: string): boolean => keeper.lastGood.knows(key);
    ifAvailable(() => {
      store.facts.keepVerdicts(new Set(tracked.map(({ vip }) => vip)));
      store.facts.keepLastGood(isKnown);
    }, undefined);
    this.#recorder.forgetLastGood(isKnown, atMs);
  }

  /** The store can be used again: as it was, or a new one (`isNew`), which is told all that is so. */
  restored(isNew: boolean): void {
    if (isNew) {
      const judged = [...this.#options.keeper.judged().values()];
      this.#saver.judged(judged.filter(({ up, recovering }) => !up || recovering));
      this.#recorder.beginAgain();
      if (this.#inForce !== null) this.#recordFiles(...this.#inForce);
    }
    this.#saver.save();
  }

  /** Writes what has changed; of much some, and the rest the next time. */
  tick(): void {
    const nowMs = this.#options.nowMs();
    this.#write(nowMs);
    this.#logHeads(nowMs);
  }

  /** Writes all that there is; settles when the store has the texts too. */
  flush(): Promise<void> {
    this.#writeAll();
    return this.#textsKept;
  }

  #writeAll(): void {
    this.#write(this.#options.nowMs(), Number.POSITIVE_INFINITY);
  }

  #write(nowMs: number, most?: number): void {
    // Who has not begun knows no files, and would put on record that there are none.
    if (this.#inForce === null) return;
    this.#options.complaints.unless("the history has a gap: what changes now is not on record", () =>
      this.#recorder.flush(nowMs, most),
    );
  }

  #recordFiles({ files }: Loaded, atMs: number, { author, reason }: Authorship): void {
    const { keeper, version, complaints } = this.#options;
    this.#recorder.ranked(keeper.roundTrips().rankings, atMs);
    this.#textsKept = this.#recorder
      .loaded({ version: version(), author, reason }, files, keeper.judged(), atMs)
      .catch((cause) =>
        complaints.say("the files in force are not kept: answers by them cannot be explained later", cause),
      );
  }

  #logHeads(nowMs: number): void {
    if (nowMs < this.#headsLoggedMs + HEADS_MS) return;
    const { store, log } = this.#options;
    const heads = ifAvailable(() => ({ audit: store.audit.head(), history: store.history.head() }), null);
    if (heads === null) return;
    this.#headsLoggedMs = nowMs;
    for (const [chain, head] of Object.entries(heads))
      if (head !== null) log.info(`head of the ${chain}: ${head.sequence} ${head.hash}`);
  }
}
