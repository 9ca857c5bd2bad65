import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ProbeSpec } from "../../src/config/check.ts";
import type { CheckId, MemberId, PoolId, RegionId } from "../../src/config/config.ts";
import { keys } from "../../src/config/keys.ts";
import { formatName } from "../../src/wire/name.ts";
import { fc } from "../fast-check.ts";
import { dnsSpec, expecting, grpcSpec, httpSpec, tcpSpec, tls } from "../probe/specs.ts";
import { configOf, maximal, parse, problemsOf, root, small } from "./fixture.ts";

const config = configOf(maximal);

describe("a config with every key", () => {
  test("has its tests, with what their selections stand for", () => {
    expect(
      config.tests.map(({ name, place: { line } }) => [name, maximal.split("\n")[line - 1]?.trim()]),
    ).toEqual([
      ["Germany without eu-west", "Germany without eu-west:"],
      ["an office", expect.stringMatching(/^an office: /)],
      ["a weight", expect.stringMatching(/^a weight: /)],
      ["a prefix", expect.stringMatching(/^a prefix: /)],
    ]);
    const [germany, office, weight, prefix] = config.tests;
    expect(germany).toMatchObject({
      service: { label: "www.gslb.example" },
      client: {
        kind: "known",
        traits: [
          { by: "continent", continent: "EU" },
          { by: "country", country: "GB" },
          { by: "subdivision", subdivision: "US-CA" },
          { by: "asn", asn: 64500 },
          { by: "label", label: "head office" },
        ],
        coordinates: { latitude: 51.5, longitude: -0.1 },
      },
      family: 4,
      rttMs: new Map([
        ["eu-west", 12],
        ["us-east", 1_500],
      ]),
      expect: {
        kind: "shares",
        shares: [
          { selection: { text: "us-east" }, share: 0.8 },
          { selection: { text: "web/eu-*" }, share: 0.2 },
        ],
        tolerance: 0.01,
      },
    });
    // A region, a member and single VIPs, by id and by address.
    expect([...germany!.down].sort()).toEqual([
      "web/dublin-2/ipv4",
      "web/dublin-3/ipv6",
      "web/eu-west/ipv4",
      "web/eu-west/ipv6",
      "web/us-east/ipv4",
      "web/us-east/ipv6",
    ]);
    expect([...germany!.drained]).toEqual(["web/us-east", "spare/us-east"]);
    expect([...germany!.memberWeights]).toEqual([["web/us-east", 5]]);
    expect(office).toMatchObject({
      service: { label: "Shop.GSLB.example" },
      client: { kind: "address", address: { text: "192.0.2.7" } },
      family: null,
      expect: { kind: "only", selections: [{ text: "eu-west" }, { text: "web/us-east" }] },
    });
    expect([...weight!.choiceWeights]).toEqual([["by-weight/blue", 0]]);
    expect(weight!.expect).toEqual({ kind: "nodata" });
    expect(prefix).toMatchObject({
      client: { address: { text: "2001:db8::" } },
      expect: { kind: "servfail" },
    });
  });

  test("has its invariants, one requirement after the other", () => {
    const [gdpr, spread] = config.invariants;
    expect(gdpr).toMatchObject({
      name: "GDPR",
      clients: [
        [{ by: "prefix", prefix: "192.0.2.0/24" }],
        [{ by: "label", label: "head office" }],
        [{ by: "asn", asn: 64500 }],
        [{ by: "subdivision", subdivision: "US-CA" }],
        [
          { by: "country", country: "GB" },
          { by: "country", country: "NO" },
        ],
        [{ by: "continent", continent: "EU" }],
      ],
      failures: 1,
      requirements: [
        { kind: "only", selections: [{ text: "eu-*" }] },
        { kind: "never", selections: [{ text: "web/us-east" }, { text: "192.0.2.99" }] },
        { kind: "at-most", selection: { text: "us-east" }, share: 0.5 },
        { kind: "at-most", selection: { text: "web/*" }, share: 0.75 },
        { kind: "answerable", regions: 2 },
        { kind: "answered", when: "while-up" },
      ],
    });
    expect(gdpr!.services).toEqual(config.services);
    expect(spread).toMatchObject({
      clients: [],
      failures: null,
      requirements: [
        { kind: "each-at-most", share: 0.6 },
        { kind: "answered", when: "always" },
      ],
    });
    expect(spread!.services).toEqual(config.services);
  });

  test("has its transfers, by zone and key", () => {
    const [[zone, transfer] = []] = config.transfer;
    expect(zone).toBe("\x05other\x07example\0");
    expect(transfer).toMatchObject({ label: "other.example", omitsSteered: true });
    expect(
      transfer?.peers.map(({ key, from, notify }) => [
        key,
        from.map(({ text }) => text),
        notify.map(({ address, port }) => `${address.text}#${port}`),
      ]),
    ).toEqual([
      ["\x03xfr\x07example\0", ["192.0.2.54/32", "2001:db8::/32"], ["192.0.2.54#53", "2001:db8::54#5353"]],
      ["\x08acme-web\0", ["10.0.0.0/8"], []],
    ]);
  });

  test("has its signed zones, with how keys are rolled", () => {
    expect([...config.dnssec.values()]).toMatchObject([
      {
        label: "gslb.example",
        algorithm: "ed25519",
        validitySeconds: 864_000,
        keyTtlSeconds: 1800,
        cds: "keys",
        rollover: {
          by: "ams-1",
          everyMs: 90 * 86_400_000,
          propagationMs: 600_000,
          parent: [{ port: 53 }, { port: 53 }],
          resolver: { address: { text: "127.0.0.1" }, port: 53 },
          lookEveryMs: 300_000,
        },
      },
      { label: "other.example", keyTtlSeconds: 3600, cds: "delete", rollover: null },
    ]);
  });

  test("has its node, with relative paths resolved against the folder", () => {
    expect(config.node).toEqual({
      name: "ams-1",
      listen: [
        { address: expect.objectContaining({ text: "192.0.2.53" }), port: 53 },
        { address: expect.objectContaining({ text: "2001:db8::53" }), port: 53 },
        { address: expect.objectContaining({ text: "127.0.0.1" }), port: 0 },
        { address: expect.objectContaining({ text: "127.0.0.1" }), port: 0 },
      ],
      workers: 4,
      udp: "batch",
      xdp: ["eth0", "eth1"],
      tcp: { maxConnections: 5000, maxConnectionsPerClient: 50, maxWastedPerClient: 5, idleTimeoutMs: 1500 },
      nsid: "ams-1.dns",
      tls: {
        listen: [{ address: expect.objectContaining({ text: "192.0.2.53" }), port: 853 }],
        certificate: "/etc/meridian/tls/dns.pem",
        key: "/etc/ssl/dns.key",
      },
      https: {
        listen: [{ address: expect.objectContaining({ text: "192.0.2.53" }), port: 443 }],
        path: "/dns",
        certificate: "/etc/meridian/tls/dns.pem",
        key: "/etc/ssl/dns.key",
      },
      proxyProtocol: [
        expect.objectContaining({ text: "10.1.2.0/24" }),
        expect.objectContaining({ text: "2001:db8:53::/64" }),
      ],
      rateLimit: {
        answers: 50,
        denials: 40,
        referrals: 30,
        errors: 10,
        windowSeconds: 5,
        slip: 3,
        ipv4PrefixLength: 25,
        ipv6PrefixLength: 48,
        exempt: [
          expect.objectContaining({ text: "192.0.2.0/24" }),
          expect.objectContaining({ text: "2001:db8::/32" }),
        ],
        dryRun: true,
      },
      maxAmplification: 12.5,
      profile: { sample: 10, keepMs: 48 * 3_600_000 },
      history: { keepMs: 720 * 3_600_000, entriesMax: 200_000 },
      audit: { keepMs: 366 * 24 * 3_600_000 },
      explain: [
        expect.objectContaining({ text: "10.0.0.0/8" }),
        expect.objectContaining({ text: "::1/128" }),
      ],
      chaos: {
        id: "ams-1.dns",
        version: "Meridian 1",
        bookFor: [
          expect.objectContaining({ text: "10.0.0.0/8" }),
          expect.objectContaining({ text: "::1/128" }),
        ],
      },
      cookies: { mode: "require", secrets: "/srv/fleet/cookie-secrets" },
      api: { address: expect.objectContaining({ text: "::1" }), port: 8443 },
      apiTls: { certificate: "/etc/meridian/tls/api.pem", key: "/etc/ssl/api.key" },
      stateFolder: "/etc/state",
      source: "api",
      reportMs: 250,
      publishMs: 50,
    });
    expect(config.geo).toEqual({
      database: "/etc/meridian/geo-data/city.mmdb",
      asnDatabase: "/etc/meridian/geo-data/asn.mmdb",
      labels: ["/etc/meridian/geo-data/offices.csv", "/srv/partners.csv"],
    });
    expect(config.zones).toEqual(["/etc/meridian/zones/gslb.example.zone", "/srv/zones/other.example.zone"]);
  });

  test("has its regions and vantages", () => {
    expect([...config.regions.values()]).toEqual([
      { id: "us-east", coordinates: { latitude: 38.9, longitude: -77.4 } },
      { id: "eu-west", coordinates: { latitude: 53.3, longitude: -6.3 } },
    ]);
    expect([...config.vantages.keys()]).toEqual(["virginia", "dublin"]);
  });

  test("has its checks", () => {
    expect(config.checks.get("plain" as CheckId)).toEqual({
      id: "plain",
      probe: {
        kind: "http",
        version: 1,
        tls: null,
        port: 8080,
        method: "GET",
        path: "/healthz?deep=1",
        host: "www.example",
        headers: { Accept: "application/json", "X-Probe": "yes, one" },
        expect: {
          codes: [
            [200, 299],
            [301, 301],
          ],
          headers: { "X-Release": "7" },
          body: "ok: yes",
          pattern: "^ok: (yes|no)",
          json: {
            db: { kind: "is", text: "ok" },
            "queue.depth": { kind: "between", above: -1, below: 100 },
          },
        },
        load: { from: "json", name: "load.cpu", full: 100 },
        latencyMs: 300,
        inverted: false,
      },
      intervalMs: 3000,
      timeoutMs: 800,
      rise: 3,
      fall: 4,
      recheckMs: 500,
      jitterMs: 0,
      quorum: { kind: "percent", percent: 60 },
      minVantages: 2,
      failback: { kind: "auto", holdDownMs: 90_000, holdDownMsMax: 1_800_000, halfLifeMs: 600_000 },
      slowStartMs: 120_000,
    });
    expect(config.checks.get("port" as CheckId)?.probe).toEqual(tcpSpec(25));
  });

  test.each<[string, ProbeSpec]>([
    ["redis", tcpSpec(6379, { send: "50494e470d0a", expect: "2b504f4e47" })],
    [
      "binary",
      tcpSpec(443, {
        tls: { insecure: false, validForMs: 336 * 3_600_000 },
        host: "www.example",
        send: "0001",
        expect: "ff",
      }),
    ],
    [
      "newest",
      httpSpec(443, {
        version: 2,
        tls,
        path: "/",
        host: null,
        expect: expecting({ codes: [[200, 299]] }),
        load: { from: "header", name: "X-Load", full: 1 },
      }),
    ],
    [
      "resolver",
      dnsSpec(53, {
        qname: "www.example.",
        qtype: 28,
        transport: "tcp",
        rcodes: [0, 3],
        answers: ["2001:db8::1"],
      }),
    ],
    ["cart", grpcSpec(50_051, { service: "shop.Cart" })],
    ["echo", { kind: "icmp", latencyMs: 200, inverted: false }],
    ["closed", tcpSpec(23, { inverted: true })],
  ])("has the probe of its check %s", (check, probe) => {
    expect(config.checks.get(check as CheckId)?.probe).toEqual(probe);
  });

  test("has the probes that one is calculated of", () => {
    const probeOf = (check: string) => config.checks.get(check as CheckId)?.probe;
    expect(probeOf("most")).toEqual({
      kind: "calculated",
      need: 2,
      of: ["plain", "port", "closed"].map((check) => ({ check, probe: probeOf(check) })),
      latencyMs: null,
      inverted: false,
    });
  });

  test("has the documented defaults of a check, never above a short interval", () => {
    expect(config.checks.get("secure" as CheckId)).toMatchObject({
      probe: {
        version: 1,
        tls: { insecure: true, validForMs: 0 },
        port: 443,
        path: "/",
        host: null,
        headers: {},
        expect: { codes: [[200, 299]], headers: {}, body: null, pattern: null, json: {} },
        load: null,
        latencyMs: null,
        inverted: false,
      },
      intervalMs: 5000,
      timeoutMs: 2000,
      rise: 2,
      fall: 2,
      recheckMs: 1000,
      jitterMs: 500,
      minVantages: 1,
      failback: { kind: "manual" },
      slowStartMs: 60_000,
    });
    expect(config.checks.get("port" as CheckId)?.failback).toEqual({
      kind: "auto",
      holdDownMs: 0,
      holdDownMsMax: 3_600_000,
      halfLifeMs: 900_000,
    });
    expect(config.checks.get("quick" as CheckId)).toMatchObject({
      timeoutMs: 500,
      recheckMs: 500,
      jitterMs: 50,
      quorum: { kind: "majority" },
    });
  });

  test("has its pools and members", () => {
    const web = config.pools.get("web" as PoolId);
    expect(web?.check).toBe("plain");
    expect(web?.members.map(({ id, region, weight }) => [id, region, weight])).toEqual([
      ["web/us-east", "us-east", 1],
      ["web/eu-west", "eu-west", 2.5],
      ["web/dublin-2", "eu-west", 0],
      ["web/dublin-3", "eu-west", 1],
    ]);
    expect(web?.members.map(({ shedAbove }) => shedAbove)).toEqual([0.85, 0.7, 0.85, 0.85]);
    expect(config.members.get("spare/us-east" as MemberId)?.shedAbove).toBeNull();
    expect(web?.members.map(({ capacity }) => capacity)).toEqual([null, 1500, null, null]);
    expect(web?.signals).toEqual({ everyMs: 20_000, errorsAbove: 0.05, samples: 50 });
    expect(web?.perVantage).toBe(true);
    expect(config.pools.get("spare" as PoolId)).toMatchObject({ signals: null, perVantage: false });
    expect([...config.pools.values()].map(({ minUp }) => minUp)).toEqual([0, 0.3]);
    expect(config.pools.get("spare" as PoolId)?.check).toBeNull();
    expect([...config.members.keys()]).toEqual([
      ...(web?.members.map(({ id }) => id) ?? []),
      "spare/us-east",
    ]);
  });

  test("has each VIP judged by its own probes, or both by those of one family", () => {
    expect(config.members.get("web/us-east" as MemberId)).toMatchObject({
      ipv4: {
        id: "web/us-east/ipv4",
        address: { text: "192.0.2.1" },
        judgedBy: "web/us-east/ipv4",
        port: null,
      },
      ipv6: {
        id: "web/us-east/ipv6",
        address: { text: "2001:db8:1::1" },
        judgedBy: "web/us-east/ipv4",
        port: null,
      },
    });
    expect(config.members.get("web/eu-west" as MemberId)).toMatchObject({
      ipv4: { judgedBy: "web/eu-west/ipv4", port: 8443 },
      ipv6: { judgedBy: "web/eu-west/ipv6", port: 8443 },
    });
    expect(config.members.get("web/dublin-2" as MemberId)?.ipv6).toBeNull();
    expect(config.members.get("web/dublin-3" as MemberId)?.ipv4).toBeNull();
  });

  test("has its services, each with its place", () => {
    expect(config.services.map(({ name, label }) => [formatName(name), label])).toEqual([
      ["www.gslb.example.", "www.gslb.example"],
      ["Shop.GSLB.example.", "Shop.GSLB.example"],
      ["api.gslb.example.", "api.gslb.example"],
      ["cdn.gslb.example.", "cdn.gslb.example"],
    ]);
    const line = maximal.split("\n").indexOf("  www.gslb.example:") + 1;
    expect(config.services[0]).toMatchObject({
      ttlSeconds: 5,
      ttlSecondsMin: 5,
      failoverWithinMs: 120_000,
      whenDown: { kind: "fallback", pool: "spare" },
      https: { alpn: ["h3", "h2"], port: 8443 },
      place: { file: "m.yaml", line, column: 3 },
    });
    expect(config.services[1]).toMatchObject({
      ttlSeconds: 30,
      failoverWithinMs: null,
      whenDown: { kind: "servfail" },
      https: { alpn: [], port: null },
    });
    expect(config.services[2]).toMatchObject({ ttlSeconds: 0, whenDown: { kind: "nodata" }, https: null });
    expect(config.services[3]).toMatchObject({
      ttlSeconds: 86_400,
      ttlSecondsMin: 1,
      whenDown: { kind: "lastGood" },
    });
  });

  test("has its policies", () => {
    const web = { kind: "pool", pool: "web" };
    const usEast = { kind: "member", member: "web/us-east" };
    const euWest = { kind: "member", member: "web/eu-west" };
    const spare = { kind: "pool", pool: "spare" };
    const latency = { kind: "latency", name: null, minUp: 0, of: web, prefixes: [], asns: [] };
    const byOrder = { kind: "failover", name: "by-order", minUp: 1, order: [euWest, latency, spare] };
    const biasKm = new Map([
      ["eu-west" as RegionId, 300],
      ["us-east" as RegionId, -50.5],
    ]);
    const byDistance = { kind: "nearest", name: "by-distance", minUp: 0.5, of: web, biasKm, within: 0.05 };
    const policies = Object.fromEntries(config.policies);
    expect(policies["by-geo"]).toEqual({
      kind: "geo",
      name: "by-geo",
      minUp: 0.5,
      fence: true,
      cases: [
        { match: { by: "prefix", prefix: "192.0.2.0/24" }, use: web },
        { match: { by: "prefix", prefix: "2001:db8::/32" }, use: usEast },
        { match: { by: "label", label: "head office" }, use: web },
        { match: { by: "asn", asn: 64_500 }, use: web },
        { match: { by: "subdivision", subdivision: "US-CA" }, use: usEast },
        { match: { by: "country", country: "GB" }, use: euWest },
        { match: { by: "country", country: "NO" }, use: byOrder },
        {
          match: { by: "continent", continent: "EU" },
          use: { kind: "nearest", name: null, minUp: 0, of: web, biasKm: new Map(), within: null },
        },
      ],
      default: byDistance,
    });
    expect(policies["by-latency"]).toEqual({
      kind: "latency",
      name: "by-latency",
      minUp: 0.25,
      of: web,
      prefixes: ["203.0.113.0/24"],
      asns: [64500],
    });
    expect(policies["by-weight"]).toEqual({
      kind: "weighted",
      name: "by-weight",
      minUp: 0.4,
      choices: [
        { key: "blue", weight: 80, use: web },
        { key: "spare", weight: 20, use: spare },
        { key: "web/us-east", weight: 0, use: usEast },
      ],
    });
    expect(policies["by-client"]).toEqual({
      kind: "sticky",
      name: "by-client",
      minUp: 0.2,
      of: policies["by-weight"],
    });
    expect(policies["by-several"]).toEqual({
      kind: "spread",
      name: "by-several",
      minUp: 0.5,
      of: policies["by-weight"],
      count: 2,
    });
    const sticky = { kind: "sticky", name: null, minUp: 0, of: web };
    expect(config.services[3]?.policy).toMatchObject({ order: [policies["by-client"], sticky, spare] });
    expect(config.policies.get("alias")).toBe(config.policies.get("by-order"));
    expect(config.services[0]?.policy).toBe(policies["by-geo"]);
  });
});

