/** What Prometheus reads: names, units and help texts of everything that is measured. */

import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { Counter as Cell, PICKS_AT, REGIONS_MAX } from "./counters.ts";

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
  readonly rollovers: readonly MeasuredRollover[];
  /** Whether the store can be written, and how many changes by break-glass it does not have yet. */
  readonly store: { readonly isWritable: boolean; readonly unrecorded: number };
  readonly lastReload: { readonly loaded: boolean; readonly atMs: number };
  readonly geoBuiltAtSeconds: number;
  /** null: the API has no certificate in use. */
  readonly apiCertificateEndMs: number | null;
  /** Requests with tokens that are not known here, but for those of addresses that were locked out. */
  readonly tokenFailures: number;
  /** Addresses that are locked out of the API. */
  readonly addressesLocked: number;
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

interface MeasuredVantage {
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

/** One value with its labels. */
type Reading = readonly [labels: Readonly<Record<string, string>>, value: number];

/** One metric with all its labels. */
interface Family {
  readonly type: "counter" | "gauge";
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** null: keep the values of the scrape before. */
  readonly read: (sample: Sample) => readonly Reading[] | null;
}

/** Which counters add up to the responses with an RCODE (RFC 1035 §4.1.1, RFC 6891 §9). */
const RCODES: Readonly<Record<string, readonly number[]>> = {
  NOERROR: [Cell.answered, Cell.noData, Cell.referrals],
  FORMERR: [Cell.formErr],
  SERVFAIL: [Cell.servFail],
  NXDOMAIN: [Cell.nxDomain],
  NOTIMP: [Cell.notImp],
  REFUSED: [Cell.refused],
  NOTAUTH: [Cell.notAuth],
  BADVERS: [Cell.badVers],
  BADCOOKIE: [Cell.badCookie],
};

const DNS: readonly Family[] = [
  counts("queries_total", "Packets and messages that came in.", "transport", {
    udp: [Cell.queriesUdp],
    tcp: [Cell.queriesTcp],
    tls: [Cell.queriesTls],
    https: [Cell.queriesHttps],
  }),
  counts("responses_total", "Responses by RCODE.", "rcode", RCODES),
  count("nodata_responses_total", "Responses without an answer for a name that exists.", Cell.noData),
  count("referrals_total", "Responses that name the servers of a delegated zone.", Cell.referrals),
  count("truncated_responses_total", "Responses with TC set, because they were too long.", Cell.truncated),
  count("client_subnet_queries_total", "Queries with a client subnet (RFC 7871).", Cell.withSubnet),
  counts("cookie_queries_total", "Queries with DNS Cookies (RFC 7873), by what these prove.", "proof", {
    client_only: [Cell.cookieClientOnly],
    invalid: [Cell.cookieInvalid],
    valid: [Cell.cookieValid],
  }),
  counts(
    "rate_limited_responses_total",
    "Responses that the rate limit dropped or truncated, or in a dry run would have.",
    "outcome",
    {
      dropped: [Cell.limitDropped],
      truncated: [Cell.limitTruncated],
      would_drop: [Cell.wouldDrop],
      would_truncate: [Cell.wouldTruncate],
    },
  ),
  count("steered_answers_total", "Queries for steered names.", Cell.steered),
  {
    type: "counter",
    name: "meridian_dns_picks_total",
    help: "Steered answers by the region of their VIP, of several the first.",
    labels: ["region"],
    read: ({ counters, regions }) =>
      counters &&
      regions.slice(0, REGIONS_MAX).map((region, number) => [{ region }, counters[PICKS_AT + number] ?? 0]),
  },
  count(
    "forwarded_requests_total",
    "Requests that were left to control: UPDATE, transfers, signed queries, and those that ask why.",
    Cell.forwarded,
  ),
  counts("signatures_total", "Signatures that were made ahead, or because a query needed them.", "made", {
    ahead: [Cell.signedAhead],
    on_demand: [Cell.signedOnDemand],
  }),
  count(
    "refused_signatures_total",
    "Signatures that queries did not get, because too many had been made in that second.",
    Cell.signingRefused,
  ),
  gauge("prepared_signatures", "Signatures made ahead that are ready.", Cell.signaturesReady),
  gauge(
    "unprepared_signatures",
    "Signatures that there is no room for to make them ahead.",
    Cell.signaturesLeft,
  ),
  gauge(
    "signature_expiration_timestamp_seconds",
    "When the first of the signatures made ahead expires; 0: there are none.",
    Cell.signaturesHoldUntil,
  ),
  gauge(
    "signatures_late",
    "1: some signature has less than an eighth of its validity left, and has not been made anew.",
    Cell.signaturesLate,
  ),
  count("dropped_packets_total", "Packets that got no response, because they are no queries.", Cell.dropped),
  count("crashes_total", "Answers that threw; the clients got SERVFAIL.", Cell.crashes),
  counts("workers_lost_total", "UDP workers that another one replaced.", "reason", {
    died: [Cell.workersDied],
    hung: [Cell.workersHung],
  }),
  counts("socket_errors_total", "System calls that failed.", "operation", {
    receive: [Cell.receiveErrors],
    send: [Cell.sendErrors],
  }),
  gauge("open_connections", "Connections that are open now, whatever their transport.", Cell.connectionsOpen),
  counts("connections_total", "Connections, those with TLS once their handshake is done.", "transport", {
    tcp: [Cell.connectionsTcp],
    tls: [Cell.connectionsTls],
    https: [Cell.connectionsHttps],
  }),
  counts(
    "refused_connections_total",
    "Connections that were one too many of their client or closed for another, or came after too many that came to nothing.",
    "reason",
    { limit: [Cell.connectionsRefused], wasted: [Cell.connectionsBarred] },
  ),
  {
    type: "gauge",
    name: "meridian_dns_certificate_end_timestamp_seconds",
    help: "When the certificate that is in use ends; none where there is none.",
    labels: ["transport"],
    read: ({ counters }) =>
      counters &&
      Object.entries({ tls: Cell.tlsCertificateEnd, https: Cell.httpsCertificateEnd }).flatMap(
        ([transport, cell]): Reading[] =>
          (counters[cell] ?? 0) === 0 ? [] : [[{ transport }, counters[cell] ?? 0]],
      ),
  },
  count("tls_handshake_failures_total", "TLS handshakes that came to nothing.", Cell.tlsFailures),
  counts("https_responses_total", "Responses over HTTPS by their HTTP status.", "status", {
    "200": [Cell.https200],
    "400": [Cell.https400],
    "404": [Cell.https404],
    "405": [Cell.https405],
    "413": [Cell.https413],
    "414": [Cell.https414],
    "415": [Cell.https415],
  }),
];

const VIPS: readonly Family[] = [
  ofVips("up", "1: the verdict on this VIP is up. 0: it is down.", ({ up }) => Number(up)),
  ofVips("held", "1: too few vantages are fresh to judge this VIP.", ({ held }) => Number(held)),
  ofVips("held_down", "1: this VIP is healthy again and held down.", ({ heldDown }) => Number(heldDown)),
  ofVips("flaps", "How many flaps counted when this VIP last went down.", ({ flaps }) => flaps),
  ofVips(
    "dissenting_vantages",
    "How many vantages with a vote see it otherwise than the verdict.",
    ({ dissenting }) => dissenting,
  ),
  ofVips("take_ratio", "The share it takes of what it is offered: slow start and load.", ({ take }) => take),
];

const MEMBERS: readonly Family[] = [
  {
    type: "gauge",
    name: "meridian_member_load_ratio",
    help: "How busy this member is, 1 being as busy as it can be; none where nobody tells.",
    labels: ["pool", "member", "region"],
    read: ({ loads }) => loads.map(({ load, ...labels }) => [labels, load]),
  },
];

const VANTAGES: readonly Family[] = [
  ofVantages("fresh", "1: this vantage has reported of late.", ({ fresh }) => Number(fresh)),
  ofVantages("isolated", "1: it alone sees most VIPs down, so it has no vote.", (state) =>
    Number(state.isolated),
  ),
  ofVantages("streams", "Report streams that are open.", ({ streams }) => streams),
  ofVantages("last_report_timestamp_seconds", "When it last reported; 0: never.", ({ reportedAtMs }) => {
    return (reportedAtMs ?? 0) / 1_000;
  }),
];

const NODE: readonly Family[] = [
  {
    type: "counter",
    name: "meridian_reports_ingested_total",
    help: "Reports taken from agents; repeated ones count once.",
    labels: [],
    read: ({ reportsTaken }) => [[{}, reportsTaken]],
  },
  ofOutcomes("transfers_total", "Requests for zones by how they ended.", ({ transfers }) => transfers),
  ofOutcomes("notifies_total", "NOTIFYs to secondaries by how they ended.", ({ notifies }) => notifies),
  {
    type: "gauge",
    name: "meridian_zone_serial",
    help: "The serial of each zone that may be transferred.",
    labels: ["zone"],
    read: ({ serials }) => Object.entries(serials).map(([zone, serial]) => [{ zone }, serial]),
  },
  ofNode("version", "Version of the last change.", ({ version }) => version),
  ofNode(
    "adopted_version",
    "Version of the book that dns serves; 0: none.",
    (sample) => sample.adoptedVersion,
  ),
  ofNode("services", "Steered names.", ({ services }) => services),
  {
    type: "gauge",
    name: "meridian_overrides",
    help: "Overrides that count now.",
    labels: ["kind"],
    read: ({ overrides }) => Object.entries(overrides).map(([kind, active]) => [{ kind }, active]),
  },
  {
    type: "gauge",
    name: "meridian_key_rollover_step",
    help: "1: where a zone stands with its keys; idle between rollovers.",
    labels: ["zone", "step"],
    read: ({ rollovers }) => rollovers.map(({ zone, step }) => [{ zone, step }, 1]),
  },
  {
    type: "gauge",
    name: "meridian_key_rollover_step_timestamp_seconds",
    help: "Since when that step is served; 0: not yet.",
    labels: ["zone"],
    read: ({ rollovers }) => rollovers.map(({ zone, servedMs }) => [{ zone }, (servedMs ?? 0) / 1_000]),
  },
  ofNode(
    "store_writable",
    "1: the store can be written. 0: it fails, and changes are refused.",
    ({ store }) => {
      return Number(store.isWritable);
    },
  ),
  ofNode(
    "store_unrecorded_changes",
    "Changes by break-glass that the store does not have yet.",
    ({ store }) => {
      return store.unrecorded;
    },
  ),
  ofNode(
    "last_reload_success",
    "1: the files were in order when they were last loaded.",
    ({ lastReload }) => {
      return Number(lastReload.loaded);
    },
  ),
  ofNode("last_reload_timestamp_seconds", "When the files were last loaded.", ({ lastReload }) => {
    return lastReload.atMs / 1_000;
  }),
  ofNode(
    "geo_built_timestamp_seconds",
    "When the geo database was made.",
    (sample) => sample.geoBuiltAtSeconds,
  ),
  {
    type: "gauge",
    name: "meridian_api_certificate_end_timestamp_seconds",
    help: "When the certificate that the API uses ends; none where there is none.",
    labels: [],
    read: ({ apiCertificateEndMs: endMs }) => (endMs === null ? [] : [[{}, endMs / 1_000]]),
  },
  {
    type: "counter",
    name: "meridian_api_token_failures_total",
    help: "Requests with tokens that are not known here, but for those of addresses that were locked out.",
    labels: [],
    read: ({ tokenFailures }) => [[{}, tokenFailures]],
  },
  {
    type: "gauge",
    name: "meridian_api_locked_addresses",
    help: "Addresses that are locked out, because they showed tokens that are not known here.",
    labels: [],
    read: ({ addressesLocked }) => [[{}, addressesLocked]],
  },
  ofNode("start_timestamp_seconds", "When control started.", ({ startedMs }) => startedMs / 1_000),
];

/** Makes the text that Prometheus reads. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #sample: () => Promise<Sample>;
  readonly #families: readonly { readonly family: Family; readonly metric: Counter | Gauge }[];

  /** `sample` is asked at each scrape. */
  constructor(sample: () => Promise<Sample>) {
    this.#sample = sample;
    this.#families = [...DNS, ...VIPS, ...MEMBERS, ...VANTAGES, ...NODE].map((family) => {
      const { name, help, labels, type } = family;
      const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
      return { family, metric: type === "counter" ? new Counter(options) : new Gauge(options) };
    });
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    const sample = await this.#sample();
    for (const { family, metric } of this.#families) {
      const readings = family.read(sample);
      if (readings === null) continue;
      metric.reset();
      // Counters are counted elsewhere: after a reset, adding the sum sets it.
      for (const [labels, value] of readings) metric.inc(labels, value);
    }
    return this.#registry.metrics();
  }
}

