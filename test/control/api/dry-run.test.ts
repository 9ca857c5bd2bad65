/** Dry runs: what a change would do is said, and nothing of it is done. */

import { describe, expect, test } from "vitest";
import { CONFIG, Folder, GB, Node } from "../test-node.ts";
import { documentOf, TestApi } from "./test-api.ts";

const WWW = "www.test.example";
const DRAIN = { kind: "drain", target: { region: "eu-west" }, reason: "maintenance" };

/** All that may not change. */
async function stateOf(api: TestApi): Promise<object> {
  const { desk, dns } = api.node;
  const overrides = desk.overrides();
  const { version, adoptedVersion, lastReload } = desk.status();
  const told = [dns.count("adopt"), dns.count("patch"), dns.count("challenges")];
  const kept = [desk.challenges(), desk.tokens().map(({ name }) => name), desk.proposals()];
  return { overrides, version, adoptedVersion, lastReload, told, kept, audit: desk.audit(100, null) };
}

describe("a dry run", () => {
  test.each<[string, string, object | undefined, object]>([
    ["POST", "/v1/overrides", DRAIN, { event: "override-set", detail: "drain region eu-west" }],
    [
      "DELETE",
      "/v1/overrides/weight%3Achoice%3Amix%2Fnew",
      undefined,
      { event: "override-ended", detail: "weight of choice mix/new 100" },
    ],
    [
      "PUT",
      "/v1/challenges/www.test.example/abc",
      {},
      { event: "challenges-set", detail: "_acme-challenge.www.test.example." },
    ],
    ["POST", "/v1/reload", undefined, { event: "files-loaded", detail: "1 zone, 3 services, 2 members" }],
    ["POST", "/v1/tokens", { name: "bob", role: "reader" }, { event: "token-added", detail: "bob (reader)" }],
    ["DELETE", "/v1/tokens/rita", undefined, { event: "token-removed", detail: "rita" }],
  ])("of %s %s says what would go on record, and changes nothing", async (method, path, body, change) => {
    const api = await TestApi.open();
    await api.post("/v1/overrides", {
      kind: "weight",
      target: { choice: "mix/new" },
      weight: 100,
      reason: "x",
    });
    const before = await stateOf(api);
    const headers = { "idempotency-key": "one" };
    for (let i = 0; i < 2; i += 1) {
      const result = await api.call(method, `${path}?dryRun=true`, { body, headers });
      expect(result).toMatchObject({ status: 200, body: { dryRun: true, changes: [change] } });
    }
    expect(await stateOf(api)).toEqual(before);
    const made = await api.call(method, path, { body, headers });
    expect(made.status).toBeLessThan(300);
    expect(await stateOf(api)).not.toEqual(before);
  });

  test("says who would be moved, as it comes out then", async () => {
    const api = await TestApi.open();
    const { body } = await api.post("/v1/overrides?dryRun=true", DRAIN);
    const [route] = body.moved.routes;
    expect(route).toMatchObject({ from: "eu-west", to: "us-east" });
    expect(body.moved).toMatchObject({ basis: "countries", share: route.share });
    expect(route.share).toBeGreaterThan(0);
    expect(body.lines[1]).toMatch(/^eu-west -> us-east: \d+(\.\d+)? % of all clients$/);
    expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
    await api.post("/v1/overrides", DRAIN);
    expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.1"]);
    const again = await api.post("/v1/overrides?dryRun=true", { ...DRAIN, reason: "again" });
    expect(again.body.moved).toMatchObject({ share: 0, routes: [] });
  });

  test("of a drain with a ramp says who is moved in the end", async () => {
    const api = await TestApi.open();
    const at = await api.post("/v1/overrides?dryRun=true", DRAIN);
    const ramped = await api.post("/v1/overrides?dryRun=true", { ...DRAIN, ramp: "5m" });
    expect(ramped.body.moved).toEqual(at.body.moved);
  });

  test("of files says who would be moved by what has been written, and what is wrong with it", async () => {
    const api = await TestApi.open();
    const { folder, dns } = api.node;
    folder.write("meridian.yaml", CONFIG.replace("{ EU: eu-first }", "{ EU: us-first }"));
    const sound = await api.post("/v1/reload?dryRun=true");
    expect(sound.body.moved.routes).toMatchObject([{ from: "eu-west", to: "us-east" }]);
    expect(dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
    folder.write("meridian.yaml", CONFIG.replace("mix:", "mixed:"));
    const broken = await api.post("/v1/reload?dryRun=true");
    expect([broken.status, broken.body.code]).toEqual([422, "refused"]);
    expect(api.node.desk.status().lastReload.kind).toBe("loaded");
  });

  test("is refused as the change would be", async () => {
    const rules = "\ninvariants:\n  two regions: { answerable: 2 }\n";
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": `${CONFIG}${rules}` })));
    const before = await stateOf(api);
    for (const [path, body, status] of [
      ["/v1/overrides?dryRun=true", DRAIN, 422],
      ["/v1/overrides?dryRun=true", { ...DRAIN, target: { region: "eu-wst" } }, 422],
      ["/v1/overrides?dryRun=true", { kind: "drain" }, 400],
      ["/v1/tokens?dryRun=true", { name: "rita", role: "reader" }, 409],
    ] as const)
      expect((await api.post(path, body)).status).toBe(status);
    expect((await api.delete("/v1/tokens/nobody?dryRun=true")).status).toBe(404);
    const old = await api.post("/v1/overrides?dryRun=true", DRAIN, { "if-match": '"0"' });
    expect(old.status).toBe(412);
    expect(await stateOf(api)).toEqual(before);
  });

  test("can be asked for with every change", async () => {
    const { paths } = await documentOf((await new Node().open()).desk);
    const without = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, { parameters = [] }]) =>
        method === "get" || parameters.some(({ name }) => name === "dryRun")
          ? []
          : [`${method.toUpperCase()} ${path}`],
      ),
    );
    expect(without.toSorted()).toEqual([
      "POST /v1/alarms/tests",
      "POST /v1/drills/{id}/abort",
      "POST /v1/explain",
      "POST /v1/observations",
      "POST /v1/preview",
      "POST /v1/signals",
      "POST /v1/simulate",
    ]);
  });
});
