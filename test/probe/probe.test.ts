/** What holds for every probe, and what is calculated of several. */

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { ProbeSpec, SingleProbeSpec } from "../../src/config/check.ts";
import type { CheckId } from "../../src/config/config.ts";
import { probe } from "../../src/probe/probe.ts";
import { closedPort, listen } from "./servers.ts";
import { httpSpec, tcpSpec } from "./specs.ts";
import { target } from "./targets.ts";

const never = new AbortController().signal;

function look(spec: ProbeSpec, signal: AbortSignal = never) {
  return probe(target("a", { probe: spec }), signal);
}

function calculated(need: number, ...probes: readonly SingleProbeSpec[]): ProbeSpec {
  const of = probes.map((part, i) => ({ check: `check${i + 1}` as CheckId, probe: part }));
  return { kind: "calculated", need, of, latencyMs: null, inverted: false };
}

const slowly = (ms: number, text: string) =>
  listen((socket) => socket.once("data", () => void sleep(ms).then(() => socket.end(text))));
const open = () => listen(() => {});
const OK = "HTTP/1.1 200 OK\r\nX-Load: 0.5\r\n\r\n";

describe("latency", () => {
  test.each([
    [5_000, "success"],
    [50, "failure"],
  ])("of at most %i ms makes an answer after 100 ms a %s", async (latencyMs, kind) => {
    const outcome = await look(httpSpec(await slowly(100, OK), { latencyMs }));
    expect(outcome).toMatchObject({ kind });
    expect(outcome!.timings.totalMs).toBeGreaterThan(95);
    if (outcome?.kind !== "failure") return;
    expect(outcome).toMatchObject({
      error: "slow",
      detail: expect.stringMatching(/^expected an answer within 50 ms, got it after \d+ ms$/),
    });
  });

  test("does not change the class of a failure", async () => {
    expect(await look(tcpSpec(await closedPort(), { latencyMs: 1 }))).toMatchObject({ error: "refused" });
  });
});

describe("an inverted probe", () => {
  test("succeeds by a failure, and fails by a success", async () => {
    expect(await look(tcpSpec(await closedPort(), { inverted: true }))).toMatchObject({ kind: "success" });
    expect(await look(tcpSpec(await open(), { inverted: true }))).toMatchObject({
      error: "inverted",
      detail: "expected a failure, got a success",
    });
  });

  test("that is given up says nothing all the same", async () => {
    expect(await look(tcpSpec(await open(), { inverted: true }), AbortSignal.abort())).toBeNull();
  });
});

describe("a calculated probe", () => {
  test.each([
    [1, "success"],
    [2, "success"],
    [3, "failure"],
  ])("that needs %i of 3, of which 2 succeed, is a %s", async (need, kind) => {
    const [a, b, c] = [tcpSpec(await open()), tcpSpec(await closedPort()), tcpSpec(await open())];
    expect(await look(calculated(need, a, b, c))).toMatchObject({ kind });
  });

  test("fails with the class of the first failure, and the words of all that decided", async () => {
    const wrong = httpSpec(await slowly(100, "HTTP/1.1 503 Busy\r\n\r\n"));
    const outcome = await look(calculated(1, tcpSpec(await closedPort()), wrong));
    expect(outcome).toMatchObject({
      error: "refused",
      detail: "0 of 1: check1: connection refused; check2: expected 200, got 503",
    });
    expect(outcome!.timings.totalMs).toBeGreaterThan(95);
  });

  test("ends when it is decided, and closes what is still open", async () => {
    const closed = Promise.withResolvers<void>();
    const hanging = httpSpec(await listen((socket) => socket.resume().on("close", () => closed.resolve())));
    const up = tcpSpec(await open());
    expect(await look(calculated(1, hanging, up))).toMatchObject({ kind: "success" });
    await closed.promise;
    expect(await look(calculated(2, hanging, tcpSpec(await closedPort())))).toMatchObject({
      error: "refused",
    });
  });

  test("has parts that are inverted and in time on their own, and is inverted as a whole", async () => {
    const shut = tcpSpec(await closedPort(), { inverted: true });
    const late = httpSpec(await slowly(100, OK), { latencyMs: 50 });
    expect(await look(calculated(2, shut, tcpSpec(await open())))).toMatchObject({ kind: "success" });
    expect(await look(calculated(2, shut, late))).toMatchObject({ error: "slow" });
    const neither = { ...calculated(2, shut, late), inverted: true };
    expect(await look(neither)).toMatchObject({ kind: "success" });
  });

  test("carries the load that a part has read", async () => {
    const loaded = httpSpec(await slowly(0, OK), { load: { from: "header", name: "x-load", full: 1 } });
    expect(await look(calculated(2, tcpSpec(await open()), loaded))).toMatchObject({ load: 0.5 });
  });

  test("that is given up says nothing of the VIP", async () => {
    const stop = new AbortController();
    const pending = look(calculated(2, httpSpec(await open()), tcpSpec(await open())), stop.signal);
    await sleep(50);
    stop.abort();
    expect(await pending).toBeNull();
  });
});
