/** Keeps the store of a node usable: opens it, notices what befalls its file, and puts that right. */

import { existsSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import type { Logger } from "pino";
import { messageOf } from "../problem.ts";
import { finish, type Steps } from "../steps.ts";
import { MERIDIAN } from "./author.ts";
import type { Challenge } from "./challenge.ts";
import { inTurns } from "./in-turns.ts";
import { JOURNAL_FILE, Journal } from "./journal.ts";
import type { Override } from "./override.ts";
import { describeSaved, salvage } from "./salvage.ts";
import { freeName, setAside } from "./set-aside.ts";
import { syncFolder } from "./spare-file.ts";
import { SqliteStore, STORE_FILE } from "./sqlite-store.ts";
import type { NewAuditEntry } from "./store.ts";
import {
  faultOf,
  ifAvailable,
  openDatabase,
  type StoreFault,
  StoreFile,
  type StoreProblem,
  StoreUnavailable,
} from "./store-file.ts";

/** So long after a repair that did not work it is tried again. */
const RETRY_MS = 10_000;

export interface StoreKeeperOptions {
  /** The state folder. */
  readonly folder: string;
  readonly nowMs: () => number;
  readonly log: Logger;
  /** Told when the store can be used again. */
  readonly onRestored: (restored: Restored) => void;
}

/** What has been put right. */
export interface Restored {
  /** For people. */
  readonly detail: string;
  /** The store does not hold what is in force: verdicts, history and texts are to be written to it anew. */
  readonly isNew: boolean;
}

/**
 * The store of the node of a folder.
 *
 * 1. A file that cannot be written, or not even opened, is tried again every second.
 * 2. One that was deleted is written again from the open file, which the system keeps for as long.
 * 3. One in whose place there is another: that one is put to use, and what was open is kept beside it.
 * 4. A damaged one is set aside under another name, and what can be read of it goes into a new one.
 *
 * Nothing is ever written over, and each of 2 to 4 is on record in the audit list.
 */
export class StoreKeeper {
  readonly store: SqliteStore;
  readonly #file: StoreFile;
  readonly #journal: Journal;
  readonly #options: StoreKeeperOptions;
  readonly #nowMs: () => number;
  /** The problem that the log was told of last; null: that there is none. */
  #said: StoreFault | null = null;
  #retryMs = Number.NEGATIVE_INFINITY;
  #tending: Promise<void> | null = null;

  /** Whatever is wrong with the file is a problem of the store. */
  constructor(options: StoreKeeperOptions) {
    const { folder, nowMs, log } = options;
    const path = join(folder, STORE_FILE);
    this.#options = options;
    this.#nowMs = nowMs;
    this.#journal = new Journal(join(folder, JOURNAL_FILE));
    this.#file = new StoreFile(path, nowMs);
    this.store = new SqliteStore(this.#file, this.#journal);
    const restored = this.#begin(!existsSync(path));
    if (restored !== null) log.warn(restored.detail);
    this.#sayProblem();
  }

  /** What is wrong now; null: nothing. */
  get problem(): StoreProblem | null {
    return this.#file.problem;
  }

  /** Changes in force that the store does not have yet. */
  get unrecorded(): number {
    return this.#journal.unrecorded.length;
  }

  /** Whether these outlive this process. */
  get isJournaled(): boolean {
    return this.#journal.isWritten;
  }

  /** Looks at the file, and puts right what can be put right now; for once a second. */
  async tend(): Promise<void> {
    if (this.#tending !== null) return;
    this.#tending = this.#tendOnce();
    await this.#tending;
    this.#tending = null;
  }

  async close(): Promise<void> {
    await this.#tending;
    this.#file.close();
  }

  #begin(isMissing: boolean): Restored | null {
    try {
      this.#open();
      const lost = isMissing ? (this.#journal.overrides ?? []) : [];
      if (lost.length > 0) {
        const detail = `there was no ${STORE_FILE}: a new one begins with ${lost.length} overrides from the journal; audit list, history and tokens are lost`;
        this.store.putBack(lost, null, this.#entry(detail));
        return { detail, isNew: true };
      }
      // What it cannot do without is read now, so that damage shows.
      this.store.version();
      this.store.overrides();
      this.store.challenges();
      this.store.proposals();
      this.store.tokens.list();
      return null;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
    if (this.problem?.fault !== "corrupt") return null;
    try {
      return finish(this.#rebuild());
    } catch (error) {
      // What cannot be read is not asked again: the journal knows the overrides until there is a new store.
      this.#file.close();
      this.#file.fail("corrupt", error);
      return null;
    }
  }

  async #tendOnce(): Promise<void> {
    const { log, onRestored } = this.#options;
    try {
      const restored = await this.#tend();
      if (restored !== null) log.warn(restored.detail);
      this.#sayProblem();
      if (restored !== null) onRestored(restored);
    } catch (error) {
      if (this.unrecorded > 0 && !this.isJournaled) this.#journal.save();
      this.#sayProblem();
      if (!(error instanceof StoreUnavailable))
        log.error({ cause: String(error) }, "the store is not looked after");
    }
  }

  #sayProblem(): void {
    const fault = this.problem?.fault ?? null;
    if (fault === this.#said) return;
    this.#said = fault;
    if (this.problem !== null) this.#options.log.error(this.problem.message);
  }

  /** null: there was nothing to do, or it is not yet time to try again. */
  async #tend(): Promise<Restored | null> {
    const fault = this.problem?.fault ?? this.#file.look();
    switch (fault) {
      case "gone":
      case "replaced":
        if (this.#nowMs() < this.#retryMs) return null;
        return await this.#repair(fault, () => this.#writeAgain(fault));
      case "corrupt":
        if (this.#nowMs() < this.#retryMs) return null;
        return await this.#repair(fault, () => inTurns(this.#rebuild()));
      case "full":
      case "busy":
      case "unusable":
        if (!this.#file.isOpen) this.#open();
        this.#file.transaction(() => this.#file.run("UPDATE counter SET version = version"));
        return this.#reconcile("the store can be used again");
      case null:
        if (this.unrecorded > 0) return this.#reconcile("the store is used again");
        this.#journal.settle(this.store.version(), this.store.overrides());
        return null;
    }
  }

  #reconcile(what: string): Restored {
    const made = this.unrecorded;
    this.store.reconcile();
    const more = made === 0 ? "" : `; ${made} changes that were made without it are on record`;
    return { detail: `${what}${more}`, isNew: false };
  }

  /** What cannot be repaired, as on a disk that is full, is tried again some time later. */
  async #repair(fault: StoreFault, work: () => Promise<Restored>): Promise<Restored> {
    this.#file.fail(fault, null);
    this.#retryMs = this.#nowMs() + RETRY_MS;
    try {
      const restored = await work();
      this.#retryMs = Number.NEGATIVE_INFINITY;
      return restored;
    } catch (error) {
      throw this.#file.fail(fault, error);
    }
  }

  async #writeAgain(fault: "gone" | "replaced"): Promise<Restored> {
    const { path } = this.#file;
    const next = `${path}.new`;
    removeStore(next);
    await backup(this.#file.database, next);
    this.#file.abandon();
    const unusable = fault === "replaced" ? whyUnusable(path) : null;
    if (fault === "replaced" && unusable === null) {
      const aside = freeName(path, "replaced", this.#nowMs());
      renameSync(next, aside);
      this.#open();
      return this.#restored(`another ${STORE_FILE} is used; what was open is kept as ${aside}`, true);
    }
    const aside = unusable === null ? null : setStoreAside(path, freeName(path, "corrupt", this.#nowMs()));
    this.#putInPlace(next);
    const what = `${STORE_FILE} is written again, whole, from what was open`;
    return this.#restored(
      aside === null
        ? `${what}: it had been deleted`
        : `${what}: what was in its place is kept as ${aside} (${unusable})`,
      false,
    );
  }

  /** What is in force is known better than a damaged file can tell it. */
  *#rebuild(): Steps<Restored> {
    const { path } = this.#file;
    const aside = freeName(path, "corrupt", this.#nowMs());
    const next = new StoreFile(`${path}.new`, this.#nowMs);
    removeStore(next.path);
    const { overrides, challenges } = this.#known();
    const from = this.#file.isOpen ? this.#file.database : new DatabaseSync(path, { readOnly: true });
    let detail: string;
    try {
      next.open();
      const saved = describeSaved(yield* salvage(from, next.database, this.#nowMs()));
      detail = `${STORE_FILE} was damaged and is kept as ${aside}; saved of it: ${saved}`;
      new SqliteStore(next, null).putBack(overrides, challenges, this.#entry(detail));
    } finally {
      next.close();
      if (!this.#file.isOpen) from.close();
    }
    this.#file.close();
    setStoreAside(path, aside);
    this.#putInPlace(next.path);
    return { detail, isNew: true };
  }

  /** What a file that can no longer be read is known to have held; null: nothing is known. */
  #known(): Known {
    if (!this.#file.isOpen) return { overrides: this.#journal.overrides, challenges: null };
    try {
      return { overrides: this.store.overrides(), challenges: this.store.challenges() };
    } catch {
      return { overrides: this.#journal.overrides, challenges: null };
    }
  }

  #putInPlace(next: string): void {
    const { path } = this.#file;
    for (const more of ["-wal", "-shm"]) rmSync(`${path}${more}`, { force: true });
    renameSync(next, path);
    syncFolder(dirname(path));
    this.#open();
  }

  #restored(detail: string, isNew: boolean): Restored {
    this.store.reconcile();
    this.store.putBack(null, null, this.#entry(detail));
    return { detail, isNew };
  }

  #open(): void {
    try {
      this.#file.open();
    } catch (error) {
      // That of a newer release too keeps changes from being made, and nothing else.
      throw this.#file.fail(faultOf(error) ?? "unusable", error);
    }
  }

  #entry(detail: string): NewAuditEntry {
    const by = { author: MERIDIAN, reason: "the store was not what it should be" };
    // What is damaged may be the very page that says it.
    const version = ifAvailable(() => this.store.version(), this.#journal.version);
    return { version, atMs: this.#nowMs(), ...by, event: "store-restored", detail };
  }
}

interface Known {
  readonly overrides: readonly Override[] | null;
  readonly challenges: readonly Challenge[] | null;
}

/** null: it is a store of this release, or of one before. */
function whyUnusable(path: string): string | null {
  try {
    openDatabase(path).close();
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** The same of a store, with its log of writes. */
function setStoreAside(path: string, aside: string): string {
  if (existsSync(`${path}-wal`)) renameSync(`${path}-wal`, `${aside}-wal`);
  setAside(path, aside);
  return aside;
}

function removeStore(path: string): void {
  for (const more of ["", "-wal", "-shm", "-journal"]) rmSync(`${path}${more}`, { force: true });
}
