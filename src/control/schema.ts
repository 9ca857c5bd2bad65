/** The tables of the SQLite store, and how an older file is brought up to them. */

import type { DatabaseSync } from "node:sqlite";
import { Chain } from "./chain.ts";
import { rehash } from "./token.ts";

/** SQL, or what SQL cannot do. */
type Step = string | ((database: DatabaseSync) => void);

/**
 * Each step brings the tables from its index to the next `user_version`. A step that has been released is never
 * edited: a new one is added.
 */
export const STEPS: readonly Step[] = [
  `CREATE TABLE counter (version INTEGER NOT NULL) STRICT;
   INSERT INTO counter (version) VALUES (0);

   CREATE TABLE overrides (
     id TEXT PRIMARY KEY,
     kind TEXT NOT NULL CHECK (kind IN ('weight', 'drain', 'force')),
     target_by TEXT NOT NULL CHECK (target_by IN ('member', 'region', 'choice', 'vip')),
     target_id TEXT NOT NULL,
     weight REAL CHECK ((weight IS NOT NULL) = (kind = 'weight')),
     verdict TEXT CHECK (verdict IN ('up', 'down') AND (verdict IS NOT NULL) = (kind = 'force')),
     author TEXT NOT NULL,
     reason TEXT NOT NULL,
     created_ms INTEGER NOT NULL,
     until_ms INTEGER
   ) STRICT;

   CREATE TABLE audit (
     sequence INTEGER PRIMARY KEY AUTOINCREMENT,
     version INTEGER NOT NULL,
     at_ms INTEGER NOT NULL,
     author TEXT NOT NULL,
     reason TEXT NOT NULL,
     event TEXT NOT NULL,
     detail TEXT NOT NULL
   ) STRICT;

   CREATE TABLE tokens (
     name TEXT PRIMARY KEY,
     hash TEXT NOT NULL UNIQUE,
     role TEXT NOT NULL CHECK (role IN ('admin', 'reader', 'agent')),
     vantage TEXT CHECK ((vantage IS NOT NULL) = (role = 'agent')),
     created_ms INTEGER NOT NULL
   ) STRICT;

   CREATE TABLE verdicts (
     vip TEXT PRIMARY KEY,
     up INTEGER NOT NULL,
     since_ms INTEGER NOT NULL,
     recovering INTEGER NOT NULL
   ) STRICT;

   CREATE TABLE opinions (
     vip TEXT NOT NULL REFERENCES verdicts (vip) ON DELETE CASCADE,
     vantage TEXT NOT NULL,
     opinion TEXT NOT NULL,
     PRIMARY KEY (vip, vantage)
   ) STRICT;`,
  `CREATE TABLE challenges (
     owner TEXT NOT NULL,
     value TEXT NOT NULL,
     author TEXT NOT NULL,
     created_ms INTEGER NOT NULL,
     until_ms INTEGER NOT NULL,
     PRIMARY KEY (owner, value)
   ) STRICT;`,
  `ALTER TABLE verdicts ADD COLUMN flaps INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE verdicts ADD COLUMN healthy_since_ms INTEGER;`,
  // More roles: which there are is known where tokens are read.
  `ALTER TABLE tokens RENAME TO tokens_before;
   CREATE TABLE tokens (
     name TEXT PRIMARY KEY,
     hash TEXT NOT NULL UNIQUE,
     role TEXT NOT NULL,
     vantage TEXT CHECK ((vantage IS NOT NULL) = (role = 'agent')),
     created_ms INTEGER NOT NULL
   ) STRICT;
   INSERT INTO tokens (name, hash, role, vantage, created_ms)
     SELECT name, hash, role, vantage, created_ms FROM tokens_before;
   DROP TABLE tokens_before;`,
  `CREATE TABLE profile (
     start_s INTEGER PRIMARY KEY,
     queries INTEGER NOT NULL,
     names TEXT NOT NULL,
     samples BLOB NOT NULL
   ) STRICT;`,
  `ALTER TABLE tokens ADD COLUMN pools TEXT CHECK ((pools IS NOT NULL) = (role = 'signals'));`,
  `ALTER TABLE audit ADD COLUMN previous TEXT NOT NULL DEFAULT '';
   ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';`,
  (database) => new Chain(database, "audit").chainAll(),
  `CREATE TABLE history (
     sequence INTEGER PRIMARY KEY AUTOINCREMENT,
     at_ms INTEGER NOT NULL,
     kind TEXT NOT NULL,
     subject TEXT NOT NULL,
     content TEXT NOT NULL,
     previous TEXT NOT NULL,
     hash TEXT NOT NULL
   ) STRICT;
   CREATE INDEX history_by_time ON history (at_ms, sequence);
   CREATE INDEX history_by_subject ON history (subject, kind, sequence);
   CREATE INDEX history_states ON history (sequence) WHERE kind = 'state';
   CREATE TABLE texts (
     hash TEXT PRIMARY KEY,
     octets BLOB NOT NULL,
     used_ms INTEGER NOT NULL
   ) STRICT;`,
  `CREATE TABLE last_good (
     key TEXT PRIMARY KEY,
     plan TEXT NOT NULL
   ) STRICT;`,
  `CREATE TABLE drills (
     id TEXT PRIMARY KEY,
     started_ms INTEGER NOT NULL,
     record TEXT NOT NULL,
     report TEXT
   ) STRICT;`,
  `CREATE TABLE requests (
     sender TEXT NOT NULL,
     key TEXT NOT NULL,
     fingerprint TEXT NOT NULL,
     at_ms INTEGER NOT NULL,
     reply TEXT,
     PRIMARY KEY (sender, key)
   ) STRICT;
   CREATE INDEX requests_by_time ON requests (at_ms);`,
  `ALTER TABLE tokens ADD COLUMN id TEXT NOT NULL DEFAULT '';
   ALTER TABLE tokens ADD COLUMN expires_ms INTEGER;
   ALTER TABLE tokens ADD COLUMN used_ms INTEGER;`,
  // What was kept of secrets until then, their SHA-256, goes through scrypt: they stay valid, and nobody has to be asked for them.
  (database) => {
    const update = database.prepare("UPDATE tokens SET id = ?, hash = ? WHERE name = ?");
    for (const { name, hash: digest } of database.prepare("SELECT name, hash FROM tokens").all()) {
      const { id, hash } = rehash(String(digest));
      update.run(id, hash, String(name));
    }
    database.exec("CREATE UNIQUE INDEX tokens_by_id ON tokens (id)");
  },
  `CREATE TABLE alarms (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     state TEXT NOT NULL
   ) STRICT;`,
  `ALTER TABLE tokens ADD COLUMN scope TEXT CHECK (scope IS NULL OR role = 'operator');`,
  // Up to which change of the journal all are here.
  `ALTER TABLE counter ADD COLUMN journal INTEGER NOT NULL DEFAULT 0;`,
  `CREATE TABLE proposals (
     id TEXT PRIMARY KEY,
     created_ms INTEGER NOT NULL,
     content TEXT NOT NULL
   ) STRICT;`,
  // More kinds: which there are is known where overrides are read.
  `ALTER TABLE overrides RENAME TO overrides_before;
   CREATE TABLE overrides (
     id TEXT PRIMARY KEY,
     kind TEXT NOT NULL,
     target_by TEXT NOT NULL,
     target_id TEXT NOT NULL,
     weight REAL CHECK ((weight IS NOT NULL) = (kind = 'weight')),
     verdict TEXT CHECK ((verdict IS NOT NULL) = (kind = 'force')),
     ramp_ms INTEGER CHECK (ramp_ms IS NULL OR kind = 'drain'),
     verdicts TEXT CHECK ((verdicts IS NOT NULL) = (kind = 'freeze')),
     author TEXT NOT NULL,
     reason TEXT NOT NULL,
     created_ms INTEGER NOT NULL,
     until_ms INTEGER
   ) STRICT;
   INSERT INTO overrides
     SELECT id, kind, target_by, target_id, weight, verdict, NULL, NULL, author, reason, created_ms, until_ms
     FROM overrides_before;
   DROP TABLE overrides_before;`,
  `ALTER TABLE overrides ADD COLUMN stage TEXT;`,
];

/** Brings the tables up to date. Throws when the file at `path` was written by a newer release. */
export function migrate(database: DatabaseSync, path: string): void {
  // A disk that is full does not keep anybody from reading.
  if (schemaOf(database) === STEPS.length) return;
  database.exec("BEGIN IMMEDIATE");
  const found = schemaOf(database);
  if (found > STEPS.length) {
    database.exec("ROLLBACK");
    throw new Error(
      `${path} has schema ${found}: expected at most ${STEPS.length}, so a newer release wrote it`,
    );
  }
  for (const step of STEPS.slice(found)) {
    if (typeof step === "string") database.exec(step);
    else step(database);
  }
  database.exec(`PRAGMA user_version = ${STEPS.length}`);
  database.exec("COMMIT");
}

/** Throws unless the tables are those of this release. */
export function checkSchema(database: DatabaseSync, path: string): void {
  const found = schemaOf(database);
  if (found !== STEPS.length)
    throw new Error(`${path} has schema ${found}: expected ${STEPS.length}, so another release wrote it`);
}

function schemaOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
}
