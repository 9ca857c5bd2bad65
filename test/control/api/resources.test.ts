/** What can be read: every list and what it lists, by the same conventions. */

import { describe, expect, test } from "vitest";
import { makeKey } from "../../../src/control/keys.ts";
import { makeSecret } from "../../../src/control/token.ts";
import { Algorithm } from "../../../src/dnssec/algorithm.ts";
import { nameOf } from "../../dnssec/zone-text.ts";
import { CONFIG, Dns, Folder, GB, Node, US, ZONE } from "../test-node.ts";
import { documentOf, TestApi } from "./test-api.ts";

const WWW = "www.test.example";

/** A node that has two at least of all that is listed below. */
async function openRich(): Promise<TestApi> {
  const members = CONFIG.replaceAll("probe: ipv4 }", "probe: ipv4, capacity: 100 }");
  const pools = members.replace(
    "\npolicies:",
    "\n  spare: { members: { us-east: { ipv4: 10.0.0.3, capacity: 5 } } }\npolicies:",
  );
  const config = `${pools
    .replace("state: state", "state: state, profile: { sample: 1 }")
    .replace("[test.example.zone]", "[test.example.zone, other.example.zone]")}
safety: { approval: { services: [mix.*] } }
dnssec: { test.example: {}, other.example: {} }
drills:
  east: { mode: drain, target: { region: us-east }, duration: 20s }
  west: { mode: drain, target: { region: eu-west }, duration: 20s }
`;
  const files = { "meridian.yaml": config, "other.example.zone": ZONE.replace("shop", ";") };
  const folder = new Folder(files);
  const state = folder.file("state");
  for (const zone of ["test.example.", "other.example."]) makeKey(state, nameOf(zone), Algorithm.Ed25519);
  const api = await TestApi.open(new Node(folder, new Dns(state)));
  for (const value of ["one", "two"])
    await api.call("PUT", `/v1/challenges/${WWW}/${value}`, { body: { until: "+1h" } });
  for (const choice of ["mix/new", "mix/old"])
    await api.post("/v1/overrides", { kind: "weight", target: { choice }, weight: 9, reason: "x" });
  for (const service of [WWW, "near.test.example"]) api.node.dns.ask(service, GB, "A", 1);
  return api;
}

describe("every list", () => {
  test("has each of its entries under its own URL, and says which names there are", async () => {
    const api = await TestApi.open();
    await api.post("/v1/overrides", { kind: "drain", target: { region: "eu-west" }, reason: "x" });
    for (const [path, key, like] of [
      ["/v1/regions", "regions", "region"],
      ["/v1/pools", "pools", "pool"],
      ["/v1/vips", "vips", "VIP"],
      ["/v1/checks", "checks", "check"],
      ["/v1/policies", "policies", "policy"],
      ["/v1/zones", "zones", "zone"],
      ["/v1/verdicts", "verdicts", "VIP"],
      ["/v1/vantages", "vantages", "vantage"],
      ["/v1/nodes", "nodes", "node"],
      ["/v1/overrides", "overrides", "override"],
      ["/v1/services", "services", "service"],
    ] as const) {
      const entries = (await api.get(path)).body[key];
      expect(entries.length, path).toBeGreaterThan(0);
      for (const entry of entries) expect((await api.get(entry.url)).body, entry.url).toMatchObject(entry);
      const { status, body } = await api.get(`${path}/${encodeURIComponent("no/such")}`);
      expect([status, body.code, body.detail]).toEqual([404, "not-found", expect.stringContaining(like)]);
    }
  });

  test.each([
    ["/v1/vips", "vips", "vip"],
    ["/v1/verdicts", "verdicts", "vip"],
    ["/v1/services", "services", "name"],
    ["/v1/policies", "policies", "policy"],
    ["/v1/loads", "loads", "member"],
    ["/v1/regions", "regions", "region"],
    ["/v1/capacity", "pools", "pool"],
    ["/v1/challenges", "challenges", "value"],
    ["/v1/drills/declared", "drills", "name"],
    ["/v1/keys", "zones", "zone"],
    ["/v1/proposals", "proposals", "id"],
    ["/v1/splits", "splits", "service"],
    ["/v1/tokens", "tokens", "name"],
  ])("%s comes in pages that add up to the whole", async (path, key, id) => {
    const api = await openRich();
    const all = (await api.get(path)).body[key].map((entry: Record<string, string>) => entry[id]);
    const paged: string[] = [];
    for (let after = ""; ; ) {
      const { body } = await api.get(`${path}?limit=1${after}`);
      expect(body[key]).toHaveLength(1);
      paged.push(...body[key].map((entry: Record<string, string>) => entry[id]));
      if (body.next === null) break;
      after = `&after=${encodeURIComponent(body.next)}`;
    }
    expect(all.length).toBeGreaterThan(1);
    expect(paged).toEqual(all);
    expect((await api.get(`${path}?after=no-such`)).status).toBe(404);
  });

  test("that has a next page takes limit and after, and the other way round", async () => {
    const { paths } = await documentOf((await new Node().open()).desk);
    const odd = Object.entries(paths).flatMap(([path, { get }]) => {
      const names = get?.parameters?.map(({ name }) => name) ?? [];
      const schema: object = get?.responses["200"]?.content?.["application/json"]?.schema ?? {};
      const properties = "properties" in schema ? Object(schema.properties) : {};
      const hasPages = names.includes("limit") && names.includes("after");
      return "next" in properties === hasPages ? [] : [path];
    });
    expect(odd).toEqual([]);
  });
});

