/** Tells operators what is wrong: looks at the node once a tick, and sees to it that each destination hears of it. */

import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { type Alarm, alarm, keyOf, severityOf } from "../alarm/alarm.ts";
import { type Batch, type Entry, Outbox, type Terms } from "../alarm/outbox.ts";
import { type Address, send } from "../alarm/send.ts";
import { type AlarmRoute, SEVERITIES } from "../config/alarms.ts";
import type { PoolId } from "../config/config.ts";
import { poolsOf } from "../health/bound.ts";
import { messageOf } from "../problem.ts";
import { type Condition, momentOf } from "./alarm-watch.ts";
import type { Snapshot } from "./snapshot.ts";
import type { AuditEntry } from "./store.ts";
import { ifAvailable, StoreUnavailable } from "./store-file.ts";

/** What is remembered of alarms over restarts. */
export interface SavedAlarms {
  /** The last entry of the audit list that was looked at. */
  readonly auditSequence: number;
  /** By destination. */
  readonly entries: Readonly<Record<string, readonly Entry[]>>;
}

/** The part of the store that alarms need. */
export interface AlarmStore {
  /** null: nothing was ever saved. */
  alarms(): SavedAlarms | null;
  saveAlarms(saved: SavedAlarms): void;
}

export interface AlarmsOptions {
  readonly store: AlarmStore;
  readonly snapshot: () => Snapshot;
  /** Those of the audit list after one, the oldest first. */
  readonly auditAfter: (sequence: number) => readonly AuditEntry[];
  /** Of its newest entry; null: it cannot be read now. */
  readonly auditSequence: () => number | null;
  readonly nowMs: () => number;
  readonly log: Logger;
}

/** How it stands with a destination. */
export interface DestinationView {
  readonly name: string;
  readonly type: Address["destination"]["kind"];
  /** What it is still to be told. */
  readonly waiting: number;
  /** Why it did not take the last message; null: it did, or there was none. */
  readonly trouble: string | null;
  /** Messages since control started. */
  readonly sent: number;
  readonly failed: number;
  /** Moments that it will never hear of, because too much had to wait. */
  readonly lost: number;
}

/** How a test went: taken, not taken and why, or there is no such destination. */
export type TestOutcome =
  | { readonly kind: "taken" }
  | { readonly kind: "not-taken"; readonly message: string }
  | { readonly kind: "unknown"; readonly known: readonly string[] };

/** All of a node's destinations. */
export class Alarms {
  readonly #options: AlarmsOptions;
  readonly #couriers = new Map<string, Courier>();
  /** What an earlier process has told, until the first config says whom. */
  #restored: SavedAlarms["entries"];
  /** null: nobody knows yet what is past. */
  #auditSequence: number | null;
  #auditSaved: number | null;
  #routes: readonly Route[] = [];
  #isClosed = false;
  /** Whether something has not been written that should be. */
  #isLate = false;

  constructor(options: AlarmsOptions) {
    this.#options = options;
    const saved = ifAvailable(() => options.store.alarms(), null);
    // What was before the first start of all is past.
    this.#auditSequence = saved?.auditSequence ?? options.auditSequence();
    this.#auditSaved = saved?.auditSequence ?? null;
    this.#restored = saved?.entries ?? {};
  }

