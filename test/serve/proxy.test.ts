import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import type { ConnectionLimits } from "../../src/serve/connections.ts";
import { readProxyHeader } from "../../src/serve/proxy.ts";
import { parseAddress, parsePrefix } from "../../src/wire/address.ts";
import { fc } from "../fast-check.ts";
import { closeAfterwards, startStreams } from "./streams.ts";
import { Command } from "./toy-responder.ts";
import { endpoint, query } from "./udp-client.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
/** From 192.0.2.1:49200 to 198.51.100.53:53. */
const TCP4 = hex(SIGNATURE, "21 11 000c", "c0000201 c6336435 c030 0035");
/** From [2001:db8::7]:49200 to [2001:db8::53]:53. */
const TCP6 = hex(
  SIGNATURE,
  "21 21 0024",
  "20010db8000000000000000000000007 20010db8000000000000000000000053 c030 0035",
);
/** The same as `TCP4` with two TLVs: an authority of 3 octets, and a no-op of none. */
const WITH_TLVS = hex(SIGNATURE, "21 11 0015", "c0000201 c6336435 c030 0035", "02 0003 616263", "04 0000");
const LOCAL = hex(SIGNATURE, "20 00 0000");

function hex(...parts: readonly string[]): Buffer {
  return Buffer.from(parts.join("").replaceAll(" ", ""), "hex");
}

describe("a PROXY header, version 2 (proxy-protocol.txt §2.2)", () => {
  test.each([
    ["TCP over IPv4", TCP4, "192.0.2.1"],
    ["TCP over IPv6", TCP6, "2001:db8::7"],
    ["one with TLVs, which are skipped", WITH_TLVS, "192.0.2.1"],
    ["LOCAL, which names nobody", LOCAL, null],
    [
      "LOCAL with addresses, which mean nothing",
      hex(SIGNATURE, "20 11 000c", "c0000201 c6336435 c030 0035"),
      null,
    ],
    [
      "an IPv4-mapped address",
      hex(SIGNATURE, "21 21 0024", "00000000000000000000ffffc0000201", "00".repeat(20)),
      "192.0.2.1",
    ],
  ])("is read: %s", (_what, octets, client) => {
    for (let cut = 0; cut < octets.length; cut += 1)
      expect(readProxyHeader(octets.subarray(0, cut))).toEqual({ kind: "more" });
    const found = readProxyHeader(Buffer.concat([octets, Buffer.from("what follows")]));
    const expected = client === null ? null : parseAddress(client);
    expect(found).toEqual({ kind: "header", length: octets.length, client: expected });
  });

  test.each([
    ["another signature", hex("0d0a0d0a000d0a515549540b", "21 11 000c")],
    ["version 1 of the protocol", Buffer.from("PROXY TCP4 192.0.2.1 198.51.100.53 49200 53\r\n")],
    ["another version", hex(SIGNATURE, "31 11 000c", "00".repeat(12))],
    ["an unknown command", hex(SIGNATURE, "22 11 000c", "00".repeat(12))],
    ["UDP", hex(SIGNATURE, "21 12 000c", "00".repeat(12))],
    ["a Unix socket", hex(SIGNATURE, "21 31 00d8", "00".repeat(216))],
    ["no address family with the command PROXY", hex(SIGNATURE, "21 00 0000")],
    ["no room for the addresses", hex(SIGNATURE, "21 11 000b", "00".repeat(11))],
    ["more than we read", hex(SIGNATURE, "21 11 03f1")],
    ["a query", query(1, 0)],
  ])("is refused: %s", (_what, octets) => {
    expect(readProxyHeader(octets)).toEqual({ kind: "bad" });
  });

  test("any octets are read without a throw, and never past their end", () => {
    const octets = fc.tuple(
      fc.constantFrom(Buffer.alloc(0), hex(SIGNATURE)),
      fc.uint8Array({ maxLength: 600 }),
    );
    fc.assert(
      fc.property(octets, ([start, rest]) => {
        const all = Buffer.concat([start, rest]);
        const found = readProxyHeader(all);
        if (found.kind === "header") expect(found.length).toBeLessThanOrEqual(all.length);
      }),
      { numRuns: 2_000, seed: 11 },
    );
  });
});

