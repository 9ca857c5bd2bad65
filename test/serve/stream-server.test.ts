import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import type { Endpoint } from "../../src/config/node.ts";
import type { ConnectionLimits } from "../../src/serve/connections.ts";
import type { StreamServerOptions } from "../../src/serve/stream-server.ts";
import { fc } from "../fast-check.ts";
import { closeAfterwards, type StartedStreams, startStreams } from "./streams.ts";
import { Command } from "./toy-responder.ts";
import { endpoint, query } from "./udp-client.ts";
import { until } from "./until.ts";

interface Started extends StartedStreams {
  readonly at: Endpoint;
}

async function start(
  limits: Partial<ConnectionLimits> = {},
  address = "127.0.0.1",
  options: Partial<StreamServerOptions> = {},
): Promise<Started> {
  const started = await startStreams({ endpoints: [endpoint(address)], ...options, limits });
  return { ...started, at: started.server.addresses(Transport.Tcp)[0]! };
}

/** A connection that collects what it is sent. */
class Peer {
  readonly socket: Socket;
  /** The whole messages that came so far. */
  readonly messages: Buffer[] = [];
  isClosed = false;

  constructor(to: Endpoint, localAddress = to.address.text) {
    this.socket = connect({ host: to.address.text, port: to.port, localAddress, noDelay: true });
    let rest = Buffer.alloc(0);
    this.socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const end = 2 + rest.readUInt16BE(0);
        this.messages.push(rest.subarray(2, end));
        rest = rest.subarray(end);
      }
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isClosed = true;
    });
    closeAfterwards(this.socket);
  }

  async receive(count: number): Promise<Buffer[]> {
    await until(() => this.messages.length >= count || this.isClosed);
    return this.messages;
  }

  async closed(): Promise<void> {
    await until(() => this.isClosed);
  }
}

function framed(...packets: Buffer[]): Buffer {
  return Buffer.concat(
    packets.flatMap((packet) => [Buffer.from([packet.length >> 8, packet.length & 0xff]), packet]),
  );
}

function ids(messages: readonly Buffer[]): number[] {
  return messages.map((message) => message.readUInt16BE(0));
}

