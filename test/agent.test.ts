/** A whole agent between real servers and real nodes. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Agent, runAgent } from "../src/agent.ts";
import { parseDnsServer } from "../src/config/units.ts";
import { type Clock, processClock } from "../src/probe/clock.ts";
import type { Target } from "../src/probe/protocol.ts";
import { parseTrust } from "../src/probe/trust.ts";
import { listen, listening } from "./probe/servers.ts";
import { httpSpec } from "./probe/specs.ts";
import { target } from "./probe/targets.ts";
import { eventually, type TestNode, testNode } from "./probe/test-node.ts";

function agentOf(...nodes: readonly TestNode[]): Promise<Agent> {
  return startAgent(nodes.map((node) => node.url));
}

async function startAgent(nodes: readonly string[], clock: Clock = processClock): Promise<Agent> {
  const log = pino({ enabled: false });
  const agent = await runAgent({
    nodes,
    trust: parseTrust({}),
    token: "secret",
    vantage: "dublin",
    resolver: null,
    log,
    clock,
  });
  onTestFinished(() => agent.stop());
  return agent;
}

/** The way to a server, which can be cut: then nothing comes through any more, and nobody is told. */
class Way {
  readonly #server = createTcpServer((client) => this.#lead(client));
  readonly #to: number;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: Socket[] = [];
  #isCut = false;

  private constructor(to: number) {
    this.#to = to;
  }

