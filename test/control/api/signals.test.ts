/** Signals on the API: over real HTTP, into verdicts, loads and answers. */

import { describe, expect, test } from "vitest";
import { CONFIG, Folder, GB, Node } from "../test-node.ts";
import { type Result, TestApi } from "./test-api.ts";

const SIGNALS = CONFIG.replace(
  "check: web\n",
  "check: web\n    signals: { every: 5s, samples: 10 }\n    shedAbove: 50%\n",
);

function open(config = SIGNALS): Promise<TestApi> {
  return TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
}

function send(api: TestApi, ...signals: readonly unknown[]): Promise<Result> {
  return api.call("POST", "/v1/signals", { role: "signals", body: { signals } });
}

const failing = { target: "web/eu-west", errors: { failed: 9, total: 10 } };

describe("POST /v1/signals", () => {
  test("takes a member out once enough requests have failed often enough, and says so in its verdicts", async () => {
    const api = await open();
    expect(api.node.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.2"]);
    expect((await send(api, failing)).status).toBe(204);
    expect(api.node.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.2"]);
    api.node.pass(1_000);
    expect((await send(api, failing)).status).toBe(204);
    expect(api.node.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.1"]);
    const { verdicts } = (await api.get("/v1/verdicts?after=web%2Fus-east%2Fipv6&limit=1")).body;
    expect(verdicts[0]).toMatchObject({ up: false, reason: "1 of 1 vantage: errors" });
    expect(verdicts[0].votes.at(-1)).toMatchObject({
      vantage: "signals/lb-1",
      opinion: "unhealthy",
      counts: true,
      error: { class: "errors", detail: "9 of 10 requests failed" },
    });
    expect((await api.get("/v1/vantages")).body.vantages).toHaveLength(3);
  });

  test("cannot take out alone what two vantages see up", async () => {
    const api = await open();
    const { dublin, tokyo } = await api.node.agents("dublin", "tokyo");
    for (let i = 0; i < 10; i += 1) {
      await dublin.report({ "web/eu-west/ipv4": "ok" });
      await tokyo.report({ "web/eu-west/ipv4": "ok" });
      await send(api, failing);
      api.node.pass(1_000);
    }
    expect(api.node.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.2"]);
    const { verdicts } = (await api.get("/v1/verdicts?after=web%2Fus-east%2Fipv6&limit=1")).body;
    expect(verdicts[0]).toMatchObject({
      up: true,
      reason: "up for 2 of 3 vantages; down from signals/lb-1 only",
    });
  });

  test("tells the load, by which a member gives answers away", async () => {
    const api = await open();
    for (let second = 0; second < 60; second += 1) {
      await send(api, { target: "web/eu-west/ipv4", load: 3 });
      api.node.pass(1_000);
    }
    const { verdicts } = (await api.get("/v1/verdicts")).body;
    const eu = verdicts.filter(({ member }: { member: string }) => member === "web/eu-west");
    expect(eu).toHaveLength(2);
    for (const { load, take } of eu) {
      expect(load).toBe(3);
      expect(take).toBeLessThan(0.5);
    }
    const { body } = await api.post("/v1/explain", { name: "www.test.example", type: "A", client: GB });
    expect(body.lines.join("\n")).toContain("load 300 %, sheds above 50 %");
  });

  test.each([
    ["nothing", {}, 400],
    ["no signal", { signals: [] }, 400],
    ["too many", { signals: Array.from({ length: 501 }, () => failing) }, 400],
    ["a target alone", { signals: [{ target: "web/eu-west" }] }, 400],
    ["an unknown key", { signals: [{ ...failing, colour: "blue" }] }, 400],
    ["half a request", { signals: [{ target: "web/eu-west", errors: { failed: 0.5, total: 1 } }] }, 400],
    ["a load below 0", { signals: [{ target: "web/eu-west", load: -0.1 }] }, 400],
    ["a load without sense", { signals: [{ target: "web/eu-west", load: 101 }] }, 400],
    [
      "more failures than requests",
      { signals: [{ target: "web/eu-west", errors: { failed: 2, total: 1 } }] },
      422,
    ],
    ["a strange member", { signals: [failing, { target: "web/eu-wset", load: 1 }] }, 422],
    ["another pool", { signals: [failing, { target: "api/eu-west", load: 1 }] }, 403],
  ])("does not take %s", async (_, body, status) => {
    const api = await open(SIGNALS.replace("fall: 2", "fall: 1"));
    expect((await api.call("POST", "/v1/signals", { role: "signals", body })).status).toBe(status);
    expect(api.node.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.2"]);
  });

  test("says all that is wrong, and what would be right", async () => {
    const api = await open();
    const { body } = await send(api, failing, { target: "web/eu-wset", load: 1 }, { target: "web", load: 1 });
    const messages = body.problems.map(({ message }: { message: string }) => message);
    expect(messages).toEqual([
      expect.stringMatching(
        /^signals\.1\.target: no member or VIP "web\/eu-wset" in .*; did you mean "web\/eu-west"\?$/,
      ),
      expect.stringMatching(/^signals\.2\.target: no member or VIP "web" in /),
    ]);
  });

  test("is refused for pools that take no signals", async () => {
    const { body, status } = await send(await open(CONFIG), failing);
    expect(status).toBe(422);
    expect(body.detail).toBe('signals.0.target: pool web takes no signals; give it the key "signals"');
  });

  test("is for so many signals in a time, and for each token by itself", async () => {
    const api = await open();
    const many = Array.from({ length: 500 }, () => ({ target: "web/us-east", load: 0.1 }));
    for (let i = 0; i < 10; i += 1) expect((await send(api, ...many)).status).toBe(204);
    const refused = await send(api, ...many);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
    api.node.pass(500);
    expect((await send(api, ...many)).status).toBe(204);
    const { body } = await api.post("/v1/tokens", { name: "lb-2", role: "signals", pools: ["web"] });
    const headers = { authorization: `Bearer ${body.token}` };
    const other = { body: { signals: many }, headers };
    expect((await api.call("POST", "/v1/signals", other)).status).toBe(204);
  });
});

test("a token for signals names pools of the config", async () => {
  const api = await open();
  const add = (pools: unknown): Promise<Result> =>
    api.post("/v1/tokens", { name: "x", role: "signals", pools });
  expect((await add(["wbe"])).body.detail).toMatch(/^pools: no pool "wbe" in .*did you mean "web"\?$/);
  expect((await add([])).status).toBe(400);
  expect((await add(["web"])).body).toMatchObject({ name: "x", role: "signals", pools: ["web"] });
  const { tokens } = (await api.get("/v1/tokens")).body;
  expect(tokens.at(-1)).toMatchObject({ name: "x", role: "signals", pools: ["web"] });
});
