import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { defaultAnswerOptions } from "../../src/answer/options.ts";
import { Transport } from "../../src/answer/transport.ts";
import type { Endpoint } from "../../src/config/node.ts";
import { inheritedCount, inspectInherited } from "../../src/serve/inherited.ts";
import { SocketSet } from "../../src/serve/socket-set.ts";
import { openTcpSocket, openUdpSocket } from "../../src/serve/sockets.ts";
import { Linux, systemCalls } from "../../src/serve/system.ts";
import { UdpWorkers, udpRows } from "../../src/serve/udp-workers.ts";
import { counterRow, newCounters } from "../../src/telemetry/counters.ts";
import { EchoForwarder } from "./echo-forwarder.ts";
import { startStreams } from "./streams.ts";
import { Command } from "./toy-responder.ts";
import { ask, endpoint, query } from "./udp-client.ts";

const CALLS = systemCalls();

/** A program that says what it was started with. */
const HEIR = `
  const { inspectInherited } = await import(${JSON.stringify(new URL("../../src/serve/inherited.ts", import.meta.url).href)});
  const { systemCalls } = await import(${JSON.stringify(new URL("../../src/serve/system.ts", import.meta.url).href)});
  const { sockets, problems } = inspectInherited(systemCalls(), Number(process.env.LISTEN_FDS));
  console.log(JSON.stringify({
    sockets: sockets.map(({ transport, endpoint, sharesPort }) => [transport, endpoint.address.text, endpoint.port, sharesPort]),
    problems,
  }));
`;

describe("the environment of sd_listen_fds(3)", () => {
  test.each([
    ["is for this process", { LISTEN_PID: "70", LISTEN_FDS: "2" }, 2],
    ["is for another process", { LISTEN_PID: "71", LISTEN_FDS: "2" }, 0],
    ["is from a predecessor", { MERIDIAN_PREDECESSOR: "60", LISTEN_FDS: "3" }, 3],
    ["has no count", { LISTEN_PID: "70" }, 0],
    ["has nonsense for a count", { LISTEN_PID: "70", LISTEN_FDS: "-1" }, 0],
    ["is empty", {}, 0],
  ])("counts as it says when it %s", (_, environment, count) => {
    const own: NodeJS.ProcessEnv = { ...environment, PATH: "/bin" };
    expect(inheritedCount(own, 70)).toBe(count);
    expect(own).toEqual({ PATH: "/bin" });
  });
});

