/** What can still be read of a damaged store, put into a new one. */

import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { ITEMS_OF_STEP, type Steps } from "../steps.ts";
import { MERIDIAN } from "./author.ts";
import { Chain, CUT, readable } from "./chain.ts";
import { valuesOf } from "./sqlite-audit.ts";

/** What stays behind in the damaged file: it is large, and control writes what it needs of it anew. */
const LEFT_BEHIND = new Set(["audit", "history", "texts", "profile"]);

/** How much was saved. */
export interface Saved {
  /** Records of the audit list, from its first on, up to the first that is not as it was written. */
  readonly audit: number;
  /** Of each other table, the rows. */
  readonly rows: Readonly<Record<string, number>>;
}

/** Copies from a database that may not even be one into one that has its tables and nothing in them. */
export function* salvage(from: DatabaseSync, into: DatabaseSync, nowMs: number): Steps<Saved> {
  const tables = into
    .prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
    )
    .all()
    .map(({ name }) => String(name))
    .filter((name) => !LEFT_BEHIND.has(name));
  into.exec("BEGIN IMMEDIATE");
  const rows: Record<string, number> = {};
  for (const table of tables) rows[table] = yield* copyTable(from, into, table);
  const audit = yield* copyAudit(from, into, nowMs);
  into.exec("COMMIT");
  return { audit, rows };
}

/** For people. */
export function describeSaved({ audit, rows }: Saved): string {
  const of = (["overrides", "challenges", "tokens"] as const).map((table) => `${rows[table] ?? 0} ${table}`);
  return `${audit} audit records, ${of.join(", ")}`;
}

/** From the front to the first page that cannot be read, then from the end back to it. */
function* copyTable(from: DatabaseSync, into: DatabaseSync, table: string): Steps<number> {
  const columns = into
    .prepare(`SELECT * FROM ${table}`)
    .columns()
    .map(({ name }) => name);
  const places = columns.map(() => "?").join(", ");
  const insert = into.prepare(`INSERT OR REPLACE INTO ${table} (${columns.join(", ")}) VALUES (${places})`);
  const seen = new Set<SQLOutputValue>();
  for (const order of ["ASC", "DESC"]) {
    const sql = `SELECT rowid AS "row id", ${columns.join(", ")} FROM ${table} ORDER BY rowid ${order}`;
    for (const row of readable(from, sql)) {
      const id = row["row id"] ?? null;
      if (seen.has(id)) break;
      // What was there from the beginning, as a counter, gives way to what it was.
      if (seen.size === 0) into.exec(`DELETE FROM ${table}`);
      seen.add(id);
      try {
        insert.run(...columns.map((column) => row[column] ?? null));
      } catch {
        // A row that the tables of this release do not take is none.
      }
      if (seen.size % ITEMS_OF_STEP === 0) yield;
    }
  }
  return seen.size;
}

/** The records as they are, as far as each is the one that was written after the one before. Where they begin stays on record. */
function* copyAudit(from: DatabaseSync, into: DatabaseSync, nowMs: number): Steps<number> {
  let chain: Chain;
  try {
    chain = new Chain(from, "audit");
  } catch {
    return 0;
  }
  const copy = new Chain(into, "audit");
  let copied = 0;
  for (const row of chain.sound()) {
    copy.put(row);
    copied += 1;
    if (copied % ITEMS_OF_STEP === 0) yield;
  }
  const version = Number(into.prepare("SELECT version FROM counter").get()?.["version"] ?? 0);
  const reason = "the entry that said so was lost with the end of the list";
  copy.sayCut((detail) =>
    valuesOf({ version, atMs: nowMs, author: MERIDIAN, reason, event: CUT.audit, detail }),
  );
  return copied;
}
