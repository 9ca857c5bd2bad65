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
  readonly vips: readonly MeasuredVip[];
  readonly vantages: readonly MeasuredVantage[];
  /** Overrides that count now, by kind. */
  readonly overrides: Readonly<Record<string, number>>;
  readonly services: number;
  readonly lastReload: { readonly loaded: boolean; readonly atMs: number };
  readonly geoBuiltAtSeconds: number;
}

export interface MeasuredVip {
  readonly pool: string;
  readonly member: string;
  readonly region: string;
  readonly family: "ipv4" | "ipv6";
  readonly up: boolean;
  /** Too few vantages are fresh, so the verdict stays as it was. */
  readonly held: boolean;
  /** The share, 0 to 1, that it takes of what it would be given. */
  readonly take: number;
}

export interface MeasuredVantage {
  readonly vantage: string;
  readonly fresh: boolean;
  readonly isolated: boolean;
  readonly streams: number;
}

/** Which counters add up to the responses with an RCODE (RFC 1035 §4.1.1, RFC 6891 §9). */
const RCODES: Readonly<Record<string, readonly number[]>> = {
  NOERROR: [Cell.answered, Cell.noData, Cell.referrals],
  FORMERR: [Cell.formErr],
  SERVFAIL: [Cell.servFail],
  NXDOMAIN: [Cell.nxDomain],
  NOTIMP: [Cell.notImp],
  REFUSED: [Cell.refused],
  BADVERS: [Cell.badVers],
};

/** Counters of dns that stand for themselves. */
const PLAIN: Readonly<Record<string, readonly [cell: number, help: string]>> = {
  meridian_dns_steered_answers_total: [Cell.steered, "Queries for steered names."],
  meridian_dns_nodata_responses_total: [Cell.noData, "Responses without an answer for a name that exists."],
  meridian_dns_referrals_total: [Cell.referrals, "Responses that name the servers of a delegated zone."],
  meridian_dns_truncated_responses_total: [
    Cell.truncated,
    "Responses with TC set, because they were too long.",
  ],
  meridian_dns_client_subnet_queries_total: [Cell.withSubnet, "Queries with a client subnet (RFC 7871)."],
  meridian_dns_dropped_packets_total: [
    Cell.dropped,
    "Packets that got no response, because they are no queries.",
  ],
  meridian_dns_crashes_total: [Cell.crashes, "Answers that threw; the clients got SERVFAIL."],
};

/** Makes the text that Prometheus reads. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #sample: () => Promise<Sample>;
  readonly #dns: DnsMetrics;
  readonly #node: NodeMetrics;

  /** `sample` is asked at each scrape. */
  constructor(sample: () => Promise<Sample>) {
    this.#sample = sample;
    this.#dns = new DnsMetrics(this.#registry);
    this.#node = new NodeMetrics(this.#registry);
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    const sample = await this.#sample();
    this.#dns.update(sample);
    this.#node.update(sample);
    return this.#registry.metrics();
  }
}

/** What the dns threads have counted since they started. */
class DnsMetrics {
  readonly #queries: Counter;
  readonly #responses: Counter;
  readonly #picks: Counter;
  readonly #errors: Counter;
  readonly #connections: Counter;
  readonly #plain: ReadonlyMap<Counter, number>;

