/** Changes tried on recorded traffic, by API: what was answered is what is replayed, and what a change would do is what it does. */

import { describe, expect, test } from "vitest";
import { CONFIG, Folder, GB, JP, Node, US } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

const SAMPLING = `${CONFIG.replace("state: state", "state: state, profile: { sample: 1 }")}  keep.test.example: { ttl: 5s, policy: { sticky: mix } }
`;
const sampling = (): Node => new Node(new Folder({ "meridian.yaml": SAMPLING }));

/** Asks for `mix` (50/50), `www` (by continent), `near` (1/1) and `keep` (50/50 and sticky), from three countries, in many seconds. */
function traffic(node: Node, rounds: number): void {
  for (let moment = 0; moment < rounds; moment += 1)
    for (const qname of [
      "mix.test.example",
      "www.test.example",
      "shop.test.example",
      "near.test.example",
      "keep.test.example",
    ])
      for (const client of [GB, JP, US, "2001:db8:77::1"])
        node.dns.ask(qname, client, moment % 3 === 0 ? "AAAA" : "A", 1_000_000 + moment);
}

/** What the counters say: answers by region. */
async function picks(node: Node): Promise<Readonly<Record<string, number>>> {
  const counters = await node.desk.counters();
  const { PICKS_AT } = await import("../../../src/telemetry/counters.ts");
  const regions = [...node.desk.snapshot().config.regions.keys()];
  return Object.fromEntries(regions.map((region, i) => [region, counters[PICKS_AT + i] ?? 0]));
}

function column(
  body: { regions: readonly Record<string, unknown>[] },
  name: string,
): Record<string, unknown> {
  return Object.fromEntries(body.regions.map((row) => [String(row["region"]), row[name]]));
}

