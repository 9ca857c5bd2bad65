/** Tokens for some zones or services: what of all edits goes through the door with them. */

import { expect, test } from "vitest";
import type { Scope } from "../../src/control/store.ts";
import { documentOf, TestApi } from "./api/test-api.ts";
import { CONFIG, Folder, Node } from "./test-node.ts";

/** A second zone, in which a name is steered as a service of the first. */
const OTHER = `
$TTL 300
@     SOA ns1 hostmaster 1 3600 600 86400 60
@     NS  ns1.test.example.
shop  STEER www.test.example.
`;

const MIX: Scope = { zones: [], services: ["mix.test.example"] };
const ALL: Scope = { zones: [], services: ["mix.test.example", "www.test.example", "near.test.example"] };
const ZONE: Scope = { zones: ["Test.Example"], services: [] };
const ZONE_AND_WWW: Scope = { zones: ["test.example"], services: ["www.test.example"] };
const BOTH: Scope = { zones: ["test.example", "other.example"], services: [] };

/** Routes that hold a change to the scope of its token, or change nothing. */
const HELD = [
  "POST /v1/overrides",
  "DELETE /v1/overrides/{id}",
  "POST /v1/overrides/{id}/stage",
  "POST /v1/releases",
  "PUT /v1/challenges/{name}/{value}",
  "DELETE /v1/challenges/{name}/{value}",
  "POST /v1/simulate",
  "POST /v1/proposals/{id}/approval",
  "DELETE /v1/proposals/{id}",
  "POST /v1/drills",
  "POST /v1/drills/{id}/abort",
];

const REGION = { kind: "drain", target: { region: "eu-west" } };
const MEMBER = { kind: "weight", target: { member: "web/eu-west" }, weight: 5 };
const VIP = { kind: "force", target: { vip: "web/eu-west/ipv4" }, verdict: "down" };
const CHOICE = { kind: "weight", target: { choice: "mix/new" }, weight: 5 };
const NEAR = { kind: "weight", target: { choice: "near.test.example/here" }, weight: 5 };

test.each([
  ["a choice of its service", MIX, CHOICE, null],
  ["a choice of another", MIX, NEAR, "choice near.test.example/here moves near.test.example"],
  ["a region that others use too", MIX, REGION, "region eu-west moves www.test.example, near.test.example"],
  ["a member", MIX, MEMBER, "member web/eu-west moves www.test.example, near.test.example"],
  ["a VIP", MIX, VIP, "vip web/eu-west/ipv4 moves www.test.example, near.test.example"],
  ["what all its services use", ALL, REGION, null],
  ["what a name of another zone follows", ZONE, REGION, "region eu-west moves www.test.example"],
  ["a choice of a service in its zone", ZONE, NEAR, null],
  ["zones and services together", ZONE_AND_WWW, REGION, null],
  ["both zones", BOTH, REGION, null],
  ["a zone above", { zones: ["example"], services: [] }, REGION, null],
  ["a zone beside", { zones: ["st.example"], services: [] }, CHOICE, "choice mix/new moves mix.test.example"],
  [
    "a region of which no service is left",
    MIX,
    { kind: "drain", target: { region: "idle" } },
    "region idle moves no service",
  ],
])("an override with %s", async (_what, scope, override, why) => {
  const { order } = await open(scope);
  const { status, body } = await order("POST", "/v1/overrides", { ...override, reason: "a test" });
  if (why === null) expect(status).toBe(201);
  else
    expect([status, body.code, body.detail]).toEqual([403, "forbidden", expect.stringMatching(`: ${why}$`)]);
});

test("what is not in the config is refused for that", async () => {
  const { order } = await open(MIX);
  const { status, body } = await order("POST", "/v1/overrides", {
    kind: "drain",
    target: { region: "eu" },
    reason: "a test",
  });
  expect([status, body.code]).toEqual([422, "refused"]);
});

test("an override of somebody else ends by it only where it could have been made", async () => {
  const { api, order } = await open(MIX);
  await api.post("/v1/overrides", { ...CHOICE, reason: "a test" });
  await api.post("/v1/overrides", { ...REGION, reason: "a test" });
  // Nothing takes effect step by step here: the first has passed the door.
  const pause = (id: string) =>
    order("POST", `/v1/overrides/${id}/stage`, { order: "pause", reason: "a test" });
  expect((await pause("weight:choice:mix%2Fnew")).body.detail).toMatch(/takes effect step by step$/);
  expect((await pause("drain:region:eu-west")).status).toBe(403);
  expect((await order("DELETE", "/v1/overrides/weight:choice:mix%2Fnew")).status).toBe(200);
  expect((await order("DELETE", "/v1/overrides/drain:region:eu-west")).status).toBe(403);
  expect((await order("DELETE", "/v1/overrides/drain:region:us-east")).status).toBe(404);
  // Its region may come back, and move others again.
  api.node.folder.write("meridian.yaml", configWithout("eu-west"));
  expect((await api.post("/v1/reload")).status).toBe(200);
  expect((await order("DELETE", "/v1/overrides/drain:region:eu-west")).body.detail).toMatch(
    /moves no service$/,
  );
});

