/** Drills in the SQLite store, each with what it was and what came of it. */

import type { DatabaseSync } from "node:sqlite";
import type { DrillRecord } from "../drill/drill.ts";
import type { DrillStore } from "./store.ts";

/** So many drills are kept; with what agents saw in it, one takes up to a few megabytes. */
const DRILLS_MAX = 200;

/** Within a database that has its tables. */
export class SqliteDrills implements DrillStore {
  readonly #database: DatabaseSync;
  readonly #transaction: <T>(work: () => T) => T;

  constructor(database: DatabaseSync, transaction: <T>(work: () => T) => T) {
    this.#database = database;
    this.#transaction = transaction;
  }

  list(): readonly DrillRecord[] {
    const rows = this.#database.prepare("SELECT record FROM drills ORDER BY started_ms DESC, id DESC").all();
    return rows.map(({ record }): DrillRecord => JSON.parse(String(record)));
  }

  save(record: DrillRecord): void {
    this.#transaction(() => {
      this.#database
        .prepare(
          `INSERT INTO drills (id, started_ms, record) VALUES (?, ?, ?)
           ON CONFLICT (id) DO UPDATE SET record = excluded.record`,
        )
        .run(record.id, record.startedMs, JSON.stringify(record));
      this.#database
        .prepare(
          `DELETE FROM drills WHERE id NOT IN
             (SELECT id FROM drills ORDER BY started_ms DESC, id DESC LIMIT ${DRILLS_MAX})`,
        )
        .run();
    });
  }

  report(id: string): string | null {
    const row = this.#database.prepare("SELECT report FROM drills WHERE id = ?").get(id);
    return typeof row?.["report"] === "string" ? row["report"] : null;
  }

  saveReport(id: string, report: string): void {
    this.#database.prepare("UPDATE drills SET report = ? WHERE id = ?").run(report, id);
  }
}
