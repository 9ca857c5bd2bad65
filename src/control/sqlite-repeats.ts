/** Requests with a key in the SQLite store. */

import {
  type KeptRequest,
  type KeyedRequest,
  REPLIES_MAX,
  REPLY_KEPT_MS,
  type RepeatStore,
  type Reply,
} from "./repeats.ts";
import type { StoreFile } from "./store-file.ts";

/** Within a file that has its tables. */
export class SqliteRepeats implements RepeatStore {
  readonly #file: StoreFile;

  constructor(file: StoreFile) {
    this.#file = file;
  }

  beginRequest({ sender, key, fingerprint }: KeyedRequest, nowMs: number): KeptRequest | null {
    return this.#file.transaction(() => {
      this.#file.run("DELETE FROM requests WHERE at_ms <= ?", nowMs - REPLY_KEPT_MS);
      const row = this.#file.one(
        "SELECT fingerprint, reply FROM requests WHERE sender = ? AND key = ?",
        sender,
        key,
      );
      if (row !== null) return { fingerprint: String(row["fingerprint"]), reply: readReply(row["reply"]) };
      this.#file.run(
        `DELETE FROM requests WHERE rowid IN
           (SELECT rowid FROM requests WHERE sender = ? ORDER BY at_ms DESC, rowid DESC LIMIT -1 OFFSET ?)`,
        sender,
        REPLIES_MAX - 1,
      );
      this.#file.run(
        "INSERT INTO requests (sender, key, fingerprint, at_ms) VALUES (?, ?, ?, ?)",
        sender,
        key,
        fingerprint,
        nowMs,
      );
      return null;
    });
  }

  endRequest({ sender, key }: KeyedRequest, reply: Reply | null): void {
    if (reply === null) this.#file.run("DELETE FROM requests WHERE sender = ? AND key = ?", sender, key);
    else
      this.#file.run(
        "UPDATE requests SET reply = ? WHERE sender = ? AND key = ?",
        JSON.stringify(reply),
        sender,
        key,
      );
  }
}

/** It was written here, and by nobody else. */
function readReply(text: unknown): Reply | null {
  return typeof text === "string" ? JSON.parse(text) : null;
}