  constructor(registry: Registry) {
    const counter = (name: string, help: string, ...labelNames: string[]) =>
      new Counter({ name, help, labelNames, registers: [registry] });
    this.#queries = counter("meridian_dns_queries_total", "Packets and messages that came in.", "transport");
    this.#responses = counter("meridian_dns_responses_total", "Responses by RCODE.", "rcode");
    this.#picks = counter(
      "meridian_dns_picks_total",
      "Steered answers by the region of their VIP.",
      "region",
    );
    this.#errors = counter("meridian_dns_socket_errors_total", "System calls that failed.", "operation");
    this.#connections = counter(
      "meridian_dns_tcp_connections_total",
      "TCP connections by what became of them.",
      "outcome",
    );
    this.#plain = new Map(Object.entries(PLAIN).map(([name, [cell, help]]) => [counter(name, help), cell]));
  }

  /** Without counters everything keeps the value that it had: a gap would look like a restart. */
  update({ counters, regions }: Sample): void {
    if (counters === null) return;
    const at = (cell: number): number => counters[cell] ?? 0;
    for (const [rcode, cells] of Object.entries(RCODES)) {
      setCounter(
        this.#responses,
        { rcode },
        cells.reduce((sum, cell) => sum + at(cell), 0),
      );
    }
    setCounter(this.#queries, { transport: "udp" }, at(Cell.queriesUdp));
    setCounter(this.#queries, { transport: "tcp" }, at(Cell.queriesStream));
    setCounter(this.#errors, { operation: "receive" }, at(Cell.receiveErrors));
    setCounter(this.#errors, { operation: "send" }, at(Cell.sendErrors));
    setCounter(this.#connections, { outcome: "accepted" }, at(Cell.streamConnections));
    setCounter(this.#connections, { outcome: "refused" }, at(Cell.streamRefused));
    for (const [counter, cell] of this.#plain) setCounter(counter, {}, at(cell));
    this.#picks.reset();
    for (const [number, region] of regions.slice(0, REGIONS_MAX).entries()) {
      this.#picks.inc({ region }, at(PICKS_AT + number));
    }
  }
}

/** What control knows. */
class NodeMetrics {
  readonly #up: Gauge;
  readonly #held: Gauge;
  readonly #take: Gauge;
  readonly #fresh: Gauge;
  readonly #isolated: Gauge;
  readonly #streams: Gauge;
  readonly #overrides: Gauge;
  readonly #single: ReadonlyMap<Gauge, (sample: Sample) => number>;

  constructor(registry: Registry) {
    const gauge = (name: string, help: string, ...labelNames: string[]) =>
      new Gauge({ name, help, labelNames, registers: [registry] });
    const vip = ["pool", "member", "region", "family"];
    this.#up = gauge("meridian_vip_up", "1: the verdict on this VIP is up. 0: down.", ...vip);
    this.#held = gauge("meridian_vip_held", "1: too few vantages are fresh to judge this VIP.", ...vip);
    this.#take = gauge(
      "meridian_vip_take_ratio",
      "The share it takes of what it is offered: slow start.",
      ...vip,
    );
    this.#fresh = gauge("meridian_vantage_fresh", "1: this vantage has reported of late.", "vantage");
    this.#isolated = gauge(
      "meridian_vantage_isolated",
      "1: it alone sees most VIPs down: no vote.",
      "vantage",
    );
    this.#streams = gauge("meridian_vantage_streams", "Report streams that are open.", "vantage");
    this.#overrides = gauge("meridian_overrides", "Overrides that count now.", "kind");
    const single = (name: string, help: string, of: (sample: Sample) => number) =>
      [gauge(name, help), of] as const;
    this.#single = new Map([
      single("meridian_version", "Version of the last change.", ({ version }) => version),
      single(
        "meridian_adopted_version",
        "Version of the book that dns serves; 0: none.",
        (s) => s.adoptedVersion,
      ),
      single("meridian_services", "Steered names.", ({ services }) => services),
      single("meridian_last_reload_success", "1: the files were in order when last loaded.", (s) =>
        Number(s.lastReload.loaded),
      ),
      single(
        "meridian_last_reload_timestamp_seconds",
        "When the files were last loaded.",
        (s) => s.lastReload.atMs / 1_000,
      ),
      single(
        "meridian_start_timestamp_seconds",
        "When control started.",
        ({ startedMs }) => startedMs / 1_000,
      ),
      single(
        "meridian_geo_built_timestamp_seconds",
        "When the geo database was made.",
        (s) => s.geoBuiltAtSeconds,
      ),
    ]);
  }

  update(sample: Sample): void {
    for (const [gauge, read] of this.#single) gauge.set(read(sample));
    for (const gauge of [
      this.#up,
      this.#held,
      this.#take,
      this.#fresh,
      this.#isolated,
      this.#streams,
      this.#overrides,
    ]) {
      gauge.reset();
    }
    for (const { pool, member, region, family, up, held, take } of sample.vips) {
      const labels = { pool, member, region, family };
      this.#up.set(labels, Number(up));
      this.#held.set(labels, Number(held));
      this.#take.set(labels, take);
    }
    for (const { vantage, fresh, isolated, streams } of sample.vantages) {
      this.#fresh.set({ vantage }, Number(fresh));
      this.#isolated.set({ vantage }, Number(isolated));
      this.#streams.set({ vantage }, streams);
    }
    for (const [kind, count] of Object.entries(sample.overrides)) this.#overrides.set({ kind }, count);
  }
}

/** Gives a counter the value that somebody else has counted to. */
function setCounter(counter: Counter, labels: Record<string, string>, value: number): void {
  counter.remove(labels);
  counter.inc(labels, value);
}
