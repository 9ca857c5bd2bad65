/** Challenges in the SQLite store. */

import type { Challenge } from "./challenge.ts";
import { integer, text } from "./columns.ts";
import type { Row, StoreFile } from "./store-file.ts";

/** All of them, by owner and value. */
export function readChallenges(file: StoreFile): readonly Challenge[] {
  return file.all("SELECT * FROM challenges ORDER BY owner, value").map(readChallenge);
}

/** Within a transaction of the caller; in place of the one of the same owner and value. */
export function putChallenge(file: StoreFile, { owner, value, author, createdMs, untilMs }: Challenge): void {
  file.run(
    "REPLACE INTO challenges (owner, value, author, created_ms, until_ms) VALUES (?, ?, ?, ?, ?)",
    owner,
    value,
    author,
    createdMs,
    untilMs,
  );
}

function readChallenge(row: Row): Challenge {
  return {
    owner: text(row, "owner"),
    value: text(row, "value"),
    author: text(row, "author"),
    createdMs: integer(row, "created_ms"),
    untilMs: integer(row, "until_ms"),
  };
}
