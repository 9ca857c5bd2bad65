/** The audit list in the SQLite store: a hash chain that is cut off at the front when it grows old. */

import { MERIDIAN } from "./author.ts";
import { type ChainHead, CUT } from "./chain.ts";
import { integer, oneOf, text } from "./columns.ts";
import { AUDIT_EVENTS, type AuditEntry, type AuditStore, type NewAuditEntry } from "./store.ts";
import type { Row, StoreFile } from "./store-file.ts";

/** An entry may become so much older than it has to: each cut is an entry too. */
const CUT_EVERY_MS = 30 * 24 * 3_600_000;

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

  first(): number | null {
    const row = this.#file.one("SELECT sequence FROM audit ORDER BY sequence LIMIT 1");
    return row === null ? null : integer(row, "sequence");
  }

  head(): ChainHead | null {
    return this.#file.read(() => this.#file.chain("audit").head());
  }

  prune(keepMs: number, nowMs: number, version: number): number {
    const fromMs = nowMs - keepMs;
    const first = this.#file.one("SELECT at_ms FROM audit ORDER BY sequence LIMIT 1");
    if (first === null || integer(first, "at_ms") >= fromMs - CUT_EVERY_MS) return 0;
    const by = { version, atMs: nowMs, author: MERIDIAN, event: CUT.audit } as const;
    const reason = `from before ${new Date(fromMs).toISOString()}`;
    return this.#file.transaction(() => {
      // In the order in which they were written, whatever the clock did: who is young enough keeps all after it.
      const kept =
        this.#file.one("SELECT sequence FROM audit WHERE at_ms >= ? ORDER BY sequence LIMIT 1", fromMs) ??
        this.#file.one("SELECT sequence FROM audit ORDER BY sequence DESC LIMIT 1");
      if (kept === null) return 0;
      return this.#file
        .chain("audit")
        .cutBefore(integer(kept, "sequence"), (detail) => valuesOf({ ...by, reason, detail }));
    });
  }

  /** Within a transaction of the caller, so that what was done is on record or was not done. */
  append(entry: NewAuditEntry): void {
    this.#file.chain("audit").append([valuesOf(entry)]);
  }
}

/** As the chain has them. */
export function valuesOf(entry: NewAuditEntry): readonly (string | number)[] {
  const { version, atMs, author, reason, event, detail } = entry;
  return [version, atMs, author, reason, event, detail];
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
