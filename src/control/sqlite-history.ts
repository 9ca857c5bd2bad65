/** The history in the SQLite store: a hash chain that is cut off at the front when it grows old. */

import { type ChainHead, CUT } from "./chain.ts";
import type { HistoryEntry, HistoryLimits, HistoryQuery, HistoryStore, NewHistoryEntry } from "./history.ts";
import type { Row, StoreFile } from "./store-file.ts";

/** What the files of the past may take on disk, compressed. */
const TEXT_OCTETS_MAX = 256 * 1024 * 1024;

/** Within a file that has its tables. */
export class SqliteHistory implements HistoryStore {
  readonly #file: StoreFile;

  constructor(file: StoreFile) {
    this.#file = file;
  }

  append(entries: readonly NewHistoryEntry[]): void {
    this.#file.transaction(() => this.#file.chain("history").append(entries.map(valuesOf)));
  }

  head(): ChainHead | null {
    return this.#file.read(() => this.#file.chain("history").head());
  }

  list({ vip, sinceMs, untilMs, limit, before }: HistoryQuery): readonly HistoryEntry[] {
    const of =
      vip === null
        ? "kind IN ('verdict', 'ranking', 'override', 'files')"
        : "kind = 'verdict' AND subject = ?";
    const rows = this.#file.all(
      `SELECT * FROM history WHERE ${of} AND at_ms BETWEEN ? AND ? AND sequence < ? ORDER BY sequence DESC LIMIT ?`,
      ...(vip === null ? [] : [vip]),
      sinceMs,
      untilMs,
      before ?? Number.MAX_SAFE_INTEGER,
      limit,
    );
    return rows.map(readEntry);
  }

  first(): number | null {
    const first = this.#file.one("SELECT min(sequence) AS first FROM history")?.["first"];
    return typeof first === "number" ? first : null;
  }

  after(sequence: number, limit: number): readonly HistoryEntry[] {
    const sql = "SELECT * FROM history WHERE sequence > ? ORDER BY sequence LIMIT ?";
    return this.#file.all(sql, sequence, limit).map(readEntry);
  }

  files(limit: number, before: number): readonly HistoryEntry[] {
    const rows = this.#file.all(
      `SELECT * FROM history WHERE subject = '' AND kind = 'files' AND json_extract(content, '$.version') < ?
       ORDER BY sequence DESC LIMIT ?`,
      before,
      limit,
    );
    return rows.map(readEntry);
  }

  until(atMs: number): readonly HistoryEntry[] | null {
    const end = this.#sequence(
      "SELECT sequence FROM history WHERE at_ms <= ? ORDER BY at_ms DESC, sequence DESC LIMIT 1",
      atMs,
    );
    const start = this.#sequence(
      "SELECT max(sequence) AS sequence FROM history WHERE kind = 'state' AND sequence <= ?",
      end,
    );
    if (start === 0) return null;
    return this.#file
      .all(
        `SELECT * FROM history WHERE sequence BETWEEN ? AND ? AND kind <> '${CUT.history}' ORDER BY sequence`,
        start,
        end,
      )
      .map(readEntry);
  }

  prune({ keepMs, entriesMax }: HistoryLimits, nowMs: number): number {
    return this.#file.transaction(() => {
      this.#pruneTexts(nowMs - keepMs);
      const old = this.#sequence(
        "SELECT sequence FROM history WHERE at_ms < ? ORDER BY at_ms DESC, sequence DESC LIMIT 1",
        nowMs - keepMs,
      );
      const tooMany = (this.#file.chain("history").head()?.sequence ?? 0) - entriesMax;
      // What came after the last state before is told from that state on.
      const from = this.#sequence(
        "SELECT max(sequence) AS sequence FROM history WHERE kind = 'state' AND sequence <= ?",
        Math.max(old, tooMany),
      );
      return this.#file.chain("history").cutBefore(from, (text) => [nowMs, CUT.history, "", text]);
    });
  }

  touchText(hash: string, nowMs: number): boolean {
    return this.#file.run("UPDATE texts SET used_ms = ? WHERE hash = ?", nowMs, hash);
  }

  keepText(hash: string, octets: Uint8Array, nowMs: number): void {
    this.#file.run(
      "INSERT OR REPLACE INTO texts (hash, octets, used_ms) VALUES (?, ?, ?)",
      hash,
      octets,
      nowMs,
    );
  }

  text(hash: string): Uint8Array | null {
    const octets = this.#file.one("SELECT octets FROM texts WHERE hash = ?", hash)?.["octets"];
    return octets instanceof Uint8Array ? octets : null;
  }

  /** Those that nothing kept speaks of, and of too many octets those that were used longest ago. */
  #pruneTexts(beforeMs: number): void {
    this.#file.run("DELETE FROM texts WHERE used_ms < ?", beforeMs);
    this.#file.run(
      `DELETE FROM texts WHERE hash IN (SELECT hash FROM (
           SELECT hash, sum(length(octets)) OVER (ORDER BY used_ms DESC, hash) AS together FROM texts
         ) WHERE together > ?)`,
      TEXT_OCTETS_MAX,
    );
  }

  /** 0: there is none. */
  #sequence(sql: string, value: number): number {
    return Number(this.#file.one(sql, value)?.["sequence"] ?? 0);
  }
}

function valuesOf({ atMs, kind, subject, content }: NewHistoryEntry): readonly (string | number)[] {
  return [atMs, kind, subject, content];
}

const KINDS = [
  "verdict",
  "ranking",
  "override",
  "files",
  "last good",
  "state",
] as const satisfies readonly HistoryEntry["kind"][];

function readEntry(row: Row): HistoryEntry {
  const kind = KINDS.find((candidate) => candidate === row["kind"]);
  if (kind === undefined) throw new Error(`column kind: expected ${KINDS.join(", ")}, got ${row["kind"]}`);
  return {
    sequence: Number(row["sequence"]),
    atMs: Number(row["at_ms"]),
    kind,
    subject: String(row["subject"]),
    content: String(row["content"]),
  };
}