describe.skipIf(CALLS === null)(
  `sockets that are passed${CALLS === null ? " (skipped: needs koffi)" : ""}`,
  () => {
    const calls = CALLS!;
    const stops: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const stop of stops.splice(0).reverse()) await stop();
    });

    /** UDP sockets of one endpoint, as a predecessor leaves them. */
    function openUdp(count: number): { readonly fds: readonly number[]; readonly at: Endpoint } {
      const first = openUdpSocket(calls, endpoint("127.0.0.1"));
      const at = describeSocket(first.fd).endpoint;
      const others = Array.from({ length: count - 1 }, () => openUdpSocket(calls, at).fd);
      return { fds: [first.fd, ...others], at };
    }

    function describeSocket(fd: number): { readonly fd: number; readonly endpoint: Endpoint } {
      const [socket] = inspectInherited(calls, 1, fd).sockets;
      expect(socket).toBeDefined();
      return socket!;
    }

    function inherit(fds: readonly number[]): SocketSet {
      return new SocketSet(
        calls,
        fds.flatMap((fd) => inspectInherited(calls, 1, fd).sockets),
      );
    }

    async function serve(sockets: SocketSet, at: Endpoint, workers: number): Promise<UdpWorkers> {
      const running = await UdpWorkers.start({
        endpoints: [at],
        workers,
        sockets,
        book: null,
        challenges: null,
        options: defaultAnswerOptions,
        counters: newCounters(udpRows(workers)),
        firstRow: 0,
        samples: null,
        ownCounters: counterRow(newCounters(1), 0),
        forwarder: new EchoForwarder(),
        onEvent: () => {},
        responder: new URL("./toy-responder.ts", import.meta.url),
      });
      stops.push(() => running.stop());
      return running;
    }

    /** Clients from many ports, so that every socket of the port gets some of them. */
    async function askAll(at: Endpoint): Promise<number> {
      const replies = await Promise.all(
        Array.from({ length: 64 }, (_, id) => ask(at, query(id, Command.Echo))),
      );
      return replies.filter((reply) => reply !== null).length;
    }

    test("a child finds what each is and where it is bound, and says what it cannot serve", async () => {
      const udp = openUdpSocket(calls, endpoint("127.0.0.1"));
      const tcp = openTcpSocket(calls, endpoint("::1"));
      const child = spawn(process.execPath, ["--input-type=module", "-e", HEIR], {
        stdio: ["ignore", "pipe", "inherit", udp.fd, tcp, "ignore"],
        env: { ...process.env, LISTEN_FDS: "3" },
      });
      let said = "";
      child.stdout!.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
      await once(child, "close");
      expect(JSON.parse(said)).toEqual({
        sockets: [
          ["udp", "127.0.0.1", describeSocket(udp.fd).endpoint.port, true],
          ["tcp", "::1", describeSocket(tcp).endpoint.port, false],
        ],
        problems: ["passed file 5 is no socket"],
      });
      for (const fd of [udp.fd, tcp]) calls.close(fd);
    });

    test.each([
      ["as many workers as sockets", 2, 2],
      ["fewer workers than sockets", 5, 2],
      ["more workers than sockets", 1, 3],
    ])("%s: whatever socket a query comes to is read", async (_, passed, workers) => {
      const { fds, at } = openUdp(passed);
      const sockets = inherit(fds);
      await serve(sockets, at, workers);
      expect(sockets.handOver().length).toBe(Math.max(passed, workers));
      expect(await askAll(at)).toBe(64);
    });

    test("a socket that does not share its port is read by all workers", async () => {
      const { fds, at } = openUdp(1);
      const alone = inspectInherited(calls, 1, fds[0]).sockets.map((socket) => ({
        ...socket,
        sharesPort: false,
      }));
      const sockets = new SocketSet(calls, alone);
      await serve(sockets, at, 3);
      expect(sockets.handOver()).toEqual(fds);
      expect(await askAll(at)).toBe(64);
    });

    test("queries that wait in a socket are answered by who takes it over", async () => {
      const { fds, at } = openUdp(2);
      const waiting = askAll(at);
      await serve(inherit(fds), at, 2);
      expect(await waiting).toBe(64);
    });

    test("queries that came before the end are answered before the socket is closed", async () => {
      const { fds, at } = openUdp(1);
      const workers = await serve(inherit(fds), at, 1);
      const client = createSocket("udp4");
      let replies = 0;
      client.on("message", () => {
        replies += 1;
      });
      const send = (packet: Buffer): Promise<void> =>
        new Promise((resolve) => client.send(packet, at.port, at.address.text, () => resolve()));
      await send(query(0, Command.Toil, 0, 100));
      await sleep(20);
      await Promise.all(Array.from({ length: 150 }, (_, id) => send(query(id, Command.Echo))));
      await workers.stop();
      const deadline = performance.now() + 2_000;
      while (replies < 151 && performance.now() < deadline) await sleep(5);
      client.close();
      expect(replies).toBe(151);
    });

    test("a TCP socket that is passed goes on accepting", async () => {
      const fd = openTcpSocket(calls, endpoint("127.0.0.1"));
      const { endpoint: at } = describeSocket(fd);
      const before = connect(at.port, at.address.text);
      const sockets = inherit([fd]);
      const { server } = await startStreams({ endpoints: [at], sockets });
      expect(sockets.handOver()).toEqual([fd]);
      expect(server.addresses(Transport.Tcp)).toEqual([at]);
      before.write(Buffer.concat([Buffer.of(0, 13), query(1, Command.Echo)]));
      const [reply] = await once(before, "data");
      expect(reply.length).toBe(15);
      before.destroy();
    });

    test("the kernel keeps little of what a client does not read, on sockets of our own and on those passed", async () => {
      const passed = openTcpSocket(calls, endpoint("127.0.0.1"));
      calls.setsockopt(passed, Linux.SOL_SOCKET, Linux.SO_SNDBUF, int32(4_000_000), 4);
      const places = [endpoint("127.0.0.1"), describeSocket(passed).endpoint];
      const { server, counted } = await startStreams({ endpoints: places, sockets: inherit([passed]) });
      const long = Buffer.concat([Buffer.of(0, 15), query(1, Command.Grow, 0x40, 0)]);
      for (const at of server.addresses(Transport.Tcp)) {
        const deaf = connect(at.port, at.address.text);
        deaf.pause().write(Buffer.concat(new Array<Buffer>(500).fill(long)));
        const before = counted("queriesTcp")!;
        await sleep(100);
        // 16 KiB each: 256 KiB here, and what the client's own kernel takes.
        expect(counted("queriesTcp")! - before).toBeGreaterThan(10);
        expect(counted("queriesTcp")! - before).toBeLessThan(100);
        deaf.destroy();
      }
    });

    test("what nobody wants is closed, and named", () => {
      const { fds, at } = openUdp(1);
      const sockets = inherit(fds);
      expect(sockets.isInherited("udp", at)).toBe(true);
      expect(sockets.isInherited("tcp", at)).toBe(false);
      expect(sockets.closeRest()).toEqual([`udp 127.0.0.1:${at.port}`]);
      expect(sockets.closeRest()).toEqual([]);
      expect(() => readlinkSync(`/proc/self/fd/${fds[0]}`)).toThrow(/ENOENT/);
    });
  },
);

function int32(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}