describe("POST /v1/simulate", () => {
  test("of the policies that run gives exactly what was counted, byte for byte the same each time", async () => {
    const api = await TestApi.open(sampling());
    traffic(api.node, 200);
    const { status, body } = await api.post("/v1/simulate", {});
    expect(status).toBe(200);
    expect(body).toMatchObject({ traffic: "recorded", queries: 4_000, samples: 4_000 });
    const counted = await picks(api.node);
    expect(counted["us-east"]! + counted["eu-west"]!).toBe(4_000);
    expect([column(body, "recorded"), column(body, "before"), column(body, "after")]).toEqual([
      counted,
      counted,
      counted,
    ]);
    expect(body.moved).toEqual({ queries: 0, prefixes: 0, prefixesInAll: 4 });
    expect(await api.post("/v1/simulate", { config: SAMPLING })).toMatchObject({ status: 200, body });
    const again = await api.post("/v1/simulate", {});
    expect(JSON.stringify(again.body)).toBe(JSON.stringify(body));
  });

  test("of answers with several VIPs counts what was counted, by the first of each", async () => {
    const config = `${SAMPLING}  pair.test.example: { ttl: 5s, policy: { spread: { of: mix, count: 2 } } }\n`;
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
    for (let moment = 0; moment < 500; moment += 1)
      expect(api.node.dns.ask("pair.test.example", GB, "A", 1_000_000 + moment).answers).toHaveLength(2);
    const { body } = await api.post("/v1/simulate", {});
    const counted = await picks(api.node);
    expect(counted["us-east"]! + counted["eu-west"]!).toBe(500);
    expect([column(body, "recorded"), column(body, "after")]).toEqual([counted, counted]);
  });

  test.each([
    [
      "a weight",
      { if: ["weight:mix/new=10"] },
      { kind: "weight", target: { choice: "mix/new" }, weight: 10 },
    ],
    [
      "a region that is down",
      { if: ["down:eu-west"] },
      { kind: "force", target: { region: "eu-west" }, verdict: "down" },
    ],
    ["a drain", { if: ["drain:web/us-east"] }, { kind: "drain", target: { member: "web/us-east" } }],
  ])("of %s says to the query what it does when it is made", async (_, change, override) => {
    const api = await TestApi.open(sampling());
    traffic(api.node, 60);
    const { body } = await api.post("/v1/simulate", change);
    expect(body.moved.queries).toBeGreaterThan(0);
    const before = await picks(api.node);
    expect(column(body, "before")).toEqual(before);
    expect((await api.post("/v1/overrides", { ...override, reason: "as tried" })).status).toBe(201);
    traffic(api.node, 60);
    const after = await picks(api.node);
    const made = Object.fromEntries(
      Object.entries(after).map(([region, n]) => [region, n - before[region]!]),
    );
    expect(column(body, "after")).toEqual(made);
  });

  test("of another config says to the query what it does when it is in force", async () => {
    const api = await TestApi.open(sampling());
    traffic(api.node, 60);
    const other = SAMPLING.replace("default: us-first", "default: mix")
      .replace("new: { weight: 50", "new: { weight: 5")
      .replace(
        "continents: { EU: eu-first }",
        "countries: { JP: eu-first }, prefixes: { 203.0.113.0/24: web/eu-west }",
      );
    const { status, body } = await api.post("/v1/simulate", { config: other });
    expect(status).toBe(200);
    const before = await picks(api.node);
    expect(column(body, "before")).toEqual(before);
    api.node.folder.write("meridian.yaml", other);
    expect((await api.node.change({ kind: "reload" })).kind).toBe("published");
    traffic(api.node, 60);
    const after = await picks(api.node);
    const made = Object.fromEntries(
      Object.entries(after).map(([region, n]) => [region, n - before[region]!]),
    );
    expect(column(body, "after")).toEqual(made);
    const moved = body.services.map(({ service }: { service: string }) => service);
    expect(moved.toSorted()).toEqual(["keep.test.example", "mix.test.example", "www.test.example"]);
  });

  test("changes nothing that is in force, and remembers nothing of it", async () => {
    const api = await TestApi.open(sampling());
    traffic(api.node, 5);
    const [version, rtt] = [api.node.desk.status().version, await api.get("/v1/rtt")];
    await api.post("/v1/simulate", {
      config: SAMPLING.replace("weight: 50", "weight: 1"),
      if: ["down:eu-west"],
    });
    expect(api.node.desk.status().version).toBe(version);
    expect((await api.get("/v1/rtt")).body).toEqual(rtt.body);
    expect(api.node.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.2"]);
  });

  test("tells round-trip times, and lines for people", async () => {
    const api = await TestApi.open(sampling());
    for (let moment = 0; moment < 100; moment += 1) api.node.dns.ask("www.test.example", GB, "A", moment);
    const { body } = await api.post("/v1/simulate", { if: ["down:eu-west"] });
    // By distance, from the middle of England: 1 ms for each 100 km.
    expect(body.rtt).toEqual({ queries: 100, beforeMs: 3.2, afterMs: 57.8 });
    expect(body.lines).toEqual([
      "100 queries from 2026-01-01T00:00:00.000Z to 2026-01-01T00:05:00.000Z, 100 of them replayed",
      "supposed: down:eu-west",
      "region   recorded  before  after  queries    load",
      "us-east       0 %     0 %  100 %     +100  - -> -",
      "eu-west     100 %   100 %    0 %     -100  - -> -",
      "moved: 100 % of queries, of 1 of 1 client prefixes",
      "mean round trip: 3.2 ms before, 57.8 ms after, for 100 % of queries",
      "www.test.example: 100 of 100 queries moved",
    ]);
  });

  test("tells how much of their capacity regions would use, and which would have to serve more than they can", async () => {
    const config = SAMPLING.replace("check: web\n", "$&    signals: {}\n")
      .replace('ipv6: "2001:db8::1", probe: ipv4', "$&, capacity: 400")
      .replace('ipv6: "2001:db8::2", probe: ipv4', "$&, capacity: 1000");
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
    // us-east carries 100 of 400, eu-west 500 of 1,000; www takes Britain to eu-west, and Japan to us-east.
    const signals = [
      { target: "web/us-east", load: 0.25 },
      { target: "web/eu-west", load: 0.5 },
    ];
    expect((await api.call("POST", "/v1/signals", { role: "signals", body: { signals } })).status).toBe(204);
    api.node.pass(1_000);
    for (let moment = 0; moment < 40; moment += 1) {
      api.node.dns.ask("www.test.example", GB, "A", moment);
      api.node.dns.ask("www.test.example", JP, "A", moment);
    }
    const { body } = await api.post("/v1/simulate", { if: ["drain:eu-west"] });
    const loads = body.regions.map(({ region, loadBefore, loadAfter }: Record<string, unknown>) => [
      region,
      loadBefore,
      loadAfter,
    ]);
    expect(loads).toEqual([
      ["us-east", 0.25, 1.5],
      ["eu-west", 0.5, 0],
    ]);
    expect(body.lines).toContain("CAPACITY EXCEEDED: us-east at 150 %");
    const calm = await api.post("/v1/simulate", { if: ["drain:us-east"] });
    expect(calm.body.regions.map((row: Record<string, unknown>) => row["loadAfter"])).toEqual([0, 0.6]);
    expect(calm.body.lines.join()).not.toContain("EXCEEDED");
  });

  test("of a service that the change has not any more: nobody answers", async () => {
    const api = await TestApi.open(sampling());
    for (let moment = 0; moment < 10; moment += 1) api.node.dns.ask("near.test.example", GB, "A", moment);
    const without = SAMPLING.slice(0, SAMPLING.indexOf("  near.test.example"));
    const { body } = await api.post("/v1/simulate", { config: without });
    expect(body.regions.at(-1)).toMatchObject({ region: null, recorded: 0, before: 0, after: 10 });
  });

  test("of even traffic says that it is made up, and asks as much from each country", async () => {
    const api = await TestApi.open();
    const { body } = await api.post("/v1/simulate", { even: true, if: ["weight:mix/new=0"] });
    // Three services, three countries, 64 seconds.
    expect(body).toMatchObject({ traffic: "even", from: null, until: null, queries: 576, samples: 576 });
    expect(body.lines[0]).toBe("EVEN TRAFFIC, not of this node: 576 queries, as many from each country");
    expect(body.services.map(({ service }: { service: string }) => service)).toEqual(["mix.test.example"]);
    const [us, eu] = body.regions;
    expect(us).toMatchObject({ region: "us-east", recorded: null });
    expect(us.before + eu.before).toBe(576);
    expect(us.before - us.after).toBe(body.moved.queries);
  });

  test("of a change that would be refused says why, and of no traffic that there is none", async () => {
    const api = await TestApi.open(sampling());
    const refused = await api.post("/v1/simulate", {
      config: SAMPLING.replace("use: web/us-east", "use: web/us-eest"),
    });
    expect(refused.status).toBe(422);
    expect(refused.body.problems[0].message).toContain("us-eest");
    const whatIf = await api.post("/v1/simulate", { if: ["down:eu-wst"] });
    expect([whatIf.status, whatIf.body.detail]).toEqual([
      422,
      expect.stringContaining('did you mean "eu-west"'),
    ]);
    const none = await api.post("/v1/simulate", {});
    expect([none.status, none.body.detail]).toEqual([
      404,
      "no steered query was recorded in this time; even traffic from all countries can be tried",
    ]);
  });

  test("reads no file that the running config does not name", async () => {
    const api = await TestApi.open(sampling());
    const config = SAMPLING.replace("[test.example.zone]", "[test.example.zone, /etc/passwd]").replace(
      "labels.csv",
      "other.csv",
    );
    const { status, body } = await api.post("/v1/simulate", { config });
    expect(status).toBe(422);
    const messages = body.problems.map(({ message }: { message: string }) => message);
    expect(messages).toEqual([
      "/etc/passwd is not in the running config, expected no other files in one that is only tried",
      expect.stringMatching(/other\.csv is not in the running config/),
    ]);
  });
});
