/** What is measured, before it is written for Prometheus. */

/** Everything that is measured, at one moment. */
export interface Sample {
  /** Sums over all dns threads, as `sumCounters` gives them; null: dns did not say in time. */
  readonly counters: readonly number[] | null;
  /** Names of the regions, by their number. */
  readonly regions: readonly string[];
  readonly version: number;
  readonly adoptedVersion: number;
  readonly startedMs: number;
  readonly reportsTaken: number;
  /** By how they ended: requests for zones, and NOTIFYs to secondaries. */
  readonly transfers: Readonly<Record<string, number>>;
  readonly notifies: Readonly<Record<string, number>>;
  /** Of the zones that may be transferred, by their names. */
  readonly serials: Readonly<Record<string, number>>;
  readonly vips: readonly MeasuredVip[];
  /** Of the members whose load is known. */
  readonly loads: readonly MeasuredLoad[];
  readonly vantages: readonly MeasuredVantage[];
  /** Overrides that count now, by kind. */
  readonly overrides: Readonly<Record<string, number>>;
  readonly services: number;
  readonly isDrillRunning: boolean;
  readonly rollovers: readonly MeasuredRollover[];
  /** Whether the store can be written, and how many changes by break-glass it does not have yet. */
  readonly store: { readonly isWritable: boolean; readonly unrecorded: number };
  readonly lastReload: { readonly loaded: boolean; readonly atMs: number };
  /** Whether something else is in force than the files on disk say. */
  readonly drifts: boolean;
  readonly geoBuiltAtSeconds: number;
  /** null: the API has no certificate in use. */
  readonly apiCertificateEndMs: number | null;
  /** Requests with tokens that are not known here, but for those of addresses that were locked out. */
  readonly tokenFailures: number;
  /** Addresses that are locked out of the API. */
  readonly addressesLocked: number;
  /** Of the first of the config. */
  readonly measuredServices: readonly MeasuredService[];
  /** How many stand, by kind; of all kinds. */
  readonly alarms: Readonly<Record<string, number>>;
  readonly destinations: readonly MeasuredDestination[];
  readonly requests: readonly MeasuredRequests[];
}

export interface MeasuredVip {
  readonly pool: string;
  readonly member: string;
  readonly region: string;
  readonly family: "ipv4" | "ipv6";
  readonly up: boolean;
  /** Too few vantages are fresh, so the verdict stays as it was. */
  readonly held: boolean;
  /** It is healthy, and stays down until its hold is over. */
  readonly heldDown: boolean;
  /** How many counted when it last went down. */
  readonly flaps: number;
  /** How many vantages with a vote see it otherwise than the verdict. */
  readonly dissenting: number;
  /** How many vantages with a vote see it up, and down. */
  readonly votesUp: number;
  readonly votesDown: number;
  /** The share, 0 to 1, that it takes of what it would be given. */
  readonly take: number;
}

export interface MeasuredLoad {
  readonly pool: string;
  readonly member: string;
  readonly region: string;
  /** 1: as busy as it can be. */
  readonly load: number;
}

export interface MeasuredVantage {
  readonly vantage: string;
  readonly fresh: boolean;
  readonly isolated: boolean;
  readonly streams: number;
  /** null: it has never reported. */
  readonly reportedAtMs: number | null;
}

/** A zone whose keys are rolled. */
interface MeasuredRollover {
  readonly zone: string;
  readonly step: string;
  /** null: dns does not serve the step yet. */
  readonly servedMs: number | null;
}

/** Each service has as many time series as regions, and some more, so only the first are measured. */
export const SERVICES_MEASURED_MAX = 100;

/** A steered name. */
export interface MeasuredService {
  readonly service: string;
  /** Whether there is something up for all clients that its policy has anything for. */
  readonly isUp: boolean;
  /** null: nothing that it uses is checked. */
  readonly boundMs: number | null;
  /** null: none is promised. */
  readonly objectiveMs: number | null;
  /** By region, 0 to 1. */
  readonly planned: ReadonlyMap<string, number>;
  /** How many led to each region since control started, as far as samples tell. */
  readonly answers: ReadonlyMap<string, number>;
}

/** Somebody who is told of alarms. */
interface MeasuredDestination {
  readonly name: string;
  readonly sent: number;
  readonly failed: number;
  readonly waiting: number;
  readonly lost: number;
}

/** Requests to the API that were alike. */
export interface MeasuredRequests {
  readonly method: string;
  /** With names in place of values; "none": nothing is there. */
  readonly route: string;
  readonly status: string;
  readonly count: number;
}