  static async to(port: number): Promise<Way> {
    const way = new Way(port);
    way.#server.listen(0, "127.0.0.1");
    await once(way.#server, "listening");
    onTestFinished(() => {
      for (const socket of way.#sockets) socket.destroy();
      way.#server.close();
    });
    return way;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Both ends have given up what was open before; what tried to connect meanwhile comes through. */
  mend(): void {
    this.#isCut = false;
    for (const socket of this.#sockets) if (!this.#waiting.includes(socket)) socket.destroy();
    for (const client of this.#waiting.splice(0)) this.#lead(client);
  }

  #lead(client: Socket): void {
    this.#sockets.add(client);
    client.on("error", () => {});
    if (this.#isCut) {
      this.#waiting.push(client.pause());
      return;
    }
    const server = connect(this.#to, "127.0.0.1");
    this.#sockets.add(server);
    server.on("error", () => {});
    for (const [from, into] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on("data", (data) => into.write(data));
      from.on("close", () => into.destroy());
    }
    client.resume();
  }
}

/** A target whose VIP is an HTTP server, probed every 100 ms. */
async function webTarget(vip: string): Promise<{ readonly target: Target; readonly vip: WebVip }> {
  const web = new WebVip();
  await web.open();
  onTestFinished(() => web.close());
  const probe = httpSpec(web.port, { host: null });
  const pace = { intervalMs: 100, recheckMs: 50, timeoutMs: 2_000, jitterMs: 0 };
  return { target: target(vip, { probe, ...pace }), vip: web };
}

class WebVip {
  asked = 0;
  code = 200;
  /** Takes requests and does not answer them. */
  silent = false;
  port = 0;
  readonly #server = createServer((_, response) => {
    this.asked += 1;
    if (!this.silent) response.writeHead(this.code).end();
  });

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.port, "127.0.0.1", resolve));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

const kinds = (node: TestNode, vip: string): readonly string[] =>
  node.taken.filter((report) => report.vip === vip).map((report) => report.outcome.kind);

describe("an agent", () => {
  test("probes what its nodes ask for, and tells each of them, with one probe for both", async () => {
    const { target: both, vip } = await webTarget("both");
    const { target: second } = await webTarget("second");
    const dns1 = await testNode([both]);
    const dns2 = await testNode([both, second]);
    await agentOf(dns1, dns2);
    await eventually(() => expect(kinds(dns1, "both").length).toBeGreaterThan(5));
    await eventually(() => expect(kinds(dns2, "both").length).toBeGreaterThan(5));
    await eventually(() => expect(kinds(dns2, "second").length).toBeGreaterThan(5));
    expect(kinds(dns1, "second")).toEqual([]);
    expect(vip.asked).toBeLessThan(kinds(dns1, "both").length + 10);
    expect(new Set(kinds(dns1, "both"))).toEqual(new Set(["success"]));
    expect(dns1.hellos[0]!.session).toBe(dns2.hellos[0]!.session);
  });

  test("reports a death and a return at once", async () => {
    const { target: web, vip } = await webTarget("web");
    const node = await testNode([{ ...web, fall: 3 }]);
    await agentOf(node);
    await eventually(() => expect(kinds(node, "web").length).toBeGreaterThan(3));
    vip.code = 503;
    const deadAtMs = performance.now();
    await eventually(() => expect(kinds(node, "web").filter((kind) => kind === "failure").length).toBe(3));
    const third = node.taken.filter((report) => report.outcome.kind === "failure")[2]!;
    // The interval and two rechecks; the rest is for a busy machine.
    expect(third.atMs - deadAtMs).toBeLessThan(1_000);
    expect(third.outcome).toMatchObject({ error: "status", detail: "expected 200, got 503" });
    vip.code = 200;
    await eventually(() => expect(kinds(node, "web").slice(-2)).toEqual(["success", "success"]));
  });

  test("goes on probing while one node is away, and that node misses nothing", async () => {
    const { target: web } = await webTarget("web");
    const dns1 = await testNode([web]);
    const dns2 = await testNode([web]);
    await agentOf(dns1, dns2);
    await eventually(() => expect(kinds(dns2, "web").length).toBeGreaterThan(2));
    await dns2.close();
    const before = dns1.taken.length;
    await eventually(() => expect(dns1.taken.length).toBeGreaterThan(before + 3));
    await dns2.open();
    await eventually(() => expect(dns2.taken.length).toBeGreaterThanOrEqual(before + 3));
    const gaps = dns2.taken.map(({ atMs, agoMs }) => atMs - agoMs);
    for (let i = 1; i < gaps.length; i += 1) expect(gaps[i]! - gaps[i - 1]!).toBeLessThan(1_000);
  });

  test("that was cut off for a minute tells of no failure that it saw meanwhile, and of each that it sees then", async () => {
    // Everything but the probes themselves runs twenty times as fast, so that the minute takes three seconds.
    const clock: Clock = {
      now: () => processClock.now() * 20,
      after: (ms, run) => processClock.after(ms / 20, run),
    };
    const { target: web, vip: webVip } = await webTarget("web");
    const { target: dead, vip: deadVip } = await webTarget("dead");
    const { target: slow, vip: slowVip } = await webTarget("slow");
    const pace = { intervalMs: 2_000, recheckMs: 1_000, timeoutMs: 200 };
    const patient = { ...slow, ...pace, timeoutMs: 800 };
    const node = await testNode([...[web, dead].map((one) => ({ ...one, ...pace })), patient]);
    const way = await Way.to(node.port);
    await startAgent([`http://127.0.0.1:${way.port}`], clock);
    await eventually(() => expect(kinds(node, "dead").length).toBeGreaterThan(3));

    way.cut();
    for (const vip of [webVip, deadVip, slowVip]) vip.silent = true;
    const asked = webVip.asked;
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(webVip.asked).toBeGreaterThan(asked + 5);
    // A probe that has just begun ends when the agent is back, for what was so before.
    const begun = slowVip.asked;
    await eventually(() => expect(slowVip.asked).toBeGreaterThan(begun));
    for (const vip of [webVip, slowVip]) vip.silent = false;
    const mendedAtMs = processClock.now();
    const known = kinds(node, "slow").length;
    way.mend();

    await eventually(() => expect(kinds(node, "dead").slice(-2)).toEqual(["failure", "failure"]));
    await eventually(() => expect(kinds(node, "slow").length).toBeGreaterThan(known));
    for (const vip of ["web", "slow"]) expect(kinds(node, vip)).not.toContain("failure");
    for (const { atMs, agoMs, outcome } of node.taken) {
      if (outcome.kind === "failure") expect(atMs - agoMs / 20).toBeGreaterThan(mendedAtMs);
    }
  });

  test("probes no more what no node asks for", async () => {
    const { target: web, vip } = await webTarget("web");
    const node = await testNode([web]);
    await agentOf(node);
    await eventually(() => expect(vip.asked).toBeGreaterThan(1));
    node.send({ kind: "targets", version: 2, targets: [] });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { asked } = vip;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(vip.asked).toBe(asked);
  });

  test("stops within a second while a probe hangs", async () => {
    let connections = 0;
    const port = await listen(() => {
      connections += 1;
    });
    const { target: web } = await webTarget("web");
    const node = await testNode([{ ...web, probe: httpSpec(port), timeoutMs: 60_000 }]);
    const agent = await agentOf(node);
    await eventually(() => expect(connections).toBe(1));
    const stoppedAtMs = performance.now();
    await agent.stop();
    expect(performance.now() - stoppedAtMs).toBeLessThan(1_000);
    expect(node.taken).toEqual([]);
    await eventually(() => expect(node.clients).toBe(0));
  });

  test("cannot be started without a vantage, or with a node that is no URL or would get the token in clear text", async () => {
    const options = {
      nodes: ["http://127.0.0.1:1"],
      trust: parseTrust({}),
      token: "t",
      vantage: "v",
      resolver: null,
      log: pino({ enabled: false }),
    };
    await expect(runAgent({ ...options, vantage: "" })).rejects.toThrow(
      "Cannot start an agent: hello/vantage",
    );
    await expect(runAgent({ ...options, nodes: ["dns1"] })).rejects.toThrow('Cannot use node "dns1"');
    await expect(runAgent({ ...options, nodes: ["http://192.0.2.1:8053"] })).rejects.toThrow("in clear text");
  });
});

describe("an agent that follows orders", () => {
  /** A VIP that is well, and a node that has it probed. */
  async function ordered() {
    const port = await listening(createServer((_, response) => response.end("ok")));
    const node = await testNode([
      target("a", { probe: httpSpec(port), intervalMs: 100, recheckMs: 50, timeoutMs: 100, jitterMs: 0 }),
    ]);
    await agentOf(node);
    await eventually(() => expect(node.taken.length).toBeGreaterThan(3));
    return { node, port };
  }
  const outcomes = (node: TestNode, from: number): readonly string[] =>
    node.taken.slice(from).map(({ outcome }) => (outcome.kind === "success" ? "success" : outcome.detail));

  test("says in its hello that it does, and with which resolver", async () => {
    const node = await testNode();
    const agent = await runAgent({
      nodes: [node.url],
      trust: parseTrust({}),
      token: "secret",
      vantage: "dublin",
      resolver: parseDnsServer("192.0.2.53"),
      log: pino({ enabled: false }),
    });
    onTestFinished(() => agent.stop());
    await eventually(() => expect(node.hellos[0]).toMatchObject({ watcher: { resolver: "192.0.2.53:53" } }));
  });

  test("tells timeouts of a VIP that is well until the end of the order, and then the truth", async () => {
    const { node } = await ordered();
    const before = node.taken.length;
    node.send({
      kind: "orders",
      orders: [{ kind: "pretend", drill: "d1", forMs: 1_000, vips: [target("a").vip] }],
    });
    await eventually(() => expect(outcomes(node, before)).toContain("a drill pretends that it is dead"));
    await node.close();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await node.open();
    const after = node.taken.length;
    await eventually(() => expect(outcomes(node, after).slice(-3)).toEqual(Array(3).fill("success")));
  });

  test("says nothing until the end of the order, nor afterwards of what it saw meanwhile", async () => {
    const { node } = await ordered();
    node.send({ kind: "orders", orders: [{ kind: "silence", drill: "d1", forMs: 1_000 }] });
    // What waited for company when the order came.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const silentFrom = node.taken.length;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(node.taken.length).toBe(silentFrom);
    await eventually(() => expect(node.taken.length).toBeGreaterThan(silentFrom + 2));
    for (const { agoMs } of node.taken.slice(silentFrom)) expect(agoMs).toBeLessThan(500);
  });

  test("watches, and sends what it saw in the node's time until the node has taken it", async () => {
    const { node } = await ordered();
    const dns = createSocket("udp4");
    onTestFinished(() => void dns.close());
    await new Promise<void>((resolve) => dns.bind(0, "127.0.0.1", resolve));
    node.acknowledges = false;
    const beganAtMs = performance.now();
    node.send({
      kind: "orders",
      orders: [
        {
          kind: "watch",
          drill: "d1",
          forMs: 60_000,
          everyMs: 200,
          services: [{ label: "www.test.example", families: [4] }],
          nodes: [{ node: "dns1", address: null, port: dns.address().port }],
          connections: [],
        },
      ],
    });
    await eventually(() => expect(node.observed.length).toBeGreaterThan(1));
    const [first] = node.observed;
    expect(first?.observations[0]).toMatchObject({ drill: "d1", node: "dns1", reply: null });
    const askedAfterMs = first!.observations[0]!.askedAtMs - node.aheadMs - beganAtMs;
    expect(askedAfterMs).toBeGreaterThan(-first!.uncertaintyMs);
    expect(askedAfterMs).toBeLessThan(1_000);
    expect(first!.uncertaintyMs).toBeLessThan(100);
    await node.close();
    node.acknowledges = true;
    await node.open();
    await eventually(() => expect(node.observed.filter(({ sequence }) => sequence === 1)).toHaveLength(2));
    expect(node.observed.filter(({ sequence }) => sequence === 1)[1]?.observations[0]).toMatchObject({
      drill: "d1",
      node: "dns1",
    });
  });
});
