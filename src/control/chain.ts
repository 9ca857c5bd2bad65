/** A hash chain in a table of the store: each record vouches for all before it, so that a change of any of them shows. */

import { hash } from "node:crypto";
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import type { Steps } from "../steps.ts";

/** The chains there are. */
export const CHAINS = ["audit"] as const;

export type ChainName = (typeof CHAINS)[number];

/**
 * The columns that are hashed, in this order. Beside these a chain has `previous`, the hash of the record before, and `hash`. `sequence` is
 * an AUTOINCREMENT key without gaps.
 */
const COLUMNS: Readonly<Record<ChainName, readonly string[]>> = {
  audit: ["sequence", "version", "at_ms", "author", "reason", "event", "detail"],
};

/** What stands for the hash before the first record of all. */
const NOTHING_BEFORE = "";

/** Records are read so many at a time. */
const PAGE = 256;

/** The last record of a chain: who has kept it can tell later whether the chain still goes through it. */
export interface ChainHead {
  readonly sequence: number;
  readonly hash: string;
}

/** The first thing that is wrong in a chain. */
export interface ChainFault {
  /**
   * altered: what it says is not what was written. replaced: it fits by itself, but the record after it was written after another.
   * missing: there is none of that number. inserted: it stands before the first.
   */
  readonly kind: "altered" | "replaced" | "missing" | "inserted";
  readonly sequence: number;
}

/** What came of checking a chain. */
export interface ChainReport {
  readonly chain: ChainName;
  /** How many records there are. */
  readonly records: number;
  /** null: there is none. */
  readonly head: ChainHead | null;
  /** null: all is as it was written. */
  readonly fault: ChainFault | null;
  /** Those of the heads that were asked for that are hashes of records here. */
  readonly heads: readonly string[];
}

/** One of the chains in an open store. */
export class Chain {
  readonly #name: ChainName;
  readonly #insert: StatementSync;
  readonly #link: StatementSync;
  readonly #last: StatementSync;
  readonly #page: StatementSync;
  readonly #issued: StatementSync;

  constructor(database: DatabaseSync, name: ChainName) {
    this.#name = name;
    const columns = COLUMNS[name].slice(1);
    const values = columns.map(() => "?").join(", ");
    this.#insert = database.prepare(
      `INSERT INTO ${name} (${columns.join(", ")}, previous, hash) VALUES (${values}, '', '') RETURNING *`,
    );
    this.#link = database.prepare(`UPDATE ${name} SET previous = ?, hash = ? WHERE sequence = ?`);
    this.#last = database.prepare(`SELECT sequence, hash FROM ${name} ORDER BY sequence DESC LIMIT 1`);
    this.#page = database.prepare(`SELECT * FROM ${name} WHERE sequence > ? ORDER BY sequence LIMIT ${PAGE}`);
    // Somebody may have written any number there is.
    this.#page.setReadBigInts(true);
    this.#issued = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = ?");
  }

  /** The last record; null: there is none. */
  head(): ChainHead | null {
    const row = this.#last.get();
    return row === undefined ? null : { sequence: Number(row["sequence"]), hash: String(row["hash"]) };
  }

  /**
   * Adds records, each the values of the hashed columns but the first, within a transaction of the caller. What is hashed is read back, so
   * that whatever the store makes of a text is what counts.
   */
  append(records: Iterable<readonly SQLInputValue[]>): void {
    let previous = this.head()?.hash ?? NOTHING_BEFORE;
    for (const values of records) {
      const row = this.#insert.get(...values);
      if (row !== undefined) previous = this.#chain(row, previous);
    }
  }

  /** Chains what is there already, within a transaction of the caller. */
  chainAll(): void {
    let previous = NOTHING_BEFORE;
    for (const row of this.#rows()) if (row !== undefined) previous = this.#chain(row, previous);
  }

  /**
   * Checks all records, up to the first that is wrong. The chain shows every change but of its end: whoever cuts that off, or writes all
   * from some record on anew, is found out only by a head from before. `heads` are such ones.
   */
  *verify(heads: ReadonlySet<string>): Steps<ChainReport> {
    const found: string[] = [];
    let records = 0;
    let last: ChainHead | null = null;
    const report = (fault: ChainFault | null): ChainReport => {
      return { chain: this.#name, records, head: last, fault, heads: found };
    };
    for (const row of this.#rows()) {
      if (row === undefined) {
        yield;
        continue;
      }
      const fault = this.#faultOf(row, last);
      if (fault !== null) return report(fault);
      records += 1;
      last = { sequence: Number(row["sequence"]), hash: String(row["hash"]) };
      if (heads.has(last.hash)) found.push(last.hash);
    }
    const issued = Number(this.#issued.get(this.#name)?.["seq"] ?? 0);
    const next = (last?.sequence ?? 0) + 1;
    return report(issued < next ? null : { kind: "missing", sequence: next });
  }

  #faultOf(row: Row, before: ChainHead | null): ChainFault | null {
    const sequence = Number(row["sequence"]);
    const expected = (before?.sequence ?? 0) + 1;
    if (sequence < expected) return { kind: "inserted", sequence };
    if (sequence > expected) return { kind: "missing", sequence: expected };
    if (this.#hashOf(row, String(row["previous"])) !== row["hash"]) return { kind: "altered", sequence };
    if (row["previous"] === (before?.hash ?? NOTHING_BEFORE)) return null;
    return before === null ? { kind: "altered", sequence } : { kind: "replaced", sequence: before.sequence };
  }

  /** All records in order; undefined between two pages. */
  *#rows(): Generator<Row | undefined, void> {
    for (let after: number | bigint = Number.MIN_SAFE_INTEGER; ; ) {
      const rows: readonly Row[] = this.#page.all(after);
      yield* rows;
      const last = rows.at(-1)?.["sequence"];
      if (typeof last !== "bigint" || rows.length < PAGE) return;
      yield undefined;
      after = last;
    }
  }

  #chain(row: Row, previous: string): string {
    const made = this.#hashOf(row, previous);
    this.#link.run(previous, made, row["sequence"] ?? null);
    return made;
  }

  /** SHA-256 over the hash before, a line feed, and the columns, each as text, as a JSON array. */
  #hashOf(row: Row, previous: string): string {
    const columns = COLUMNS[this.#name].map((column) => String(row[column]));
    return hash("sha256", `${previous}\n${JSON.stringify(columns)}`);
  }
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
    case "inserted":
      return `${record} stands before the first of the ${chain}: it was inserted`;
  }
}
