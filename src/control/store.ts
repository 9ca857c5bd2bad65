/** What control keeps across restarts: the interface that every store fulfils. */

import type { DrillRecord } from "../drill/drill.ts";
import type { Opinion } from "../health/verdict.ts";
import type { Answer } from "../steering/last-good.ts";
import type { AlarmStore } from "./alarms.ts";
import type { ChainHead } from "./chain.ts";
import type { Challenge, ChallengeEdit } from "./challenge.ts";
import type { HistoryStore } from "./history.ts";
import type { Override } from "./override.ts";
import type { ProfileStore } from "./profile.ts";
import type { Proposal } from "./proposal.ts";
import type { RepeatStore } from "./repeats.ts";

/**
 * The memory of a node. Calls are synchronous and durable when they return.
 *
 * 1. The version only grows, whoever else writes to the same store.
 * 2. What one `commit` or one call writes is there as a whole after a crash, or not at all.
 */
export interface Store extends AlarmStore {
  readonly audit: AuditStore;
  readonly facts: FactStore;
  readonly tokens: TokenStore;
  readonly profile: ProfileStore;
  /** What plans were made from at any time. */
  readonly history: HistoryStore;
  readonly drills: DrillStore;
  /** What was answered to requests that may come again. */
  readonly repeats: RepeatStore;
  /** The version of the last change; 0 in a new store. */
  version(): number;
  /** All overrides that were not ended, by id. */
  overrides(): readonly Override[];
  /** All challenges that were not ended, by owner and value. */
  challenges(): readonly Challenge[];
  /** What waits for a second person, the oldest first. */
  proposals(): readonly Proposal[];
  /** Writes one change. A version that is not above the stored one is a conflict, and nothing is written. */
  commit(change: StoredChange): CommitOutcome;
  /**
   * Takes a change into account that cannot be written now, and writes it once it can be: overrides are as it says from now on.
   */
  commitLater(change: StoredChange, nowMs: number): void;
  /** Does what no other process may do meanwhile, and adds what it returns to the audit list; null: there is nothing to say. */
  exclusively(work: () => NewAuditEntry | null): void;
  close(): void;
}

/** Who changed what, when and why: a hash chain, which is cut off at the front when it grows old. */
export interface AuditStore {
  /** The newest entries first, at most `limit`, of those with a `sequence` below `before` (null: all). */
  list(limit: number, before: number | null): readonly AuditEntry[];
  /** Those that follow, the oldest first. */
  after(sequence: number, limit: number): readonly AuditEntry[];
  /** The sequence of the oldest entry that is kept; null: there is none. */
  first(): number | null;
  /** The last record of the chain; null: there is none. */
  head(): ChainHead | null;
  /**
   * Forgets what is older than `keepMs`, some thousand entries at a time, and says so in an entry of `version`. Nothing is forgotten until
   * the oldest is a month older than that, so that there are few of these. Returns how many were forgotten.
   */
  prune(keepMs: number, nowMs: number, version: number): number;
}

/** What a restart must not forget of the facts. */
export interface FactStore {
  /** The last verdicts, so that a restart does not forget who is down. */
  verdicts(): readonly StoredVerdict[];
  /** Replaces the verdicts of these VIPs. */
  saveVerdicts(verdicts: readonly StoredVerdict[]): void;
  /** Forgets the verdicts of all VIPs but these. */
  keepVerdicts(vips: ReadonlySet<string>): void;
  /** The plans that were good last, by their keys. */
  lastGood(): ReadonlyMap<string, Answer>;
  /** Keeps these, in place of those of the same keys. */
  saveLastGood(plans: ReadonlyMap<string, Answer>): void;
  /** Forgets all of them but those whose key is wanted. */
  keepLastGood(isWanted: (key: string) => boolean): void;
}

/** Who may do what. */
export interface TokenStore {
  /** All tokens, by name. */
  list(): readonly TokenRecord[];
  /** The token with this id, and the hash of its secret (`hashSecret`); null: there is none. */
  find(id: string): { readonly token: TokenRecord; readonly hash: string } | null;
  /** Adds a token, and says so in the audit list. False when its name is taken. */
  add(token: TokenRecord, hash: string, author: string): boolean;
  /** Removes a token, and says so in the audit list. False when there is none of this name. */
  remove(name: string, author: string, atMs: number): boolean;
  /** Keeps when tokens were used last, by id. */
  saveUses(uses: ReadonlyMap<string, number>): void;
}

/** The last drills with their reports; older ones are forgotten. */
export interface DrillStore {
  /** The newest first. */
  list(): readonly DrillRecord[];
  /** One by its id; null: there is none. */
  find(id: string): DrillRecord | null;
  /** Adds a drill, or replaces it. */
  save(record: DrillRecord): void;
  /** The report in JSON; null: there is none. */
  report(id: string): string | null;
  saveReport(id: string, report: string): void;
}

