/** The audit list in the SQLite store: a hash chain. */

import type { ChainHead } from "./chain.ts";
import { integer, oneOf, text } from "./columns.ts";
import { AUDIT_EVENTS, type AuditEntry, type AuditStore, type NewAuditEntry } from "./store.ts";
import type { Row, StoreFile } from "./store-file.ts";

/** Within a file that has its tables. */
export class SqliteAudit implements AuditStore {
  readonly #file: StoreFile;

  constructor(file: StoreFile) {
    this.#file = file;
  }

  list(limit: number, before: number | null): readonly AuditEntry[] {
    const from = before ?? Number.MAX_SAFE_INTEGER;
    const rows = this.#file.all(
      "SELECT * FROM audit WHERE sequence < ? ORDER BY sequence DESC LIMIT ?",
      from,
      limit,
    );
    return rows.map(readAuditEntry);
  }

  after(sequence: number, limit: number): readonly AuditEntry[] {
    const sql = "SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?";
    return this.#file.all(sql, sequence, limit).map(readAuditEntry);
  }

  head(): ChainHead | null {
    return this.#file.read(() => this.#file.chain("audit").head());
  }

  /** Within a transaction of the caller, so that what was done is on record or was not done. */
  append({ version, atMs, author, reason, event, detail }: NewAuditEntry): void {
    this.#file.chain("audit").append([[version, atMs, author, reason, event, detail]]);
  }
}

function readAuditEntry(row: Row): AuditEntry {
  return {
    sequence: integer(row, "sequence"),
    version: integer(row, "version"),
    atMs: integer(row, "at_ms"),
    author: text(row, "author"),
    reason: text(row, "reason"),
    event: oneOf(row, "event", AUDIT_EVENTS),
    detail: text(row, "detail"),
  };
}
