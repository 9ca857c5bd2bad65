/** The names of metrics are an interface: dashboards and alerts are written against them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Counter, PICKS_AT, ROW_CELLS } from "../../src/telemetry/counters.ts";
import type { Sample } from "../../src/telemetry/measured.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

const SAMPLE: Sample = {
  counters: Array.from({ length: ROW_CELLS }, (_, cell) => cell + 1),
  regions: ["eu-west", "us-east"],
  version: 7,
  adoptedVersion: 5,
  reportsTaken: 12,
  tokenFailures: 13,
  addressesLocked: 2,
  transfers: { done: 3, refused: 1 },
  notifies: { answered: 2 },
  serials: { "t.": 2026010101 },
  startedMs: 1_000,
  vips: [
    {
      pool: "web",
      member: "web/a",
      region: "eu-west",
      family: "ipv4",
      up: true,
      held: false,
      heldDown: false,
      flaps: 2,
      dissenting: 1,
      votesUp: 2,
      votesDown: 1,
      take: 0.5,
    },
    {
      pool: "web",
      member: "web/b",
      region: "us-east",
      family: "ipv6",
      up: false,
      held: true,
      heldDown: true,
      flaps: 0,
      dissenting: 0,
      votesUp: 0,
      votesDown: 3,
      take: 1,
    },
  ],
  loads: [{ pool: "web", member: "web/a", region: "eu-west", load: 0.4 }],
  vantages: [{ vantage: "dublin", fresh: true, isolated: false, streams: 2, reportedAtMs: 1_500 }],
  overrides: { drain: 1 },
  services: 3,
  isDrillRunning: true,
  rollovers: [{ zone: "gslb.example", step: "submit", servedMs: 1_000 }],
  store: { isWritable: true, unrecorded: 0 },
  lastReload: { loaded: false, atMs: 2_500 },
  drifts: false,
  geoBuiltAtSeconds: 9,
  apiCertificateEndMs: 11_000,
  measuredServices: [
    {
      service: "www.example",
      isUp: false,
      boundMs: 12_500,
      objectiveMs: 20_000,
      planned: new Map([
        ["eu-west", 0.25],
        ["us-east", 0.75],
      ]),
      answers: new Map([["us-east", 300]]),
    },
    {
      service: "static.example",
      isUp: true,
      boundMs: null,
      objectiveMs: null,
      planned: new Map(),
      answers: new Map(),
    },
  ],
  alarms: { "vip-down": 2, "store-failing": 0 },
  destinations: [{ name: "pager", sent: 4, failed: 3, waiting: 2, lost: 1 }],
  requests: [{ method: "GET", route: "/v1/status", status: "200", count: 6 }],
};

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
}

describe("metric names", () => {
  test("follow the conventions of Prometheus, each with a help text", async () => {
    const families = familiesIn(await textOf(SAMPLE)).filter(({ name }) => name.startsWith("meridian_"));
    expect(families.length).toBeGreaterThan(20);
    expect(families.flatMap(problemsIn)).toEqual([]);
  });

  test.each([
    [{ name: "meridian_dnsQueries_total", help: "Queries.", type: "counter" }, "not snake case"],
    [{ name: "meridian_queries", help: "Queries.", type: "counter" }, "a counter without _total"],
    [{ name: "meridian_vips_total", help: "VIPs.", type: "gauge" }, "_total, but no counter"],
    [{ name: "meridian_reload_ms", help: "How long.", type: "gauge" }, "not in base units"],
    [{ name: "meridian_take_percent", help: "How much.", type: "gauge" }, "not in base units"],
    [{ name: "meridian_services", help: "services", type: "gauge" }, "no sentence as help"],
  ])("with %j would be found out", (family, problem) => {
    expect(problemsIn(family)).toEqual([`${family.name}: ${problem}`]);
  });

  test("stand in docs/metrics.md with their labels and help texts, in this order", async () => {
    const reference = readFileSync(join(import.meta.dirname, "../../docs/metrics.md"), "utf8");
    const rows = Array.from(reference.matchAll(/^\| `(meridian_\w+)` \| (.*) \|$/gm), ([row]) => row);
    const text = await textOf(SAMPLE);
    const families = familiesIn(text).filter(({ name }) => name.startsWith("meridian_"));
    expect(rows).toEqual(
      families.map(({ name, help }) => {
        const labels = new RegExp(`^${name}\\{(.*)\\}`, "m").exec(text)?.[1] ?? "";
        const names = Array.from(labels.matchAll(/(\w+)="/g), ([, label]) => `\`${label}\``);
        return `| \`${name}\` | ${names.length === 0 ? "" : `${names.join(", ")} `}| ${help} |`;
      }),
    );
  });

  test("of the process are those that every dashboard knows", async () => {
    const names = familiesIn(await textOf(SAMPLE)).map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(["process_cpu_seconds_total", "process_resident_memory_bytes"]),
    );
    const strangers = names.filter((name) => !/^(meridian|process|nodejs)_/.test(name));
    expect(strangers).toEqual([]);
  });
});

describe("metric values", () => {
  test("come from the sample, in base units", async () => {
    const lines = (await textOf(SAMPLE)).split("\n");
    for (const line of [
      `meridian_dns_queries_total{transport="udp"} ${Counter.queriesUdp + 1}`,
      `meridian_dns_responses_total{rcode="NOERROR"} ${Counter.answered + Counter.noData + Counter.referrals + 3}`,
      `meridian_dns_responses_total{rcode="SERVFAIL"} ${Counter.servFail + 1}`,
      `meridian_dns_dropped_packets_total ${Counter.dropped + 1}`,
      `meridian_dns_socket_errors_total{operation="send"} ${Counter.sendErrors + 1}`,
      `meridian_dns_picks_total{region="us-east"} ${PICKS_AT + 2}`,
      'meridian_vip_up{pool="web",member="web/b",region="us-east",family="ipv6"} 0',
      'meridian_vip_held{pool="web",member="web/b",region="us-east",family="ipv6"} 1',
      'meridian_vip_held_down{pool="web",member="web/b",region="us-east",family="ipv6"} 1',
      'meridian_vip_flaps{pool="web",member="web/a",region="eu-west",family="ipv4"} 2',
      'meridian_vip_dissenting_vantages{pool="web",member="web/a",region="eu-west",family="ipv4"} 1',
      'meridian_vip_take_ratio{pool="web",member="web/a",region="eu-west",family="ipv4"} 0.5',
      'meridian_member_load_ratio{pool="web",member="web/a",region="eu-west"} 0.4',
      'meridian_vantage_streams{vantage="dublin"} 2',
      'meridian_vantage_last_report_timestamp_seconds{vantage="dublin"} 1.5',
      'meridian_vip_votes{pool="web",member="web/a",region="eu-west",family="ipv4",side="up"} 2',
      'meridian_vip_votes{pool="web",member="web/b",region="us-east",family="ipv6",side="down"} 3',
      'meridian_service_up{service="www.example"} 0',
      'meridian_service_up{service="static.example"} 1',
      'meridian_service_failover_bound_seconds{service="www.example"} 12.5',
      'meridian_service_failover_objective_seconds{service="www.example"} 20',
      'meridian_service_planned_ratio{service="www.example",region="us-east"} 0.75',
      'meridian_service_answers_total{service="www.example",region="us-east"} 300',
      'meridian_alarms{kind="vip-down"} 2',
      'meridian_alarms{kind="store-failing"} 0',
      'meridian_notifications_total{destination="pager",outcome="taken"} 4',
      'meridian_notifications_total{destination="pager",outcome="failed"} 3',
      'meridian_notifications_waiting{destination="pager"} 2',
      'meridian_notifications_lost_total{destination="pager"} 1',
      'meridian_api_requests_total{method="GET",route="/v1/status",status="200"} 6',
      'meridian_overrides{kind="drain"} 1',
      "meridian_drill_running 1",
      "meridian_version 7",
      "meridian_adopted_version 5",
      "meridian_last_reload_success 0",
      "meridian_last_reload_timestamp_seconds 2.5",
      "meridian_start_timestamp_seconds 1",
    ]) {
      expect(lines).toContain(line);
    }
  });

  test("of every counter of dns come out somewhere", async () => {
    const text = await textOf(SAMPLE);
    const none = await textOf({ ...SAMPLE, counters: new Array<number>(ROW_CELLS).fill(0) });
    for (const [name, cell] of Object.entries(Counter)) {
      const counters = new Array<number>(ROW_CELLS).fill(0);
      counters[cell] = 1;
      expect(await textOf({ ...SAMPLE, counters }), name).not.toBe(none);
    }
    expect(text).not.toBe(none);
  });

  test("follow the sample: what has gone from the config goes", async () => {
    let sample = SAMPLE;
    const metrics = new Metrics(async () => sample);
    await metrics.text();
    sample = { ...SAMPLE, regions: ["eu-west"], vips: [], vantages: [], measuredServices: [] };
    const text = await metrics.text();
    expect(text).not.toContain("us-east");
    expect(text).not.toContain("dublin");
    expect(text).toContain('meridian_dns_queries_total{transport="udp"} 1\n');
  });

  test("of dns stay as they were while dns says nothing", async () => {
    let sample = SAMPLE;
    const metrics = new Metrics(async () => sample);
    await metrics.text();
    sample = { ...SAMPLE, counters: null, version: 8 };
    const text = await metrics.text();
    expect(text).toContain('meridian_dns_queries_total{transport="udp"} 1\n');
    expect(text).toContain("meridian_version 8\n");
  });
});

/** The text without the metrics of the process, which change by themselves. */
async function textOf(sample: Sample): Promise<string> {
  return new Metrics(async () => sample).text();
}