  /** Follows another config: destinations that stay keep what they know. */
  use({ config, addresses }: Snapshot): void {
    for (const [name, address] of addresses) {
      const courier = this.#couriers.get(name);
      if (courier === undefined)
        this.#couriers.set(name, new Courier(name, address, new Outbox(this.#restored[name]), this.#options));
      else courier.use(address);
    }
    this.#restored = {};
    for (const name of this.#couriers.keys()) if (!addresses.has(name)) this.#couriers.delete(name);
    this.#routes = config.alarms.routes.map((route) => ({
      route,
      services: route.services && new Set(route.services.map(({ label }) => label)),
      pools:
        route.services &&
        new Set(
          route.services.flatMap(({ policy, whenDown }) => [
            ...poolsOf(policy, config),
            ...(whenDown.kind === "fallback" ? [whenDown.pool] : []),
          ]),
        ),
    }));
  }

  /** Takes note of all that is wrong now, and sends what is due. Nothing waits for it. */
  tick(standing: readonly Condition[]): void {
    const nowMs = this.#options.nowMs();
    const moments = this.#moments();
    const keys = new Set(standing.map((condition) => keyOf(condition.alarm)));
    for (const [name, courier] of this.#couriers) {
      const { outbox } = courier;
      const routed = new Map<string, readonly [Alarm, Terms]>();
      for (const condition of standing) {
        const route = this.#routeTo(name, condition);
        if (route !== null) routed.set(keyOf(condition.alarm), [condition.alarm, termsOf(route)]);
      }
      outbox.stand(routed, keys, nowMs);
      for (const moment of moments) {
        const route = this.#routeTo(name, moment);
        if (route !== null) outbox.add(moment.alarm, termsOf(route), nowMs);
      }
      courier.sendDue();
    }
    this.save();
  }

  /** Sends a test now, past all routes. */
  async test(name: string): Promise<TestOutcome> {
    const courier = this.#couriers.get(name);
    if (courier === undefined) return { kind: "unknown", known: [...this.#couriers.keys()] };
    const { node } = this.#options.snapshot().config;
    const summary = `a test of destination ${name} by node ${node.name}`;
    const moment = alarm("test", name, summary, this.#options.nowMs(), false);
    try {
      await courier.send({ notices: [{ alarm: moment, state: "happened", endedMs: null }], more: 0 });
      return { kind: "taken" };
    } catch (cause) {
      return { kind: "not-taken", message: messageOf(cause) };
    }
  }

  destinations(): readonly DestinationView[] {
    return Array.from(this.#couriers.values(), (courier) => courier.view());
  }

  /** Writes what must outlive a restart, where that has changed; what cannot be written now, as soon as it can be. */
  save(): void {
    if (this.#isClosed || this.#auditSequence === null) return;
    const hasChanged = Array.from(this.#couriers.values(), ({ outbox }) => outbox.hasChanged()).includes(
      true,
    );
    if (!hasChanged && !this.#isLate && this.#auditSequence === this.#auditSaved) return;
    const entries = Array.from(this.#couriers, ([name, { outbox }]) => [name, outbox.entries()] as const);
    const saved = { auditSequence: this.#auditSequence, entries: Object.fromEntries(entries) };
    try {
      this.#options.store.saveAlarms(saved);
      this.#auditSaved = this.#auditSequence;
      this.#isLate = false;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      this.#isLate = true;
    }
  }

  /** Sends nothing more; what nobody has taken is saved. */
  close(): void {
    this.save();
    this.#isClosed = true;
    for (const courier of this.#couriers.values()) courier.close();
  }

  #moments(): readonly Condition[] {
    const head = this.#options.auditSequence();
    if (head === null) return [];
    // A store that was made anew counts from the beginning.
    const seen = Math.min(this.#auditSequence ?? head, head);
    const entries = head === seen ? [] : this.#options.auditAfter(seen);
    this.#auditSequence = head;
    return entries.flatMap((entry) => momentOf(entry) ?? []);
  }

  #routeTo(destination: string, { alarm, concern }: Condition): AlarmRoute | null {
    const severity = SEVERITIES.indexOf(severityOf(alarm));
    const found = this.#routes.find(
      (candidate) =>
        candidate.route.to.includes(destination) &&
        severity >= SEVERITIES.indexOf(candidate.route.severity) &&
        isWanted(candidate, concern),
    );
    return found?.route ?? null;
  }
}

/** A route with what its services come to; null: it is for all. */
interface Route {
  readonly route: AlarmRoute;
  readonly services: ReadonlySet<string> | null;
  readonly pools: ReadonlySet<PoolId> | null;
}

function isWanted({ services, pools }: Route, concern: Condition["concern"]): boolean {
  if (services === null) return true;
  switch (concern.kind) {
    case "node":
      return false;
    case "pool":
      return pools?.has(concern.pool) === true;
    case "services":
      return concern.services.some(({ label }) => services.has(label));
  }
}

function termsOf({ delayMs, groupMs, recovery }: AlarmRoute): Terms {
  return { delayMs, groupMs, recovery };
}

/** Brings one destination its messages, one at a time. */
class Courier {
  readonly #name: string;
  readonly #options: Pick<AlarmsOptions, "nowMs" | "log" | "snapshot">;
  readonly outbox: Outbox;
  #address: Address;
  #isSending = false;
  #isClosed = false;
  #trouble: string | null = null;
  #sent = 0;
  #failed = 0;

  constructor(
    name: string,
    address: Address,
    outbox: Outbox,
    options: Pick<AlarmsOptions, "nowMs" | "log" | "snapshot">,
  ) {
    this.#name = name;
    this.#address = address;
    this.outbox = outbox;
    this.#options = options;
  }

  use(address: Address): void {
    this.#address = address;
    this.outbox.retry();
  }

  close(): void {
    this.#isClosed = true;
  }

  view(): DestinationView {
    return {
      name: this.#name,
      type: this.#address.destination.kind,
      waiting: this.outbox.waiting,
      trouble: this.#trouble,
      sent: this.#sent,
      failed: this.#failed,
      lost: this.outbox.lost,
    };
  }

  sendDue(): void {
    if (this.#isSending) return;
    const batch = this.outbox.next(this.#options.nowMs());
    if (batch !== null) void this.#deliver(batch);
  }

  /** Throws when the destination does not take it. */
  send(batch: Batch): Promise<void> {
    const { nowMs, snapshot } = this.#options;
    const node = snapshot().config.node.name;
    return send(this.#address, { ...batch, id: `msg_${randomUUID()}`, node, sentMs: nowMs() });
  }

  async #deliver(batch: Batch): Promise<void> {
    const { log, nowMs } = this.#options;
    this.#isSending = true;
    try {
      await this.send(batch);
      if (this.#isClosed) return;
      this.#sent += 1;
      this.outbox.taken(batch);
      if (this.#trouble !== null) log.info(`alarms: ${this.#name} takes messages again`);
      this.#trouble = null;
    } catch (cause) {
      if (this.#isClosed) return;
      this.#failed += 1;
      this.outbox.failed(nowMs());
      // Each further failure is counted, and not worth a line.
      if (this.#trouble === null)
        log.error(
          { cause: messageOf(cause) },
          `alarms: ${this.#name} does not take messages; they wait, and are sent again`,
        );
      this.#trouble = messageOf(cause);
    } finally {
      this.#isSending = false;
    }
  }
}
