/** Agents on the API: the true agent's stream against the true node, over a real WebSocket. */

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { runAgent } from "../../../src/agent.ts";
import { AGENT_MESSAGE_LENGTH_MAX, STREAM_PATH } from "../../../src/probe/protocol.ts";
import { parseTrust } from "../../../src/probe/trust.ts";
import { sent, TestAgent } from "../test-agent.ts";
import { CONFIG, Folder, GB, Node } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

interface Vote {
  readonly vantage: string;
  readonly opinion: string;
}

describe("/v1/agents/stream", () => {
  test("takes an agent process's agent from hello to verdict", async () => {
    const node = new Node(new Folder({ "meridian.yaml": probingNothing() }));
    // True probes end at true times, and only newer reports count.
    Object.defineProperty(node, "nowMs", { get: () => Date.now() });
    const api = await TestApi.open(node);
    const agent = await runAgent({
      nodes: [api.url],
      trust: parseTrust({}),
      token: api.tokens.agent,
      vantage: "dublin",
      resolver: null,
      log: pino({ level: "silent" }),
    });
    onTestFinished(() => agent.stop());
    await expect.poll(async () => (await api.get("/v1/vantages")).body.vantages[0].streams).toBe(1);
    await expect
      .poll(async () => (await api.get("/v1/verdicts")).body.verdicts[0], { timeout: 5_000 })
      .toMatchObject({
        up: false,
        basis: "judged",
        votes: [
          {
            vantage: "dublin",
            opinion: "unhealthy",
            counts: true,
            error: { class: "refused" },
            timings: { connectMs: null, totalMs: expect.any(Number) },
          },
        ],
      });
  });

  test("hands on what an agent reports, and the answers move", async () => {
    const api = await TestApi.open();
    const agent = await connect(api, api.tokens.agent);
    await agent.greet("dublin", randomUUID());
    await agent.report({ "web/eu-west/ipv4": "ok" });
    expect((await api.get("/v1/vantages")).body.vantages[0]).toMatchObject({
      vantage: "dublin",
      streams: 1,
      fresh: true,
    });
    expect(api.node.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.2"]);
  });

  test.each([
    ["without a token", null, 401],
    ["with a token that nobody made", "x".repeat(43), 401],
    ["with a reader's token", "reader", 403],
    ["with an admin's token", "admin", 403],
  ] as const)("refuses a WebSocket %s before it is one", async (_what, token, status) => {
    const api = await TestApi.open();
    const secret = token === "reader" || token === "admin" ? api.tokens[token] : token;
    const socket = open(api, secret);
    const [, response] = await once(socket, "unexpected-response");
    expect(response.statusCode).toBe(status);
    expect(response.headers["www-authenticate"]).toMatch(/^Bearer /);
  });

  test("takes lies from a stolen token about its own vantage alone, and no verdict flips by them", async () => {
    const api = await TestApi.open();
    const { desk } = api.node;
    const honest = await api.node.agents("virginia", "tokyo");
    const vips = desk.facts().verdicts.keys().toArray();
    const all = (what: "ok" | "timeout") => Object.fromEntries(vips.map((vip) => [vip, what]));
    // The thief of Dublin's token speaks in another's name, which ends its stream ...
    const impostor = await connect(api, api.tokens.agent);
    impostor.send({ kind: "hello", vantage: "tokyo", session: "one", version: "test" });
    expect((await impostor.next("refused")).reason).toMatch(/token is for vantage "dublin", not for "tokyo"/);
    // ... says that everything is down ...
    const thief = await connect(api, api.tokens.agent);
    await thief.greet("dublin", "one");
    for (let i = 0; i < 5; i += 1) {
      api.node.nowMs += 1_000;
      await thief.report(all("timeout"));
      for (const agent of [honest.tokyo, honest.virginia]) await agent.report(all("ok"));
      desk.tick();
    }
    // ... and, as its session has the name of the others', that they have sent far more than they have.
    thief.send({ kind: "reports", sequence: Number.MAX_SAFE_INTEGER, reports: [sent("none", "ok")] });
    await thief.next("ack");
    const { reportsTaken } = desk.status();
    await honest.tokyo.report(all("ok"));
    expect(desk.status().reportsTaken).toBe(reportsTaken + vips.length);
    const { body } = await api.get("/v1/verdicts");
    expect(body.verdicts).toHaveLength(vips.length);
    for (const { up, votes } of body.verdicts) {
      expect([up, votes.map(({ vantage, opinion }: Vote) => [vantage, opinion])]).toEqual([
        true,
        [
          ["dublin", "unhealthy"],
          ["virginia", "healthy"],
          ["tokyo", "healthy"],
        ],
      ]);
    }
    expect(api.node.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.2"]);
  });

  test("ends a stream whose message is too long, and no other", async () => {
    const api = await TestApi.open();
    const [other, long] = [await connect(api, api.tokens.agent), await connect(api, api.tokens.agent)];
    await other.greet("dublin");
    const closed = once(long.socket, "close");
    long.socket.send("x".repeat(AGENT_MESSAGE_LENGTH_MAX + 1));
    expect((await closed)[0]).toBe(1009);
    await other.report({ "web/eu-west/ipv4": "ok" });
  });

  test("lets go of agents when the API closes, even of one that does not answer", async () => {
    const api = await TestApi.open();
    const [polite, mute] = [await connect(api, api.tokens.agent), await connect(api, api.tokens.agent)];
    await polite.greet("dublin");
    mute.socket.pause();
    const closed = once(polite.socket, "close");
    const startedMs = performance.now();
    await api.close();
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect((await closed)[0]).toBe(1001);
    mute.socket.terminate();
  });
});

function open({ url }: TestApi, secret: string | null): WebSocket {
  const socket = new WebSocket(url.replace(/^http/, "ws") + STREAM_PATH, {
    headers: secret === null ? {} : { authorization: `Bearer ${secret}` },
  });
  // A socket that is ended while it connects says so as an error.
  socket.on("error", () => undefined);
  onTestFinished(() => socket.terminate());
  return socket;
}

async function connect(api: TestApi, secret: string): Promise<TestAgent> {
  const agent = new TestAgent(open(api, secret));
  await agent.opened;
  return agent;
}

/** A config with one vantage whose VIPs are on this machine, where nothing listens on their port. */
function probingNothing(): string {
  return CONFIG.replace("10.0.0.1", "127.0.0.1")
    .replace("10.0.0.2", "127.0.0.2")
    .replace(/ {2}virginia:.*\n {2}tokyo:.*\n/, "")
    .replace("port: 80,", "port: 9,")
    .replace(
      "interval: 3s, timeout: 1s, recheck: 1s",
      "interval: 200ms, timeout: 100ms, recheck: 100ms, minVantages: 1",
    );
}