function familiesIn(text: string): readonly Family[] {
  const types = new Map(
    Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name, type]) => [name, type]),
  );
  return Array.from(text.matchAll(/^# HELP (\S+) (.*)$/gm), ([, name = "", help = ""]) => {
    return { name, help, type: types.get(name) ?? "" };
  });
}

/** https://prometheus.io/docs/practices/naming/ */
function problemsIn({ name, help, type }: Family): readonly string[] {
  const problems: string[] = [];
  if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name)) problems.push("not snake case");
  if (type === "counter" && !name.endsWith("_total")) problems.push("a counter without _total");
  if (type !== "counter" && name.endsWith("_total")) problems.push("_total, but no counter");
  if (/_(ms|milliseconds|us|minutes|hours|days|kb|kilobytes|mb|megabytes|percent|octets)(_|$)/.test(name)) {
    problems.push("not in base units");
  }
  if (!/^[A-Z0-9].*\.$/.test(help)) problems.push("no sentence as help");
  return problems.map((problem) => `${name}: ${problem}`);
}

test("scrapes at the same time are one, and the next is another", async () => {
  let samples = 0;
  const metrics = new Metrics(async () => {
    samples += 1;
    return SAMPLE;
  });
  const [one, other] = await Promise.all([metrics.text(), metrics.text()]);
  expect([other === one, samples]).toEqual([true, 1]);
  await metrics.text();
  expect(samples).toBe(2);
});
