/** What a TCP or TLS probe says of ports that are open, closed, and silent, and of what is said there. */

import { once } from "node:events";
import type { Socket } from "node:net";
import { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import type { TlsProbeSpec } from "../../src/config/check.ts";
import type { Outcome } from "../../src/health/report.ts";
import { probeTcp } from "../../src/probe/tcp.ts";
import { closedPort, listen, listenTls, useTestCa } from "./servers.ts";
import { tcpSpec, tls } from "./specs.ts";

const never = new AbortController().signal;

test("an open port is a success, with the time of the handshake alone", async () => {
  const port = await listen(() => {});
  expect(await probeTcp("127.0.0.1", tcpSpec(port), 2_000, never)).toEqual({
    kind: "success",
    timings: { connectMs: expect.any(Number), tlsMs: null, firstByteMs: null, totalMs: expect.any(Number) },
  });
});

test("a closed port is refused", async () => {
  const outcome = await probeTcp("127.0.0.1", tcpSpec(await closedPort()), 2_000, never);
  expect(outcome).toMatchObject({ error: "refused", detail: "connection refused" });
});

test("an address without a route is unreachable", async () => {
  // The kernel has no TCP route to a multicast group, whatever network the machine is in.
  const outcome = await probeTcp("224.0.0.1", tcpSpec(80), 2_000, never);
  expect(outcome).toMatchObject({ error: "unreachable", detail: expect.stringContaining("ENETUNREACH") });
});

test("a port whose queue of connections is full times out", async () => {
  // A thread that listens and then sleeps never accepts: the kernel drops handshakes once the short queue is full.
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
     const server = require("node:net").createServer();
     server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
    { eval: true },
  );
  onTestFinished(async () => void (await worker.terminate()));
  const [port] = await once(worker, "message");
  let outcome: Outcome | null = null;
  for (let i = 0; i < 5 && outcome?.kind !== "failure"; i += 1) {
    outcome = await probeTcp("127.0.0.1", tcpSpec(port), 200, never);
  }
  expect(outcome).toMatchObject({ error: "timeout", detail: "waited 200 ms for a connection" });
});

test("a probe that is given up says nothing of the VIP", async () => {
  const port = await listen(() => {});
  expect(await probeTcp("127.0.0.1", tcpSpec(port), 2_000, AbortSignal.abort())).toBeNull();
});

const redis = (socket: Socket): void =>
  void socket.on("data", (data) => {
    socket.write(String(data) === "PING\r\n" ? "+PO" : "-ERR\r\n");
    setTimeout(() => socket.write("NG\r\n"), 20);
  });
const hex = (text: string): string => Buffer.from(text, "latin1").toString("hex");

test("what is sent is answered with what must come, in pieces or not", async () => {
  const port = await listen(redis);
  const asked = tcpSpec(port, { send: hex("PING\r\n"), expect: hex("+PONG") });
  const outcome = await probeTcp("127.0.0.1", asked, 2_000, never);
  expect(outcome).toMatchObject({ kind: "success", timings: { tlsMs: null } });
  const { connectMs, firstByteMs, totalMs } = outcome!.timings;
  expect(connectMs).toBeLessThan(firstByteMs!);
  expect(firstByteMs! + 10).toBeLessThan(totalMs!);
});

test("what is sent arrives, where nothing need come", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const port = await listen((socket) => socket.once("data", (data) => resolve(data.toString("hex"))));
  const asked = tcpSpec(port, { send: "00ff" });
  expect(await probeTcp("127.0.0.1", asked, 2_000, never)).toMatchObject({ kind: "success" });
  expect(await promise).toBe("00ff");
});

test.each<[string, (socket: Socket) => void, string, string]>([
  ["another greeting", (socket) => socket.end("500 no\r\n"), "body", 'expected "220 ", got "500 no\\r\\n"'],
  ["octets", (socket) => socket.end(Buffer.from("00ff", "hex")), "body", 'expected "220 ", got 00ff'],
  [
    "far too much",
    (socket) => socket.write("x".repeat(100_000)),
    "body",
    `expected "220 ", got "${"x".repeat(60)}"...`,
  ],
  ["a close", (socket) => socket.end(), "reset", 'connection closed before "220 " from the VIP'],
  ["silence", () => {}, "timeout", 'waited 200 ms for "220 " from the VIP'],
])("%s instead of what must come is a failure of its class", async (_, serve, error, detail) => {
  const asked = tcpSpec(await listen(serve), { expect: hex("220 ") });
  const outcome = await probeTcp("127.0.0.1", asked, error === "timeout" ? 200 : 2_000, never);
  expect(outcome).toMatchObject({ kind: "failure", error, detail });
});

describe("with TLS", () => {
  useTestCa();

  const year = 8_760 * 3_600_000;
  const peer = { host: "www.gslb.example", tls };

  test("the handshake is enough, and what is said behind it can be asked for", async () => {
    const port = await listenTls("good", redis);
    expect(await probeTcp("127.0.0.1", tcpSpec(port, peer), 2_000, never)).toMatchObject({
      kind: "success",
      timings: { tlsMs: expect.any(Number) },
    });
    const asked = tcpSpec(port, { ...peer, send: hex("PING\r\n"), expect: hex("+PONG") });
    expect(await probeTcp("127.0.0.1", asked, 2_000, never)).toMatchObject({ kind: "success" });
  });

  test("a certificate must still be valid for as long as the check says, even where any other will do", async () => {
    const lasting = async (certificate: string, changes: Partial<TlsProbeSpec>) => {
      const port = await listenTls(certificate, () => {});
      return probeTcp("127.0.0.1", tcpSpec(port, { ...peer, tls: { ...tls, ...changes } }), 2_000, never);
    };
    expect(await lasting("good", { validForMs: year })).toMatchObject({ kind: "success" });
    // All end with 2099.
    const century = 100 * year;
    expect(await lasting("good", { validForMs: century })).toMatchObject({
      error: "certificate",
      detail:
        "the certificate of www.gslb.example expires on Dec 31 00:00:00 2099 GMT, expected it to be valid for 876000h",
    });
    expect(await lasting("expired", { insecure: true })).toMatchObject({ kind: "success" });
    expect(await lasting("expired", { insecure: true, validForMs: 1 })).toMatchObject({
      error: "certificate",
    });
  });

  test.each([
    ["stranger", /self-signed certificate/],
    ["other", /is not in the cert's altnames/],
    ["expired", /certificate has expired/],
  ])("the certificate '%s' is refused", async (certificate, detail) => {
    const port = await listenTls(certificate, () => {});
    expect(await probeTcp("127.0.0.1", tcpSpec(port, peer), 2_000, never)).toMatchObject({
      error: "certificate",
      detail: expect.stringMatching(detail),
    });
  });
});
