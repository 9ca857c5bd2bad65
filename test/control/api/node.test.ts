/** What can be read of a node, and its health, reload and tokens. */

import { describe, expect, test } from "vitest";
import { CONFIG, GB, ZONE } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

describe("/healthz and /readyz", () => {
  test("of a node that serves its book are fine, without a token", async () => {
    const api = await TestApi.open();
    expect((await api.get("/healthz", null)).body).toEqual({ alive: true });
    const { status, body } = await api.get("/readyz", null);
    expect([status, body]).toEqual([200, { ready: true, reasons: [], warnings: [] }]);
  });

  test("tell a failed reload, but do not fail for it", async () => {
    const api = await TestApi.open();
    api.node.folder.write("test.example.zone", `${ZONE}bad RR\nworse RR\n`);
    expect((await api.post("/v1/reload")).status).toBe(422);
    const { status, body } = await api.get("/readyz", null);
    expect([status, body.ready]).toEqual([200, true]);
    expect(body.warnings).toEqual([
      expect.stringMatching(
        /^the files changed but were refused at 2026-01-01T00:00:00.000Z: .*test.example.zone:7:/,
      ),
    ]);
    api.node.folder.write("test.example.zone", ZONE);
    await api.post("/v1/reload");
    expect((await api.get("/readyz", null)).body.warnings).toEqual([]);
  });

  test("tell that dns serves nothing of ours", async () => {
    const api = await TestApi.open();
    const { desk } = api.node;
    const status = desk.status();
    Object.defineProperty(desk, "status", { value: () => ({ ...status, adoptedVersion: 0 }) });
    const readiness = await api.get("/readyz", null);
    expect([readiness.status, readiness.body]).toEqual([
      503,
      { ready: false, reasons: ["dns serves no book of this control yet"], warnings: [] },
    ]);
    expect((await api.get("/healthz", null)).status).toBe(200);
  });
});

