/** The store of one machine: a SQLite file in the state folder. */

import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import type { Opinion } from "../health/verdict.ts";
import type { Answer } from "../steering/last-good.ts";
import { Chain, type ChainHead } from "./chain.ts";
import type { Challenge } from "./challenge.ts";
import type { HistoryStore } from "./history.ts";
import type { Action, Override } from "./override.ts";
import { type ProfileWindow, packSamples, unpackSamples } from "./profile.ts";
import { migrate } from "./schema.ts";
import { SqliteHistory } from "./sqlite-history.ts";
import type {
  AuditEntry,
  AuditEvent,
  CommitOutcome,
  NewAuditEntry,
  Store,
  StoredChange,
  StoredVerdict,
  TokenGrant,
  TokenRecord,
} from "./store.ts";
import { describeGrant, ROLES } from "./store.ts";

/** The name of the store in the state folder. */
export const STORE_FILE = "meridian.db";

type Row = Record<string, SQLOutputValue>;

/**
 * Opens or makes the file at `path`. Throws when it is no store, or one of a newer release.
 *
 * Write-ahead logging lets the command line add a token while control runs; a commit is on disk when it returns.
 */
export function openSqliteStore(path: string): Store {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
  migrate(database, path);
  return new SqliteStore(database);
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #audit: Chain;
  readonly history: HistoryStore;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#audit = new Chain(database, "audit");
    this.history = new SqliteHistory(database, (work) => this.#transaction(work));
  }

  version(): number {
    const row = this.#one("SELECT version FROM counter");
    return row === null ? 0 : integer(row, "version");
  }

  overrides(): readonly Override[] {
    return this.#all("SELECT * FROM overrides ORDER BY id").map(readOverride);
  }

  challenges(): readonly Challenge[] {
    return this.#all("SELECT * FROM challenges ORDER BY owner, value").map((row) => ({
      owner: text(row, "owner"),
      value: text(row, "value"),
      author: text(row, "author"),
      createdMs: integer(row, "created_ms"),
      untilMs: integer(row, "until_ms"),
    }));
  }

  audit(limit: number, before: number | null): readonly AuditEntry[] {
    const from = before ?? Number.MAX_SAFE_INTEGER;
    const rows = this.#all(
      "SELECT * FROM audit WHERE sequence < ? ORDER BY sequence DESC LIMIT ?",
      from,
      limit,
    );
    return rows.map(readAuditEntry);
  }

  auditHead(): ChainHead | null {
    return this.#audit.head();
  }

  commit(change: StoredChange): CommitOutcome {
    return this.#transaction(() => {
      const current = this.version();
      if (change.version <= current) return { kind: "conflict", current };
      this.#run("UPDATE counter SET version = ?", change.version);
      for (const id of change.ended) this.#run("DELETE FROM overrides WHERE id = ?", id);
      for (const override of change.set) this.#putOverride(override);
      for (const { owner, value } of change.challenges?.ended ?? [])
        this.#run("DELETE FROM challenges WHERE owner = ? AND value = ?", owner, value);
      for (const challenge of change.challenges?.set ?? []) this.#putChallenge(challenge);
      for (const entry of change.audit) this.#append(entry);
      return { kind: "stored" };
    });
  }

  verdicts(): readonly StoredVerdict[] {
    const opinions = new Map<string, Map<string, Opinion>>();
    for (const row of this.#all("SELECT * FROM opinions ORDER BY vip, vantage")) {
      const vip = text(row, "vip");
      const ofVip = opinions.get(vip) ?? new Map<string, Opinion>();
      opinions.set(vip, ofVip.set(text(row, "vantage"), oneOf(row, "opinion", OPINIONS)));
    }
    return this.#all("SELECT * FROM verdicts ORDER BY vip").map((row) => {
      const vip = text(row, "vip");
      return {
        vip,
        up: row["up"] === 1,
        sinceMs: integer(row, "since_ms"),
        recovering: row["recovering"] === 1,
        flaps: integer(row, "flaps"),
        healthySinceMs: row["healthy_since_ms"] === null ? null : integer(row, "healthy_since_ms"),
        opinions: opinions.get(vip) ?? new Map<string, Opinion>(),
      };
    });
  }

  saveVerdicts(verdicts: readonly StoredVerdict[]): void {
    this.#transaction(() => {
      for (const { vip, up, sinceMs, recovering, flaps, healthySinceMs, opinions } of verdicts) {
        this.#run("DELETE FROM verdicts WHERE vip = ?", vip);
        this.#run(
          `INSERT INTO verdicts (vip, up, since_ms, recovering, flaps, healthy_since_ms)
           VALUES (?, ?, ?, ?, ?, ?)`,
          vip,
          Number(up),
          sinceMs,
          Number(recovering),
          flaps,
          healthySinceMs,
        );
        for (const [vantage, opinion] of opinions) {
          this.#run("INSERT INTO opinions (vip, vantage, opinion) VALUES (?, ?, ?)", vip, vantage, opinion);
        }
      }
    });
  }

  keepVerdicts(vips: ReadonlySet<string>): void {
    this.#transaction(() => {
      for (const { vip } of this.verdicts()) {
        if (!vips.has(vip)) this.#run("DELETE FROM verdicts WHERE vip = ?", vip);
      }
    });
  }

  lastGood(): ReadonlyMap<string, Answer> {
    return new Map(
      this.#all("SELECT * FROM last_good ORDER BY key").map((row) => {
        const plan: Answer = JSON.parse(text(row, "plan"));
        return [text(row, "key"), plan];
      }),
    );
  }

  saveLastGood(plans: ReadonlyMap<string, Answer>): void {
    this.#transaction(() => {
      for (const [key, plan] of plans)
        this.#run("INSERT OR REPLACE INTO last_good (key, plan) VALUES (?, ?)", key, JSON.stringify(plan));
    });
  }

  keepLastGood(isWanted: (key: string) => boolean): void {
    this.#transaction(() => {
      for (const row of this.#all("SELECT key FROM last_good")) {
        const key = text(row, "key");
        if (!isWanted(key)) this.#run("DELETE FROM last_good WHERE key = ?", key);
      }
    });
  }

  tokens(): readonly TokenRecord[] {
    return this.#all("SELECT * FROM tokens ORDER BY name").map(readToken);
  }

  findToken(hash: string): TokenRecord | null {
    const row = this.#one("SELECT * FROM tokens WHERE hash = ?", hash);
    return row === null ? null : readToken(row);
  }

  addToken(token: TokenRecord, hash: string, author: string): boolean {
    const { name, grant, createdMs } = token;
    const vantage = grant.role === "agent" ? grant.vantage : null;
    const pools = grant.role === "signals" ? grant.pools.join(" ") : null;
    return this.#transaction(() => {
      const added = this.#run(
        "INSERT INTO tokens (name, hash, role, vantage, pools, created_ms) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
        name,
        hash,
        grant.role,
        vantage,
        pools,
        createdMs,
      );
      const detail = `${name} (${describeGrant(grant)})`;
      if (added) this.#append(this.#tokenEntry("token-added", detail, author, createdMs));
      return added;
    });
  }

  removeToken(name: string, author: string, atMs: number): boolean {
    return this.#transaction(() => {
      const removed = this.#run("DELETE FROM tokens WHERE name = ?", name);
      if (removed) this.#append(this.#tokenEntry("token-removed", name, author, atMs));
      return removed;
    });
  }

  saveWindow({ startSeconds, queries, samples }: ProfileWindow): void {
    const { names, octets } = packSamples(samples);
    this.#run(
      "INSERT OR REPLACE INTO profile (start_s, queries, names, samples) VALUES (?, ?, ?, ?)",
      startSeconds,
      queries,
      JSON.stringify(names),
      octets,
    );
  }

  *windows(fromSeconds: number): Iterable<ProfileWindow> {
    const starts = this.#all("SELECT start_s FROM profile WHERE start_s >= ? ORDER BY start_s", fromSeconds);
    for (const start of starts) {
      const row = this.#one("SELECT * FROM profile WHERE start_s = ?", integer(start, "start_s"));
      if (row !== null) yield readWindow(row);
    }
  }

  dropWindows(beforeSeconds: number): void {
    this.#run("DELETE FROM profile WHERE start_s < ?", beforeSeconds);
  }

  exclusively(work: () => NewAuditEntry | null): void {
    this.#transaction(() => {
      const entry = work();
      if (entry !== null) this.#append(entry);
    });
  }

  close(): void {
    this.#database.close();
  }

  #putOverride({ id, action, author, reason, createdMs, untilMs }: Override): void {
    this.#run(
      `REPLACE INTO overrides (id, kind, target_by, target_id, weight, verdict, author, reason, created_ms, until_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      action.kind,
      action.target.by,
      action.target.id,
      action.kind === "weight" ? action.weight : null,
      action.kind === "force" ? action.verdict : null,
      author,
      reason,
      createdMs,
      untilMs,
    );
  }

  #putChallenge({ owner, value, author, createdMs, untilMs }: Challenge): void {
    this.#run(
      "REPLACE INTO challenges (owner, value, author, created_ms, until_ms) VALUES (?, ?, ?, ?, ?)",
      owner,
      value,
      author,
      createdMs,
      untilMs,
    );
  }

  #append({ version, atMs, author, reason, event, detail }: NewAuditEntry): void {
    this.#audit.append([[version, atMs, author, reason, event, detail]]);
  }

  #tokenEntry(event: AuditEvent, detail: string, author: string, atMs: number): NewAuditEntry {
    return { version: this.version(), atMs, author, reason: "", event, detail };
  }

  /** IMMEDIATE: the version is read and written under one lock, so two processes cannot make the same one. */
  #transaction<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #all(sql: string, ...values: (string | number)[]): readonly Row[] {
    return this.#statement(sql).all(...values);
  }

  #one(sql: string, ...values: (string | number)[]): Row | null {
    return this.#statement(sql).get(...values) ?? null;
  }

  /** True when a row was written. */
  #run(sql: string, ...values: (string | number | null | Uint8Array<ArrayBuffer>)[]): boolean {
    return Number(this.#statement(sql).run(...values).changes) > 0;
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }
}

function readOverride(row: Row): Override {
  return {
    id: text(row, "id"),
    action: readAction(row),
    author: text(row, "author"),
    reason: text(row, "reason"),
    createdMs: integer(row, "created_ms"),
    untilMs: row["until_ms"] === null ? null : integer(row, "until_ms"),
  };
}

/** The CHECK constraints of the table say the same; here they become types. */
function readAction(row: Row): Action {
  const kind = oneOf(row, "kind", ["weight", "drain", "force"]);
  const id = text(row, "target_id");
  switch (kind) {
    case "weight": {
      const by = oneOf(row, "target_by", ["member", "region", "choice"]);
      return { kind, target: { by, id }, weight: Number(row["weight"]) };
    }
    case "drain":
      return { kind, target: { by: oneOf(row, "target_by", ["member", "region"]), id } };
    case "force": {
      const by = oneOf(row, "target_by", ["member", "region", "vip"]);
      return { kind, target: { by, id }, verdict: oneOf(row, "verdict", ["up", "down"]) };
    }
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

const AUDIT_EVENTS = [
  "override-set",
  "override-replaced",
  "override-ended",
  "override-expired",
  "hold-released",
  "change-forced",
  "challenges-set",
  "challenges-ended",
  "challenges-expired",
  "files-loaded",
  "keys-rolled",
  "token-added",
  "token-removed",
] as const satisfies readonly AuditEvent[];

const OPINIONS = ["unknown", "healthy", "degraded", "unhealthy"] as const satisfies readonly Opinion[];

function readToken(row: Row): TokenRecord {
  return { name: text(row, "name"), grant: readGrant(row), createdMs: integer(row, "created_ms") };
}

function readGrant(row: Row): TokenGrant {
  const role = oneOf(row, "role", ROLES);
  switch (role) {
    case "agent":
      return { role, vantage: text(row, "vantage") };
    case "signals":
      return { role, pools: text(row, "pools").split(" ") };
    default:
      return { role };
  }
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new Error(`column ${column}: expected text, got ${value}`);
  return value;
}

function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new Error(`column ${column}: expected an integer, got ${value}`);
  return value;
}

function oneOf<const T extends string>(row: Row, column: string, allowed: readonly T[]): T {
  const value = row[column];
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new Error(`column ${column}: expected ${allowed.join(", ")}, got ${value}`);
  return found;
}
