/** The SQLite file of a store: opened, watched while it is open, and what its errors mean to who needs it. */

import { rmSync, statSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { messageOf } from "../problem.ts";
import { Chain, type ChainName } from "./chain.ts";
import { migrate } from "./schema.ts";

/** Another process may hold the lock for so long. */
const BUSY_MS = 5_000;

/**
 * What befalls a store while a node runs:
 *
 * - full: there is no room to write.
 * - busy: another process has held the lock for too long.
 * - unusable: it cannot be opened, read or written, as by permissions or a broken disk.
 * - corrupt: what it holds cannot be read.
 * - gone: the file, or its log of writes, was deleted.
 * - replaced: another file is where it was.
 */
export const STORE_FAULTS = ["full", "busy", "unusable", "corrupt", "gone", "replaced"] as const;

export type StoreFault = (typeof STORE_FAULTS)[number];

/** What is wrong with the store. */
export interface StoreProblem {
  readonly fault: StoreFault;
  readonly sinceMs: number;
  /** For people: what is wrong, and what is to be done. */
  readonly message: string;
}

/** What is not done because the store cannot do it now. Nothing of it has happened. */
export class StoreUnavailable extends Error {
  readonly code = "store-unavailable";
  readonly problem: StoreProblem;

  constructor(problem: StoreProblem, cause: unknown) {
    super(problem.message, { cause });
    this.problem = problem;
  }
}

/** What is read of a store, or something else while it cannot be. */
export function ifAvailable<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof StoreUnavailable) return otherwise;
    throw error;
  }
}

/** What is read of a store one by one, up to where it cannot be read. */
export function* asFarAsAvailable<T>(items: Iterable<T>): Generator<T, void> {
  try {
    yield* items;
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
  }
}

export type Row = Readonly<Record<string, SQLOutputValue>>;

/**
 * Opens or makes the file at `path`. Throws when it is no store, or one of a newer release.
 *
 * Write-ahead logging lets the command line add a token while control runs; a commit is on disk when it returns.
 */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** One file; what is read and written of it goes through here. */
export class StoreFile {
  readonly path: string;
  readonly #nowMs: () => number;
  #database: DatabaseSync | null = null;
  #files: FilesSeen = { file: null, log: null, octets: 0 };
  #problem: StoreProblem | null = null;
  #dataVersion: unknown = null;
  #foreignWrites = 0;
  readonly #statements = new Map<string, StatementSync>();
  readonly #chains = new Map<ChainName, Chain>();

  constructor(path: string, nowMs: () => number) {
    this.path = path;
    this.#nowMs = nowMs;
  }

  /** Opens it, or opens what is at its path now. Throws like `openDatabase`. */
  open(): void {
    this.close();
    this.#database = openDatabase(this.path);
    this.#foreignWrites += 1;
    this.#files = filesAt(this.path);
    this.#problem = null;
  }

  get isOpen(): boolean {
    return this.#database !== null;
  }

  /** Throws `StoreUnavailable` where it could not be opened. */
  get database(): DatabaseSync {
    if (this.#database === null)
      throw this.#problem === null ? this.fail("unusable", null) : new StoreUnavailable(this.#problem, null);
    return this.#database;
  }

  /** What was wrong when it was used last; null: nothing. */
  get problem(): StoreProblem | null {
    return this.#problem;
  }

  /** Another number than before once another process has written, or another file was opened. */
  get foreignWrites(): number {
    const dataVersion = this.one("PRAGMA data_version")?.["data_version"];
    if (dataVersion !== this.#dataVersion) this.#foreignWrites += 1;
    this.#dataVersion = dataVersion;
    return this.#foreignWrites;
  }

  chain(name: ChainName): Chain {
    const known = this.#chains.get(name);
    if (known !== undefined) return known;
    const chain = this.read(() => new Chain(this.database, name));
    this.#chains.set(name, chain);
    return chain;
  }

  /** Does some work with the database, and takes note of what an error has to do with the file. */
  read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const fault = faultOf(error);
      throw fault === null ? error : this.fail(fault, error);
    }
  }

