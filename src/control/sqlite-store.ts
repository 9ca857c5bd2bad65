/** The store of one machine: a SQLite file in the state folder. */

import type { Opinion } from "../health/verdict.ts";
import type { Answer } from "../steering/last-good.ts";
import type { SavedAlarms } from "./alarms.ts";
import type { ChainHead } from "./chain.ts";
import type { Challenge } from "./challenge.ts";
import type { HistoryStore } from "./history.ts";
import type { Action, Override } from "./override.ts";
import { type ProfileWindow, packSamples, unpackSamples } from "./profile.ts";
import type { RepeatStore } from "./repeats.ts";
import { SqliteDrills } from "./sqlite-drills.ts";
import { SqliteHistory } from "./sqlite-history.ts";
import { SqliteRepeats } from "./sqlite-repeats.ts";
import type {
  AuditEntry,
  AuditEvent,
  CommitOutcome,
  DrillStore,
  NewAuditEntry,
  Store,
  StoredChange,
  StoredVerdict,
  TokenGrant,
  TokenRecord,
} from "./store.ts";
import { describeGrant, ROLES } from "./store.ts";
import { type Row, StoreFile } from "./store-file.ts";

/** The name of the store in the state folder. */
export const STORE_FILE = "meridian.db";

/** Opens or makes the file at `path`; throws like `openDatabase`. */
export function openSqliteStore(path: string): Store {
  const file = new StoreFile(path, Date.now);
  file.open();
  return new SqliteStore(file);
}

class SqliteStore implements Store {
  readonly #file: StoreFile;
  readonly history: HistoryStore;
  readonly drills: DrillStore;
  readonly repeats: RepeatStore;

  constructor(file: StoreFile) {
    this.#file = file;
    this.history = new SqliteHistory(file);
    this.drills = new SqliteDrills(file);
    this.repeats = new SqliteRepeats(file);
  }

  version(): number {
    const row = this.#file.one("SELECT version FROM counter");
    return row === null ? 0 : integer(row, "version");
  }

  overrides(): readonly Override[] {
    return this.#file.all("SELECT * FROM overrides ORDER BY id").map(readOverride);
  }