describe("ETag", () => {
  test("tells who has the content that it is the same, and anybody else what it is", async () => {
    const api = await TestApi.open();
    const first = await api.get("/v1/pools");
    const etag = first.headers.get("etag") ?? "";
    expect(etag).toMatch(/^"1-[0-9a-f]{16}"$/);
    const again = (tags: string) =>
      api.call("GET", "/v1/pools", { role: "reader", headers: { "if-none-match": tags } });
    for (const tags of [etag, `W/${etag}`, `"0-0", ${etag}`]) {
      const same = await again(tags);
      expect([same.status, same.body, same.headers.get("etag")]).toEqual([304, "", etag]);
    }
    expect((await again('"1"')).body).toEqual(first.body);
    await api.post("/v1/overrides", { kind: "drain", target: { region: "eu-west" }, reason: "x" });
    const later = await again(etag);
    expect([later.status, later.headers.get("etag")]).toEqual([200, etag.replace('"1-', '"2-')]);
  });

  test("of any read goes with a change, until somebody else has made one", async () => {
    const api = await TestApi.open();
    const etag = (await api.get("/v1/vips")).headers.get("etag") ?? "";
    const drain = () =>
      api.post(
        "/v1/overrides",
        { kind: "drain", target: { region: "eu-west" }, reason: "x" },
        { "if-match": etag },
      );
    expect([(await drain()).status, (await drain()).status]).toEqual([201, 412]);
  });
});

describe("filters", () => {
  test("keep the VIPs and verdicts of a pool or region, and those that are up or down", async () => {
    const api = await TestApi.open();
    await api.post("/v1/overrides", {
      kind: "force",
      target: { vip: "web/eu-west/ipv4" },
      verdict: "down",
      reason: "x",
    });
    const verdictsOf = async (query: string): Promise<string[]> =>
      (await api.get(`/v1/verdicts?${query}`)).body.verdicts.map(({ vip }: { vip: string }) => vip);
    expect(await verdictsOf("up=false")).toEqual(["web/eu-west/ipv4"]);
    expect(await verdictsOf("up=true&region=eu-west")).toEqual(["web/eu-west/ipv6"]);
    expect(await verdictsOf("pool=nope")).toEqual([]);
    const { vips } = (await api.get("/v1/vips?region=us-east&pool=web")).body;
    expect(vips.map(({ vip, up }: { vip: string; up: boolean }) => [vip, up])).toEqual([
      ["web/us-east/ipv4", true],
      ["web/us-east/ipv6", true],
    ]);
  });

  test("keep the overrides of a kind, a target or an author", async () => {
    const api = await TestApi.open();
    const secret = await api.node.addToken("bob", { role: "operator" });
    await api.post("/v1/overrides", { kind: "drain", target: { region: "eu-west" }, reason: "x" });
    await api.post(
      "/v1/overrides",
      { kind: "weight", target: { member: "web/us-east" }, weight: 3, reason: "x" },
      { authorization: `Bearer ${secret}` },
    );
    const idsOf = async (query: string): Promise<string[]> =>
      (await api.get(`/v1/overrides?${query}`)).body.overrides.map(({ id }: { id: string }) => id);
    expect(await idsOf("")).toEqual(["drain:region:eu-west", "weight:member:web/us-east"]);
    expect(await idsOf("kind=weight")).toEqual(["weight:member:web/us-east"]);
    expect(await idsOf("target=eu-west")).toEqual(["drain:region:eu-west"]);
    expect(await idsOf("author=bob&kind=drain")).toEqual([]);
    expect(await idsOf("author=bob")).toEqual(["weight:member:web/us-east"]);
  });

  test("keep the services of a policy", async () => {
    const api = await TestApi.open();
    const { services } = (await api.get("/v1/services?policy=mix")).body;
    expect(services.map(({ name }: { name: string }) => name)).toEqual(["mix.test.example"]);
  });
});

