/** A hash chain in a table of the store: each record vouches for all before it, so that a change of any of them shows. */

import { hash } from "node:crypto";
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import type { Steps } from "../steps.ts";

/** The chains there are. */
export const CHAINS = ["audit", "history"] as const;

export type ChainName = (typeof CHAINS)[number];

/**
 * The columns that are hashed, in this order. Beside these a chain has `previous`, the hash of the record before, and `hash`. `sequence` is
 * an AUTOINCREMENT key without gaps.
 */
const COLUMNS: Readonly<Record<ChainName, readonly string[]>> = {
  audit: ["sequence", "version", "at_ms", "author", "reason", "event", "detail"],
  history: ["sequence", "at_ms", "kind", "subject", "content"],
};

/** What stands for the hash before the first record of all. */
const NOTHING_BEFORE = "";

/** Stands for a record that cannot be read, behind which nobody can look. */
const UNREADABLE = Symbol("unreadable");

/** Records are read so many at a time. */
const PAGE = 256;

/** So many records are cut off at a time: a few milliseconds' work. */
const CUT_MAX = 5_000;

/** The kind of the record that says up to where a chain was cut off, which is where it begins. */
export const CUT: { readonly audit: "entries-cut"; readonly history: "pruned" } = {
  audit: "entries-cut",
  history: "pruned",
};

/** Which column of such a record is its kind, which names the last that was cut off, and how. */
interface CutForm {
  readonly kind: string;
  readonly text: string;
  readonly textOf: (last: ChainHead) => string;
}

const CUT_FORMS: Readonly<Record<ChainName, CutForm>> = {
  audit: {
    kind: "event",
    text: "detail",
    textOf: ({ sequence, hash }) => `all up to number ${sequence}, whose hash is ${hash}`,
  },
  history: {
    kind: "kind",
    text: "content",
    textOf: ({ sequence, hash }) => JSON.stringify({ sequence, hash }),
  },
};

/** The last record of a chain: who has kept it can tell later whether the chain still goes through it. */
export interface ChainHead {
  readonly sequence: number;
  readonly hash: string;
}

/** The first thing that is wrong in a chain. */
export interface ChainFault {
  /**
   * altered: what it says is not what was written. replaced: it fits by itself, but the record after it was written after another.
   * missing: there is none of that number. inserted: it stands before the first. unreadable: what is there is no record.
   */
  readonly kind: "altered" | "replaced" | "missing" | "inserted" | "unreadable";
  readonly sequence: number;
}

/** What came of checking a chain. */
export interface ChainReport {
  readonly chain: ChainName;
  /** How many records there are. */
  readonly records: number;
  /** The one before its first, up to which it was cut off; null: none is missing there. */
  readonly cut: ChainHead | null;
  /** null: there is none. */
  readonly head: ChainHead | null;
  /** null: all is as it was written. */
  readonly fault: ChainFault | null;
  /** Those of the heads that were asked for that are hashes of records here. */
  readonly heads: readonly string[];
}

/** One of the chains in an open store. */
export class Chain {
  readonly #database: DatabaseSync;
  readonly #name: ChainName;
  readonly #cutForm: CutForm;
  readonly #insert: StatementSync;
  readonly #link: StatementSync;
  readonly #last: StatementSync;
  readonly #page: StatementSync;
  readonly #lastIssued: StatementSync;

