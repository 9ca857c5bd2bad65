/** What a TCP probe says of ports that are open, closed, and silent. */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";
import type { Outcome } from "../../src/health/report.ts";
import { probeTcp } from "../../src/probe/tcp.ts";
import { closedPort, listen } from "./servers.ts";

const never = new AbortController().signal;

test("an open port is a success, with the time of the handshake alone", async () => {
  const port = await listen(() => {});
  expect(await probeTcp("127.0.0.1", { kind: "tcp", port }, 2_000, never)).toEqual({
    kind: "success",
    timings: { connectMs: expect.any(Number), tlsMs: null, firstByteMs: null },
  });
});

test("a closed port is refused", async () => {
  const outcome = await probeTcp("127.0.0.1", { kind: "tcp", port: await closedPort() }, 2_000, never);
  expect(outcome).toMatchObject({ error: "refused", detail: "connection refused" });
});

test("an address without a route is unreachable", async () => {
  // The kernel has no TCP route to a multicast group, whatever network the machine is in.
  const outcome = await probeTcp("224.0.0.1", { kind: "tcp", port: 80 }, 2_000, never);
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
    outcome = await probeTcp("127.0.0.1", { kind: "tcp", port }, 200, never);
  }
  expect(outcome).toMatchObject({ error: "timeout", detail: "waited 200 ms for a connection" });
});

test("a probe that is given up says nothing of the VIP", async () => {
  const port = await listen(() => {});
  expect(await probeTcp("127.0.0.1", { kind: "tcp", port }, 2_000, AbortSignal.abort())).toBeNull();
});