/** A server to which 127.0.0.2 is a load balancer; returns its port. */
async function start(limits: Partial<ConnectionLimits> = {}): Promise<number> {
  const { server } = await startStreams({
    endpoints: [endpoint("127.0.0.1")],
    proxies: [parsePrefix("127.0.0.2/32")!],
    limits: { maxConnectionsPerClient: 2, ...limits },
  });
  return server.addresses(Transport.Tcp)[0]!.port;
}

/** Connects from an address, sends octets in pieces, and says what comes back; empty: it was closed. */
async function say(port: number, from: string, ...pieces: readonly Buffer[]): Promise<Buffer> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: from, noDelay: true });
  closeAfterwards(socket);
  socket.on("error", () => {});
  const nothing = (): Buffer[] => [Buffer.alloc(0)];
  const closed = once(socket, "close").then(nothing, nothing);
  const said = once(socket, "data").catch(nothing);
  for (const piece of pieces) {
    socket.write(piece);
    await sleep(5);
  }
  const [reply] = await Promise.race([said, closed]);
  return reply;
}

const WHO = Buffer.concat([Buffer.from([0, 13]), query(7, Command.Client)]);

/** What the toy responder says of the client after header and command. */
function clientIn(reply: Buffer): number[] {
  return [...reply.subarray(2 + 13)];
}

describe("a listed load balancer", () => {
  test.each([
    ["IPv4", TCP4, [4, 192, 0, 2, 1]],
    ["IPv6", TCP6, [6, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]],
    ["itself, by LOCAL", LOCAL, [4, 127, 0, 0, 2]],
  ])("speaks for a client over %s", async (_what, header, client) => {
    const port = await start();
    expect(clientIn(await say(port, "127.0.0.2", Buffer.concat([header, WHO])))).toEqual(client);
  });

  test("may send header and query in pieces", async () => {
    const port = await start();
    const octets = Buffer.concat([WITH_TLVS, WHO]);
    const pieces = [
      octets.subarray(0, 5),
      octets.subarray(5, 20),
      octets.subarray(20, 44),
      octets.subarray(44),
    ];
    expect(clientIn(await say(port, "127.0.0.2", ...pieces))).toEqual([4, 192, 0, 2, 1]);
  });

  test("is closed when it sends no header", async () => {
    expect(await say(await start(), "127.0.0.2", WHO)).toHaveLength(0);
  });

  test("is closed when its header does not become whole in time", async () => {
    const port = await start({ idleTimeoutMs: 200 });
    expect(await say(port, "127.0.0.2", TCP4.subarray(0, 20))).toHaveLength(0);
  });

  test("has the limits of the clients that it speaks for, each for itself", async () => {
    const port = await start({ maxConnectionsPerClient: 2 });
    const first = Buffer.concat([TCP4, WHO]);
    const replies = [];
    for (const octets of [first, first, first, Buffer.concat([TCP6, WHO])])
      replies.push(await say(port, "127.0.0.2", octets));
    expect(replies.map((reply) => reply.length > 0)).toEqual([true, true, false, true]);
  });
});

describe("connections that come to nothing", () => {
  test("are a load balancer's health checks, however many", async () => {
    const port = await start({ maxWastedPerClient: 1 });
    for (const check of [LOCAL, Buffer.alloc(0), LOCAL, LOCAL]) {
      const socket = connect({ host: "127.0.0.1", port, localAddress: "127.0.0.2" });
      await once(socket, "connect");
      socket.end(check);
      socket.resume();
      await once(socket, "close");
    }
    expect(clientIn(await say(port, "127.0.0.2", Buffer.concat([LOCAL, WHO])))).toEqual([4, 127, 0, 0, 2]);
  });

  test("are counted for the clients that a load balancer speaks for, each for itself", async () => {
    const port = await start({ maxWastedPerClient: 1 });
    const nonsense = Buffer.from([0xff, 0xff]);
    expect(await say(port, "127.0.0.2", Buffer.concat([TCP4, nonsense]))).toHaveLength(0);
    expect(await say(port, "127.0.0.2", Buffer.concat([TCP4, WHO]))).toHaveLength(0);
    expect(await say(port, "127.0.0.2", Buffer.concat([TCP6, WHO]))).not.toHaveLength(0);
  });
});

describe("anybody else", () => {
  test("needs no header, and is closed with one", async () => {
    const port = await start();
    expect(clientIn(await say(port, "127.0.0.3", WHO))).toEqual([4, 127, 0, 0, 3]);
    expect(await say(port, "127.0.0.3", Buffer.concat([TCP4, WHO]))).toHaveLength(0);
  });
});
