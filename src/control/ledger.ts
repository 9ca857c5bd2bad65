/** The ledger of changes: gives each its version, writes it with what goes on record, and has it in force. */

import type { Problem } from "../problem.ts";
import { MERIDIAN } from "./author.ts";
import { type Challenge, live } from "./challenge.ts";
import type { Authorship, ChangeOutcome, ChangeRequest, SteeringRequest } from "./change.ts";
import type { Moved } from "./moved-clients.ts";
import type { Override } from "./override.ts";
import type { AuditEvent, CommitOutcome, NewAuditEntry, Store, StoredChange } from "./store.ts";
import { StoreUnavailable } from "./store-file.ts";

export interface LedgerOptions {
  readonly store: Store;
  readonly nowMs: () => number;
  /** The highest version seen anywhere. */
  readonly versionSeen: () => number;
  /** Puts other overrides in force before it returns. `audit` says what is new, for the log. */
  readonly override: (overrides: readonly Override[], audit: readonly NewAuditEntry[]) => void;
  /** Has other challenges answered before it returns. `audit` says what is new, for the log. */
  readonly challenge: (challenges: readonly Challenge[], audit: readonly NewAuditEntry[]) => void;
}

/** What goes on record of a change; its version follows when it is written. */
export type Deed = Omit<NewAuditEntry, "version">;

/** What a change writes. */
export interface Writing extends Partial<Omit<StoredChange, "version" | "audit">> {
  readonly deeds: readonly Deed[];
}

/** Whose change it is when the end of something has come. */
export const BY_TIME: Authorship = { author: MERIDIAN, reason: "its end has come" };

/** How a change is written, where it is not like most. */
export interface WritingOptions {
  /** Whom it would move, for who only tries it. */
  readonly moved?: Moved | null;
  /** Puts in force what it says, where that is neither overrides nor challenges. */
  readonly putInForce?: (audit: readonly NewAuditEntry[]) => void;
  /** Absent: the next. */
  readonly version?: number;
}

/** Writes change by change, in the order in which it is asked to. */
export class Ledger {
  readonly #options: LedgerOptions;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** The version of the last change. */
  version(): number {
    return Math.max(this.#options.store.version(), this.#options.versionSeen());
  }

  /** Something that is done now. */
  deed(event: AuditEvent, detail: string, { author, reason }: Authorship): Deed {
    return { atMs: this.#options.nowMs(), author, reason, event, detail };
  }

  /** What is done, by whom it was approved, and, where it was forced, against what. */
  deeds(
    event: AuditEvent,
    detail: string,
    request: Authorship & Pick<SteeringRequest, "approved">,
    broken: readonly Problem[],
  ): readonly Deed[] {
    const done = [this.deed(event, detail, request)];
    if (request.approved !== undefined) done.push(this.deed("change-approved", detail, request.approved.by));
    if (broken.length === 0) return done;
    const against = broken.map(({ message }) => message).join("; ");
    return [...done, this.deed("change-forced", `${detail}, against ${against}`, request)];
  }

  /** Writes a change and has it in force, or says what it would write. */
  write(
    { deeds, ...writing }: Writing,
    { breakGlass = false, dryRun = false }: Pick<ChangeRequest, "breakGlass" | "dryRun"> = {},
    { moved = null, putInForce, version = this.version() + 1 }: WritingOptions = {},
  ): ChangeOutcome {
    const audit = deeds.map((deed) => ({ ...deed, version }));
    if (dryRun) return { kind: "tried", audit, moved };
    const { challenge, nowMs, store, override } = this.#options;
    const stored = this.#commit({ set: [], ended: [], ...writing, version, audit }, breakGlass);
    if (stored.kind === "conflict") return stored;
    if (putInForce !== undefined) putInForce(audit);
    else if (writing.challenges === undefined) override(store.overrides(), audit);
    else challenge(live(store.challenges(), nowMs()), audit);
    return { kind: "published", version };
  }

  /** What comes into force whether the store can be written or not is put on record later, if it must be. */
  #commit(change: StoredChange, breakGlass: boolean): CommitOutcome {
    const { store, nowMs } = this.#options;
    try {
      return store.commit(change);
    } catch (error) {
      if (!breakGlass || !(error instanceof StoreUnavailable)) throw error;
      store.commitLater(change, nowMs());
      return { kind: "stored" };
    }
  }
}
