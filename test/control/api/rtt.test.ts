/** Round-trip times by API: what is observed steers, and what steers can be seen. */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { CONFIG, Folder, GB, Node, US } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

const CLI = fileURLToPath(new URL("../../../src/cli.ts", import.meta.url));
const FAST = "fast.test.example";
/** Of the two that are told apart, a network of its own and the rest of its country. */
const NETWORK = "192.0.2.128/25";
const IN_NETWORK = "192.0.2.200";

const WITH_LATENCY = `${CONFIG}  ${FAST}:
    ttl: 5s
    policy: { latency: { of: web, prefixes: [${NETWORK}], asns: [64500] } }
`;

function open(): Promise<TestApi> {
  return TestApi.open(new Node(new Folder({ "meridian.yaml": WITH_LATENCY })));
}

describe("POST /v1/observations", () => {
  test("steers whom it speaks of, and nobody else", async () => {
    const api = await open();
    const { dns } = api.node;
    const answers = () => [GB, IN_NETWORK, US].map((client) => dns.addresses(FAST, client));
    expect(answers()).toEqual([["10.0.0.2"], ["10.0.0.2"], ["10.0.0.1"]]);

    const { status, body } = await api.call("POST", "/v1/observations", {
      role: "observer",
      body: {
        observations: [
          { prefix: "192.0.2.192/26", region: "us-east", rttMs: 20, samples: 10 },
          { prefix: "192.0.2.192/26", region: "eu-west", rttMs: 100, samples: 10 },
          { prefix: US, region: "eu-west", rttMs: 9_000, samples: 10 },
        ],
      },
    });
    expect([status, body]).toEqual([200, { taken: 3 }]);
    api.node.pass(10_000);
    // A part of the country speaks for all of it, as long as nothing else is known of the rest.
    expect(answers()).toEqual([["10.0.0.1"], ["10.0.0.1"], ["10.0.0.1"]]);

    const slow = { prefix: "192.0.2.0/25", region: "us-east", rttMs: 500, samples: 10 };
    await api.post("/v1/observations", { observations: Array(5).fill(slow) });
    api.node.pass(10_000);
    expect(answers()).toEqual([["10.0.0.2"], ["10.0.0.1"], ["10.0.0.1"]]);
    const explained = await api.post("/v1/explain", { name: FAST, type: "A", client: IN_NETWORK });
    expect(explained.body.class).toContain(`GB 53,-1.5 ${NETWORK}`);
    expect(explained.body.scopePrefixLength).toBe(25);
    expect(explained.body.lines.join("\n")).toContain("us-east 20 ms by observations");
  });

  test("takes all of them or none, and names every mistake", async () => {
    const api = await open();
    const { status, body } = await api.post("/v1/observations", {
      observations: [
        { prefix: GB, region: "us-east", rttMs: 1, samples: 10 },
        { prefix: "192.0.0.0/8", region: "us-east", rttMs: 1 },
        { prefix: "2001:db8::/31", region: "us-east", rttMs: 1 },
        { prefix: "here", region: "eu-wst", rttMs: 1 },
        { prefix: GB, region: "eu-wst", rttMs: 1 },
        { prefix: GB, region: "mars", rttMs: 1 },
      ],
    });
    expect([status, body.code]).toEqual([400, "bad-request"]);
    expect(body.problems.map(({ message }: { message: string }) => message)).toEqual([
      'observations[1].prefix: expected a prefix such as 203.0.113.0/24, of /16 (IPv6: /32) at least, got "192.0.0.0/8"',
      'observations[2].prefix: expected a prefix such as 203.0.113.0/24, of /16 (IPv6: /32) at least, got "2001:db8::/31"',
      'observations[3].prefix: expected a prefix such as 203.0.113.0/24, of /16 (IPv6: /32) at least, got "here"',
      'observations[4].region: there is no region "eu-wst"; did you mean "eu-west"?',
      'observations[5].region: there is no region "mars"',
    ]);
    api.node.pass(10_000);
    expect(api.node.dns.addresses(FAST, GB)).toEqual(["10.0.0.2"]);
  });

  test.each([
    { observations: [] },
    { observations: Array(1_001).fill({ prefix: GB, region: "us-east", rttMs: 1 }) },
    { observations: [{ prefix: GB, region: "us-east", rttMs: 0 }] },
    { observations: [{ prefix: GB, region: "us-east", rttMs: 10_001 }] },
    { observations: [{ prefix: GB, region: "us-east", rttMs: 1, samples: 0 }] },
    { observations: [{ prefix: GB, region: "us-east", rttMs: 1, at: 0 }] },
    {},
  ])("refuses what cannot be (%#)", async (body) => {
    const api = await open();
    expect([400, 413]).toContain((await api.post("/v1/observations", body)).status);
  });
});

describe("GET /v1/rtt", () => {
  test("shows each order with its times, what they rest on, and the margin", async () => {
    const api = await open();
    await api.post("/v1/observations", {
      observations: [{ prefix: GB, region: "us-east", rttMs: 12, samples: 10 }],
    });
    api.node.dns.addresses(FAST, GB);
    api.node.pass(10_000);
    const { body } = await api.get("/v1/rtt");
    const british = body.rankings.filter(({ cell }: { cell: string }) => cell === "GB 53,-1.5");
    expect(british).toEqual([
      {
        cell: "GB 53,-1.5",
        regions: [
          {
            region: "eu-west",
            rttMs: expect.closeTo(3.2, 0),
            source: "distance",
            samples: null,
            measuredAt: null,
          },
          {
            region: "us-east",
            rttMs: 12,
            source: "observations",
            samples: 10,
            measuredAt: "2026-01-01T00:00:00.000Z",
          },
        ],
        marginMs: expect.closeTo(8.8, 0),
      },
    ]);
    const first = await api.get("/v1/rtt?limit=1");
    expect(first.body.rankings).toEqual(body.rankings.slice(0, 1));
    const rest = await api.get(`/v1/rtt?after=${encodeURIComponent(first.body.next)}`);
    expect(rest.body.rankings).toEqual(body.rankings.slice(1));
  });

  test("is printed by `meridian rtt`", async () => {
    const api = await open();
    api.node.dns.addresses(FAST, GB);
    const args = [CLI, "rtt", "--api", api.url, "--cell", "GB 53,-1.5"];
    const env = { ...process.env, MERIDIAN_TOKEN: api.tokens.reader };
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    expect(stdout.replaceAll(/\d+\.\d ms/g, (ms) => "N".repeat(ms.length - 3).concat(" ms"))).toBe(
      [
        "cell                       region   rtt      behind   source    samples  last",
        "GB 53,-1.5                 eu-west  NNN ms            distance",
        "                           us-east  NNNN ms  NNNN ms  distance",
        "GB 53,-1.5 192.0.2.128/25  eu-west  NNN ms            distance",
        "                           us-east  NNNN ms  NNNN ms  distance",
        "",
      ].join("\n"),
    );
  });

  test("has what vantages measure beside it", async () => {
    const api = await open();
    expect((await api.get("/v1/rtt/vantages")).body).toEqual({ measurements: [], next: null });
  });
});
