/** The desk of a node: which of its parts answers what. */

import { join } from "node:path";
import type { Logger } from "pino";
import type { ForwardedRequest } from "../book/messages.ts";
import { trackedVips } from "../health/tracked.ts";
import { observedAs } from "../steering/cell.ts";
import type { Facts } from "../steering/facts.ts";
import type { AlarmDesk } from "./alarm-desk.ts";
import type { AuditKeeper } from "./audit-keeper.ts";
import { live } from "./challenge.ts";
import type { Clerk } from "./clerk.ts";
import type { Complaints } from "./complaints.ts";
import type { DeclaredFiles } from "./declared-files.ts";
import type { ConnectedVantage, Desk } from "./desk.ts";
import type { Door } from "./door.ts";
import type { Drills } from "./drills.ts";
import { explainName } from "./explain.ts";
import type { FactKeeper } from "./fact-keeper.ts";
import { inTurns } from "./in-turns.ts";
import type { Ingest } from "./ingest.ts";
import type { KeyRoller } from "./key-roller.ts";
import type { Edition } from "./live-book.ts";
import type { Notifier } from "./notifier.ts";
import { OverrideList } from "./override-list.ts";
import type { Publisher } from "./publish.ts";
import type { RecordDesk } from "./record-desk.ts";
import { Repeats } from "./repeats.ts";
import type { SignalGate } from "./signals.ts";
import { STORE_FILE } from "./sqlite-store.ts";
import type { StoreKeeper } from "./store-keeper.ts";
import type { TokenKeeper } from "./token-keeper.ts";
import type { TrafficDesk } from "./traffic-desk.ts";
import type { Trials } from "./trials.ts";
import { verifyStore } from "./verify-store.ts";

/** A desk with what the process of its node asks of it. */
export interface NodeDesk extends Desk {
  /** Reads the files now, whether they have changed or not. */
  reload(): void;
  /** The messages of the reply to a request that dns leaves to control. */
  reply(request: ForwardedRequest): AsyncGenerator<Uint8Array>;
  /** Lets everything that depends on the clock catch up with it, and sees to the next time. */
  tick(): void;
  close(): Promise<void>;
}

/** What answers. */
export interface DeskParts extends Pick<NodeDesk, "nowMs" | "snapshot" | "tick" | "close"> {
  readonly startedMs: number;
  readonly stateFolder: string;
  readonly edition: () => Edition;
  readonly publisher: Publisher;
  readonly storeKeeper: StoreKeeper;
  readonly keeper: FactKeeper;
  readonly records: RecordDesk;
  readonly traffic: TrafficDesk;
  readonly trials: Trials;
  readonly door: Door;
  readonly declared: DeclaredFiles;
  readonly ingest: Ingest;
  readonly signals: SignalGate;
  readonly drills: Drills;
  readonly tokens: TokenKeeper;
  readonly auditKeeper: AuditKeeper;
  readonly clerk: Clerk;
  readonly notifier: Notifier;
  readonly roller: KeyRoller;
  readonly alarms: AlarmDesk;
  readonly complaints: Complaints;
  readonly log: Logger;
}

/** Makes the desk of a node. */
export function deskOf(parts: DeskParts): NodeDesk {
  const { nowMs, snapshot, edition, publisher, storeKeeper, keeper, records, traffic, door } = parts;
  const { declared, ingest, signals, tokens, clerk, notifier, roller, alarms } = parts;
  const { store } = storeKeeper;
  const overrideList = new OverrideList();
  let apiCertificateEndMs: number | null = null;
  const facts = (): Facts => keeper.facts(nowMs());
  return {
    nowMs,
    snapshot,
    facts,
    tick: parts.tick,
    close: parts.close,
    reload: () => declared.reload("asked for"),
    reply: (request) => clerk.reply(request),
    change: (request) => door.change(request),

    drills: parts.drills,
    repeats: new Repeats(store.repeats),
    events: records.events,
    snapshots: records.snapshots,
    past: (atMs) => records.past(atMs),
    history: (query) => records.history(query),
    audit: (limit, before) => store.audit.list(limit, before),
    verify: (heads) => inTurns(verifyStore(join(parts.stateFolder, STORE_FILE), heads)),

    verdicts: () => {
      const { verdicts } = facts();
      return trackedVips(snapshot().config).flatMap(({ vip }) => verdicts.get(vip) ?? []);
    },
    vantages: () =>
      keeper
        .vantageStates()
        .map((state): ConnectedVantage => ({ ...state, streams: ingest.streamsOf(state.vantage) })),
    roundTrips: () => keeper.roundTrips(),
    overrides: () => overrideList.of(keeper.overrides, snapshot().config),
    challenges: () => live(store.challenges(), nowMs()),
    proposals: () => store.proposals().filter(({ untilMs }) => untilMs > nowMs()),
    signedZones: () => roller.views(),
    classes: (service) => {
      const { planner } = edition();
      const locations = planner.splitFor(service)?.partition.representatives ?? [];
      return planner.plansFor(service).flatMap((plans, number) => {
        const clients = locations[number];
        return clients === undefined ? [] : [{ clients, plans }];
      });
    },
    explain: (question) => explainName(edition(), facts(), question),

    status: () => ({
      version: door.version(),
      adoptedVersion: publisher.versionServed,
      startedMs: parts.startedMs,
      reportsTaken: ingest.reportsTaken,
      transfers: clerk.transfers,
      notifies: notifier.outcomes,
      lastReload: declared.lastReload,
      apiCertificateEndMs,
      store: {
        problem: storeKeeper.problem,
        unrecorded: storeKeeper.unrecorded,
        isJournaled: storeKeeper.isJournaled,
      },
      declared: declared.state(),
    }),
    noteCertificate: (endMs) => {
      apiCertificateEndMs = endMs;
    },
    alarms: () => alarms.view(),
    testAlarm: (destination) => alarms.test(destination),
    counters: () => publisher.counters(),

    profile: (fromMs) => traffic.since(fromMs),
    splits: (fromMs) => traffic.splits(fromMs),
    capacities: () => traffic.capacities(),
    measureServices: () => traffic.measureServices(),
    rehearse: (request) => parts.trials.rehearse(request),
    preview: (texts) => parts.trials.preview(texts),

    observe: (observations) => {
      const { atlas } = snapshot();
      const atMs = nowMs();
      keeper.observe(
        observations.map(({ prefix, ...rtt }) => ({
          ...rtt,
          as: observedAs(atlas.locate(prefix.address)),
          atMs,
        })),
      );
    },
    signal: (token, taken) => signals.take(token, taken, snapshot().config, nowMs()),
    acceptAgent: (socket, token) => ingest.accept(socket, token),

    authenticate: (secret, source) => tokens.authenticate(secret, source),
    honours: (token) => tokens.honours(token),
    tokens: () => tokens.list(),
    addToken: (order, author) => tokens.add(order, author),
    removeToken: (name, author) => tokens.remove(name, author),
    lockedOut: (address, lock) => {
      const until = new Date(lock.untilMs).toISOString();
      const why = `${lock.failures} tokens are not known`;
      parts.log.warn(`API: ${address} is locked out until ${until}: ${why}`);
      parts.complaints.unless("that an address was locked out is not on record", () =>
        parts.auditKeeper.lockedOut(address, lock),
      );
    },
  };
}