/** What one change writes. */
export interface StoredChange {
  /** The version that the change makes. */
  readonly version: number;
  /** Overrides that are new or replace the one of the same id. */
  readonly set: readonly Override[];
  /** Ids of overrides that end. */
  readonly ended: readonly string[];
  /** Challenges that are new or replace the one of the same owner and value, and those that end. */
  readonly challenges?: ChallengeEdit;
  /** A proposal that is new or replaces the one of the same id. */
  readonly proposed?: Proposal;
  /** Ids of proposals that wait no more, whether they are there or not. */
  readonly settled?: readonly string[];
  readonly audit: readonly NewAuditEntry[];
}

/** Whether a change was written. */
export type CommitOutcome =
  | { readonly kind: "stored" }
  | { readonly kind: "conflict"; readonly current: number };

/** All that may happen, for the audit list. */
export const AUDIT_EVENTS = [
  "override-set",
  "override-replaced",
  "override-ended",
  "override-expired",
  "hold-released",
  /** Beside the event of a change that was made against rules: which, and what they found. */
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
  /** What was too old to be kept is gone. */
  "entries-cut",
] as const;

/** What happened, for the audit list. */
export type AuditEvent = (typeof AUDIT_EVENTS)[number];

/** One line of the audit list before it has its place in it. */
export interface NewAuditEntry {
  /** The version that the change made; for tokens, which are no part of a version, the one of that moment. */
  readonly version: number;
  readonly atMs: number;
  readonly author: string;
  readonly reason: string;
  readonly event: AuditEvent;
  /** What exactly, in a clause: `drain region eu-west until 2026-01-01T00:00:00.000Z`. */
  readonly detail: string;
}

/** One line of the audit list. */
export interface AuditEntry extends NewAuditEntry {
  /** Rises with each entry. */
  readonly sequence: number;
}

/** The part of a verdict that outlives a restart. */
export interface StoredVerdict {
  /** A VIP id; its config may have gone. */
  readonly vip: string;
  readonly up: boolean;
  readonly sinceMs: number;
  readonly recovering: boolean;
  readonly flaps: number;
  /** Since when it has been healthy while it is held down; null: it is not. */
  readonly healthySinceMs: number | null;
  /** What each vantage thought of the VIP. */
  readonly opinions: ReadonlyMap<string, Opinion>;
}

/** What a token allows. */
export type TokenGrant =
  /**
   * reader: reads. operator: besides, makes what ends again: overrides, releases, challenges. admin: besides, config and
   * tokens. observer: tells round-trip times of clients, and does nothing else.
   */
  | { readonly role: "reader" | "admin" | "observer" }
  /** Without a scope it is for everything. */
  | { readonly role: "operator"; readonly scope?: Scope }
  /** An agent may only open a report stream, as this vantage. */
  | { readonly role: "agent"; readonly vantage: string }
  /** May send signals on members of these pools, and do nothing else. */
  | { readonly role: "signals"; readonly pools: readonly string[] };

/** Names that somebody may move: those in these zones, and these services; at least one is said. See `scope.ts`. */
export interface Scope {
  /** Names such as `gslb.example`, each with all that lies below it. */
  readonly zones: readonly string[];
  /** Services by their labels, each with the names that are steered as it. */
  readonly services: readonly string[];
}

/** Whom a token is for. */
export type Role = TokenGrant["role"];

/** All roles there are. */
export const ROLES: readonly Role[] = ["reader", "operator", "admin", "observer", "agent", "signals"];

/** A role with what it is limited to: `agent dublin`. */
export function describeGrant(grant: TokenGrant): string {
  switch (grant.role) {
    case "agent":
      return `${grant.role} ${grant.vantage}`;
    case "signals":
      return `${grant.role} ${grant.pools.join(" ")}`;
    case "operator":
      return grant.scope === undefined ? grant.role : `${grant.role} ${describeScope(grant.scope)}`;
    default:
      return grant.role;
  }
}

/** For people: `for zones a, b and services c`. */
function describeScope({ zones, services }: Scope): string {
  const parts = [
    ...(zones.length > 0 ? [`zones ${zones.join(", ")}`] : []),
    ...(services.length > 0 ? [`services ${services.join(", ")}`] : []),
  ];
  return `for ${parts.join(" and ")}`;
}

/** A token without its secret, which nobody keeps. */
export interface TokenRecord {
  /** The part of the secret that finds it. Names may come again, ids do not. */
  readonly id: string;
  readonly name: string;
  readonly grant: TokenGrant;
  readonly createdMs: number;
  /** From this moment it lets nobody in; null: never. */
  readonly expiresMs: number | null;
  /** When it was used last, to the minute; null: it was not, or not since releases write that down. */
  readonly usedMs: number | null;
}