/** A counter of dns. */
function count(name: string, help: string, cell: number): Family {
  return ofCell("counter", name, help, cell);
}

/** What dns says of itself as it is now. */
function gauge(name: string, help: string, cell: number): Family {
  return ofCell("gauge", name, help, cell);
}

function ofCell(type: Family["type"], name: string, help: string, cell: number): Family {
  return {
    type,
    name: `meridian_dns_${name}`,
    help,
    labels: [],
    read: ({ counters }) => counters && [[{}, counters[cell] ?? 0]],
  };
}

/** Counters of dns that differ in one label; each adds up cells. */
function counts(
  name: string,
  help: string,
  label: string,
  cells: Readonly<Record<string, readonly number[]>>,
): Family {
  return {
    type: "counter",
    name: `meridian_dns_${name}`,
    help,
    labels: [label],
    read: ({ counters }) =>
      counters &&
      Object.entries(cells).map(([value, summands]) => {
        return [{ [label]: value }, summands.reduce((sum, cell) => sum + (counters[cell] ?? 0), 0)];
      }),
  };
}

function ofVips(name: string, help: string, measure: (vip: MeasuredVip) => number): Family {
  return {
    type: "gauge",
    name: `meridian_vip_${name}`,
    help,
    labels: ["pool", "member", "region", "family"],
    read: ({ vips }) =>
      vips.map((vip) => {
        const { pool, member, region, family } = vip;
        return [{ pool, member, region, family }, measure(vip)];
      }),
  };
}

function ofVantages(name: string, help: string, measure: (state: MeasuredVantage) => number): Family {
  return {
    type: "gauge",
    name: `meridian_vantage_${name}`,
    help,
    labels: ["vantage"],
    read: ({ vantages }) => vantages.map((state) => [{ vantage: state.vantage }, measure(state)]),
  };
}

function ofOutcomes(
  name: string,
  help: string,
  outcomesIn: (sample: Sample) => Readonly<Record<string, number>>,
): Family {
  return {
    type: "counter",
    name: `meridian_${name}`,
    help,
    labels: ["outcome"],
    read: (sample) => Object.entries(outcomesIn(sample)).map(([outcome, ended]) => [{ outcome }, ended]),
  };
}

function ofNode(name: string, help: string, measure: (sample: Sample) => number): Family {
  return {
    type: "gauge",
    name: `meridian_${name}`,
    help,
    labels: [],
    read: (sample) => [[{}, measure(sample)]],
  };
}