describe("messages on a stream (RFC 7766 §8)", () => {
  test.each(["127.0.0.1", "::1"])(
    "a query to %s is answered, and the answer knows who asks",
    async (text) => {
      const { at, counted } = await start({}, text);
      const peer = new Peer(at);
      peer.socket.write(framed(query(7, Command.Client)));
      const [reply] = await peer.receive(1);
      expect([...reply!.subarray(0, 3)]).toEqual([0, 7, 0x80]);
      expect([...reply!.subarray(13)]).toEqual([at.address.family, ...at.address.bytes]);
      expect(counted("queriesTcp")).toBe(1);
      expect(counted("connectionsTcp")).toBe(1);
    },
  );

  test("a query may come octet by octet", async () => {
    const { at } = await start();
    const peer = new Peer(at);
    for (const octet of framed(query(1, Command.Echo), query(2, Command.Echo, 1, 2, 3))) {
      peer.socket.write(Buffer.from([octet]));
      await sleep(1);
    }
    expect(ids(await peer.receive(2))).toEqual([1, 2]);
  });

  test("queries are answered in their order however they are cut into segments", async () => {
    const { at } = await start();
    const sizes = fc.array(fc.integer({ min: 0, max: 600 }), { minLength: 1, maxLength: 12 });
    const cuts = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(sizes, cuts, async (sizesOfQueries, lengths) => {
        const peer = new Peer(at);
        const queries = sizesOfQueries.map((size, id) =>
          Buffer.concat([query(id, Command.Echo), Buffer.alloc(size, id)]),
        );
        const octets = framed(...queries);
        for (let from = 0, i = 0; from < octets.length; i += 1) {
          const to = from + lengths[i % lengths.length]!;
          peer.socket.write(octets.subarray(from, to));
          await new Promise(setImmediate);
          from = to;
        }
        const replies = await peer.receive(queries.length);
        expect(ids(replies)).toEqual(ids(queries));
        expect(replies.map((reply) => reply.length)).toEqual(queries.map((each) => each.length));
        peer.socket.destroy();
      }),
      { numRuns: 25, seed: 7 },
    );
  });

  test("1,000 queries in one piece are all answered, but those that get no answer", async () => {
    const { at } = await start();
    const peer = new Peer(at);
    const all = Array.from({ length: 1_000 }, (_, id) =>
      query(id, id % 10 === 3 ? Command.Silence : Command.Echo),
    );
    peer.socket.write(framed(...all));
    const replies = await peer.receive(900);
    expect(ids(replies)).toEqual(Array.from(all.keys()).filter((id) => id % 10 !== 3));
  });

  test("a response may be as long as a message can be", async () => {
    const { at } = await start();
    const peer = new Peer(at);
    peer.socket.write(framed(query(1, Command.Grow, 0xff, 0xff), query(2, Command.Echo)));
    const replies = await peer.receive(2);
    expect(replies.map((reply) => reply.length)).toEqual([65_535, 13]);
  });

  test.each([0, 1, 11, 2_049, 65_535])(
    "a length of %i closes the connection, once the queries before it in the same chunk are answered",
    async (length) => {
      const { at } = await start();
      const peer = new Peer(at);
      const queries = framed(query(1, Command.Echo), query(2, Command.Grow, 0xff, 0xff));
      const ignored = framed(query(3, Command.Echo));
      peer.socket.write(Buffer.concat([queries, Buffer.from([length >> 8, length & 0xff]), ignored]));
      await peer.closed();
      expect(ids(peer.messages)).toEqual([1, 2]);
    },
  );

  test.each([
    ["TLS", Buffer.from("1603010200010001fc0303", "hex")],
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["the PROXY protocol", Buffer.from("0d0a0d0a000d0a515549540a2111000c", "hex")],
  ])("%s closes the connection at once", async (_what, octets) => {
    const { at, counted } = await start();
    const peer = new Peer(at);
    peer.socket.write(octets);
    await peer.closed();
    expect(counted("queriesTcp")).toBe(0);
  });

  test("a client that closes its side still gets its answers", async () => {
    const { at } = await start();
    const peer = new Peer(at);
    peer.socket.end(framed(query(1, Command.Grow, 0xff, 0xff), query(2, Command.Echo)));
    await peer.closed();
    expect(peer.messages.length).toBe(2);
  });

  test("nonsense after an answer closes the connection, whether the client closes it or not", async () => {
    const { at, counted } = await start();
    const peer = connect({ host: at.address.text, port: at.port, allowHalfOpen: true });
    closeAfterwards(peer);
    peer.on("error", () => {});
    peer.write(Buffer.concat([framed(query(1, Command.Echo)), Buffer.of(0, 0)]));
    expect((await once(peer, "data"))[0].length).toBe(15);
    expect(counted("connectionsOpen")).toBe(1);
    await until(() => counted("connectionsOpen") === 0);
  });

  test("an answer that throws becomes SERVFAIL, and the connection goes on", async () => {
    const { at, crashes, counted } = await start();
    const peer = new Peer(at);
    peer.socket.write(framed(query(1, Command.Throw), query(2, Command.Throw), query(3, Command.Echo)));
    const replies = await peer.receive(3);
    expect(ids(replies)).toEqual([1, 2, 3]);
    expect(replies.map((reply) => reply[3])).toEqual([2, 2, 0]);
    expect(counted("crashes")).toBe(2);
    expect(crashes[0]).toContain("a bug");
  });
});

