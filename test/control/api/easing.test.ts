/** Drains with a ramp, and freezes: overrides that keep or take something for a while. */

import { describe, expect, test } from "vitest";
import { GB, Node } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

const WWW = "www.test.example";
const MIX = "mix.test.example";

describe("a drain with a ramp", () => {
  const RAMPED = { kind: "drain", target: { region: "eu-west" }, ramp: "5m", reason: "maintenance" };

  test("takes its share away evenly, in choices and in an order, says so, and comes back at its end", async () => {
    const api = await TestApi.open();
    const { status, body } = await api.post("/v1/overrides", { ...RAMPED, until: "+10m" });
    expect([status, body.override.drainedAt]).toEqual([201, "2026-01-01T00:05:00.000Z"]);
    for (let step = 0; step <= 10; step += 1) {
      const take = 1 - step / 10;
      // A choice that takes a part beside one that takes all has that part of its share; the first of an order has it of all.
      expect(await europesShare(api, MIX)).toBeCloseTo(take / (1 + take));
      expect(await europesShare(api, WWW)).toBeCloseTo(take);
      api.node.pass(30_000);
    }
    expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.1"]);
    api.node.pass(300_000);
    expect(await europesShare(api, WWW)).toBe(1);
  });

  test("is what explains an answer meanwhile", async () => {
    const api = await TestApi.open();
    await api.post("/v1/overrides", RAMPED);
    api.node.pass(150_000);
    const { body } = await api.post("/v1/explain", { name: WWW, type: "A", client: GB });
    expect(body.overrides).toEqual(["drain:region:eu-west"]);
    expect(body.lines.join("\n")).toContain("takes 50 % of what it is offered");
  });

  test("goes on after a restart where it stood", async () => {
    const node = new Node();
    const api = await TestApi.open(node);
    await api.post("/v1/overrides", RAMPED);
    node.pass(120_000);
    await api.close();
    await node.close();
    const later = new Node(node.folder, node.dns);
    later.nowMs = node.nowMs + 30_000;
    await later.open();
    const service = later.desk.snapshot().config.services.find(({ label }) => label === WWW);
    const inEurope = later.desk.classes(service!).find(({ clients }) => clients.continent === "EU");
    const half = { share: expect.closeTo(0.5) };
    expect(inEurope?.plans.ipv4).toMatchObject({ shares: [half, half] });
  });

  test.each([
    [{ ...RAMPED, ramp: "5 minutes" }, 'ramp: expected a duration such as 5m, at most 24h, got "5 minutes"'],
    [{ ...RAMPED, ramp: "25h" }, 'ramp: expected a duration such as 5m, at most 24h, got "25h"'],
    [
      { kind: "force", target: { region: "eu-west" }, verdict: "up", ramp: "5m", reason: "x" },
      "ramp: unknown key",
    ],
  ])("%j is not understood", async (asked, message) => {
    const { status, body } = await (await TestApi.open()).post("/v1/overrides", asked);
    expect([status, body.detail]).toEqual([400, expect.stringContaining(message)]);
  });

  /** What clients in Britain get of Europe's region. */
  async function europesShare(api: TestApi, name: string): Promise<number> {
    const { body } = await api.post("/v1/explain", { name, type: "A", client: GB });
    const share = body.plan.shares.find(({ region }: { region: string }) => region === "eu-west");
    return share?.probability ?? 0;
  }
});

test("a drain at once stays one when the clock is set back, and is one after a restart", async () => {
  const node = new Node();
  const api = await TestApi.open(node);
  await api.post("/v1/overrides", { kind: "drain", target: { region: "eu-west" }, reason: "maintenance" });
  node.jump(-3_600_000);
  await api.post("/v1/overrides", {
    kind: "force",
    target: { region: "us-east" },
    verdict: "up",
    reason: "all are planned anew",
  });
  expect(node.dns.addresses(WWW, GB)).toEqual(["10.0.0.1"]);
  await api.close();
  await node.close();
  const later = new Node(node.folder, node.dns);
  later.nowMs = node.nowMs;
  await later.open();
  const { takes, drained } = later.desk.facts();
  expect([...drained]).toEqual(["web/eu-west"]);
  expect([...takes.values()].filter((take) => !(take >= 0 && take <= 1))).toEqual([]);
});

describe("a freeze", () => {
  test("keeps VIPs as they are while vantages see them otherwise, until it ends", async () => {
    const api = await TestApi.open();
    const agents = Object.values(await api.node.agents("dublin", "tokyo", "virginia"));
    const report = async (outcome: "ok" | "timeout") => {
      for (let i = 0; i < 2; i += 1) {
        for (const agent of agents) await agent.report({ "web/eu-west/ipv4": outcome });
        api.node.pass(1_000);
      }
    };
    await report("ok");
    const { body } = await api.post("/v1/overrides", {
      kind: "freeze",
      target: { region: "eu-west" },
      until: "+5s",
      reason: "agents have lost their network",
    });
    expect(body.override.verdicts).toEqual({ "web/eu-west/ipv4": "up", "web/eu-west/ipv6": "up" });
    await report("timeout");
    expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
    const verdict = (await api.get("/v1/verdicts/web%2Feu-west%2Fipv4")).body;
    expect(verdict).toMatchObject({
      up: true,
      basis: "forced",
      reason: "freeze region eu-west, by anna: agents have lost their network",
    });
    expect(new Set(verdict.votes.map(({ opinion }: { opinion: string }) => opinion))).toEqual(
      new Set(["unhealthy"]),
    );
    const explained = (await api.post("/v1/explain", { name: WWW, type: "A", client: GB })).body;
    expect(explained.overrides).toEqual(["freeze:region:eu-west"]);
    api.node.pass(5_000);
    expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.1"]);
  });
});