describe("zones", () => {
  test("show their RRsets in presentation form, and which names are steered", async () => {
    const api = await TestApi.open();
    const { body } = await api.get("/v1/zones/test.example/rrsets");
    expect(body.rrsets).toContainEqual({
      name: "test.example.",
      type: "SOA",
      ttlSeconds: 300,
      rdatas: ["ns1.test.example. hostmaster.test.example. 1 3600 600 86400 60"],
    });
    expect(body.rrsets).toContainEqual({
      name: "shop.test.example.",
      type: "STEER",
      ttlSeconds: null,
      rdatas: [`${WWW}.`],
    });
    const typesOf = async (query: string): Promise<string[]> =>
      (await api.get(`/v1/zones/TEST.example./rrsets?${query}`)).body.rrsets.map(
        ({ name, type }: { name: string; type: string }) => `${name} ${type}`,
      );
    expect(await typesOf("type=ns")).toEqual(["test.example. NS"]);
    expect(await typesOf("name=ns1")).toEqual(["ns1.test.example. A"]);
    expect(await typesOf("name=nope")).toEqual([]);
    expect((await api.get("/v1/zones/test.example/rrsets?name=a..b")).status).toBe(400);
  });

  test("of many names come in pages", async () => {
    const names = Array.from({ length: 250 }, (_, i) => `h${i} A 192.0.2.${i}`);
    const node = new Node(new Folder({ "test.example.zone": `${ZONE}${names.join("\n")}\n` }));
    const api = await TestApi.open(node);
    const found: string[] = [];
    let pages = 0;
    for (let after = ""; ; pages += 1) {
      const { body } = await api.get(`/v1/zones/test.example/rrsets?type=A${after}`);
      found.push(...body.rrsets.map(({ name }: { name: string }) => name));
      if (body.next === null) break;
      after = `&after=${body.next}`;
    }
    expect([pages, found.length, new Set(found).size]).toEqual([2, 251, 251]);
    expect((await api.get("/v1/zones/test.example/rrsets?after=nope.test.example.")).status).toBe(404);
  });
});

test("the plans of a service are what its clients are answered, class by class", async () => {
  const api = await TestApi.open();
  const { plans } = (await api.get(`/v1/services/${WWW}/plans`)).body;
  expect(plans.length).toBeGreaterThan(1);
  const inEurope = plans.find(({ clients }: { clients: string }) => clients.startsWith("EU"));
  const elsewhere = plans.find(({ clients }: { clients: string }) => !clients.startsWith("EU"));
  const addressesOf = (plan: { ipv4: { shares: readonly { address: string }[] } }) =>
    plan.ipv4.shares.map(({ address }) => address);
  expect(addressesOf(inEurope)).toEqual(api.node.dns.addresses(WWW, GB));
  expect(addressesOf(elsewhere)).toEqual(api.node.dns.addresses(WWW, US));
  expect(inEurope.ttlSeconds).toEqual({ ipv4: 5, ipv6: 5 });
});

test("a policy is shown with all below it", async () => {
  const api = await TestApi.open();
  expect((await api.get("/v1/policies/mix")).body.nodes).toEqual([
    { depth: 0, when: null, kind: "weighted", name: "mix", weight: null },
    { depth: 1, when: "new", kind: "member", name: "web/us-east", weight: expect.any(Number) },
    { depth: 1, when: "old", kind: "member", name: "web/eu-west", weight: expect.any(Number) },
  ]);
});

test("the values of headers that probes send are told to nobody", async () => {
  const config = CONFIG.replace("path: /,", 'path: /, headers: { authorization: "Bearer hush" },');
  const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
  const { body } = await api.get("/v1/checks/web");
  expect(body.probe).toMatchObject({ kind: "http", asks: "GET /", headers: ["authorization"] });
  expect(JSON.stringify(body)).not.toContain("hush");
});

test("changes are told by version, without what makes none", async () => {
  const api = await TestApi.open();
  const drain = { kind: "drain", target: { region: "eu-west" }, reason: "maintenance" };
  await api.post("/v1/overrides", drain);
  await api.delete("/v1/tokens/rita");
  // What happens beside changes has the version of that moment, and is none of what made it.
  for (let i = 0; i < 12; i += 1)
    await api.call("GET", "/v1/changes", { headers: { authorization: `Bearer ${makeSecret().secret}` } });
  expect(api.node.desk.audit(1, null)[0]).toMatchObject({ event: "address-locked", version: 2 });
  await api.post("/v1/overrides", { ...drain, until: "+10m" });
  const { body } = await api.call("GET", "/v1/changes", {});
  expect(body.changes.map(({ version }: { version: number }) => version)).toEqual([3, 2, 1]);
  expect(body.changes[1]).toMatchObject({
    author: "anna",
    reason: "maintenance",
    events: [{ event: "override-set", detail: "drain region eu-west" }],
  });
  expect((await api.call("GET", "/v1/changes/2", {})).body).toEqual(body.changes[1]);
  expect((await api.call("GET", "/v1/changes/9", {})).status).toBe(404);
  const first = (await api.call("GET", "/v1/changes?limit=2", {})).body;
  const second = (await api.call("GET", `/v1/changes?limit=2&after=${first.next}`, {})).body;
  expect([...first.changes, ...second.changes]).toEqual(body.changes);
  expect(second.next).toBeNull();
});

test("the node says what it is and where it listens", async () => {
  const api = await TestApi.open();
  api.node.pass(90_500);
  expect((await api.get("/v1/nodes")).body.nodes[0]).toMatchObject({
    version: 1,
    adoptedVersion: 1,
    uptimeSeconds: 90,
    listens: expect.arrayContaining([{ transport: "api", address: "127.0.0.1", port: 0 }]),
  });
});