describe("responses that take their time (RFC 7766 §6.2.1.1, §7)", () => {
  /** A query with this octet is answered later. */
  const LATER = Command.Forward;

  /** Answers such a query with the messages that `make` makes for its ID. */
  function respondWith(
    make: (id: number) => AsyncGenerator<Uint8Array>,
  ): Pick<StreamServerOptions, "respondLater"> {
    return { respondLater: (octets) => make(((octets[0] ?? 0) << 8) | (octets[1] ?? 0)) };
  }

  test("queries after one that is answered later do not wait for it", async () => {
    const gate = Promise.withResolvers<void>();
    const { at } = await start(
      {},
      "127.0.0.1",
      respondWith(async function* (id) {
        yield query(id, 1);
        await gate.promise;
        yield query(id, 2);
        yield query(id, 3);
      }),
    );
    const peer = new Peer(at);
    peer.socket.write(framed(query(1, LATER), query(2, Command.Echo), query(3, Command.Echo)));
    expect(ids(await peer.receive(3)).toSorted()).toEqual([1, 2, 3]);
    gate.resolve();
    const messages = await peer.receive(5);
    expect(messages.slice(3).map((message) => [message[1], message[12]])).toEqual([
      [1, 2],
      [1, 3],
    ]);
  });

  test("the next message is made only once the client has read those before it", async () => {
    let made = 0;
    const { at } = await start(
      {},
      "127.0.0.1",
      respondWith(async function* (id) {
        for (; made < 2_000; made += 1) yield Buffer.concat([query(id, LATER), Buffer.alloc(16_000)]);
      }),
    );
    const peer = new Peer(at);
    peer.socket.pause();
    peer.socket.write(framed(query(9, LATER)));
    await sleep(200);
    const ahead = made;
    // 16 KB each: what the kernel's buffers on both sides take, and 16 KiB of ours.
    expect(ahead).toBeLessThan(1_000);
    await sleep(50);
    expect(made).toBe(ahead);
    peer.socket.resume();
    expect((await peer.receive(2_000)).length).toBe(2_000);
  });

  test("of one connection four are under way, and what comes after them waits", async () => {
    const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
    const begun: number[] = [];
    const { at } = await start(
      {},
      "127.0.0.1",
      respondWith(async function* (id) {
        begun.push(id);
        await gates[id]!.promise;
        yield query(id, 0);
      }),
    );
    const peer = new Peer(at);
    const other = new Peer(at);
    peer.socket.write(framed(...gates.map((_, id) => query(id, LATER)), query(5, Command.Echo)));
    await until(() => begun.length === 4);
    other.socket.write(framed(query(6, Command.Echo)));
    expect(ids(await other.receive(1))).toEqual([6]);
    expect(peer.messages).toEqual([]);
    gates[2]!.resolve();
    expect(ids(await peer.receive(1))).toEqual([2]);
    await until(() => begun.length === 5);
    gates[0]!.resolve();
    expect(ids(await peer.receive(3)).toSorted()).toEqual([0, 2, 5]);
  });

  test("a client that goes away ends them", async () => {
    let ended = false;
    const { at } = await start(
      {},
      "127.0.0.1",
      respondWith(async function* (id) {
        try {
          for (;;) yield Buffer.concat([query(id, LATER), Buffer.alloc(16_000)]);
        } finally {
          ended = true;
        }
      }),
    );
    const peer = new Peer(at);
    peer.socket.pause();
    peer.socket.write(framed(query(1, LATER)));
    await sleep(50);
    peer.socket.destroy();
    await until(() => ended);
  });

  test("one that throws closes its connection and is told", async () => {
    const { at, crashes, counted } = await start(
      {},
      "127.0.0.1",
      respondWith(async function* (id) {
        yield query(id, 0);
        throw new Error("a bug later");
      }),
    );
    const peer = new Peer(at);
    peer.socket.write(framed(query(1, LATER)));
    await peer.closed();
    expect(crashes[0]).toContain("a bug later");
    expect(counted("crashes")).toBe(1);
  });
});