test("a release is held to it as an override is", async () => {
  const { order } = await open(MIX);
  const asked = { target: { region: "eu-west" }, reason: "a test" };
  expect((await order("POST", "/v1/releases", asked)).body.detail).toMatch(/: region eu-west moves www/);
  // Nothing is held down here: the door has been passed.
  const { order: orderAll } = await open(ALL);
  expect((await orderAll("POST", "/v1/releases", asked)).body.detail).toMatch(/nothing of it is held down/);
});

test.each([
  ["mix.test.example", MIX, 200],
  ["_acme-challenge.mix.test.example", MIX, 200],
  ["www.test.example", MIX, 403],
  ["shop.other.example", { zones: [], services: ["www.test.example"] }, 200],
  ["ns1.other.example", { zones: [], services: ["www.test.example"] }, 403],
  ["ns1.test.example", ZONE, 200],
  ["shop.other.example", ZONE, 403],
])("a challenge for %s", async (name, scope, status) => {
  const { order } = await open(scope);
  expect((await order("PUT", `/v1/challenges/${name}/value`, {})).status).toBe(status);
});

test("what nobody holds to a scope is for who has none", async () => {
  const { api, order } = await open(BOTH);
  const tried: string[] = [];
  for (const [path, operations] of Object.entries((await documentOf(api.node.desk)).paths)) {
    for (const [method, { description = "" }] of Object.entries(operations)) {
      const route = `${method.toUpperCase()} ${path}`;
      if (method === "get" || !/\broles operator, admin\b/.test(description) || HELD.includes(route))
        continue;
      tried.push(route);
      const { status, body } = await order(method.toUpperCase(), path.replaceAll(/\{[^}]+\}/g, "x"), {});
      expect([route, status, body.detail]).toEqual([route, 403, expect.stringMatching(/for everything$/)]);
    }
  }
  expect(tried).not.toEqual([]);
});

test("reading is whole, and files and tokens are for admins alone", async () => {
  const { order } = await open(BOTH);
  expect((await order("GET", "/v1/verdicts")).body.verdicts).toHaveLength(4);
  expect((await order("POST", "/v1/reload")).status).toBe(403);
  expect((await order("POST", "/v1/tokens", { name: "x", role: "reader" })).status).toBe(403);
});

test("no scope gives files away, whoever asks the door", async () => {
  const { desk } = await new Node().open();
  const request = { author: "anna", reason: "a test", edit: { kind: "reload" }, ifVersion: null } as const;
  expect(await desk.change({ ...request, scope: BOTH })).toEqual({
    kind: "forbidden",
    why: "files are loaded as a whole",
  });
});

test("a token says what it is for, in lists and in the audit", async () => {
  const { api } = await open(MIX);
  const { body } = await api.get("/v1/tokens");
  expect(body.tokens).toContainEqual(
    expect.objectContaining({ name: "scoped", role: "operator", services: ["mix.test.example"] }),
  );
  const { entries } = (await api.get("/v1/audit?limit=1")).body;
  expect(entries[0].detail).toBe("scoped (operator for services mix.test.example)");
});

test.each([
  [{ role: "operator", services: ["mx.test.example"] }, 422, /did you mean .+mix\.test\.example/],
  [{ role: "operator", zones: ["a..b"] }, 422, /zones: expected domain names/],
  [{ role: "operator", zones: [] }, 400, /name, role/],
  [{ role: "reader", zones: ["test.example"] }, 400, /name, role/],
  [{ role: "admin", services: ["mix.test.example"] }, 400, /name, role/],
])("there is no token with %j", async (grant, status, message) => {
  const { api } = await open(MIX);
  const result = await api.post("/v1/tokens", { name: "new", ...grant });
  expect([result.status, JSON.stringify(result.body)]).toEqual([status, expect.stringMatching(message)]);
});

type Order = (method: string, path: string, body?: unknown) => ReturnType<TestApi["call"]>;

/** A node with two zones and a region that nothing uses, and a way to ask it with a token of this scope. */
async function open(scope: Scope): Promise<{ readonly api: TestApi; readonly order: Order }> {
  const config = CONFIG.replace("[test.example.zone]", "[test.example.zone, other.example.zone]").replace(
    "regions:",
    "regions:\n  idle: { at: [0, 0] }",
  );
  const folder = new Folder({ "meridian.yaml": config, "other.example.zone": OTHER });
  const api = await TestApi.open(new Node(folder));
  const lists = Object.fromEntries(Object.entries(scope).filter(([, names]) => names.length > 0));
  const { body } = await api.post("/v1/tokens", { name: "scoped", role: "operator", ...lists });
  const order: Order = (method, path, asked) =>
    api.call(method, path, {
      role: null,
      headers: { authorization: `Bearer ${body.token}` },
      ...(asked === undefined ? {} : { body: asked }),
    });
  return { api, order };
}

/** The config with all that stood in a region in the other one. */
function configWithout(region: string): string {
  return CONFIG.replace(new RegExp(`^  ${region}: \\{ at.*\\n`, "m"), "").replace(
    `      ${region}: {`,
    `      ${region}: { region: us-east,`,
  );
}
