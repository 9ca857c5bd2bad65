/** What one destination is to be told: delayed, grouped, told once, and told again until it is taken. */

import { SEVERITIES } from "../config/alarms.ts";
import { type Alarm, keyOf, severityOf } from "./alarm.ts";

/** How an alarm is told. */
export interface Terms {
  readonly delayMs: number;
  readonly groupMs: number;
  readonly recovery: boolean;
}

/** An alarm that the destination has been told of, or is to be. */
export interface Entry {
  readonly alarm: Alarm;
  readonly terms: Terms;
  /** When it is to be told, at the earliest: that it began, or, where that was told, that it ended. */
  readonly dueMs: number;
  readonly isTold: boolean;
  /** null: it has not ended, as far as is known. */
  readonly endedMs: number | null;
}

/** One line of a message. */
export interface Notice {
  readonly alarm: Alarm;
  /** ended: whether or not the destination was told that it began. */
  readonly state: "begun" | "ended" | "happened";
  readonly endedMs: number | null;
}

/** What is sent at once. */
export interface Batch {
  /** The worst first. */
  readonly notices: readonly Notice[];
  /** How many more there are, for the next messages. */
  readonly more: number;
}

/**
 * No more than this is kept of a severity, and as many moments: a thousand VIPs that are down leave room for what is critical, and for
 * what somebody does about it. Alarms that stand are offered again, so only moments are lost beyond.
 */
const ENTRIES_MAX = 1_000;

/** A message is read by people. */
const NOTICES_MAX = 50;

/** The first wait after a failure; each further one is twice as long, up to the other. */
const RETRY_MS = 5_000;
const RETRY_MS_MAX = 300_000;

/**
 * The life of an alarm that lasts, for one destination:
 *
 *            delay over, group over, taken                ended             taken
 *     waiting ---------------------------------> told ------------> ending ----------> gone
 *        |                                        ^                    |
 *        '--- ended before its delay ---> gone    '---- begun again ---'
 *
 * What ends after its delay but before it was taken (the destination was out of reach) is told as ended, with both times.
 */
export class Outbox {
  readonly #entries = new Map<string, Entry>();
  /** How many entries there are, by what shares its room. */
  readonly #counts = new Map<string, number>();
  #failures = 0;
  #retryMs = 0;
  #lost = 0;
  #hasChanged = false;

  /** `restored` is what an earlier one had. */
  constructor(restored: readonly Entry[] = []) {
    for (const entry of restored) this.#put(entry);
    this.#hasChanged = false;
  }

  entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  /** How many entries are still to be told. */
  get waiting(): number {
    return this.entries().filter(isUntold).length;
  }

  /** How many moments nobody was told of, because too much had to wait. */
  get lost(): number {
    return this.#lost;
  }

  /** Whether entries are others than at the call before. */
  hasChanged(): boolean {
    const hasChanged = this.#hasChanged;
    this.#hasChanged = false;
    return hasChanged;
  }

  /**
   * Takes note of what this destination is told of all that stands now, and so of what has ended. `all` are the keys of
   * that: what still stands, but is not routed here any more, is dropped without a word.
   */
  stand(
    standing: ReadonlyMap<string, readonly [Alarm, Terms]>,
    all: ReadonlySet<string>,
    nowMs: number,
  ): void {
    for (const [id, [alarm, terms]] of standing) {
      const entry = this.#entries.get(id);
      if (entry === undefined) {
        if (this.#hasRoomFor(alarm))
          this.#put({ alarm, terms, dueMs: nowMs + terms.delayMs, isTold: false, endedMs: null });
      } else if (entry.endedMs !== null) this.#put({ ...entry, endedMs: null });
    }
    for (const [id, entry] of this.#entries) {
      if (!entry.alarm.lasts || entry.endedMs !== null || standing.has(id)) continue;
      if (all.has(id)) this.#drop(id);
      else this.#end(entry, nowMs);
    }
  }

  /** Adds a moment. */
  add(alarm: Alarm, terms: Terms, nowMs: number): void {
    if (this.#hasRoomFor(alarm)) this.#put({ alarm, terms, dueMs: nowMs, isTold: false, endedMs: null });
    else this.#lost += 1;
  }

  /** What is to be sent now; null: nothing. */
  next(nowMs: number): Batch | null {
    if (nowMs < this.#retryMs) return null;
    const due = this.entries().filter((entry) => isUntold(entry) && entry.dueMs <= nowMs);
    if (!due.some(({ dueMs, terms }) => dueMs + terms.groupMs <= nowMs)) return null;
    const notices = due.toSorted(byUrgency).slice(0, NOTICES_MAX).map(noticeOf);
    return { notices, more: due.length - notices.length };
  }

  /** A batch was taken. What has begun, ended or begun again meanwhile is for the next one. */
  taken({ notices }: Batch): void {
    for (const { alarm, state } of notices) {
      const id = idOf(alarm);
      const entry = this.#entries.get(id);
      if (entry === undefined) continue;
      const hasBegun = state === "begun";
      const isOver = entry.endedMs !== null && (!hasBegun || !entry.terms.recovery);
      if (state === "happened" || isOver) this.#drop(id);
      else this.#put({ ...entry, isTold: hasBegun });
    }
    this.#failures = 0;
    this.#retryMs = 0;
  }

  /** A batch was not taken: it is made anew later, with what has come by then. */
  failed(nowMs: number): void {
    this.#retryMs = nowMs + Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
  }

  /** Does not wait any more: the destination is another one. */
  retry(): void {
    this.#retryMs = 0;
  }

  #end(entry: Entry, nowMs: number): void {
    const isKnown = entry.isTold || entry.dueMs <= nowMs;
    if (!isKnown || (entry.isTold && !entry.terms.recovery)) this.#drop(idOf(entry.alarm));
    else this.#put({ ...entry, endedMs: nowMs, dueMs: entry.isTold ? nowMs : entry.dueMs });
  }

  #hasRoomFor(alarm: Alarm): boolean {
    return (this.#counts.get(roomOf(alarm)) ?? 0) < ENTRIES_MAX;
  }

  #put(entry: Entry): void {
    const id = idOf(entry.alarm);
    if (!this.#entries.has(id)) this.#count(entry, 1);
    this.#entries.set(id, entry);
    this.#hasChanged = true;
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#count(entry, -1);
    this.#entries.delete(id);
    this.#hasChanged = true;
  }

  #count({ alarm }: Entry, more: 1 | -1): void {
    const room = roomOf(alarm);
    this.#counts.set(room, (this.#counts.get(room) ?? 0) + more);
  }
}

/** What takes room from an alarm: those of its severity, that last or not. */
function roomOf(alarm: Alarm): string {
  return `${severityOf(alarm)} ${alarm.lasts}`;
}

/** Moments are each one of its own. */
function idOf(alarm: Alarm): string {
  return alarm.lasts ? keyOf(alarm) : `${keyOf(alarm)} ${alarm.beganMs}`;
}

function isUntold({ isTold, endedMs }: Entry): boolean {
  return !isTold || endedMs !== null;
}

function noticeOf({ alarm, endedMs }: Entry): Notice {
  if (!alarm.lasts) return { alarm, state: "happened", endedMs: null };
  return { alarm, state: endedMs === null ? "begun" : "ended", endedMs };
}

function byUrgency(a: Entry, b: Entry): number {
  const worse = SEVERITIES.indexOf(severityOf(b.alarm)) - SEVERITIES.indexOf(severityOf(a.alarm));
  return worse || a.alarm.beganMs - b.alarm.beganMs;
}