  constructor(database: DatabaseSync, name: ChainName) {
    this.#database = database;
    this.#name = name;
    this.#cutForm = CUT_FORMS[name];
    const columns = [...COLUMNS[name], "previous", "hash"];
    this.#insert = database.prepare(
      `INSERT INTO ${name} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
    );
    this.#link = database.prepare(`UPDATE ${name} SET previous = ?, hash = ? WHERE sequence = ?`);
    this.#last = database.prepare(`SELECT sequence, hash FROM ${name} ORDER BY sequence DESC LIMIT 1`);
    this.#page = database.prepare(`SELECT * FROM ${name} WHERE sequence > ? ORDER BY sequence LIMIT ${PAGE}`);
    // Somebody may have written any number there is.
    this.#page.setReadBigInts(true);
    this.#lastIssued = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = ?");
  }

  /** The last record; null: there is none. */
  head(): ChainHead | null {
    const row = this.#last.get();
    return row === undefined ? null : { sequence: Number(row["sequence"]), hash: String(row["hash"]) };
  }

  /** Adds records, each the values of the hashed columns but the first, within a transaction of the caller. */
  append(records: Iterable<readonly (string | number)[]>): void {
    let previous = this.head()?.hash ?? NOTHING_BEFORE;
    let sequence = this.#issued();
    for (const values of records) {
      sequence += 1;
      const record = [sequence, ...values];
      const made = hashOf(record, previous);
      this.#insert.run(...record, previous, made);
      previous = made;
    }
  }

  /** Chains what is there already, within a transaction of the caller. */
  chainAll(): void {
    let previous = NOTHING_BEFORE;
    for (const row of this.#rows()) {
      if (row === undefined) continue;
      if (row === UNREADABLE) throw new Error(`a record of the ${this.#name} cannot be read`);
      const made = hashOf(this.#recordOf(row), previous);
      this.#link.run(previous, made, row["sequence"] ?? null);
      previous = made;
    }
  }

  /**
   * Cuts off the records before one, at most some thousand of them, within a transaction of the caller, and puts on record what was cut off:
   * `recordOf` makes the record that says so of the text that is to be in it. Returns how many they were.
   */
  cutBefore(sequence: number, recordOf: (text: string) => readonly (string | number)[]): number {
    const first = this.#one(`SELECT min(sequence) AS sequence FROM ${this.#name}`);
    const start = Number(first?.["sequence"] ?? sequence);
    const end = Math.min(sequence, start + CUT_MAX);
    if (end <= start) return 0;
    const last = this.#one(`SELECT hash FROM ${this.#name} WHERE sequence = ?`, end - 1);
    this.append([recordOf(this.#cutForm.textOf({ sequence: end - 1, hash: String(last?.["hash"]) }))]);
    this.#one(`DELETE FROM ${this.#name} WHERE sequence < ?`, end);
    return end - start;
  }

  /** Puts on record up to where it was cut off, within a transaction of the caller, where the record that said so was lost with its end. */
  sayCut(recordOf: (text: string) => readonly (string | number)[]): void {
    const first = this.#one(`SELECT * FROM ${this.#name} ORDER BY sequence LIMIT 1`);
    const cut = first === undefined ? null : cutAt(first);
    if (cut === null) return;
    const { kind, text, textOf } = this.#cutForm;
    const sql = `SELECT 1 FROM ${this.#name} WHERE ${kind} = ? AND ${text} = ?`;
    if (this.#one(sql, CUT[this.#name], textOf(cut)) === undefined) this.append([recordOf(textOf(cut))]);
  }

  /**
   * Checks all records, up to the first that is wrong. The chain shows every change but of its end: whoever cuts that off, or writes all
   * from some record on anew, is found out only by a head from before. `heads` are such ones.
   */
  *verify(heads: ReadonlySet<string>): Steps<ChainReport> {
    const found: string[] = [];
    let records = 0;
    let last: ChainHead | null = null;
    let cut: ChainHead | null = null;
    let cutOnRecord: unknown = null;
    const { kind, text, textOf } = this.#cutForm;
    const report = (fault: ChainFault | null): ChainReport => {
      return { chain: this.#name, records, cut, head: last, fault, heads: found };
    };
    for (const row of this.#rows()) {
      if (row === undefined) {
        yield;
        continue;
      }
      if (row === UNREADABLE) return report({ kind: "unreadable", sequence: (last?.sequence ?? 0) + 1 });
      if (records === 0) {
        cut = cutAt(row);
        last = cut;
      }
      if (row[kind] === CUT[this.#name]) cutOnRecord = row[text];
      const fault = this.#faultOf(row, last);
      if (fault !== null) return report(fault);
      records += 1;
      last = { sequence: Number(row["sequence"]), hash: String(row["hash"]) };
      if (heads.has(last.hash)) found.push(last.hash);
    }
    if (cut !== null && textOf(cut) !== cutOnRecord) {
      records = 0;
      return report({ kind: "missing", sequence: cut.sequence });
    }
    const next = (last?.sequence ?? 0) + 1;
    return report(this.#issued() < next ? null : { kind: "missing", sequence: next });
  }

  /** The records from the first on, up to one that is not as it was written, or cannot be read. */
  *sound(): Generator<Row, void> {
    let last: ChainHead | null | undefined;
    for (const row of readable(this.#database, `SELECT * FROM ${this.#name} ORDER BY sequence`)) {
      if (last === undefined) last = cutAt(row);
      if (this.#faultOf(row, last) !== null) return;
      last = { sequence: Number(row["sequence"]), hash: String(row["hash"]) };
      yield row;
    }
  }

  /** Adds a record of another chain of this name as it is, within a transaction of the caller. */
  put(row: Row): void {
    this.#insert.run(...[...COLUMNS[this.#name], "previous", "hash"].map((column) => row[column] ?? null));
  }

  #faultOf(row: Row, before: ChainHead | null): ChainFault | null {
    const sequence = Number(row["sequence"]);
    const expected = (before?.sequence ?? 0) + 1;
    if (sequence < expected) return { kind: "inserted", sequence };
    if (sequence > expected) return { kind: "missing", sequence: expected };
    if (hashOf(this.#recordOf(row), String(row["previous"])) !== row["hash"])
      return { kind: "altered", sequence };
    if (row["previous"] === (before?.hash ?? NOTHING_BEFORE)) return null;
    return before === null ? { kind: "altered", sequence } : { kind: "replaced", sequence: before.sequence };
  }

  /** All records in order; undefined between two pages, and at the end what says that there is one that cannot be read. */
  *#rows(): Generator<Row | undefined | typeof UNREADABLE, void> {
    for (let after: number | bigint = Number.MIN_SAFE_INTEGER; ; ) {
      let rows: readonly Row[];
      try {
        rows = this.#page.all(after);
      } catch {
        yield* readable(
          this.#database,
          `SELECT * FROM ${this.#name} WHERE sequence > ${after} ORDER BY sequence`,
        );
        yield UNREADABLE;
        return;
      }
      yield* rows;
      const last = rows.at(-1)?.["sequence"];
      if (typeof last !== "bigint" || rows.length < PAGE) return;
      yield undefined;
      after = last;
    }
  }

  #one(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#database.prepare(sql).get(...values);
  }

  /** The last number that was given to a record, whether that is still there or not. */
  #issued(): number {
    return Number(this.#lastIssued.get(this.#name)?.["seq"] ?? 0);
  }

  #recordOf(row: Row): readonly unknown[] {
    return COLUMNS[this.#name].map((column) => row[column]);
  }
}

/** The rows up to the first that cannot be read. */
export function* readable(database: DatabaseSync, sql: string): Generator<Row, void> {
  try {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    yield* statement.iterate();
  } catch {
    // The rest is lost.
  }
}

/** SHA-256 over the hash before, a line feed, and the columns, each as the text that the store keeps of it, as a JSON array. */
function hashOf(record: readonly unknown[], previous: string): string {
  const texts = record.map((value) => String(value).toWellFormed());
  return hash("sha256", `${previous}\n${JSON.stringify(texts)}`);
}

/** The last record that was cut off a chain which begins with this one; null: this was the first of all. */
function cutAt(first: Row): ChainHead | null {
  const sequence = Number(first["sequence"]) - 1;
  return sequence > 0 ? { sequence, hash: String(first["previous"]) } : null;
}

type Row = Readonly<Record<string, SQLOutputValue>>;

/** For people: `record 7 was altered`. */
export function describeFault({ chain, fault }: ChainReport): string {
  if (fault === null) return "every record is as it was written";
  const record = `record ${fault.sequence}`;
  switch (fault.kind) {
    case "altered":
      return `${record} was altered`;
    case "replaced":
      return `${record} is not the one that record ${fault.sequence + 1} was written after: it was altered, and its hash made anew`;
    case "missing":
      return `${record} is missing`;
    case "unreadable":
      return `${record} cannot be read: the file is damaged there`;
    case "inserted":
      return `${record} stands before the first of the ${chain}: it was inserted`;
  }
}
