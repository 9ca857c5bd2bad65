/** What control offers its API: everything that can be asked or changed on a node. */

import type { WebSocket } from "ws";
import type { Alarm } from "../alarm/alarm.ts";
import type { ClassPlans } from "../book/content.ts";
import type { RegionId, Service, VipId } from "../config/config.ts";
import type { Location } from "../geo/location.ts";
import type { VantageState } from "../health/matrix.ts";
import type { Verdict } from "../health/verdict.ts";
import type { Problem } from "../problem.ts";
import type { Counterfactual } from "../steering/counterfactual.ts";
import type { Explanation } from "../steering/explain.ts";
import type { Facts } from "../steering/facts.ts";
import type { Supposition } from "../steering/suppose.ts";
import type { MeasuredService } from "../telemetry/measured.ts";
import type { IpAddress, Prefix } from "../wire/address.ts";
import type { Name } from "../wire/name.ts";
import type { DestinationView, TestOutcome } from "./alarms.ts";
import type { AppliedBy } from "./applied.ts";
import type { Lock } from "./audit-keeper.ts";
import type { PoolCapacity } from "./capacity.ts";
import type { Challenge } from "./challenge.ts";
import type { ChangeOutcome, ChangeRequest } from "./change.ts";
import type { Drills } from "./drills.ts";
import type { EventLog } from "./event-log.ts";
import type { RoundTrips } from "./fact-keeper.ts";
import type { HistoryEntry, HistoryQuery } from "./history.ts";
import type { SignedZoneView } from "./key-roller.ts";
import type { NotifyOutcome } from "./notifier.ts";
import type { Override } from "./override.ts";
import type { PastOutcome } from "./past.ts";
import type { PreviewOutcome } from "./preview.ts";
import type { ProfileWindow } from "./profile.ts";
import type { Proposal } from "./proposal.ts";
import type { RehearsalOutcome, RehearsalRequest } from "./rehearse.ts";
import type { Repeats } from "./repeats.ts";
import type { Signal, SignalOutcome } from "./signals.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Snapshots } from "./snapshots.ts";
import type { ServiceShares } from "./splits.ts";
import type { AuditEntry, TokenRecord } from "./store.ts";
import type { StoreProblem } from "./store-file.ts";
import type { Authentication, TokenOrder } from "./token-keeper.ts";
import type { TransferOutcome } from "./transfers.ts";
import type { StoreReport } from "./verify-store.ts";

/** One node's desk. Methods answer from memory unless they return a promise. */
export interface Desk {
  readonly drills: Drills;
  /** The clock that everything here goes by. */
  nowMs(): number;
  /** Config, zones and geo data in force; never half of a change. */
  snapshot(): Snapshot;
  /** What plans are made from at this moment, overrides included. */
  facts(): Facts;
  /** One for each VIP, in the order of the config; forced ones included. */
  verdicts(): readonly Verdict[];
  /** One for each vantage of the config, in its order. */
  vantages(): readonly ConnectedVantage[];
  overrides(): readonly ListedOverride[];
  /** Those that are answered now, by owner name. */
  challenges(): readonly Challenge[];
  /** What waits for a second person, the oldest first. */
  proposals(): readonly Proposal[];
  /** In the order of the config. */
  signedZones(): readonly SignedZoneView[];
  /** The newest entries first, at most `limit`, of those with a `sequence` below `before` (null: all). */
  audit(limit: number, before: number | null): readonly AuditEntry[];
  /** Checks that all that is on record is as it was written; `heads` are ones from before. */
  verify(heads: readonly string[]): Promise<StoreReport>;
  /** What was so at a past time. */
  past(atMs: number): Promise<PastOutcome>;
  /** What changed by itself or by order, the newest first. */
  history(query: HistoryQuery): readonly HistoryEntry[];
  /** The same, and what somebody did, as it goes on. */
  readonly events: EventLog;
  /** The sets of files that came into force. */
  readonly snapshots: Snapshots;
  /** What these files would change. */
  preview(texts: ReadonlyMap<string, string>): Promise<PreviewOutcome>;
  status(): Status;
  /** The classes of clients that a service of the config tells apart, by number. */
  classes(service: Service): readonly ClassView[];
  /** Why clients at an address get the answers they get at this moment, or would get if. */
  explain(question: ExplainQuestion): ExplainOutcome;
  /** Takes round-trip times that clients had, for the `latency` policies. */
  observe(observations: readonly ClientRtt[]): void;
  /** What the orders of regions in `latency` policies rest on. */
  roundTrips(): RoundTrips;
  /** Sums over all dns threads, in the order of `Counter`, then the picks of each region in the order of the config. */
  counters(): Promise<readonly number[]>;
  /** What is known of the traffic since a moment, the oldest first, until now; null: the config does not want it kept. */
  profile(fromMs: number): Promise<Iterable<ProfileWindow> | null>;
  /** How answers were shared out among regions since a moment, and how they would be now; null: no traffic is kept. */
  splits(fromMs: number): Promise<readonly ServiceShares[] | null>;
  /** What a change would do to the traffic that there was. */
  rehearse(request: RehearsalRequest): Promise<RehearsalOutcome>;
  /** Tells requests that are sent again from those that are not. */
  readonly repeats: Repeats;
  /** Makes one change, or none of it. */
  change(request: ChangeRequest): Promise<ChangeOutcome>;
  /** What each region's death would put on the others. */
  capacities(): Promise<readonly PoolCapacity[]>;
  /** What is wrong now, and how it stands with those who are told. */
  alarms(): AlarmsView;
  /** How the first of the services stand, for metrics. */
  measureServices(): Promise<readonly MeasuredService[]>;
  /** Sends a test to a destination, and waits for its word. */
  testAlarm(destination: string): Promise<TestOutcome>;
  /** Told of the certificate that the API uses from now on. */
  noteCertificate(endMs: number): void;
  /** Takes all of these signals, or none. */
  signal(token: TokenRecord, signals: readonly Signal[]): SignalOutcome;
  /** Whose a bearer token is; `source` is who shows it. */
  authenticate(secret: string, source: string): Promise<Authentication>;
  /** Whether a token that was let in still would be: what lasts, such as a stream, asks again now and then. */
  honours(token: TokenRecord): boolean;
  /** By name, with their last uses. */
  tokens(): readonly TokenRecord[];
  /** Makes a token and returns its secret, which nobody can read again; null: the name is taken. */
  addToken(order: TokenOrder, author: string): Promise<string | null>;
  /** False: there is no such token. */
  removeToken(name: string, author: string): boolean;
  /** Puts on record that an address was locked out. */
  lockedOut(address: string, lock: Lock): void;
  /** Takes over the socket of somebody with this token, who must be an agent; nothing must have been read from it. */
  acceptAgent(socket: WebSocket, token: TokenRecord): void;
}