describe("/v1/status and /v1/reload", () => {
  test("show versions, clock, data and the last reload", async () => {
    const api = await TestApi.open();
    const { headers, body } = await api.get("/v1/status");
    expect(headers.get("etag")).toMatch(/^"1-/);
    expect(body).toEqual({
      node: expect.any(String),
      version: 1,
      adoptedVersion: 1,
      declared: { source: "files", by: null, drift: null },
      startedAt: "2026-01-01T00:00:00.000Z",
      now: "2026-01-01T00:00:00.000Z",
      zones: 1,
      services: 3,
      geo: { file: expect.stringMatching(/geo\.mmdb$/), type: "Test", builtAt: expect.any(String) },
      lastReload: { outcome: "loaded", at: "2026-01-01T00:00:00.000Z", problems: [], warnings: [] },
      store: { problem: null, unrecorded: 0 },
    });
  });

  test("put changed files in force, in the name and for the reason of who asks", async () => {
    const api = await TestApi.open();
    api.node.folder.write("test.example.zone", `${ZONE}new STEER www\n`);
    const { status, headers, body } = await api.post("/v1/reload?reason=a%20new%20name");
    expect([status, headers.get("etag"), body]).toEqual([200, '"2"', { version: 2, warnings: [] }]);
    expect(api.node.dns.addresses("new.test.example", GB)).toEqual(["10.0.0.2"]);
    expect((await api.get("/v1/audit")).body.entries[0]).toMatchObject({
      author: "anna",
      reason: "a new name",
      event: "files-loaded",
    });
  });

  test("put files in force against safety rules with a reason alone", async () => {
    const api = await TestApi.open();
    api.node.folder.write("meridian.yaml", `${CONFIG}\nsafety: { minRegionsUp: 2 }\n`);
    expect((await api.post("/v1/reload")).status).toBe(200);
    api.node.folder.write("meridian.yaml", CONFIG.replace("old: { weight: 50", "old: { weight: 0"));
    expect((await api.post("/v1/reload")).body.problems).toMatchObject([
      { message: expect.stringMatching(/^safety\.minRegionsUp: mix\.test\.example would have 1 region up/) },
    ]);
    expect((await api.post("/v1/reload?force=true")).status).toBe(400);
    expect((await api.post("/v1/reload?force=true&reason=the%20old%20one%20goes")).status).toBe(200);
    expect((await api.get("/v1/audit")).body.entries[0]).toMatchObject({ event: "change-forced" });
  });

  test("refuse files with problems, each with its place, and keep what was read before", async () => {
    const api = await TestApi.open();
    api.node.folder.write("meridian.yaml", CONFIG.replace("ttl: 5s", "tll: 5s"));
    const { status, body } = await api.post("/v1/reload");
    expect([status, body.code]).toEqual([422, "refused"]);
    expect(body.problems).toContainEqual({
      file: expect.stringMatching(/meridian\.yaml$/),
      line: expect.any(Number),
      column: expect.any(Number),
      message: expect.stringContaining('did you mean "ttl"'),
    });
    expect((await api.get("/v1/status")).body).toMatchObject({
      version: 1,
      lastReload: { outcome: "refused" },
    });
  });

  test("refuse an old version", async () => {
    const api = await TestApi.open();
    await api.post("/v1/reload");
    expect((await api.post("/v1/reload", undefined, { "if-match": '"1"' })).status).toBe(412);
  });
});

describe("/v1/services", () => {
  test("lists what is steered, a page at a time", async () => {
    const api = await TestApi.open();
    const first = (await api.get("/v1/services?limit=2")).body;
    expect(first.services.map(({ name }: { name: string }) => name)).toEqual([
      "www.test.example",
      "mix.test.example",
    ]);
    expect(first.services[1]).toEqual({
      name: "mix.test.example",
      url: "/v1/services/mix.test.example",
      policy: { kind: "weighted", name: "mix" },
      ttlSeconds: 5,
      ttlSecondsMin: 5,
      failoverWithinMs: null,
      boundMs: 10_900,
    });
    const second = (await api.get(`/v1/services?limit=2&after=${first.next}`)).body;
    expect([second.services.length, second.services[0].name, second.next]).toEqual([
      1,
      "near.test.example",
      null,
    ]);
    expect((await api.get("/v1/services?after=gone")).status).toBe(404);
    expect((await api.get("/v1/services?limit=0")).body.detail).toBe(
      "limit: expected a number of entries from 1 to 1000, got 0",
    );
  });

  test("shows one with its bound, term by term, and its plans", async () => {
    const api = await TestApi.open();
    const { body } = await api.get("/v1/services/MIX.test.example.");
    expect(body.bound.terms.reduce((sum: number, { ms }: { ms: number }) => sum + ms, 0)).toBe(
      body.bound.totalMs,
    );
    expect(body.plans.ipv4.shares.map(({ probability }: { probability: number }) => probability)).toEqual([
      0.5, 0.5,
    ]);
    expect(body.plans.ipv6).toMatchObject({ kind: "answer", shares: [{ address: "2001:db8::1" }, {}] });
    const fixed = { seconds: 5, why: { kind: "fixed", vip: null, steadyMs: null } };
    expect(body.ttls).toEqual({ ipv4: fixed, ipv6: fixed });
  });

  test("does not know another, but the one that is meant", async () => {
    const api = await TestApi.open();
    const { status, body } = await api.get("/v1/services/mixx.test.example");
    expect([status, body.detail]).toEqual([
      404,
      'there is no service "mixx.test.example"; did you mean "mix.test.example"?',
    ]);
  });
});

describe("the facts", () => {
  test("of regions count VIPs and name what is drained", async () => {
    const api = await TestApi.open();
    await api.post("/v1/overrides", { kind: "drain", target: { region: "eu-west" }, reason: "x" });
    await api.post("/v1/overrides", {
      kind: "force",
      target: { vip: "web/us-east/ipv4" },
      verdict: "down",
      reason: "x",
    });
    expect((await api.get("/v1/regions")).body.regions).toEqual([
      {
        region: "us-east",
        url: "/v1/regions/us-east",
        coordinates: { latitude: 38.9, longitude: -77.4 },
        members: ["web/us-east"],
        vips: 2,
        vipsUp: 1,
        drained: [],
      },
      {
        region: "eu-west",
        url: "/v1/regions/eu-west",
        coordinates: { latitude: 53.3, longitude: -6.3 },
        members: ["web/eu-west"],
        vips: 2,
        vipsUp: 2,
        drained: ["web/eu-west"],
      },
    ]);
  });

  test("of VIPs show verdicts with their votes", async () => {
    const api = await TestApi.open();
    const { dublin } = await api.node.agents("tokyo", "dublin");
    await dublin.report({ "web/eu-west/ipv4": "ok" });
    api.node.pass(1_000);
    await dublin.report({ "web/eu-west/ipv4": "timeout" });
    const { body } = await api.get("/v1/verdicts?after=web%2Fus-east%2Fipv6&limit=1");
    expect(body.next).toBe("web/eu-west/ipv4");
    expect(body.verdicts).toEqual([
      {
        vip: "web/eu-west/ipv4",
        url: "/v1/verdicts/web%2Feu-west%2Fipv4",
        pool: "web",
        member: "web/eu-west",
        region: "eu-west",
        family: "ipv4",
        address: "10.0.0.2",
        up: true,
        basis: "judged",
        reason: expect.any(String),
        since: "2026-01-01T00:00:00.000Z",
        recovering: false,
        flaps: 0,
        hold: null,
        take: 1,
        load: null,
        dissenting: [],
        votes: [
          {
            vantage: "dublin",
            opinion: "degraded",
            counts: true,
            error: { class: "timeout", detail: "no answer in 1 s" },
            timings: { connectMs: 10, tlsMs: null, firstByteMs: null, totalMs: null },
            reportedAt: "2026-01-01T00:00:01.000Z",
          },
          ...["virginia", "tokyo"].map((vantage) => {
            return {
              vantage,
              opinion: "unknown",
              counts: false,
              error: null,
              timings: null,
              reportedAt: null,
            };
          }),
        ],
      },
    ]);
    expect((await api.get("/v1/vantages")).body.vantages[0]).toEqual({
      vantage: "dublin",
      url: "/v1/vantages/dublin",
      coordinates: { latitude: 53.3, longitude: -6.3 },
      streams: 1,
      fresh: true,
      isolated: false,
      reportedAt: "2026-01-01T00:00:01.000Z",
    });
  });
});

describe("/v1/audit", () => {
  test("goes back a page at a time, the newest first", async () => {
    const api = await TestApi.open();
    const seen: number[] = [];
    let after = "";
    for (;;) {
      const { body } = await api.get(`/v1/audit?limit=2${after}`);
      seen.push(...body.entries.map(({ sequence }: { sequence: number }) => sequence));
      if (body.next === null) break;
      after = `&after=${body.next}`;
    }
    expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1]);
  });

  test("is verified, also against a head from before, which the log has", async () => {
    const api = await TestApi.open();
    const { body } = await api.get("/v1/audit/verify");
    expect(body).toMatchObject({
      sound: true,
      chains: [
        { chain: "audit", records: 7, fault: null },
        { chain: "history", records: expect.any(Number), fault: null },
      ],
    });
    const logged = api.node.logged.flatMap(({ msg }) => /^head of the audit: 1 (\w+)$/.exec(msg)?.[1] ?? []);
    expect(logged).toHaveLength(1);
    const earlier = await api.get(`/v1/audit/verify?head=${logged[0]}`);
    expect(earlier.body).toMatchObject({ sound: true, lostHeads: [] });
    const lost = "0".repeat(64);
    const never = await api.get(`/v1/audit/verify?head=${lost}`);
    expect(never.body).toMatchObject({ sound: false, lostHeads: [lost] });
    expect((await api.get("/v1/audit/verify?head=5f1d")).status).toBe(400);
  });

  test.each([
    "limit=0",
    "limit=1001",
    "limit=",
    "limit=true",
    "limit=1&limit=2",
    "limit=1.5",
    "before=1",
    "after=x",
  ])("does not take %s", async (query) => {
    const api = await TestApi.open();
    expect((await api.get(`/v1/audit?${query}`)).status).toBe(400);
  });
});

