/** A watch of real DNS servers and real VIPs. */

import { createSocket } from "node:dgram";
import { decode, encode, type Packet } from "dns-packet";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Endpoint } from "../../src/config/node.ts";
import { parseDnsServer } from "../../src/config/units.ts";
import type { Observation, Route } from "../../src/drill/observation.ts";
import { processClock } from "../../src/probe/clock.ts";
import type { SentWatch } from "../../src/probe/orders.ts";
import { Schedule } from "../../src/probe/schedule.ts";
import { Watch } from "../../src/probe/watch.ts";
import { closedPort, listen } from "./servers.ts";
import { tcpSpec } from "./specs.ts";
import { success, target } from "./targets.ts";
import { eventually } from "./test-node.ts";

/** A DNS server on 127.0.0.1, with how often it was asked. */
async function serve(answer: (query: Packet) => Packet | null): Promise<{ port: number; asked: number }> {
  const socket = createSocket("udp4");
  onTestFinished(() => void socket.close());
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const server = { port: socket.address().port, asked: 0 };
  socket.on("message", (data, from) => {
    server.asked += 1;
    const query = decode(data);
    const response = answer(query);
    if (response !== null) socket.send(encode(response), from.port, from.address);
  });
  return server;
}

function answering(...addresses: readonly string[]) {
  return ({ id, questions }: Packet): Packet => {
    const [{ name, type } = { name: "", type: "A" }] = questions ?? [];
    return {
      type: "response",
      id: id ?? 0,
      questions: questions ?? [],
      answers:
        type === "A" ? addresses.map((data, i) => ({ type: "A" as const, name, ttl: 5 + i, data })) : [],
    };
  };
}

interface Seen extends Observation {
  readonly route: Route;
}

function watching(watch: Partial<SentWatch>, resolver: Endpoint | null = null, host = "127.0.0.1") {
  const seen: Seen[] = [];
  const started = new Watch({
    clock: processClock,
    watch: {
      kind: "watch",
      drill: "d1",
      forMs: 60_000,
      everyMs: 50,
      services: [{ label: "www.test.example", families: [4] }],
      nodes: [],
      connections: [],
      ...watch,
    },
    resolver,
    host,
    onSeen: (route, observation) => void seen.push({ route, ...observation }),
  });
  onTestFinished(() => started.stop());
  return { seen, watch: started };
}

