/** The profile of traffic in the SQLite store. */

import { integer, text } from "./columns.ts";
import { type ProfileStore, type ProfileWindow, packSamples, unpackSamples } from "./profile.ts";
import type { Row, StoreFile } from "./store-file.ts";

/** Within a file that has its tables. */
export class SqliteProfile implements ProfileStore {
  readonly #file: StoreFile;

  constructor(file: StoreFile) {
    this.#file = file;
  }

  saveWindow({ startSeconds, queries, samples }: ProfileWindow): void {
    const { names, octets } = packSamples(samples);
    this.#file.run(
      "INSERT OR REPLACE INTO profile (start_s, queries, names, samples) VALUES (?, ?, ?, ?)",
      startSeconds,
      queries,
      JSON.stringify(names),
      octets,
    );
  }

  *windows(fromSeconds: number): Iterable<ProfileWindow> {
    const starts = this.#file.all(
      "SELECT start_s FROM profile WHERE start_s >= ? ORDER BY start_s",
      fromSeconds,
    );
    for (const start of starts) {
      const row = this.#file.one("SELECT * FROM profile WHERE start_s = ?", integer(start, "start_s"));
      if (row !== null) yield readWindow(row);
    }
  }

  dropWindows(beforeSeconds: number): void {
    this.#file.run("DELETE FROM profile WHERE start_s < ?", beforeSeconds);
  }
}

function readWindow(row: Row): ProfileWindow {
  const octets = row["samples"];
  if (!(octets instanceof Uint8Array)) throw new Error("column samples: expected octets");
  const names: readonly string[] = JSON.parse(text(row, "names"));
  return {
    startSeconds: integer(row, "start_s"),
    queries: integer(row, "queries"),
    samples: unpackSamples({ names, octets: new Uint8Array(octets) }),
  };
}