describe("the time of the event loop", () => {
  test("a query does not wait for the hundred of another connection", async () => {
    const { at } = await start();
    const greedy = new Peer(at);
    const modest = new Peer(at);
    greedy.socket.write(framed(...Array.from({ length: 100 }, (_, id) => query(id, Command.Toil, 0, 10))));
    await greedy.receive(1);
    modest.socket.write(framed(query(7, Command.Echo)));
    expect(ids(await modest.receive(1))).toEqual([7]);
    expect(greedy.messages.length).toBeLessThan(20);
    expect(ids(await greedy.receive(100))).toEqual(Array.from({ length: 100 }, (_, id) => id));
  });

  test("connections that ask much get their answers by turns", async () => {
    const { at } = await start();
    const peers = Array.from({ length: 4 }, () => new Peer(at));
    const many = framed(...Array.from({ length: 40 }, (_, id) => query(id, Command.Toil, 0, 5)));
    for (const { socket } of peers) socket.write(many);
    const [first] = peers;
    await first!.receive(40);
    for (const { messages } of peers) expect(messages.length).toBeGreaterThan(30);
    for (const peer of peers) expect(ids(await peer.receive(40)).length).toBe(40);
  });

  test("a client that goes away while its queries wait is forgotten", async () => {
    const { at, counted } = await start();
    const peer = new Peer(at);
    peer.socket.write(framed(...Array.from({ length: 100 }, (_, id) => query(id, Command.Toil, 0, 10))));
    await peer.receive(1);
    peer.socket.destroy();
    await until(() => counted("connectionsOpen") === 0);
    expect(counted("queriesTcp")).toBeLessThan(50);
  });
});

