/** The metrics of a node at work. */

import { expect, test } from "vitest";
import { failoverBound } from "../../../src/health/bound.ts";
import { CONFIG, Folder, GB, Node, US } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

test("/metrics tells Prometheus what dns has answered and what control knows, without a token", async () => {
  const api = await TestApi.open();
  const { dublin } = await api.node.agents("dublin");
  await dublin.report({ "web/eu-west/ipv4": "ok" });
  await api.post("/v1/overrides", {
    kind: "force",
    target: { vip: "web/us-east/ipv4" },
    verdict: "down",
    reason: "x",
  });
  api.node.dns.answers("www.test.example", GB, "A", 1);
  api.node.dns.answers("www.test.example", GB, "AAAA", 1);
  api.node.dns.answers("www.test.example", US, "A", 1);
  api.node.dns.answers("nothing.test.example", US, "A", 1);
  const { status, headers, body } = await api.get("/metrics", null);
  expect([status, headers.get("content-type")]).toEqual([
    200,
    expect.stringMatching(/^text\/plain; version=0\.0\.4/),
  ]);
  const lines = String(body).split("\n");
  const { config } = api.node.desk.snapshot();
  const boundMs = failoverBound(config.services[0]!, config)?.totalMs ?? 0;
  expect(boundMs).toBeGreaterThan(5_000);
  for (const line of [
    'meridian_dns_queries_total{transport="tcp"} 4',
    'meridian_dns_responses_total{rcode="NOERROR"} 3',
    'meridian_dns_responses_total{rcode="NXDOMAIN"} 1',
    "meridian_dns_steered_answers_total 3",
    'meridian_dns_picks_total{region="eu-west"} 3',
    'meridian_dns_picks_total{region="us-east"} 0',
    'meridian_vip_up{pool="web",member="web/us-east",region="us-east",family="ipv4"} 0',
    'meridian_vip_up{pool="web",member="web/eu-west",region="eu-west",family="ipv4"} 1',
    'meridian_vantage_fresh{vantage="dublin"} 1',
    'meridian_vantage_fresh{vantage="tokyo"} 0',
    'meridian_vantage_streams{vantage="dublin"} 1',
    'meridian_overrides{kind="force"} 1',
    'meridian_overrides{kind="drain"} 0',
    "meridian_version 2",
    "meridian_adopted_version 1",
    "meridian_last_reload_success 1",
    'meridian_vip_votes{pool="web",member="web/eu-west",region="eu-west",family="ipv4",side="up"} 1',
    'meridian_service_up{service="www.test.example"} 1',
    `meridian_service_failover_bound_seconds{service="www.test.example"} ${boundMs / 1_000}`,
    // One of its two classes has eu-west first, which is all that is up; us-east is forced down.
    'meridian_service_planned_ratio{service="www.test.example",region="eu-west"} 1',
    'meridian_service_planned_ratio{service="www.test.example",region="us-east"} 0',
    'meridian_alarms{kind="store-failing"} 0',
    'meridian_api_requests_total{method="POST",route="/v1/overrides",status="201"} 1',
  ]) {
    expect(lines).toContain(line);
  }
});

test("/metrics has where the answers of each service led, by the samples", async () => {
  const sampling = CONFIG.replace("state: state", "state: state, profile: { sample: 2 }");
  const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": sampling })));
  for (let i = 0; i < 64; i += 1) api.node.dns.answers("www.test.example", i % 4 === 0 ? US : GB, "A", i);
  const { splits } = (await api.get("/v1/splits")).body;
  const { body } = await api.get("/metrics", null);
  const [eu = 0, us = 0] = ["eu-west", "us-east"].map((region) => {
    const series = `meridian_service_answers_total{service="www.test.example",region="${region}"} `;
    return Number(String(body).split(series)[1]?.split("\n")[0]);
  });
  expect([eu + us, eu / (eu + us)]).toEqual([splits[0].queries, splits[0].regions[0].actual]);
  expect(eu).toBeGreaterThan(us);
});

test("/metrics counts requests by route, and what strangers make up as one", async () => {
  const api = await TestApi.open();
  await api.get("/v1/services/no.example");
  await api.get("/v1/services/none.example");
  for (const path of ["/a", "/b?c", "/v1/x"]) await fetch(`${api.url}${path}`, { method: "DELETE" });
  const { body } = await api.get("/metrics", null);
  const counted = String(body).match(/^meridian_api_requests_total.*$/gm);
  expect(counted?.toSorted()).toEqual([
    'meridian_api_requests_total{method="GET",route="/v1/services/:name",status="404"} 2',
    'meridian_api_requests_total{method="any",route="none",status="404"} 3',
  ]);
});

test("/metrics without a word from dns keeps what it said last, and goes on", async () => {
  const api = await TestApi.open();
  api.node.dns.answers("www.test.example", GB, "A", 1);
  await api.get("/metrics", null);
  Object.defineProperty(api.node.desk, "counters", { value: () => new Promise(() => undefined) });
  const { status, body } = await api.get("/metrics", null);
  expect(status).toBe(200);
  expect(body).toContain('meridian_dns_responses_total{rcode="NOERROR"} 1');
  expect(body).toContain("meridian_version 1");
});