describe("a config with next to nothing", () => {
  test("has the documented defaults", () => {
    const { node, geo, zones, services, tests, invariants, vantages, policies } = configOf("zones: []");
    expect(node).toMatchObject({
      name: "host-1",
      listen: [
        { address: { text: "0.0.0.0" }, port: 53 },
        { address: { text: "::" }, port: 53 },
      ],
      workers: 8,
      udp: "auto",
      xdp: [],
      tcp: {
        maxConnections: 1000,
        maxConnectionsPerClient: 20,
        maxWastedPerClient: 10,
        idleTimeoutMs: 10_000,
      },
      tls: null,
      https: null,
      proxyProtocol: [],
      api: { address: { text: "127.0.0.1" }, port: 8053 },
      apiTls: null,
      stateFolder: "/etc/meridian/var",
      source: "files",
      reportMs: 500,
      publishMs: 100,
    });
    expect({ geo, zones, services, tests, invariants }).toEqual({
      geo: { database: null, asnDatabase: null, labels: [] },
      zones: [],
      services: [],
      tests: [],
      invariants: [],
    });
    expect([vantages.size, policies.size]).toEqual([0, 0]);
  });

  test("may use anchors and aliases", () => {
    const { services } = configOf(`${small}
services:
  a.example: &a { ttl: 5s, policy: web }
  b.example: *a
`);
    expect(services.map(({ label, ttlSeconds }) => [label, ttlSeconds])).toEqual([
      ["a.example", 5],
      ["b.example", 5],
    ]);
  });
});