  all(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.read(() => this.#statement(sql).all(...values));
  }

  one(sql: string, ...values: SQLInputValue[]): Row | null {
    return this.read(() => this.#statement(sql).get(...values) ?? null);
  }

  /** True when a row was written. */
  run(sql: string, ...values: SQLInputValue[]): boolean {
    if (!this.database.isTransaction) this.#check();
    return this.read(() => Number(this.#statement(sql).run(...values).changes) > 0);
  }

  /**
   * All or nothing of some work, on disk when it returns. IMMEDIATE: what is read and written is so under one lock, so two
   * processes cannot make the same version.
   */
  transaction<T>(work: () => T): T {
    this.#check();
    const { database } = this;
    return this.read(() => {
      database.exec("BEGIN IMMEDIATE");
      try {
        const result = work();
        database.exec("COMMIT");
        // What was in the way is so no more.
        this.#problem = null;
        return result;
      } finally {
        // SQLite has rolled back by itself after some errors.
        if (database.isTransaction) database.exec("ROLLBACK");
      }
    });
  }

  /** What is wrong that takes more than trying again; null: nothing that can be seen from outside. */
  look(): StoreFault | null {
    const known = this.#problem?.fault;
    if (known === "gone" || known === "replaced" || known === "corrupt") return known;
    if (!this.isOpen) return null;
    const { file, log, octets } = filesAt(this.path);
    if (file === null) return "gone";
    if (file !== this.#files.file) return "replaced";
    if (this.#files.log !== null && log !== this.#files.log) return "gone";
    if (octets < this.#files.octets) return "corrupt";
    this.#files = { file, log, octets };
    return null;
  }

  /** Takes note of a fault, and returns what to throw. */
  fail(fault: StoreFault, cause: unknown): StoreUnavailable {
    const sinceMs = this.#problem?.fault === fault ? this.#problem.sinceMs : this.#nowMs();
    this.#problem = { fault, sinceMs, message: describe(fault, this.path, cause) };
    return new StoreUnavailable(this.#problem, cause);
  }

  /**
   * Closes a file that has gone from its place. SQLite leaves its log of writes where it is then, and would take it for that of whatever
   * is opened there next.
   */
  abandon(): void {
    const isOurs = filesAt(this.path).log === this.#files.log;
    this.close();
    if (isOurs) for (const part of ["-wal", "-shm"]) rmSync(`${this.path}${part}`, { force: true });
  }

  close(): void {
    this.#statements.clear();
    this.#chains.clear();
    this.#database?.close();
    this.#database = null;
  }

  /** Who writes to a file that nobody can find again has lost what it writes. */
  #check(): void {
    const fault = this.look();
    if (fault !== null) throw this.fail(fault, null);
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }
}

/** Numbers of the files of a store, by which they are known again; null: there is none. */
interface FilesSeen {
  readonly file: number | null;
  readonly log: number | null;
  /** Of the first, which never becomes shorter. */
  readonly octets: number;
}

/** Never opens them: closing a file would let go of SQLite's locks on it (fcntl(2)). */
function filesAt(path: string): FilesSeen {
  const file = statSync(path, { throwIfNoEntry: false });
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
  return { file: file?.ino ?? null, log: log?.ino ?? null, octets: file?.size ?? 0 };
}

/** What an error says of the file; null: it is not about that. The codes are SQLite's, without what they add in detail. */
export function faultOf(error: unknown): StoreFault | null {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  switch (code) {
    case 13: // FULL
      return "full";
    case 5: // BUSY
    case 6: // LOCKED
      return "busy";
    case 3: // PERM
    case 8: // READONLY
    case 10: // IOERR
    case 14: // CANTOPEN
      return "unusable";
    case 11: // CORRUPT
    case 26: // NOTADB
      return "corrupt";
    default:
      return null;
  }
}

function describe(fault: StoreFault, path: string, cause: unknown): string {
  const [what, toDo] = WORDS[fault];
  const detail = cause === null ? "" : ` (${messageOf(cause)})`;
  return `the store ${path} ${what}${detail}; ${toDo}`;
}

const WORDS: Readonly<Record<StoreFault, readonly [what: string, toDo: string]>> = {
  full: ["cannot be written because its disk is full", "make room there: it is tried again every second"],
  busy: ["is locked by another process", "see which one has it open: it is tried again every second"],
  unusable: ["cannot be used", "see to its folder, its owner and its disk: it is tried again every second"],
  corrupt: ["is damaged", "what can be saved is put into a new one, which takes a moment"],
  gone: ["was deleted", "it is written again from the file that is still open, which takes a moment"],
  replaced: ["was replaced by another file", "that one is put to use, which takes a moment"],
};
