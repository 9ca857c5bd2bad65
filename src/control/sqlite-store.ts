/** The store of one machine: a SQLite file in the state folder. */

import type { SavedAlarms } from "./alarms.ts";
import type { Challenge } from "./challenge.ts";
import { integer, text } from "./columns.ts";
import type { HistoryStore } from "./history.ts";
import type { Journal, UnrecordedChange } from "./journal.ts";
import { LastRead } from "./last-read.ts";
import type { Override } from "./override.ts";
import type { ProfileStore } from "./profile.ts";
import type { Proposal } from "./proposal.ts";
import type { RepeatStore } from "./repeats.ts";
import { SqliteAudit } from "./sqlite-audit.ts";
import { putChallenge, readChallenges } from "./sqlite-challenges.ts";
import { SqliteDrills } from "./sqlite-drills.ts";
import { SqliteFacts } from "./sqlite-facts.ts";
import { SqliteHistory } from "./sqlite-history.ts";
import { edited, putOverride, readOverrides } from "./sqlite-overrides.ts";
import { SqliteProfile } from "./sqlite-profile.ts";
import { SqliteRepeats } from "./sqlite-repeats.ts";
import { SqliteTokens } from "./sqlite-tokens.ts";
import type {
  CommitOutcome,
  DrillStore,
  FactStore,
  NewAuditEntry,
  Store,
  StoredChange,
  TokenStore,
} from "./store.ts";
import { StoreFile } from "./store-file.ts";

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
  readonly audit: SqliteAudit;
  readonly facts: FactStore;
  readonly tokens: TokenStore;
  readonly profile: ProfileStore;
  readonly history: HistoryStore;
  readonly drills: DrillStore;
  readonly repeats: RepeatStore;
  readonly #version: LastRead<number>;
  readonly #overrides: LastRead<readonly Override[]>;
  readonly #challenges: LastRead<readonly Challenge[]>;
  readonly #proposals: LastRead<readonly Proposal[]>;

  constructor(file: StoreFile, journal: Journal | null) {
    this.#file = file;
    this.#journal = journal;
    this.audit = new SqliteAudit(file);
    this.facts = new SqliteFacts(file);
    this.tokens = new SqliteTokens(file, this.audit, () => this.version());
    this.profile = new SqliteProfile(file);
    this.history = new SqliteHistory(file);
    this.drills = new SqliteDrills(file);
    this.repeats = new SqliteRepeats(file);
    this.#version = new LastRead(file, () => this.#storedVersion());
    this.#overrides = new LastRead(file, () => readOverrides(file));
    this.#challenges = new LastRead(file, () => readChallenges(file));
    this.#proposals = new LastRead(file, () =>
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

  commit(change: StoredChange): CommitOutcome {
    this.reconcile();
    const { set, ended, challenges } = change;
    const overrides = this.#overrides.now();
    const outcome = this.#file.transaction((): CommitOutcome => {
      const current = this.#storedVersion();
      if (change.version <= current) return { kind: "conflict", current };
      this.#file.run("UPDATE counter SET version = ?", change.version);
      for (const id of ended) this.#file.run("DELETE FROM overrides WHERE id = ?", id);
      for (const override of set) putOverride(this.#file, override);
      for (const { owner, value } of challenges?.ended ?? [])
        this.#file.run("DELETE FROM challenges WHERE owner = ? AND value = ?", owner, value);
      for (const challenge of challenges?.set ?? []) putChallenge(this.#file, challenge);
      for (const id of change.settled ?? []) this.#file.run("DELETE FROM proposals WHERE id = ?", id);
      if (change.proposed !== undefined) this.#putProposal(change.proposed);
      for (const entry of change.audit) this.audit.append(entry);
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
      for (const override of overrides ?? []) putOverride(this.#file, override);
      if (challenges !== null) this.#file.run("DELETE FROM challenges");
      for (const challenge of challenges ?? []) putChallenge(this.#file, challenge);
      this.audit.append(why);
    });
    this.#forget();
  }

  #forget(): void {
    this.#version.forget();
    this.#overrides.forget();
    this.#challenges.forget();
    this.#proposals.forget();
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

  exclusively(work: () => NewAuditEntry | null): void {
    this.#file.transaction(() => {
      const entry = work();
      if (entry !== null) this.audit.append(entry);
    });
  }

  close(): void {
    this.#file.close();
  }

  #putProposal(proposal: Proposal): void {
    this.#file.run(
      "REPLACE INTO proposals (id, created_ms, content) VALUES (?, ?, ?)",
      proposal.id,
      proposal.createdMs,
      JSON.stringify(proposal),
    );
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
    for (const override of set) if (!superseded.has(override.id)) putOverride(this.#file, override);
    for (const id of ended) if (!superseded.has(id)) this.#file.run("DELETE FROM overrides WHERE id = ?", id);
    for (const id of settled ?? []) this.#file.run("DELETE FROM proposals WHERE id = ?", id);
    this.#file.run("UPDATE counter SET version = max(version, ?)", version);
    const note = superseded.size === 0 ? "" : "; a newer order was in the store";
    for (const entry of audit)
      this.audit.append({ ...entry, detail: `${entry.detail} (made without the store${note})` });
  }
}

/** The same each time, so that nothing has changed. */
const NONE: readonly Override[] = [];
