/** What Prometheus reads: names, units and help texts of everything that is measured. */

import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { DNS_METRICS } from "./dns-metrics.ts";
import type { Family, Reading } from "./family.ts";
import type { MeasuredService, MeasuredVantage, MeasuredVip, Sample } from "./measured.ts";

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
  {
    type: "gauge",
    name: "meridian_vip_votes",
    help: "How many vantages with a vote see this VIP up or down.",
    labels: ["pool", "member", "region", "family", "side"],
    read: ({ vips }) =>
      vips.flatMap(({ pool, member, region, family, votesUp, votesDown }): readonly Reading[] => {
        const labels = { pool, member, region, family };
        return [
          [{ ...labels, side: "up" }, votesUp],
          [{ ...labels, side: "down" }, votesDown],
        ];
      }),
  },
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

const SERVICES: readonly Family[] = [
  ofServices(
    "up",
    "1: something is up for all clients of this service. 0: some get what whenDown says. Only the first 100 services have such metrics.",
    ({ isUp }) => Number(isUp),
  ),
  ofServices(
    "failover_bound_seconds",
    "The longest that a failover of this service takes; none where nothing is checked.",
    ({ boundMs }) => boundMs && boundMs / 1_000,
  ),
  ofServices(
    "failover_objective_seconds",
    "What is promised of it; none where nothing is.",
    ({ objectiveMs }) => objectiveMs && objectiveMs / 1_000,
  ),
  {
    type: "gauge",
    name: "meridian_service_planned_ratio",
    help: "The share of answers that plans give to each region, with all classes of clients counted alike.",
    labels: ["service", "region"],
    read: ({ measuredServices }) =>
      measuredServices.flatMap(({ service, planned }) =>
        Array.from(planned, ([region, share]): Reading => [{ service, region }, share]),
      ),
  },
  {
    type: "counter",
    name: "meridian_service_answers_total",
    help: "Answers of this service by the region of their VIP, as far as the samples of node.profile tell; none where no samples are taken.",
    labels: ["service", "region"],
    read: ({ measuredServices }) =>
      measuredServices.flatMap(({ service, answers }) =>
        Array.from(answers, ([region, count]): Reading => [{ service, region }, count]),
      ),
  },
];

const ALARMS: readonly Family[] = [
  {
    type: "gauge",
    name: "meridian_alarms",
    help: "Alarms that stand, by their kind.",
    labels: ["kind"],
    read: ({ alarms }) => Object.entries(alarms).map(([kind, standing]) => [{ kind }, standing]),
  },
  {
    type: "counter",
    name: "meridian_notifications_total",
    help: "Messages to those who are told of alarms, by whether they were taken.",
    labels: ["destination", "outcome"],
    read: ({ destinations }) =>
      destinations.flatMap(({ name: destination, sent, failed }): readonly Reading[] => [
        [{ destination, outcome: "taken" }, sent],
        [{ destination, outcome: "failed" }, failed],
      ]),
  },
  {
    type: "gauge",
    name: "meridian_notifications_waiting",
    help: "Alarms that this destination is still to be told of.",
    labels: ["destination"],
    read: ({ destinations }) =>
      destinations.map(({ name: destination, waiting }) => [{ destination }, waiting]),
  },
  {
    type: "counter",
    name: "meridian_notifications_lost_total",
    help: "Moments that this destination will never hear of, because too much had to wait.",
    labels: ["destination"],
    read: ({ destinations }) => destinations.map(({ name: destination, lost }) => [{ destination }, lost]),
  },
  {
    type: "counter",
    name: "meridian_api_requests_total",
    help: "Requests to the API.",
    labels: ["method", "route", "status"],
    read: ({ requests }) => requests.map(({ count, ...labels }) => [labels, count]),
  },
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
  ofNode("drill_running", "1: a drill is under way on this node.", (sample) => Number(sample.isDrillRunning)),
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
  ofNode(
    "config_drift",
    "1: what is in force is not what the files on disk say, because they were refused or rolled back.",
    ({ drifts }) => Number(drifts),
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
  #underWay: Promise<string> | null = null;
  readonly #families: readonly { readonly family: Family; readonly metric: Counter | Gauge }[];

  /** `sample` is asked at each scrape. */
  constructor(sample: () => Promise<Sample>) {
    this.#sample = sample;
    this.#families = [...DNS_METRICS, ...VIPS, ...MEMBERS, ...VANTAGES, ...SERVICES, ...ALARMS, ...NODE].map(
      (family) => {
        const { name, help, labels, type } = family;
        const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
        return { family, metric: type === "counter" ? new Counter(options) : new Gauge(options) };
      },
    );
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Who asks while it is being worked out gets the same: it may take a while, and anybody may ask. */
  text(): Promise<string> {
    this.#underWay ??= this.#text().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  async #text(): Promise<string> {
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

/** `measure` says null where there is nothing to say. */
function ofServices(
  name: string,
  help: string,
  measure: (service: MeasuredService) => number | null,
): Family {
  return {
    type: "gauge",
    name: `meridian_service_${name}`,
    help,
    labels: ["service"],
    read: ({ measuredServices }) =>
      measuredServices.flatMap((measured): readonly Reading[] => {
        const value = measure(measured);
        return value === null ? [] : [[{ service: measured.service }, value]];
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