describe("a watch", () => {
  test("asks each node and the resolver for each family, and connects to what the resolver gave", async () => {
    const vip = await listen(() => undefined);
    const node = await serve(answering("10.0.0.1"));
    const resolver = await serve(answering("127.0.0.1", "10.0.0.2"));
    const { seen } = watching(
      {
        services: [{ label: "www.test.example", families: [4, 6] }],
        nodes: [
          { node: "dns1", address: "127.0.0.1", port: node.port },
          { node: "dns2", address: null, port: node.port },
        ],
        connections: [{ address: "127.0.0.1", probe: tcpSpec(vip) }],
      },
      parseDnsServer(`127.0.0.1:${resolver.port}`),
    );
    await eventually(() => expect(new Set(seen.map(({ route }) => JSON.stringify(route))).size).toBe(6));
    const of = (name: string | null, family: 4 | 6): Seen | undefined =>
      seen.find(({ route }) => route.node === name && route.family === family);
    expect(of("dns1", 4)).toMatchObject({
      reply: { rcode: 0, addresses: ["10.0.0.1"], ttlSeconds: 5 },
      connection: null,
    });
    expect(of("dns2", 4)?.reply?.addresses).toEqual(["10.0.0.1"]);
    expect(of("dns1", 6)).toMatchObject({ reply: { rcode: 0, addresses: [], ttlSeconds: null } });
    const through = of(null, 4)!;
    expect(through).toMatchObject({
      reply: { addresses: ["127.0.0.1", "10.0.0.2"], ttlSeconds: 5 },
      connection: { problem: null },
    });
    expect(through.reply!.atMs).toBeGreaterThanOrEqual(through.askedAtMs);
    expect(through.connection!.endedAtMs).toBeGreaterThanOrEqual(through.reply!.atMs);
  });

  test("says why a connection came to nothing, and tries none to an address that it does not know", async () => {
    const port = await closedPort();
    const resolver = await serve(answering("127.0.0.1"));
    const endpoint = parseDnsServer(`127.0.0.1:${resolver.port}`);
    const { seen } = watching({ connections: [{ address: "127.0.0.1", probe: tcpSpec(port) }] }, endpoint);
    await eventually(() => expect(seen[0]?.connection?.problem).toBe("connection refused"));
    const stranger = watching({}, endpoint);
    await eventually(() => expect(stranger.seen[0]?.reply?.addresses).toEqual(["127.0.0.1"]));
    expect(stranger.seen[0]?.connection).toBeNull();
  });

  test("tells silence after a second, and looks in the order in which they began", async () => {
    let isSilent = true;
    const server = await serve((query) => (isSilent ? null : answering("10.0.0.1")(query)));
    const { seen } = watching({ nodes: [{ node: "dns1", address: "127.0.0.1", port: server.port }] });
    await eventually(() => expect(server.asked).toBe(3));
    isSilent = false;
    await eventually(() => expect(server.asked).toBeGreaterThan(6));
    expect(seen).toEqual([]);
    await eventually(() => expect(seen.length).toBeGreaterThan(6));
    expect(seen.slice(0, 4).map(({ reply }) => reply?.addresses ?? null)).toEqual([
      null,
      null,
      null,
      ["10.0.0.1"],
    ]);
    const askedAt = seen.map(({ askedAtMs }) => askedAtMs);
    expect(askedAt).toEqual(askedAt.toSorted((a, b) => a - b));
  });

  test("of a server that never answers has ten looks under way, and no more", async () => {
    const server = await serve(() => null);
    watching({ everyMs: 20, nodes: [{ node: "dns1", address: "127.0.0.1", port: server.port }] });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(server.asked).toBe(10);
  });

  test("without a resolver asks the nodes alone, and stops at once", async () => {
    const server = await serve(answering("10.0.0.1"));
    const { seen, watch } = watching({ nodes: [{ node: "dns1", address: null, port: server.port }] });
    await eventually(() => expect(seen.length).toBeGreaterThan(2));
    watch.stop();
    const { asked } = server;
    const told = seen.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect([server.asked, seen.length]).toEqual([asked, told]);
    expect(new Set(seen.map(({ route }) => route.node))).toEqual(new Set(["dns1"]));
  });

  test("of 128 routes lets probes keep their times", async () => {
    const server = await serve(answering("10.0.0.1"));
    const startedAtMs: number[] = [];
    const schedule = new Schedule({
      clock: processClock,
      random: () => 0,
      probe: async () => {
        startedAtMs.push(processClock.now());
        return success;
      },
      onLook: () => undefined,
    });
    onTestFinished(() => schedule.stop());
    const probed = target("a", { intervalMs: 100, recheckMs: 100, jitterMs: 0, rise: 1_000 });
    schedule.replace(new Map([["a", { target: probed }]]));
    watching({
      everyMs: 200,
      services: Array.from({ length: 128 }, (_, i) => ({ label: `s${i}.test.example`, families: [4] })),
      nodes: [{ node: "dns1", address: "127.0.0.1", port: server.port }],
    });
    await eventually(() => expect(startedAtMs.length).toBeGreaterThan(20));
    const late = startedAtMs.slice(1).map((atMs, i) => atMs - startedAtMs[i]! - 100);
    // Each may wait for a few looks that begin before it, and never for all of them.
    expect(late.toSorted((a, b) => a - b)[10]).toBeLessThan(20);
    expect(server.asked).toBeGreaterThan(500);
  });
});
