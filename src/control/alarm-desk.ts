/** What a node says of itself, as alarms. */

import type { Logger } from "pino";
import { type Alarm, keyOf } from "../alarm/alarm.ts";
import { messageOf } from "../problem.ts";
import { Counter } from "../telemetry/counters.ts";
import {
  type Condition,
  nodeConditions,
  serviceConditions,
  type UsedCertificate,
  verdictConditions,
} from "./alarm-watch.ts";
import { Alarms, type TestOutcome } from "./alarms.ts";
import type { AlarmsView, Desk } from "./desk.ts";
import { inTurns } from "./in-turns.ts";
import type { Override } from "./override.ts";
import type { Planner } from "./planner.ts";
import type { Publisher } from "./publish.ts";
import type { Snapshot } from "./snapshot.ts";
import type { AuditEntry, Store } from "./store.ts";
import { ifAvailable } from "./store-file.ts";

/** After a start agents need so long, at most, to connect and to say what they see. */
const SETTLE_MS = 60_000;

/** Certificates and signatures end slowly. */
const COUNTERS_MS = 10_000;

/** So many entries of the audit list are looked through at once: all that end in the same second, of the most overrides that there are. */
const AUDIT_MAX = 20_000;

/** More alarms than that nobody reads; they are counted. */
const STANDING_MAX = 10_000;

type WatchedDesk = Pick<Desk, "nowMs" | "snapshot" | "facts" | "vantages" | "status">;

export interface AlarmDeskOptions {
  /** The desk of its node, which has this one in it. */
  readonly desk: () => WatchedDesk;
  readonly store: Store;
  readonly overrides: () => readonly Override[];
  readonly planner: () => Planner;
  readonly publisher: Publisher;
  readonly startedMs: number;
  readonly log: Logger;
}

/** Looks at a node as a whole. */
export class AlarmDesk {
  readonly #options: AlarmDeskOptions;
  readonly #alarms: Alarms;
  /** Since when alarms stand that do not know it themselves, by key. */
  #since = new Map<string, number>();
  #standing: readonly Condition[] = [];
  /** Of what takes longer to find out. */
  #services: readonly Condition[] = [];
  #verdicts: readonly Condition[] = [];
  #isStale = true;
  #isLooking = false;
  #hasLooked = false;
  #hasCounters = false;
  #isSettled = false;
  #countersMs = Number.NEGATIVE_INFINITY;
  #certificates: readonly UsedCertificate[] = [];
  #signaturesLate = false;

  constructor(options: AlarmDeskOptions) {
    this.#options = options;
    const { desk, store, log } = options;
    this.#alarms = new Alarms({
      store,
      snapshot: () => desk().snapshot(),
      auditSequence: () => ifAvailable(() => store.audit.head()?.sequence ?? 0, null),
      auditAfter: (sequence) => ifAvailable(() => auditAfter(store, sequence), []),
      nowMs: () => desk().nowMs(),
      log,
    });
  }

  /** Follows another config. */
  use(snapshot: Snapshot): void {
    this.#alarms.use(snapshot);
    this.touch();
  }

  /** Verdicts or plans are others than before. */
  touch(): void {
    this.#isStale = true;
  }

  tick(): void {
    const desk = this.#options.desk();
    const nowMs = desk.nowMs();
    const vantages = desk.vantages();
    if (nowMs - this.#countersMs >= COUNTERS_MS) void this.#readCounters(nowMs);
    if (this.#isStale && !this.#isLooking) void this.#look();
    // What is not known yet is not wrong, and what was wrong before a restart has not ended because of it.
    const isKnown = this.#hasCounters && vantages.every(({ fresh }) => fresh);
    this.#isSettled ||= this.#hasLooked && (isKnown || nowMs - this.#options.startedMs > SETTLE_MS);
    if (!this.#isSettled) return;
    const { config } = desk.snapshot();
    const { lastReload, apiCertificateEndMs, store } = desk.status();
    const api = apiCertificateEndMs === null ? [] : [{ of: "the API", endMs: apiCertificateEndMs }];
    const { trouble } = this.#options.publisher;
    const sinceMs = this.#sinceMs();
    const conditions = [
      ...nodeConditions(
        {
          nowMs,
          config: config.alarms,
          vantages,
          overrides: this.#options.overrides(),
          lastReload,
          certificates: [...this.#certificates, ...api],
          signaturesLate: this.#signaturesLate,
          bookTrouble: trouble === null ? null : messageOf(trouble),
          storeTrouble: store.problem?.message ?? null,
        },
        sinceMs,
      ),
      ...this.#services,
      ...this.#verdicts,
    ];
    this.#standing = conditions.slice(0, STANDING_MAX);
    this.#forget(conditions);
    this.#alarms.tick(this.#standing);
  }

  view(): AlarmsView {
    const standing = this.#standing.map(({ alarm }) => alarm);
    return {
      standing: standing.toSorted((a: Alarm, b: Alarm) => a.beganMs - b.beganMs),
      destinations: this.#alarms.destinations(),
    };
  }

  test(destination: string): Promise<TestOutcome> {
    return this.#alarms.test(destination);
  }

  close(): void {
    this.#alarms.close();
  }

  /** Looks at all VIPs and services, beside everything else; what turns meanwhile is seen the next time. */
  async #look(): Promise<void> {
    const { planner } = this.#options;
    const desk = this.#options.desk();
    this.#isLooking = true;
    this.#isStale = false;
    const { config } = desk.snapshot();
    const sinceMs = this.#sinceMs();
    this.#verdicts = verdictConditions(config, desk.facts().verdicts, sinceMs);
    try {
      this.#services = await inTurns(serviceConditions(planner(), config, sinceMs));
    } finally {
      this.#isLooking = false;
      this.#hasLooked = true;
    }
  }

  async #readCounters(nowMs: number): Promise<void> {
    this.#countersMs = nowMs;
    const counters = await this.#options.publisher.counters();
    const ends: readonly (readonly [string, number])[] = [
      ["DNS over TLS", counters[Counter.tlsCertificateEnd] ?? 0],
      ["DNS over HTTPS", counters[Counter.httpsCertificateEnd] ?? 0],
    ];
    this.#certificates = ends.flatMap(([of, seconds]) =>
      seconds === 0 ? [] : [{ of, endMs: seconds * 1_000 }],
    );
    this.#signaturesLate = (counters[Counter.signaturesLate] ?? 0) > 0;
    this.#hasCounters = true;
  }

  /** The first time that anybody asks since when an alarm stands, that is now. */
  #sinceMs(): (key: string) => number {
    const nowMs = this.#options.desk().nowMs();
    return (key) => {
      const since = this.#since.get(key) ?? nowMs;
      this.#since.set(key, since);
      return since;
    };
  }

  #forget(conditions: readonly Condition[]): void {
    if (this.#isLooking) return;
    const keys = new Set(conditions.map(({ alarm }) => keyOf(alarm)));
    for (const key of this.#since.keys()) if (!keys.has(key)) this.#since.delete(key);
  }
}

/** The oldest first; of very many that came at once only the newest. */
function auditAfter(store: Store, sequence: number): readonly AuditEntry[] {
  const count = (store.audit.head()?.sequence ?? 0) - sequence;
  return store.audit
    .list(Math.min(count, AUDIT_MAX), null)
    .filter((entry) => entry.sequence > sequence)
    .toReversed();
}
