/** The store of one machine: a SQLite file in the state folder. */

import type { Opinion } from "../health/verdict.ts";
import type { Answer } from "../steering/last-good.ts";
import type { SavedAlarms } from "./alarms.ts";
import type { ChainHead } from "./chain.ts";
import type { Challenge } from "./challenge.ts";
import type { HistoryStore } from "./history.ts";
import type { Journal, UnrecordedChange } from "./journal.ts";
import type { Action, Override } from "./override.ts";
import { type ProfileWindow, packSamples, unpackSamples } from "./profile.ts";
import type { Proposal } from "./proposal.ts";
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
import { type Row, StoreFile, StoreUnavailable } from "./store-file.ts";

/** The name of the store in the state folder. */
export const STORE_FILE = "meridian.db";

/** Opens or makes the file at `path`; throws like `openDatabase`. */
export function openSqliteStore(path: string): Store {
  const file = new StoreFile(path, Date.now);
  file.open();
  return new SqliteStore(file, null);
}

/** The store in a file; with a journal, of which a node has one, also what the file cannot take now. */
export class SqliteStore implements Store {
  readonly #file: StoreFile;
  readonly #journal: Journal | null;
  readonly history: HistoryStore;
  readonly drills: DrillStore;
  readonly repeats: RepeatStore;
  readonly #version: Kept<number>;
  readonly #overrides: Kept<readonly Override[]>;
  readonly #challenges: Kept<readonly Challenge[]>;
  readonly #proposals: Kept<readonly Proposal[]>;