  challenges(): readonly Challenge[] {
    return this.#file.all("SELECT * FROM challenges ORDER BY owner, value").map((row) => ({
      owner: text(row, "owner"),
      value: text(row, "value"),
      author: text(row, "author"),
      createdMs: integer(row, "created_ms"),
      untilMs: integer(row, "until_ms"),
    }));
  }

  audit(limit: number, before: number | null): readonly AuditEntry[] {
    const from = before ?? Number.MAX_SAFE_INTEGER;
    const rows = this.#file.all(
      "SELECT * FROM audit WHERE sequence < ? ORDER BY sequence DESC LIMIT ?",
      from,
      limit,
    );
    return rows.map(readAuditEntry);
  }

  auditHead(): ChainHead | null {
    return this.#file.read(() => this.#file.chain("audit").head());
  }

  commit(change: StoredChange): CommitOutcome {
    return this.#file.transaction(() => {
      const current = this.version();
      if (change.version <= current) return { kind: "conflict", current };
      this.#file.run("UPDATE counter SET version = ?", change.version);
      for (const id of change.ended) this.#file.run("DELETE FROM overrides WHERE id = ?", id);
      for (const override of change.set) this.#putOverride(override);
      for (const { owner, value } of change.challenges?.ended ?? [])
        this.#file.run("DELETE FROM challenges WHERE owner = ? AND value = ?", owner, value);
      for (const challenge of change.challenges?.set ?? []) this.#putChallenge(challenge);
      for (const entry of change.audit) this.#append(entry);
      return { kind: "stored" };
    });
  }

  verdicts(): readonly StoredVerdict[] {
    const opinions = new Map<string, Map<string, Opinion>>();
    for (const row of this.#file.all("SELECT * FROM opinions ORDER BY vip, vantage")) {
      const vip = text(row, "vip");
      const ofVip = opinions.get(vip) ?? new Map<string, Opinion>();
      opinions.set(vip, ofVip.set(text(row, "vantage"), oneOf(row, "opinion", OPINIONS)));
    }
    return this.#file.all("SELECT * FROM verdicts ORDER BY vip").map((row) => {
      const vip = text(row, "vip");
      return {
        vip,
        up: row["up"] === 1,
        sinceMs: integer(row, "since_ms"),
        recovering: row["recovering"] === 1,
        flaps: integer(row, "flaps"),
        healthySinceMs: optionalInteger(row, "healthy_since_ms"),
        opinions: opinions.get(vip) ?? new Map<string, Opinion>(),
      };
    });
  }

  saveVerdicts(verdicts: readonly StoredVerdict[]): void {
    this.#file.transaction(() => {
      for (const { vip, up, sinceMs, recovering, flaps, healthySinceMs, opinions } of verdicts) {
        this.#file.run("DELETE FROM verdicts WHERE vip = ?", vip);
        this.#file.run(
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
          this.#file.run(
            "INSERT INTO opinions (vip, vantage, opinion) VALUES (?, ?, ?)",
            vip,
            vantage,
            opinion,
          );
        }
      }
    });
  }

  keepVerdicts(vips: ReadonlySet<string>): void {
    this.#file.transaction(() => {
      for (const { vip } of this.verdicts()) {
        if (!vips.has(vip)) this.#file.run("DELETE FROM verdicts WHERE vip = ?", vip);
      }
    });
  }

  lastGood(): ReadonlyMap<string, Answer> {
    return new Map(
      this.#file.all("SELECT * FROM last_good ORDER BY key").map((row) => {
        const plan: Answer = JSON.parse(text(row, "plan"));
        return [text(row, "key"), plan];
      }),
    );
  }

  saveLastGood(plans: ReadonlyMap<string, Answer>): void {
    this.#file.transaction(() => {
      for (const [key, plan] of plans)
        this.#file.run(
          "INSERT OR REPLACE INTO last_good (key, plan) VALUES (?, ?)",
          key,
          JSON.stringify(plan),
        );
    });
  }

  keepLastGood(isWanted: (key: string) => boolean): void {
    this.#file.transaction(() => {
      for (const row of this.#file.all("SELECT key FROM last_good")) {
        const key = text(row, "key");
        if (!isWanted(key)) this.#file.run("DELETE FROM last_good WHERE key = ?", key);
      }
    });
  }

  alarms(): SavedAlarms | null {
    const row = this.#file.one("SELECT state FROM alarms");
    if (row === null) return null;
    const saved: SavedAlarms = JSON.parse(text(row, "state"));
    return saved;
  }

  saveAlarms(saved: SavedAlarms): void {
    this.#file.run("INSERT OR REPLACE INTO alarms (id, state) VALUES (1, ?)", JSON.stringify(saved));
  }

  tokens(): readonly TokenRecord[] {
    return this.#file.all("SELECT * FROM tokens ORDER BY name").map(readToken);
  }

  findToken(id: string): { readonly token: TokenRecord; readonly hash: string } | null {
    const row = this.#file.one("SELECT * FROM tokens WHERE id = ?", id);
    return row === null ? null : { token: readToken(row), hash: text(row, "hash") };
  }

  addToken(token: TokenRecord, hash: string, author: string): boolean {
    const { id, name, grant, createdMs, expiresMs } = token;
    const vantage = grant.role === "agent" ? grant.vantage : null;
    const pools = grant.role === "signals" ? grant.pools.join(" ") : null;
    return this.#file.transaction(() => {
      const added = this.#file.run(
        `INSERT INTO tokens (id, name, hash, role, vantage, pools, scope, created_ms, expires_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`,
        id,
        name,
        hash,
        grant.role,
        vantage,
        pools,
        grant.role === "operator" && grant.scope !== undefined ? JSON.stringify(grant.scope) : null,
        createdMs,
        expiresMs,
      );
      const until = expiresMs === null ? "" : ` until ${new Date(expiresMs).toISOString()}`;
      const detail = `${name} (${describeGrant(grant)})${until}`;
      if (added) this.#append(this.#tokenEntry("token-added", detail, author, createdMs));
      return added;
    });
  }

  removeToken(name: string, author: string, atMs: number): boolean {
    return this.#file.transaction(() => {
      const removed = this.#file.run("DELETE FROM tokens WHERE name = ?", name);
      if (removed) this.#append(this.#tokenEntry("token-removed", name, author, atMs));
      return removed;
    });
  }

  saveTokenUses(uses: ReadonlyMap<string, number>): void {
    this.#file.transaction(() => {
      for (const [id, usedMs] of uses)
        this.#file.run("UPDATE tokens SET used_ms = ? WHERE id = ?", usedMs, id);
    });
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

  exclusively(work: () => NewAuditEntry | null): void {
    this.#file.transaction(() => {
      const entry = work();
      if (entry !== null) this.#append(entry);
    });
  }

  close(): void {
    this.#file.close();
  }

  #putOverride({ id, action, author, reason, createdMs, untilMs }: Override): void {
    this.#file.run(
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
    this.#file.run(
      "REPLACE INTO challenges (owner, value, author, created_ms, until_ms) VALUES (?, ?, ?, ?, ?)",
      owner,
      value,
      author,
      createdMs,
      untilMs,
    );
  }

  #append({ version, atMs, author, reason, event, detail }: NewAuditEntry): void {
    this.#file.chain("audit").append([[version, atMs, author, reason, event, detail]]);
  }

  #tokenEntry(event: AuditEvent, detail: string, author: string, atMs: number): NewAuditEntry {
    return { version: this.version(), atMs, author, reason: "", event, detail };
  }
}

function readOverride(row: Row): Override {
  return {
    id: text(row, "id"),
    action: readAction(row),
    author: text(row, "author"),
    reason: text(row, "reason"),
    createdMs: integer(row, "created_ms"),
    untilMs: optionalInteger(row, "until_ms"),
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
  "drill-begun",
  "drill-ended",
  "drill-aborted",
  "drill-refused",
  "keys-rolled",
  "token-added",
  "token-removed",
  "address-locked",
] as const satisfies readonly AuditEvent[];

const OPINIONS = ["unknown", "healthy", "degraded", "unhealthy"] as const satisfies readonly Opinion[];

function readToken(row: Row): TokenRecord {
  return {
    id: text(row, "id"),
    name: text(row, "name"),
    grant: readGrant(row),
    createdMs: integer(row, "created_ms"),
    expiresMs: optionalInteger(row, "expires_ms"),
    usedMs: optionalInteger(row, "used_ms"),
  };
}

function readGrant(row: Row): TokenGrant {
  const role = oneOf(row, "role", ROLES);
  switch (role) {
    case "agent":
      return { role, vantage: text(row, "vantage") };
    case "signals":
      return { role, pools: text(row, "pools").split(" ") };
    case "operator":
      return row["scope"] === null ? { role } : { role, scope: JSON.parse(text(row, "scope")) };
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

function optionalInteger(row: Row, column: string): number | null {
  return row[column] === null ? null : integer(row, column);
}

function oneOf<const T extends string>(row: Row, column: string, allowed: readonly T[]): T {
  const value = row[column];
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new Error(`column ${column}: expected ${allowed.join(", ")}, got ${value}`);
  return found;
}
