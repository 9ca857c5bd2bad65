import { once } from "node:events";
import { describe, expect, test } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { parseConfigText } from "../../src/control/config-file.ts";
import { Ingest } from "../../src/control/ingest.ts";
import type { Report } from "../../src/health/report.ts";
import { REPORTS_PER_MESSAGE_MAX } from "../../src/probe/protocol.ts";
import { StreamServer, sent, type TestAgent } from "./test-agent.ts";
import { CONFIG } from "./test-node.ts";

const EU_VIP = "web/eu-west/ipv4";
const config = parse(CONFIG);

/** A node's ingest on a real server, and what it takes. */
async function open(reportsPerSecondMax = 20_000): Promise<{
  readonly ingest: Ingest;
  readonly taken: Report[];
  readonly refusals: string[];
  connect(vantage: string): Promise<TestAgent>;
}> {
  const taken: Report[] = [];
  const refusals: string[] = [];
  const ingest = new Ingest(config, 7, {
    nowMs: () => 10_000,
    take: (reports) => taken.push(...reports),
    orders: () => [],
    observe: () => undefined,
    onStream: (_token, event, detail) => {
      if (event === "refused") refusals.push(detail);
    },
    reportsPerSecondMax,
  });
  const server = await StreamServer.open((socket, token) => ingest.accept(socket, token));
  return { ingest, taken, refusals, connect: (vantage) => server.connect(vantage) };
}

describe("an agent that says hello", () => {
  test("is told every VIP that is probed, and how", async () => {
    const { connect } = await open();
    const agent = await connect("dublin");
    agent.send({ kind: "hello", vantage: "dublin", session: "one", version: "test" });
    const { targets, version } = await agent.next("targets");
    expect(version).toBe(7);
    expect(targets.map(({ vip, address }) => [vip, address])).toEqual([
      ["web/us-east/ipv4", "10.0.0.1"],
      ["web/eu-west/ipv4", "10.0.0.2"],
    ]);
    expect(targets[0]).toMatchObject({
      intervalMs: 3_000,
      timeoutMs: 1_000,
      rise: 2,
      probe: { kind: "http", port: 80 },
    });
  });

  test.each<[string, string, unknown, RegExp]>([
    ["another vantage's name", "dublin", hello("tokyo"), /token is for vantage "dublin", not for "tokyo"/],
    ["a vantage that is not in the config", "paris", hello("paris"), /no vantage "paris" in meridian.yaml/],
    [
      "reports first",
      "dublin",
      { kind: "reports", sequence: 1, reports: [sent(EU_VIP, "ok")] },
      /expected a hello/,
    ],
    ["no JSON", "dublin", "hello?", /expected JSON/],
    ["a message of no kind", "dublin", { kind: "goodbye" }, /expected a message of kind/],
  ])("with %s is refused, and the connection closed", async (_, vantage, message, reason) => {
    const { connect, taken } = await open();
    const agent = await connect(vantage);
    const closed = once(agent.socket, "close");
    agent.send(message);
    expect((await agent.next("refused")).reason).toMatch(reason);
    expect((await closed)[0]).toBe(1008);
    expect(taken).toEqual([]);
  });

  test("twice is refused", async () => {
    const { connect } = await open();
    const agent = await connect("dublin");
    await agent.greet("dublin");
    agent.send(hello("dublin"));
    expect((await agent.next("refused")).reason).toMatch(/another/);
  });

  test("is refused once, whatever has come behind it", async () => {
    const { refusals, connect } = await open();
    const agent = await connect("tokyo");
    const closed = once(agent.socket, "close");
    for (let i = 0; i < 100; i += 1) agent.socket.send("{}");
    await closed;
    expect(refusals).toHaveLength(1);
  });

  test("in octets instead of text is refused", async () => {
    const { connect } = await open();
    const agent = await connect("dublin");
    agent.socket.send(Buffer.from(JSON.stringify(hello("dublin"))));
    expect((await agent.next("refused")).reason).toMatch(/binary/);
  });
});

