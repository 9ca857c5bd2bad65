/** Drills in the SQLite store, each with what it was and what came of it. */

import type { DrillRecord } from "../drill/drill.ts";
import type { DrillStore } from "./store.ts";
import type { StoreFile } from "./store-file.ts";

/** So many drills are kept; with what agents saw in it, one takes up to a few megabytes. */
const DRILLS_MAX = 200;

/** Within a file that has its tables. */
export class SqliteDrills implements DrillStore {
  readonly #file: StoreFile;

  constructor(file: StoreFile) {
    this.#file = file;
  }

  list(): readonly DrillRecord[] {
    const rows = this.#file.all("SELECT record FROM drills ORDER BY started_ms DESC, id DESC");
    return rows.map(({ record }): DrillRecord => JSON.parse(String(record)));
  }

  find(id: string): DrillRecord | null {
    const row = this.#file.one("SELECT record FROM drills WHERE id = ?", id);
    return row === null ? null : JSON.parse(String(row["record"]));
  }

  save(record: DrillRecord): void {
    this.#file.transaction(() => {
      this.#file.run(
        `INSERT INTO drills (id, started_ms, record) VALUES (?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET record = excluded.record`,
        record.id,
        record.startedMs,
        JSON.stringify(record),
      );
      this.#file.run(
        `DELETE FROM drills WHERE id NOT IN
           (SELECT id FROM drills ORDER BY started_ms DESC, id DESC LIMIT ${DRILLS_MAX})`,
      );
    });
  }

  report(id: string): string | null {
    const row = this.#file.one("SELECT report FROM drills WHERE id = ?", id);
    return typeof row?.["report"] === "string" ? row["report"] : null;
  }

  saveReport(id: string, report: string): void {
    this.#file.run("UPDATE drills SET report = ? WHERE id = ?", report, id);
  }
}
