/** Explanations by API: the lines that people read, and that they say what dns does. */

import { describe, expect, test } from "vitest";
import { CONFIG, Folder, GB, JP, Node, US } from "../test-node.ts";
import { type Result, TestApi } from "./test-api.ts";

const WWW = "www.test.example";

describe("POST /v1/explain", () => {
  test("says why, in lines for people and in data", async () => {
    const api = await TestApi.open();
    const { status, body } = await ask(api, WWW, "A", GB);
    expect(status).toBe(200);
    expect(body.lines).toEqual([
      "www.test.example A for 192.0.2.1",
      "location: EU GB 53,-1.5",
      "policy:",
      expect.stringContaining("geo: 100 % of answers"),
      expect.stringContaining(
        "continent EU > failover eu-first > choice 1 > web/eu-west 10.0.0.2: 100 % of answers",
      ),
      expect.stringContaining("continent EU > failover eu-first > choice 2 > web/us-east: up, not used"),
      "A: web/eu-west/ipv4 100 %",
      "    100 %  10.0.0.2  web/eu-west in eu-west",
      "ECS scope /24, TTL 5 s",
      "it would be web/us-east if web/eu-west were down",
    ]);
    expect(body).toMatchObject({
      name: WWW,
      type: "A",
      client: GB,
      resolver: null,
      steeredBy: "client",
      supposed: [],
      service: WWW,
      location: {
        text: "EU GB 53,-1.5",
        continent: "EU",
        country: "GB",
        subdivision: null,
        asn: null,
        labels: [],
      },
      class: expect.stringContaining("web/eu-west"),
      scopePrefixLength: 24,
      ttlSeconds: 5,
      ttlWhy: { kind: "fixed", vip: null, steadyMs: null },
      family: "ipv4",
      plan: {
        kind: "answer",
        lastResort: false,
        shares: [
          {
            vip: "web/eu-west/ipv4",
            address: "10.0.0.2",
            member: "web/eu-west",
            region: "eu-west",
            probability: 1,
          },
        ],
      },
      pick: { at: "2026-01-01T00:00:00.000Z", share: { vip: "web/eu-west/ipv4" } },
      counterfactual: {
        changes: ["web/eu-west were down"],
        plan: { kind: "answer", shares: [{ vip: "web/us-east/ipv4" }] },
      },
      margins: [],
      overrides: [],
      trace: { family: 4, stages: [{ root: { kind: "first", outcome: "up" } }] },
    });
  });

  test.each([
    [WWW, "A", GB],
    [WWW, "AAAA", US],
    [WWW, "A", JP],
    ["shop.test.example", "A", GB],
    ["mix.test.example", "A", US],
    ["near.test.example", "AAAA", GB],
  ] as const)("for %s %s from %s lists the very addresses that dns answers", async (name, type, client) => {
    const api = await TestApi.open();
    for (const override of [null, { kind: "drain", target: { region: "eu-west" }, reason: "x" }]) {
      if (override !== null) await api.post("/v1/overrides", override);
      const { body } = await ask(api, name, type, client);
      const addresses = body.plan.shares.map(({ address }: { address: string }) => address);
      expect(addresses.toSorted()).toEqual(api.node.dns.addresses(name, client, type));
    }
  });

  test("of what is sticky says which bucket the client is in, and who has that", async () => {
    const policy = "{ weighted: { all: { weight: 60, use: { sticky: mix } }, web/us-east: 40 } }";
    const config = `${CONFIG}  cart.test.example: { ttl: 5s, policy: ${policy} }\n  same.test.example: { ttl: 5s, policy: { sticky: mix } }\n`;
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
    for (const [client, bits] of [
      [GB, 24],
      ["2001:db8:1:2::1", 56],
    ] as const) {
      const { body } = await ask(api, "same.test.example", "A", client);
      const { bucket, buckets, share } = body.sticky;
      expect(api.node.dns.addresses("same.test.example", client)).toEqual([share.address]);
      expect(body.pick.share).toEqual(share);
      expect(body.scopePrefixLength).toBeGreaterThanOrEqual(bits);
      expect(body.plan.shares.map(({ probability }: { probability: number }) => probability)).toEqual([
        0.5, 0.5,
      ]);
      expect(body.lines).toContain(
        `sticky: the client's /${bits} is in bucket ${bucket} of ${buckets}, which is with ${share.address}`,
      );
      expect([bucket < buckets, buckets]).toEqual([true, 251]);
      const other = share.member === "web/eu-west" ? "web/us-east" : "web/eu-west";
      expect(body.lines).toContain(`it would be ${other} if ${share.member} were down`);
      const some = await ask(api, "cart.test.example", "A", client);
      expect(some.body.sticky).toMatchObject({ bucket, share: { address: share.address } });
    }
    expect((await ask(api, WWW, "A", GB)).body.sticky).toBeNull();
  });

  test("of what is spread says what comes with what, in the order of the answer", async () => {
    const policy =
      "{ weighted: { both: { weight: 3, use: { spread: { of: mix, count: 2 } } }, web/us-east: 1 } }";
    const config = `${CONFIG}  pair.test.example: { ttl: 5s, policy: ${policy} }\n`;
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
    const seen = new Set<string>();
    for (let second = 0; second < 40; second += 1) {
      const { body } = await ask(api, "pair.test.example", "A", GB);
      const answers = api.node.dns.answers("pair.test.example", GB, "A", Math.trunc(api.node.nowMs / 1000));
      const [first, ...others] = answers.map((rr) => (rr.type === "A" ? rr.data : rr.type));
      expect(body.pick.share.address).toBe(first);
      expect(body.pick.beside.map(({ address }: { address: string }) => address)).toEqual(others);
      const then = others.length === 0 ? "" : `, then ${others.join(", ")}`;
      expect(body.lines).toContain(`${first}${then} at ${body.pick.at}`);
      expect(body.lines.join("\n")).toMatch(/A: .* in each answer$/m);
      seen.add([first, ...others].join(" "));
      api.node.pass(1_000);
    }
    // Both, in either order, and the one that is answered alone.
    expect(seen.size).toBe(3);
  });

  test("explains an alias as the service that it is steered as", async () => {
    const api = await TestApi.open();
    const { body } = await ask(api, "Shop.Test.Example.", "A", GB);
    expect([body.service, body.lines[0]]).toEqual([WWW, `Shop.Test.Example. A for ${GB}, steered as ${WWW}`]);
  });

  test("of HTTPS follows the hints, IPv4 before IPv6", async () => {
    const config = CONFIG.replace("www.test.example:\n", "www.test.example:\n    https: { alpn: [h2] }\n");
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
    const both = await ask(api, WWW, "HTTPS", GB);
    expect([both.body.family, both.body.plan.shares[0].address]).toEqual(["ipv4", "10.0.0.2"]);
    expect(both.body.lines).toContain("HTTPS: the same picks, as its hints");
    api.node.folder.write(
      "meridian.yaml",
      config.replaceAll(/ipv4: [\d.]+, /g, "").replaceAll(", probe: ipv4", ""),
    );
    expect((await api.post("/v1/reload")).status).toBe(200);
    const six = await ask(api, WWW, "HTTPS", GB);
    expect([six.body.family, six.body.plan.shares[0].address]).toEqual(["ipv6", "2001:db8::2"]);
  });

  test("of HTTPS for a service without one is NODATA", async () => {
    const api = await TestApi.open();
    const { body } = await ask(api, WWW, "HTTPS", GB);
    expect(body.plan).toEqual({ kind: "nodata", lastResort: false, shares: [] });
    expect(body.lines).toContain("HTTPS: NODATA, because the service has no https");
  });

  test.each([
    [{ kind: "drain", target: { region: "eu-west" } }, WWW, ["drain:region:eu-west"]],
    [{ kind: "drain", target: { member: "web/eu-west" } }, WWW, ["drain:member:web/eu-west"]],
    [
      { kind: "weight", target: { choice: "mix/new" }, weight: 9 },
      "mix.test.example",
      ["weight:choice:mix/new"],
    ],
    [{ kind: "weight", target: { choice: "mix/new" }, weight: 9 }, "near.test.example", []],
    [
      { kind: "force", target: { member: "web/eu-west" }, verdict: "down" },
      WWW,
      ["force:member:web/eu-west"],
    ],
    [
      { kind: "force", target: { vip: "web/eu-west/ipv4" }, verdict: "up" },
      WWW,
      ["force:vip:web/eu-west/ipv4"],
    ],
    [{ kind: "force", target: { vip: "web/eu-west/ipv6" }, verdict: "down" }, WWW, []],
  ])("tells that %j has its part in %s: %j", async (override, name, ids) => {
    const api = await TestApi.open();
    await api.post("/v1/overrides", { ...override, reason: "a test" });
    const { body } = await ask(api, name, "A", GB);
    expect(body.overrides).toEqual(ids);
    expect(body.lines.filter((line: string) => line.startsWith("override:"))).toHaveLength(ids.length);
  });

  test("of overrides on targets within each other tells the one that decided, and all drains", async () => {
    const api = await TestApi.open();
    for (const target of [{ region: "eu-west" }, { member: "web/eu-west" }]) {
      await api.post("/v1/overrides", { kind: "force", target, verdict: "down", reason: "x" });
      await api.post("/v1/overrides", { kind: "drain", target, reason: "x" });
    }
    expect((await ask(api, WWW, "A", GB)).body.overrides).toEqual([
      "drain:member:web/eu-west",
      "drain:region:eu-west",
      "force:member:web/eu-west",
    ]);
  });

  test("does not speak of an override whose end has come", async () => {
    const api = await TestApi.open();
    await api.post("/v1/overrides", {
      kind: "drain",
      target: { region: "eu-west" },
      until: "+1m",
      reason: "x",
    });
    api.node.pass(60_000);
    expect((await ask(api, WWW, "A", GB)).body.overrides).toEqual([]);
  });

  test("goes by the resolver where it sends nothing of its clients", async () => {
    const api = await TestApi.open();
    for (const client of [undefined, "0.0.0.0/0", "::/0"]) {
      const { body } = await api.post("/v1/explain", { name: WWW, type: "A", client, resolver: US });
      expect([body.steeredBy, body.client, body.resolver]).toEqual(["resolver", client ?? null, US]);
      expect(body.plan.shares[0].vip).toBe("web/us-east/ipv4");
      expect(body.lines[0]).toBe(`${WWW} A for clients of ${US}, which sends nothing of them`);
    }
  });

  test("goes by the subnet that a resolver sends of its client", async () => {
    const api = await TestApi.open();
    const { body } = await api.post("/v1/explain", {
      name: WWW,
      type: "A",
      client: "192.0.2.0/24",
      resolver: US,
    });
    expect([body.steeredBy, body.client, body.plan.shares[0].vip]).toEqual([
      "client",
      "192.0.2.0/24",
      "web/eu-west/ipv4",
    ]);
    expect(body.lines[0]).toBe(`${WWW} A for 192.0.2.0/24 through ${US}`);
  });

  test("names the very VIP that dns gives in each second", async () => {
    const api = await TestApi.open();
    const name = "mix.test.example";
    const seen = new Set<string>();
    for (let second = 0; second < 30; second += 1) {
      for (const type of ["A", "AAAA"] as const) {
        const { body } = await ask(api, name, type, GB);
        const { address } = body.pick.share;
        const moment = Math.trunc(api.node.nowMs / 1000);
        expect(api.node.dns.answers(name, GB, type, moment)).toMatchObject([{ data: address }]);
        expect(body.lines).toContain(`${address} at ${body.pick.at}`);
        seen.add(address);
      }
      api.node.pass(1_000);
    }
    expect(seen.size).toBe(4);
  });

  test.each<readonly [readonly string[], string, Readonly<Record<string, number>>]>([
    [["down:eu-west"], WWW, { "web/us-east": 1 }],
    [["down:web/eu-west"], WWW, { "web/us-east": 1 }],
    [["down:web/eu-west/ipv4"], WWW, { "web/us-east": 1 }],
    [["down:web/eu-west/ipv6"], WWW, { "web/eu-west": 1 }],
    [["down:eu-west", "up:web/eu-west"], WWW, { "web/eu-west": 1 }],
    [["drain:eu-west"], WWW, { "web/us-east": 1 }],
    [["drain:web/eu-west", "undrain:eu-west"], WWW, { "web/eu-west": 1 }],
    [["weight:mix/new=150"], "mix.test.example", { "web/us-east": 0.75, "web/eu-west": 0.25 }],
    [["weight:near.test.example/here=3"], "near.test.example", { "web/us-east": 0.25, "web/eu-west": 0.75 }],
    [["weight:web/eu-west=0"], "near.test.example", { "web/us-east": 1 }],
    [["weight:eu-west=0"], "near.test.example", { "web/us-east": 1 }],
  ])("if %j, for %s, tells what would be: %j", async (supposed, name, shares) => {
    const api = await TestApi.open();
    const before = await ask(api, name, "A", GB);
    const { status, body } = await api.post("/v1/explain", { name, type: "A", client: GB, if: supposed });
    expect(status).toBe(200);
    expect(
      Object.fromEntries(body.plan.shares.map((share: PlanShare) => [share.member, share.probability])),
    ).toEqual(shares);
    expect(body.overrides).toEqual([]);
    expect(body.lines[1]).toMatch(/^if .*:$/);
    const after = await ask(api, name, "A", GB);
    expect(after.body).toEqual(before.body);
  });

  test("says which TTL an adaptive service has now, and why, and so does the service", async () => {
    const config = CONFIG.replace("{ ttl: 5s, policy: mix }", "{ ttl: { min: 5s, max: 1m }, policy: mix }");
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
    const name = "mix.test.example";
    const ttl = async (): Promise<unknown> => {
      const { body } = await ask(api, name, "HTTPS", GB);
      const { ttls, ttlSeconds, ttlSecondsMin } = (await api.get(`/v1/services/${name}`)).body;
      expect([ttlSecondsMin, ttlSeconds]).toEqual([5, 60]);
      expect(ttls.ipv4).toEqual({ seconds: body.ttlSeconds, why: body.ttlWhy });
      return body.lines.find((line: string) => line.includes(", TTL"));
    };
    expect(await ttl()).toBe("ECS scope /0, TTL 5 s: web/us-east may change at any moment");
    for (const member of ["web/us-east", "web/eu-west"]) {
      const forced = { kind: "force", target: { member }, verdict: "up", reason: "a test" };
      expect((await api.post("/v1/overrides", forced)).status).toBeLessThan(300);
    }
    expect(await ttl()).toBe("ECS scope /0, TTL 60 s: nothing that it depends on changes by itself");
  });

  test("by latency tells the margin, and what would be if a region came nearer", async () => {
    const config = CONFIG.replace("policy: mix", "policy: { latency: web }");
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
    const name = "mix.test.example";
    const { body } = await ask(api, name, "A", GB);
    expect(body.margins).toEqual([
      { path: "latency", first: "eu-west", second: "us-east", marginMs: expect.any(Number) },
    ]);
    expect(body.lines).toContainEqual(
      expect.stringMatching(/^eu-west at \d+ ms is \d+ ms ahead of us-east at \d+ ms$/),
    );
    const supposed = await api.post("/v1/explain", {
      name,
      type: "A",
      client: GB,
      if: ["rtt:eu-west=60", "rtt:us-east=54"],
    });
    expect(supposed.body.plan.shares).toMatchObject([{ member: "web/us-east" }]);
    expect(supposed.body.lines[1]).toBe("if rtt:eu-west=60 and rtt:us-east=54:");
    expect(supposed.body.lines.join("\n")).toContain("us-east 54 ms, as supposed");
  });

  test("if one vantage saw a region down, tells what would be for clients near it, in a pool that is steered so", async () => {
    const config = CONFIG.replace("    check: web\n", "    check: web\n    perVantage: true\n");
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
    for (const agent of Object.values(await api.node.agents("dublin", "virginia", "tokyo")))
      await agent.report({ "web/eu-west/ipv4": "ok", "web/us-east/ipv4": "ok" });
    const given = async (supposed: string): Promise<unknown> => {
      const question = { name: WWW, type: "A", client: GB, if: [supposed] };
      const { body } = await api.post("/v1/explain", question);
      return body.plan.shares.map(({ member }: PlanShare) => member);
    };
    expect(await given("down:eu-west@dublin")).toEqual(["web/us-east"]);
    expect(await given("down:eu-west@virginia")).toEqual(["web/eu-west"]);
    const { body } = await api.post("/v1/explain", {
      name: WWW,
      type: "A",
      client: GB,
      if: ["down:web/eu-west@dublin"],
    });
    expect(body.lines.join("\n")).toContain("web/eu-west: down for these clients (down from dublin)");
    expect(body.lines.at(-1)).toBe("it would be web/eu-west if web/eu-west were up");
  });

  test("with something supposed does not speak of an override that would not decide", async () => {
    const api = await TestApi.open();
    const target = { region: "eu-west" };
    await api.post("/v1/overrides", { kind: "force", target, verdict: "down", reason: "x" });
    await api.post("/v1/overrides", {
      kind: "weight",
      target: { choice: "mix/new" },
      weight: 9,
      reason: "x",
    });
    const asked = { name: WWW, type: "A", client: GB, if: ["up:eu-west"] };
    expect((await api.post("/v1/explain", asked)).body).toMatchObject({
      overrides: [],
      plan: { shares: [{ member: "web/eu-west" }] },
    });
    const weighed = {
      name: "mix.test.example",
      type: "A",
      client: GB,
      if: ["weight:mix/new=10", "up:eu-west"],
    };
    expect((await api.post("/v1/explain", weighed)).body.overrides).toEqual([]);
  });

  test("is for readers too", async () => {
    const api = await TestApi.open();
    const body = { name: WWW, type: "A", client: GB };
    expect((await api.call("POST", "/v1/explain", { role: "reader", body })).status).toBe(200);
  });

  test.each([
    [{ name: "wwww.test.example", type: "A", client: GB }, 404, 'did you mean "www.test.example"?'],
    [{ name: "ns1.test.example", type: "A", client: GB }, 404, "is not steered"],
    [{ name: "a..b", type: "A", client: GB }, 400, "name: "],
    [{ name: "", type: "A", client: GB }, 400, "name: expected a name such as"],
    [{ name: WWW, type: "MX", client: GB }, 400, 'type: expected A, AAAA or HTTPS, got "MX"'],
    [{ name: WWW, type: "A", client: "192.0.2.1/24" }, 400, "client: expected an address such as"],
    [{ name: WWW, type: "A", resolver: "192.0.2.0/24" }, 400, "resolver: expected an address such as"],
    [
      { name: WWW, type: "A", client: "0.0.0.0/0" },
      400,
      "or resolver, where it sends nothing of its clients",
    ],
    [{ name: WWW, type: "A", client: GB, time: 1 }, 400, "time"],
    [{ name: WWW, type: "A", client: GB, if: "down:eu-west" }, 400, "if: expected"],
    [
      { name: WWW, type: "A", client: GB, if: ["down:eu-west@dublim"] },
      400,
      'meridian.yaml; did you mean "dublin"?',
    ],
    [{ name: WWW, type: "A", client: GB, if: ["downn:eu-west"] }, 400, "expected down:TARGET"],
    [{ name: WWW, type: "A", client: GB, if: ["eu-west"] }, 400, "expected down:TARGET"],
    [
      { name: WWW, type: "A", client: GB, if: ["down:eu-wst"] },
      400,
      'meridian.yaml; did you mean "eu-west"?',
    ],
    [{ name: WWW, type: "A", client: GB, if: ["drain:mix/new"] }, 400, 'no region or member "mix/new"'],
    [{ name: WWW, type: "A", client: GB, if: ["undrain:x"] }, 400, 'no region or member "x"'],
    [{ name: WWW, type: "A", client: GB, if: ["weight:mix/neww=1"] }, 400, 'did you mean "mix/new"?'],
    [
      { name: WWW, type: "A", client: GB, if: ["weight:mix/new=-1"] },
      400,
      "expected weight:TARGET=NUMBER, 0 to",
    ],
    [{ name: WWW, type: "A", client: GB, if: ["weight:mix/new"] }, 400, "expected weight:TARGET=NUMBER"],
    [
      { name: WWW, type: "A", client: GB, if: ["rtt:eu-west=fast"] },
      400,
      "expected rtt:REGION=MS, 0 to 60000",
    ],
    [{ name: WWW, type: "A", client: GB, if: ["rtt:eu=1"] }, 400, 'no region "eu" in '],
    [{ name: WWW, type: "A", client: "here" }, 400, "client: expected an address such as"],
    [{ name: WWW, type: "A" }, 400, "client: expected an address such as"],
  ])("of %j is %i: %s", async (question, status, message) => {
    const api = await TestApi.open();
    const result = await api.post("/v1/explain", question);
    expect([result.status, result.body.detail.replaceAll("\\", "")]).toEqual([
      status,
      expect.stringContaining(message),
    ]);
  });
});

interface PlanShare {
  readonly member: string;
  readonly probability: number;
}

function ask(api: TestApi, name: string, type: string, client: string): Promise<Result> {
  return api.post("/v1/explain", { name, type, client });
}