describe("limits of connections", () => {
  test("one client's connections are limited, and another client is not touched", async () => {
    const { at, counted } = await start({ maxConnectionsPerClient: 2 });
    const peers = [new Peer(at), new Peer(at)];
    await Promise.all(peers.map((peer) => once(peer.socket, "connect")));
    const third = new Peer(at);
    await third.closed();
    const other = new Peer(at, "127.0.0.2");
    for (const peer of [...peers, other]) peer.socket.write(framed(query(1, Command.Echo)));
    for (const peer of [...peers, other]) expect((await peer.receive(1)).length).toBe(1);
    expect(counted("connectionsRefused")).toBe(1);
    peers[0]!.socket.destroy();
    await sleep(20);
    const fourth = new Peer(at);
    fourth.socket.write(framed(query(4, Command.Echo)));
    expect(ids(await fourth.receive(1))).toEqual([4]);
  });

  test("a client whose connections come to nothing again and again has to wait, and another client does not", async () => {
    const { at, counted } = await start({ maxWastedPerClient: 2 });
    const left = new Peer(at);
    await once(left.socket, "connect");
    left.socket.destroy();
    const nonsense = new Peer(at);
    nonsense.socket.write(Buffer.concat([framed(query(1, Command.Echo)), Buffer.from([0xff, 0xff])]));
    expect((await nonsense.receive(1)).length).toBe(1);
    await nonsense.closed();
    await until(() => counted("connectionsOpen") === 0);
    const barred = new Peer(at);
    await barred.closed();
    expect(counted("connectionsBarred")).toBe(1);
    const other = new Peer(at, "127.0.0.2");
    other.socket.write(framed(query(2, Command.Echo)));
    expect(ids(await other.receive(1))).toEqual([2]);
    await sleep(1_000);
    const later = new Peer(at);
    later.socket.write(framed(query(3, Command.Echo)));
    expect(ids(await later.receive(1))).toEqual([3]);
  });

  test("a client that asks on each of its connections never has to wait", async () => {
    const { at, counted } = await start({ maxWastedPerClient: 1 });
    for (let id = 0; id < 20; id += 1) {
      const peer = new Peer(at);
      peer.socket.write(framed(query(id, Command.Echo)));
      expect(ids(await peer.receive(1))).toEqual([id]);
      peer.socket.destroy();
    }
    expect(counted("connectionsBarred")).toBe(0);
  });

  test("one connection too many closes the one that has been idle longest (RFC 7766 §6.2.3)", async () => {
    const { at } = await start({ maxConnections: 3 });
    const peers: Peer[] = [];
    for (let id = 0; id < 3; id += 1) {
      const peer = new Peer(at);
      peer.socket.write(framed(query(id, Command.Echo)));
      await peer.receive(1);
      peers.push(peer);
    }
    peers[0]!.socket.write(framed(query(9, Command.Echo)));
    await peers[0]!.receive(2);
    const late = new Peer(at);
    late.socket.write(framed(query(4, Command.Echo)));
    await late.receive(1);
    await peers[1]!.closed();
    expect(peers.map((peer) => peer.isClosed)).toEqual([false, true, false]);
  });

  test("a connection without a whole query is closed in time, even when octets trickle in", async () => {
    const { at } = await start({ idleTimeoutMs: 240 });
    const idle = new Peer(at);
    const slow = new Peer(at);
    const busy = new Peer(at);
    const octets = framed(Buffer.concat([query(1, Command.Echo), Buffer.alloc(500)]));
    for (let i = 0; i < 12; i += 1) {
      slow.socket.write(octets.subarray(i, i + 1));
      busy.socket.write(framed(query(i, Command.Echo)));
      await sleep(40);
    }
    expect([idle.isClosed, slow.isClosed, busy.isClosed]).toEqual([true, true, false]);
    expect((await busy.receive(12)).length).toBe(12);
  });

  test("idle connections have less time in a table that is nearly full (RFC 7766 §6.2.3)", async () => {
    const { at, counted } = await start({ idleTimeoutMs: 3_000, maxConnections: 10 });
    const few = [new Peer(at), new Peer(at), new Peer(at)];
    await until(() => counted("connectionsOpen") === 3);
    await sleep(500);
    expect(few.some(({ isClosed }) => isClosed)).toBe(false);
    const many = Array.from({ length: 7 }, () => new Peer(at));
    // A tenth of the time in a full table: those that came first go at once, and then there is room again.
    await until(() => few.every(({ isClosed }) => isClosed));
    expect(many.filter(({ isClosed }) => isClosed).length).toBeLessThan(7);
  });

  test("a client that does not read is not answered on, and costs no more than its share of memory", async () => {
    const { at, counted } = await start();
    const peer = new Peer(at);
    peer.socket.pause();
    const many = framed(...Array.from({ length: 2_000 }, (_, id) => query(id, Command.Grow, 0x40, 0)));
    peer.socket.write(many);
    await sleep(200);
    const answered = counted("queriesTcp")!;
    // 16 KiB each: what the kernel's buffers on both sides take, and 16 KiB of ours.
    expect(answered).toBeLessThan(1_000);
    await sleep(50);
    expect(counted("queriesTcp")).toBe(answered);
    const other = new Peer(at);
    other.socket.write(framed(query(1, Command.Echo)));
    expect(ids(await other.receive(1))).toEqual([1]);
    peer.socket.resume();
    expect(ids(await peer.receive(2_000))).toEqual(Array.from({ length: 2_000 }, (_, id) => id));
  });
});

describe("starting and stopping", () => {
  test("an address that is taken is refused", async () => {
    const { at } = await start();
    const again = startStreams({ endpoints: [endpoint("127.0.0.1"), at] });
    await expect(again).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  test("stopping sends what is answered, closes all connections, and does not wait for who does not read", async () => {
    const { at, server } = await start();
    const idle = new Peer(at);
    const peer = new Peer(at);
    const deaf = new Peer(at);
    deaf.socket.pause();
    await Promise.all([idle, peer, deaf].map(({ socket }) => once(socket, "connect")));
    deaf.socket.write(framed(...Array.from({ length: 500 }, (_, id) => query(id, Command.Grow, 0xff, 0xff))));
    peer.socket.write(framed(query(1, Command.Echo)));
    await peer.receive(1);
    await server.stop();
    await Promise.all([idle.closed(), peer.closed()]);
    const late = new Peer(at);
    await late.closed();
  });
});