describe("/v1/tokens", () => {
  test("makes a token whose secret is shown once, works, and ends", async () => {
    const api = await TestApi.open();
    const { status, headers, body } = await api.post("/v1/tokens", { name: "ops", role: "reader" });
    expect([status, headers.get("cache-control"), headers.get("location")]).toEqual([
      201,
      "no-store",
      "/v1/tokens/ops",
    ]);
    const secret = expect.stringMatching(/^meridian_[0-9a-f]{16}_[\w-]{43}$/);
    expect(body).toEqual({ name: "ops", role: "reader", expiresAt: null, token: secret });
    const authorization = `Bearer ${body.token}`;
    expect((await fetch(`${api.url}/v1/status`, { headers: { authorization } })).status).toBe(200);
    const list = await api.get("/v1/tokens");
    expect(JSON.stringify(list.body)).not.toContain(body.token);
    expect(list.body.tokens).toContainEqual({
      name: "ops",
      role: "reader",
      createdAt: "2026-01-01T00:00:00.000Z",
      expiresAt: null,
      usedAt: "2026-01-01T00:00:00.000Z",
    });
    expect((await api.delete("/v1/tokens/ops")).status).toBe(204);
    expect((await fetch(`${api.url}/v1/status`, { headers: { authorization } })).status).toBe(401);
    expect(JSON.stringify([api.logged, api.node.logged])).not.toContain(body.token);
  });

  test("makes a token that ends", async () => {
    const api = await TestApi.open();
    const { body } = await api.post("/v1/tokens", { name: "t", role: "operator", expires: "+90d" });
    expect(body).toMatchObject({ role: "operator", expiresAt: "2026-04-01T00:00:00.000Z" });
    const past = await api.post("/v1/tokens", { name: "u", role: "reader", expires: "2025-01-01T00:00:00Z" });
    expect([past.status, past.body.detail]).toEqual([
      422,
      "expires: expected a time after 2026-01-01T00:00:00.000Z",
    ]);
  });

  test("makes a token for the agent of a vantage", async () => {
    const api = await TestApi.open();
    const { body } = await api.post("/v1/tokens", { name: "t", role: "agent", vantage: "tokyo" });
    expect(body).toMatchObject({ name: "t", role: "agent", vantage: "tokyo" });
    expect((await api.get("/v1/audit?limit=1")).body.entries[0]).toMatchObject({
      event: "token-added",
      author: "anna",
    });
  });

  test.each([
    [{ name: "rita", role: "reader" }, 409, "there is a token rita already"],
    [{ name: "", role: "reader" }, 400, "name, role"],
    [{ name: "a b", role: "reader" }, 400, "name, role"],
    [{ name: "x".repeat(64), role: "reader" }, 400, "name, role"],
    [{ name: "x", role: "root" }, 400, "name, role"],
    [{ name: "x", role: "agent" }, 400, "name, role"],
    [{ name: "x", role: "reader", vantage: "tokyo" }, 400, "name, role"],
    [{ name: "meridian", role: "reader" }, 422, 'expected another than "meridian"'],
    [{ name: "File", role: "admin" }, 422, 'expected another than "File"'],
    [{ name: "x", role: "agent", vantage: "tokio" }, 422, 'did you mean "tokyo"?'],
  ])("does not make %j", async (body, status, message) => {
    const api = await TestApi.open();
    const result = await api.post("/v1/tokens", body);
    expect([result.status, result.body.detail]).toEqual([status, expect.stringContaining(message)]);
  });

  test("does not remove what is not there", async () => {
    const api = await TestApi.open();
    const { status, body } = await api.delete("/v1/tokens/ritta");
    expect([status, body.detail]).toEqual([404, 'there is no token "ritta"; did you mean "rita"?']);
  });
});
