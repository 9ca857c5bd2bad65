/** Orders to agents and what they see, over a real stream. */

import { describe, expect, test } from "vitest";
import type { VantageId, VipId } from "../../src/config/config.ts";
import { parseConfigText } from "../../src/control/config-file.ts";
import { Ingest } from "../../src/control/ingest.ts";
import { Watchers } from "../../src/control/watchers.ts";
import type { DrillOrder, WatchOrder } from "../../src/drill/observation.ts";
import type { SentObservation } from "../../src/probe/orders.ts";
import { StreamServer, type TestAgent } from "./test-agent.ts";
import { CONFIG } from "./test-node.ts";

const DUBLIN = "dublin" as VantageId;
const VIP = "web/eu-west/ipv4" as VipId;
const config = parseConfigText("meridian.yaml", CONFIG, "/etc/meridian").value;
if (config === null) throw new Error("the config is not sound");

/** A node's ingest on a real server, with a clock that the test sets. */
async function open(octetsMax = { drill: 1_000_000, vantage: 1_000_000 }) {
  const clock = { nowMs: 10_000 };
  const nowMs = (): number => clock.nowMs;
  const watchers: Watchers = new Watchers({
    nowMs,
    send: () => ingest.sendOrders(),
    agents: () => ingest.agents,
    octetsMax,
  });
  const ingest: Ingest = new Ingest(config!, 7, {
    nowMs,
    take: () => undefined,
    orders: (vantage) => watchers.ordersFor(vantage),
    observe: (hello, batch) => watchers.take(hello, batch),
    onStream: () => undefined,
  });
  const server = await StreamServer.open((socket, token) => ingest.accept(socket, token));
  return { clock, watchers, connect: (vantage: string) => server.connect(vantage) };
}

function hello(vantage: string, session = "one"): object {
  return { kind: "hello", vantage, session, version: "test", watcher: { resolver: "192.0.2.53:53" } };
}

const watch: WatchOrder = {
  kind: "watch",
  untilMs: 70_000,
  everyMs: 200,
  services: [{ label: "www.test.example", families: [4] }],
  nodes: [{ node: "dns1", address: "192.0.2.1", port: 53 }],
  connections: [],
};
const pretend: DrillOrder = { kind: "pretend", untilMs: 40_000, vantages: [DUBLIN], vips: [VIP] };
const silence: DrillOrder = { kind: "silence", untilMs: 40_000, vantages: ["tokyo" as VantageId] };

function seen(changes: Partial<SentObservation> = {}): SentObservation {
  return {
    drill: "d1",
    label: "www.test.example",
    family: 4,
    node: null,
    askedAtMs: 10_100,
    reply: { atMs: 10_110, rcode: 0, addresses: ["10.0.0.2"], ttlSeconds: 5 },
    connection: { endedAtMs: 10_120, problem: null },
    ...changes,
  };
}

async function observe(
  agent: TestAgent,
  sequence: number,
  ...observations: readonly SentObservation[]
): Promise<void> {
  const taken = agent.next("observed");
  agent.send({ kind: "observations", sequence, uncertaintyMs: 1.5, observations });
  await taken;
}

describe("orders", () => {
  test("go to agents when they come, and to those that are there, each with how long it is in force", async () => {
    const { clock, watchers, connect } = await open();
    watchers.order("d1", [watch]);
    const agent = await connect("dublin");
    agent.send(hello("dublin"));
    const { kind: _kind, untilMs: _until, ...task } = watch;
    expect((await agent.next("orders")).orders).toEqual([
      { kind: "watch", drill: "d1", forMs: 60_000, ...task },
    ]);
    clock.nowMs = 20_000;
    const next = agent.next("orders");
    watchers.order("d1", [watch, pretend, silence]);
    expect((await next).orders.map(({ kind, forMs }) => [kind, forMs])).toEqual([
      ["watch", 50_000],
      ["pretend", 20_000],
    ]);
  });

  test("that have come to their end, and those of a drill that is forgotten, are sent no more", async () => {
    const { clock, watchers, connect } = await open();
    watchers.order("d1", [watch, pretend]);
    watchers.order("d2", [{ ...silence, vantages: [DUBLIN] }]);
    clock.nowMs = 40_000;
    expect(watchers.ordersFor(DUBLIN).map(({ kind }) => kind)).toEqual(["watch"]);
    const agent = await connect("dublin");
    agent.send(hello("dublin"));
    await agent.next("orders");
    const next = agent.next("orders");
    watchers.forget("d1");
    expect((await next).orders).toEqual([]);
  });

  test("are not for an agent of an older release, which is named as not watching", async () => {
    const { watchers, connect } = await open();
    watchers.order("d1", [watch]);
    const agent = await connect("dublin");
    await agent.greet("dublin");
    watchers.order("d1", [watch, pretend]);
    await agent.report({ [VIP]: "ok" });
    expect(agent.received.map(({ kind }) => kind)).toEqual(["targets", "ack"]);
    expect(watchers.seen("d1")).toEqual([
      { vantage: "dublin", watches: false, resolver: null, uncertaintyMs: null, courses: [] },
    ]);
  });
});