describe("reports", () => {
  test("are taken with the node's clock less their age", async () => {
    const { connect, taken } = await open();
    const agent = await connect("dublin");
    await agent.greet("dublin");
    await agent.report({ [EU_VIP]: "timeout" }, 1_500);
    expect(taken).toMatchObject([
      { vantage: "dublin", vip: EU_VIP, atMs: 8_500, outcome: { error: "timeout" } },
    ]);
  });

  test("keep their order when a message was held up on its way, and are counted", async () => {
    const { connect, taken, ingest } = await open();
    const agent = await connect("dublin");
    await agent.greet("dublin");
    await agent.report({ [EU_VIP]: "timeout" }, 100);
    await agent.report({ [EU_VIP]: "timeout" }, 1_100);
    await agent.report({ [EU_VIP]: "timeout" }, 50);
    expect(taken.map(({ atMs }) => atMs)).toEqual([9_900, 9_901, 9_950]);
    expect(ingest.reportsTaken).toBe(3);
  });

  test("that are sent again after a reconnect are acknowledged, but taken once", async () => {
    const { connect, taken } = await open();
    const first = await connect("dublin");
    await first.greet("dublin", "session");
    await first.report({ [EU_VIP]: "ok" });
    first.socket.terminate();
    const second = await connect("dublin");
    await second.greet("dublin", "session");
    await second.report({ [EU_VIP]: "ok" });
    expect(taken).toHaveLength(1);
    await second.report({ [EU_VIP]: "ok" });
    expect(taken).toHaveLength(2);
  });

  test("of a new session are taken whatever their numbers", async () => {
    const { connect, taken } = await open();
    for (const session of ["one", "two"]) {
      const agent = await connect("dublin");
      await agent.greet("dublin", session);
      await agent.report({ [EU_VIP]: "ok" });
    }
    expect(taken).toHaveLength(2);
  });

  test("of more sessions than are remembered push out the oldest alone", async () => {
    const { connect, taken } = await open();
    for (let session = 0; session <= 16; session += 1) {
      const agent = await connect("dublin");
      await agent.greet("dublin", `session ${session}`);
      await agent.report({ [EU_VIP]: "ok" });
    }
    expect(taken).toHaveLength(17);
    for (const session of [16, 1, 0]) {
      const agent = await connect("dublin");
      await agent.greet("dublin", `session ${session}`);
      await agent.report({ [EU_VIP]: "ok" });
    }
    expect(taken).toHaveLength(18);
  });

  test("more than a message may hold end the stream", async () => {
    const { connect, taken } = await open();
    const agent = await connect("dublin");
    await agent.greet("dublin");
    const reports = Array.from({ length: REPORTS_PER_MESSAGE_MAX + 1 }, () => sent(EU_VIP, "ok"));
    agent.send({ kind: "reports", sequence: 1, reports });
    await agent.next("refused");
    expect(taken).toEqual([]);
  });

  test("faster than the bound are taken no faster, and none is lost", async () => {
    const { connect, taken } = await open(1_000);
    const agent = await connect("dublin");
    await agent.greet("dublin");
    const reports = Array.from({ length: 500 }, () => sent(EU_VIP, "ok"));
    const startedMs = performance.now();
    for (let sequence = 1; sequence <= 5; sequence += 1) agent.send({ kind: "reports", sequence, reports });
    await agent.until(() => taken.length === 2_500);
    // 1,000 at once, 1,000 a second from then on; the last message comes before its own reports are paid for.
    expect(performance.now() - startedMs).toBeGreaterThan(450);
  });
});

test("an agent that sends and never reads is let go, once", async () => {
  const { ingest, refusals, connect } = await open(10_000_000);
  const agent = await connect("dublin");
  await agent.greet("dublin");
  const other = await connect("tokyo");
  await other.greet("tokyo");
  agent.socket.pause();
  const message = JSON.stringify({ kind: "clock", sentAtMs: 1 });
  // Beside what may wait in the node, there is what the kernel takes.
  for (let round = 0; round < 200 && refusals.length === 0; round += 1) {
    for (let i = 0; i < 2_000; i += 1) agent.socket.send(message);
    await other.report({ [EU_VIP]: "ok" });
  }
  await expect.poll(() => ingest.agents.map(({ vantage }) => vantage)).toEqual(["tokyo"]);
  expect(refusals).toEqual(["it does not read what it is sent"]);
});

describe("another config", () => {
  test("with other targets is told to the agents, one with the same is not", async () => {
    const { ingest, connect } = await open();
    const agent = await connect("dublin");
    await agent.greet("dublin");
    ingest.use(parse(CONFIG.replace("ttl: 5s", "ttl: 6s")), 8);
    const told = agent.next("targets");
    ingest.use(parse(CONFIG.replace("ipv4: 10.0.0.2", "ipv4: 10.0.0.9")), 9);
    const { version, targets } = await told;
    expect(version).toBe(9);
    expect(targets.map(({ address }) => address)).toEqual(["10.0.0.1", "10.0.0.9"]);
  });

  test("without its vantage refuses an agent", async () => {
    const { ingest, connect } = await open();
    const agent = await connect("tokyo");
    await agent.greet("tokyo");
    const refused = agent.next("refused");
    ingest.use(parse(CONFIG.replace(/ {2}tokyo.*\n/, "")), 8);
    expect((await refused).reason).toBe('no vantage "tokyo" in meridian.yaml');
  });

  test("members with a port of their own are probed there", async () => {
    const { ingest, connect } = await open();
    const agent = await connect("dublin");
    await agent.greet("dublin");
    const told = agent.next("targets");
    ingest.use(parse(CONFIG.replace("ipv4: 10.0.0.2,", "ipv4: 10.0.0.2, port: 8080,")), 8);
    expect((await told).targets).toMatchObject([{ probe: { port: 80 } }, { probe: { port: 8080 } }]);
  });

  test("the parts of a calculated check go to the port of the member too", async () => {
    const { ingest, connect } = await open();
    const agent = await connect("dublin");
    await agent.greet("dublin");
    const told = agent.next("targets");
    const checks = CONFIG.replace(
      "checks:",
      "checks:\n  open: { type: tcp, port: 80 }\n  both: { type: calculated, of: [open] }",
    );
    ingest.use(
      parse(
        checks.replace("check: web", "check: both").replace("ipv4: 10.0.0.2,", "ipv4: 10.0.0.2, port: 8080,"),
      ),
      8,
    );
    expect((await told).targets.at(-1)).toMatchObject({ probe: { of: [{ probe: { port: 8080 } }] } });
  });
});

function hello(vantage: string): object {
  return { kind: "hello", vantage, session: "one", version: "test" };
}

function parse(text: string): Config {
  const { value, problems } = parseConfigText("meridian.yaml", text, "/etc/meridian");
  if (value === null) throw new Error(JSON.stringify(problems));
  return value;
}
