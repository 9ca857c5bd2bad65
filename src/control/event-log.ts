/** What happens, one after the other: what changes by itself, from the history, and what somebody does, from the audit list. */

import { describeEntry, type HistoryEntry } from "./history.ts";
import type { AuditEntry, Store } from "./store.ts";

/** How far somebody has read: the last sequence of each list. */
export interface EventCursor {
  readonly history: number;
  readonly audit: number;
}

/** Something that has happened. */
export interface LoggedEvent {
  /** Where who has read up to this one stands. */
  readonly cursor: EventCursor;
  readonly kind: "verdict" | "ranking" | "override" | "files" | "audit";
  readonly atMs: number;
  /** A VIP, a cell with its regions, the id of an override; of what somebody did the event of the audit list. */
  readonly subject: string;
  /** For people, in a clause. */
  readonly detail: string;
  /** Who did it; null: nobody. */
  readonly author: string | null;
}

/** What follows a cursor. */
export type Following =
  /** The first of it, in the order in which it happened, and where it ends: not everything on record is an event. */
  | { readonly kind: "events"; readonly events: readonly LoggedEvent[]; readonly cursor: EventCursor }
  /** What followed is kept no more, or the lists are others now: one goes on from here. */
  | { readonly kind: "gap"; readonly cursor: EventCursor };

/** Reads on where somebody has stopped. The lists are the only buffer: who reads slowly takes no memory. */
export class EventLog {
  readonly #store: Pick<Store, "audit" | "history">;
  /** Has what changed last written down. */
  readonly #flush: () => void;

  constructor(store: Pick<Store, "audit" | "history">, flush: () => void) {
    this.#store = store;
    this.#flush = flush;
  }

  /** Where who has read everything stands. */
  end(): EventCursor {
    this.#flush();
    const [last] = this.#store.audit.list(1, null);
    return { history: this.#store.history.head()?.sequence ?? 0, audit: last?.sequence ?? 0 };
  }

  /** At most `limit` of what follows, of each list. */
  after(cursor: EventCursor, limit: number): Following {
    const end = this.end();
    const first = { history: this.#store.history.first() ?? 1, audit: this.#store.audit.first() ?? 1 };
    const isAhead = cursor.history > end.history || cursor.audit > end.audit;
    if (isAhead || cursor.history + 1 < first.history || cursor.audit + 1 < first.audit)
      return { kind: "gap", cursor: end };
    const history = this.#store.history.after(cursor.history, limit);
    const audit = this.#store.audit.after(cursor.audit, limit);
    return {
      kind: "events",
      events: [...inOrder(cursor, history, audit)],
      cursor: {
        history: history.at(-1)?.sequence ?? cursor.history,
        audit: audit.at(-1)?.sequence ?? cursor.audit,
      },
    };
  }
}

/** Both lists as one, by time; each stays in its own order, whatever the clock did. */
function* inOrder(
  cursor: EventCursor,
  history: readonly HistoryEntry[],
  audit: readonly AuditEntry[],
): Generator<LoggedEvent> {
  let at = cursor;
  for (let [i, j] = [0, 0]; ; ) {
    const [fact, deed] = [history[i], audit[j]];
    if (fact !== undefined && (deed === undefined || fact.atMs <= deed.atMs)) {
      i += 1;
      at = { ...at, history: fact.sequence };
      const kind = KINDS.find((candidate) => candidate === fact.kind);
      if (kind === undefined) continue;
      const { atMs, subject } = fact;
      yield { cursor: at, kind, atMs, subject, detail: describeEntry(fact), author: null };
    } else if (deed !== undefined) {
      j += 1;
      at = { ...at, audit: deed.sequence };
      const { atMs, event, detail, author } = deed;
      yield { cursor: at, kind: "audit", atMs, subject: event, detail, author };
    } else return;
  }
}

const KINDS = ["verdict", "ranking", "override", "files"] as const;