describe("observations", () => {
  test("become courses by agent and route, and are taken once", async () => {
    const { watchers, connect } = await open();
    watchers.order("d1", [watch]);
    const agent = await connect("dublin");
    agent.send(hello("dublin"));
    await agent.next("orders");
    await observe(agent, 1, seen(), seen({ node: "dns1", connection: null }));
    await observe(agent, 1, seen(), seen());
    await observe(agent, 3, seen({ askedAtMs: 10_300 }));
    const again = await connect("dublin");
    again.send(hello("dublin"));
    await observe(again, 3, seen());
    const [watcher] = watchers.seen("d1");
    expect(watcher).toMatchObject({ vantage: "dublin", resolver: "192.0.2.53:53", uncertaintyMs: 1.5 });
    expect(watcher?.courses.map(({ route, runs }) => [route.node, runs.map(({ looks }) => looks)])).toEqual([
      [null, [2]],
      ["dns1", [1]],
    ]);
  });

  test("of what nobody ordered are dropped", async () => {
    const { watchers, connect } = await open();
    watchers.order("d1", [watch]);
    const agent = await connect("dublin");
    agent.send(hello("dublin"));
    await agent.next("orders");
    await observe(agent, 1, seen({ drill: "d2" }), seen({ family: 6 }), seen({ node: "dns2" }));
    expect(watchers.seen("d1").flatMap(({ courses }) => courses)).toEqual([]);
    expect(watchers.seen("d2").flatMap(({ courses }) => courses)).toEqual([]);
  });

  test("count how connections have ended", async () => {
    const { clock, watchers, connect } = await open();
    watchers.order("d1", [watch]);
    const agent = await connect("dublin");
    agent.send(hello("dublin"));
    await agent.next("orders");
    const failed = { endedAtMs: 10_400, problem: "connection refused" };
    await observe(agent, 1, seen(), seen({ connection: failed }));
    clock.nowMs = 15_000;
    await observe(agent, 2, seen(), seen({ connection: null }));
    expect(watchers.connectionsSince("d1", 10_000)).toEqual({ tried: 3, failed: 1 });
    expect(watchers.connectionsSince("d1", 15_000)).toEqual({ tried: 1, failed: 0 });
    expect(watchers.connectionsSince("d2", 0)).toEqual({ tried: 0, failed: 0 });
  });
});

describe("what is kept of a drill", () => {
  /** `looks` that each see something else. */
  async function flood(agent: TestAgent, vantage: string, looks: number, session = "one"): Promise<void> {
    agent.send(hello(vantage, session));
    await agent.next("orders");
    const addressed = (i: number) => ({ atMs: 10_110, rcode: 0, addresses: [`10.0.0.${i}`], ttlSeconds: 5 });
    await observe(agent, 1, ...Array.from({ length: looks }, (_, i) => seen({ reply: addressed(i) })));
  }

  /** By vantage, how many runs are kept and how many looks are not. */
  function keptOf(watchers: Watchers): object {
    return watchers
      .seen("d1")
      .map(({ vantage, courses }) => [vantage, courses.map(({ runs, dropped }) => [runs.length, dropped])]);
  }

  // Such a run has some 175 octets.
  test("of one vantage has a bound, so that others have room", async () => {
    const { watchers, connect } = await open({ drill: 1_000_000, vantage: 1_800 });
    watchers.order("d1", [watch]);
    await flood(await connect("dublin"), "dublin", 100);
    await flood(await connect("dublin"), "dublin", 100, "two");
    await flood(await connect("tokyo"), "tokyo", 5);
    expect(keptOf(watchers)).toEqual([
      ["dublin", [[10, 90]]],
      ["dublin", [[0, 100]]],
      ["tokyo", [[5, 0]]],
    ]);
  });

  test("of all vantages together has a bound", async () => {
    const { watchers, connect } = await open({ drill: 2_700, vantage: 1_800 });
    watchers.order("d1", [watch]);
    await flood(await connect("dublin"), "dublin", 100);
    await flood(await connect("tokyo"), "tokyo", 100);
    expect(keptOf(watchers)).toEqual([
      ["dublin", [[10, 90]]],
      ["tokyo", [[5, 95]]],
    ]);
  });

  test("is told apart for 50 sessions of a vantage; looks of further ones are counted together", async () => {
    const { watchers, connect } = await open();
    watchers.order("d1", [watch]);
    for (let i = 0; i < 52; i += 1) {
      const agent = await connect("dublin");
      await flood(agent, "dublin", 2, `s${i}`);
      agent.socket.terminate();
    }
    const kept = watchers
      .seen("d1")
      .map(({ courses }) => courses.map(({ runs, dropped }) => [runs.length, dropped]));
    expect(kept.slice(0, 50)).toEqual(Array(50).fill([[2, 0]]));
    expect(kept.slice(50)).toContainEqual([[0, 4]]);
  });
});

test("an agent learns the node's time", async () => {
  const { connect } = await open();
  const agent = await connect("dublin");
  agent.send(hello("dublin"));
  await agent.next("orders");
  agent.send({ kind: "clock", sentAtMs: 4.5 });
  expect(await agent.next("clock")).toEqual({
    kind: "clock",
    sentAtMs: 4.5,
    receivedAtMs: 10_000,
    repliedAtMs: 10_000,
  });
});