/** What operators are told. */
export interface AlarmsView {
  /** What lasts, the oldest first. */
  readonly standing: readonly Alarm[];
  readonly destinations: readonly DestinationView[];
}

/** A class of clients of one service. */
interface ClassView {
  /** A location that stands for all of it. */
  readonly clients: Location;
  readonly plans: ClassPlans;
}

/** An override as the list shows it. */
export interface ListedOverride extends Override {
  /** True when its target is not in the config, so that it does nothing. */
  readonly stale: boolean;
}

/** A vantage with its connections. */
export interface ConnectedVantage extends VantageState {
  /** Report streams that are open now. */
  readonly streams: number;
}

/** What is to be explained. */
export interface ExplainQuestion {
  readonly qname: Name;
  /** What the answer goes by: the client's address, the lowest of its subnet, or its resolver's. */
  readonly client: IpAddress;
  readonly family: 4 | 6;
  /** Facts that are not so, but might be. */
  readonly supposed: readonly Supposition[];
}

/** The middle of some round-trip times that clients in a prefix had to a region of the config. */
export interface ClientRtt {
  readonly prefix: Prefix;
  readonly region: RegionId;
  readonly rttMs: number;
  readonly samples: number;
}

/** What of a plan one client gets. */
export interface Picked {
  /** The VIP that it gets in the second of `atMs`; null: it has none. */
  readonly picked: VipId | null;
  /** The other VIPs of that answer, in its order. */
  readonly beside: readonly VipId[];
  /** Which bucket its prefix is in, and which VIP has that at any time; null: nothing of the plan is sticky. */
  readonly sticky: { readonly bucket: number; readonly buckets: number; readonly vip: VipId | null } | null;
}

/** An explanation, or that there is nothing to explain. */
export type ExplainOutcome =
  | (Picked & {
      readonly kind: "explained";
      /** The service that answers for the qname, by its own name or by a `STEER` in a zone. */
      readonly service: Service;
      /** How many bits of the client's address the answer depends on: the ECS scope. */
      readonly scopePrefixLength: number;
      readonly explanation: Explanation;
      readonly atMs: number;
      /** What would change the plan. */
      readonly counterfactual: Counterfactual;
    })
  | { readonly kind: "not-steered"; readonly message: string };

/** How the node itself is doing. */
interface Status {
  /** Of the last change. */
  readonly version: number;
  /** Of the book that dns serves; 0: none yet. */
  readonly adoptedVersion: number;
  readonly startedMs: number;
  /** Reports taken from agents since then. */
  readonly reportsTaken: number;
  /** How requests for zones have ended since then. */
  readonly transfers: Readonly<Record<TransferOutcome, number>>;
  /** What has become of the NOTIFYs since then. */
  readonly notifies: Readonly<Record<NotifyOutcome, number>>;
  readonly lastReload: LastReload;
  /** When the certificate of the API ends; null: it has none in use. */
  readonly apiCertificateEndMs: number | null;
  readonly store: StoreStatus;
  readonly declared: DeclaredState;
}

/** Whether the store does what it should. */
export interface StoreStatus {
  /** null: it does. */
  readonly problem: StoreProblem | null;
  /** Changes by break-glass that are in force and that it does not have yet. */
  readonly unrecorded: number;
  /** Whether these outlive control: they are in the journal. */
  readonly isJournaled: boolean;
}

/** Where config and zones come from. */
export interface DeclaredState {
  /** As `node.source` says. */
  readonly source: "files" | "api";
  /** Who gave those in force through the API, and why; null: they are the files on disk. */
  readonly by: AppliedBy | null;
  /** What is in force that the files on disk do not say; null: nothing, or there are none that count. */
  readonly drift: string | null;
}

/** How the last attempt to load the files ended. */
export type LastReload =
  /** The warnings say what of it could not be used, so that something older is: a broken geo database. */
  | { readonly kind: "loaded"; readonly atMs: number; readonly warnings: readonly Problem[] }
  /** The snapshot before it stays in force. */
  | { readonly kind: "refused"; readonly atMs: number; readonly problems: readonly Problem[] };