  constructor(file: StoreFile, journal: Journal | null) {
    this.#file = file;
    this.#journal = journal;
    this.history = new SqliteHistory(file);
    this.drills = new SqliteDrills(file);
    this.repeats = new SqliteRepeats(file);
    this.#version = new Kept(file, () => this.#storedVersion());
    this.#overrides = new Kept(file, () => inOrder(file.all("SELECT * FROM overrides").map(readOverride)));
    this.#challenges = new Kept(file, () =>
      file.all("SELECT * FROM challenges ORDER BY owner, value").map(readChallenge),
    );
    this.#proposals = new Kept(file, () =>
      file
        .all("SELECT content FROM proposals ORDER BY created_ms, id")
        .map((row) => JSON.parse(text(row, "content"))),
    );
  }

  version(): number {
    return Math.max(this.#file.isOpen ? this.#version.now() : 0, this.#journal?.version ?? 0);
  }

  overrides(): readonly Override[] {
    const { unrecorded = [], overrides = null } = this.#journal ?? {};
    const isAhead = unrecorded.length > 0 || !this.#file.isOpen;
    return isAhead ? (overrides ?? NONE) : this.#overrides.now();
  }

  challenges(): readonly Challenge[] {
    return this.#file.isOpen ? this.#challenges.now() : [];
  }

  proposals(): readonly Proposal[] {
    return this.#file.isOpen ? this.#proposals.now() : [];
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

  auditAfter(sequence: number, limit: number): readonly AuditEntry[] {
    const sql = "SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?";
    return this.#file.all(sql, sequence, limit).map(readAuditEntry);
  }

  auditHead(): ChainHead | null {
    return this.#file.read(() => this.#file.chain("audit").head());
  }

  commit(change: StoredChange): CommitOutcome {
    this.reconcile();
    const { set, ended, challenges } = change;
    const overrides = this.#overrides.now();
    const outcome = this.#file.transaction((): CommitOutcome => {
      const current = this.#storedVersion();
      if (change.version <= current) return { kind: "conflict", current };
      this.#file.run("UPDATE counter SET version = ?", change.version);
      for (const id of ended) this.#file.run("DELETE FROM overrides WHERE id = ?", id);
      for (const override of set) this.#putOverride(override);
      for (const { owner, value } of challenges?.ended ?? [])
        this.#file.run("DELETE FROM challenges WHERE owner = ? AND value = ?", owner, value);
      for (const challenge of challenges?.set ?? []) this.#putChallenge(challenge);
      for (const id of change.settled ?? []) this.#file.run("DELETE FROM proposals WHERE id = ?", id);
      if (change.proposed !== undefined) this.#putProposal(change.proposed);
      for (const entry of change.audit) this.#append(entry);
      return { kind: "stored" };
    });
    if (outcome.kind === "conflict") return outcome;
    this.#version.put(change.version);
    this.#overrides.put(edited(overrides, change));
    if (challenges !== undefined) this.#challenges.forget();
    this.#proposals.forget();
    return outcome;
  }

  commitLater(change: StoredChange, nowMs: number): void {
    this.#journal?.add(change, edited(this.overrides(), change), nowMs);
  }

  /** Writes what could not be written when it was ordered. */
  reconcile(): void {
    const unrecorded = this.#journal?.unrecorded ?? [];
    const last = unrecorded.at(-1);
    if (last === undefined) return;
    this.#file.transaction(() => {
      const row = this.#file.one("SELECT journal FROM counter");
      const known = row === null ? 0 : integer(row, "journal");
      for (const change of unrecorded) if (change.sequence > known) this.#record(change);
      this.#file.run("UPDATE counter SET journal = max(journal, ?)", last.sequence);
    });
    this.#forget();
    this.#journal?.settle(this.#version.now(), this.#overrides.now());
  }

  /** Puts this in the place of what is there (null: leaves it), and says why. */
  putBack(
    overrides: readonly Override[] | null,
    challenges: readonly Challenge[] | null,
    why: NewAuditEntry,
  ): void {
    this.#file.transaction(() => {
      this.#file.run("UPDATE counter SET version = max(version, ?)", why.version);
      if (overrides !== null) this.#file.run("DELETE FROM overrides");
      for (const override of overrides ?? []) this.#putOverride(override);
      if (challenges !== null) this.#file.run("DELETE FROM challenges");
      for (const challenge of challenges ?? []) this.#putChallenge(challenge);
      this.#append(why);
    });
    this.#forget();
  }

  #forget(): void {
    this.#version.forget();
    this.#overrides.forget();
    this.#challenges.forget();
    this.#proposals.forget();
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

  #putOverride({ id, action, author, reason, createdMs, untilMs, stage }: Override): void {
    this.#file.run(
      `REPLACE INTO overrides (id, kind, target_by, target_id, weight, verdict, ramp_ms, verdicts, author, reason, created_ms, until_ms, stage)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      action.kind,
      action.target.by,
      action.target.id,
      action.kind === "weight" ? action.weight : null,
      action.kind === "force" ? action.verdict : null,
      action.kind === "drain" ? (action.rampMs ?? null) : null,
      action.kind === "freeze" ? JSON.stringify(action.verdicts) : null,
      author,
      reason,
      createdMs,
      untilMs,
      stage === undefined ? null : JSON.stringify(stage),
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

  #putProposal(proposal: Proposal): void {
    this.#file.run(
      "REPLACE INTO proposals (id, created_ms, content) VALUES (?, ?, ?)",
      proposal.id,
      proposal.createdMs,
      JSON.stringify(proposal),
    );
  }

  #append({ version, atMs, author, reason, event, detail }: NewAuditEntry): void {
    this.#file.chain("audit").append([[version, atMs, author, reason, event, detail]]);
  }

  #storedVersion(): number {
    const row = this.#file.one("SELECT version FROM counter");
    return row === null ? 0 : integer(row, "version");
  }

  /** Of two orders on the same target the newer one wins, whichever comes into the store first. */
  #record({ version, set, ended, settled, audit }: UnrecordedChange): void {
    const atMs = audit[0]?.atMs ?? 0;
    const superseded = new Set(
      [...set.map(({ id }) => id), ...ended].filter((id) => {
        return this.#file.one("SELECT id FROM overrides WHERE id = ? AND created_ms > ?", id, atMs) !== null;
      }),
    );
    for (const override of set) if (!superseded.has(override.id)) this.#putOverride(override);
    for (const id of ended) if (!superseded.has(id)) this.#file.run("DELETE FROM overrides WHERE id = ?", id);
    for (const id of settled ?? []) this.#file.run("DELETE FROM proposals WHERE id = ?", id);
    this.#file.run("UPDATE counter SET version = max(version, ?)", version);
    const note = superseded.size === 0 ? "" : "; a newer order was in the store";
    for (const entry of audit)
      this.#append({ ...entry, detail: `${entry.detail} (made without the store${note})` });
  }

  #tokenEntry(event: AuditEvent, detail: string, author: string, atMs: number): NewAuditEntry {
    return { version: this.version(), atMs, author, reason: "", event, detail };
  }
}

/** The same each time, so that nothing has changed. */
const NONE: readonly Override[] = [];

/** What was read last. It is read again once somebody else has written; as long as it cannot be, it stays. */
class Kept<T> {
  readonly #file: StoreFile;
  readonly #read: () => T;
  #value: { readonly of: T } | null = null;
  #foreignWrites = 0;

  constructor(file: StoreFile, read: () => T) {
    this.#file = file;
    this.#read = read;
  }

  now(): T {
    const before = this.#value;
    try {
      const { foreignWrites } = this.#file;
      if (before !== null && foreignWrites === this.#foreignWrites) return before.of;
      this.#value = { of: this.#read() };
      this.#foreignWrites = foreignWrites;
      return this.#value.of;
    } catch (error) {
      if (before === null || !(error instanceof StoreUnavailable)) throw error;
      return before.of;
    }
  }

  /** Takes what is so now, without reading it. */
  put(value: T): void {
    this.#value = { of: value };
  }

  forget(): void {
    this.#value = null;
  }
}

/** The overrides after a change. */
function edited(
  overrides: readonly Override[],
  { set, ended }: Pick<StoredChange, "set" | "ended">,
): readonly Override[] {
  if (set.length + ended.length === 0) return overrides;
  const gone = new Set([...ended, ...set.map(({ id }) => id)]);
  return inOrder([...overrides.filter(({ id }) => !gone.has(id)), ...set]);
}

function inOrder(overrides: Override[]): readonly Override[] {
  return overrides.sort((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)));
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

function readOverride(row: Row): Override {
  return {
    id: text(row, "id"),
    action: readAction(row),
    author: text(row, "author"),
    reason: text(row, "reason"),
    createdMs: integer(row, "created_ms"),
    untilMs: optionalInteger(row, "until_ms"),
    ...(row["stage"] === null ? {} : { stage: JSON.parse(text(row, "stage")) }),
  };
}

/** The CHECK constraints of the table say the same; here they become types. */
function readAction(row: Row): Action {
  const kind = oneOf(row, "kind", ["weight", "drain", "force", "freeze"]);
  const id = text(row, "target_id");
  switch (kind) {
    case "weight": {
      const by = oneOf(row, "target_by", ["member", "region", "choice"]);
      return { kind, target: { by, id }, weight: Number(row["weight"]) };
    }
    case "drain": {
      const target = { by: oneOf(row, "target_by", ["member", "region"]), id };
      const rampMs = optionalInteger(row, "ramp_ms");
      return rampMs === null ? { kind, target } : { kind, target, rampMs };
    }
    case "force": {
      const by = oneOf(row, "target_by", ["member", "region", "vip"]);
      return { kind, target: { by, id }, verdict: oneOf(row, "verdict", ["up", "down"]) };
    }
    case "freeze": {
      const by = oneOf(row, "target_by", ["member", "region", "vip"]);
      const verdicts: Readonly<Record<string, "up" | "down">> = JSON.parse(text(row, "verdicts"));
      return { kind, target: { by, id }, verdicts };
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
  "change-staged",
  "stage-paused",
  "stage-resumed",
  "stage-aborted",
  "stage-rolled-back",
  "stage-finished",
  "change-proposed",
  "change-approved",
  "proposal-withdrawn",
  "proposal-expired",
  "challenges-set",
  "challenges-ended",
  "challenges-expired",
  "files-loaded",
  "drill-begun",
  "drill-ended",
  "drill-aborted",
  "drill-refused",
  "files-applied",
  "files-rolled-back",
  "rollback-ended",
  "keys-rolled",
  "store-restored",
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