describe("the demo's config", () => {
  const demo = configOf(readFileSync(join(root, "meridian.yaml"), "utf8"));

  test("listens on loopback addresses that need no root", () => {
    expect(demo.node.listen.map(({ address, port }) => `${address.text} ${port}`)).toEqual([
      "127.0.0.1 5300",
      "::1 5300",
    ]);
    expect(demo.node.api).toMatchObject({ address: { text: "127.0.0.1" }, port: 8053 });
  });

  test("shows each kind of policy", () => {
    expect(demo.services.map(({ policy }) => policy.kind)).toEqual([
      "geo",
      "weighted",
      "nearest",
      "latency",
      "failover",
      "sticky",
      "spread",
    ]);
  });
});

describe("parseConfig", () => {
  /** Pieces of files, right and wrong. */
  const words = [
    ...Object.values(keys).flat(),
    "web",
    "us",
    "web/us",
    "5s",
    "0.5",
    "192.0.2.1",
    "2001:db8::1",
    "~",
    "",
  ];
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      fc.constantFrom(...words),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...words), tie("tree"), { maxKeys: 5 }),
    ),
  }));

  test("any tree of known and unknown words is a config or has problems, and never throws", () => {
    fc.assert(
      fc.property(tree, tree, tree, (policies, pools, services) => {
        const text = JSON.stringify({ policies, pools, services, regions: { us: { at: ["1", "2"] } } });
        const { value, problems } = parse(text);
        expect(value === null).toBe(problems.length > 0);
      }),
      { numRuns: 200 },
    );
  });

  test("a good file with one place cut or changed is a config or has problems, and never throws", () => {
    const at = fc.nat({ max: maximal.length });
    const patch = fc.constantFrom("", "x", ":", "[", "}", "\n", "- ", "&a ", "*a", "~", "'", "0");
    fc.assert(
      fc.property(at, fc.nat({ max: 12 }), patch, (start, length, text) => {
        const { value, problems } = parse(maximal.slice(0, start) + text + maximal.slice(start + length));
        expect(value === null).toBe(problems.length > 0);
      }),
      { numRuns: 200 },
    );
  });

  test("problems come in the order of the file", () => {
    const places = problemsOf("services: { a: {} }\nnode: { x: 1 }\nzones: 1").map(
      (line) => line.split(": ")[0],
    );
    expect(places).toEqual(["1:13", "2:9", "3:8"]);
  });
});
