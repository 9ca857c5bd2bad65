/** The report stream against real WebSocket servers that come, go, refuse and fall silent. */

import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import type { VantageId } from "../../src/config/config.ts";
import type { Outcome } from "../../src/health/report.ts";
import { type Clock, processClock } from "../../src/probe/clock.ts";
import type { Hello, Target } from "../../src/probe/protocol.ts";
import { ReportStream } from "../../src/probe/stream.ts";
import { parseTrust, type TrustOptions } from "../../src/probe/trust.ts";
import { certificateFile, pinOfTest } from "./servers.ts";
import { failure, success, target } from "./targets.ts";
import { eventually, type TestNode, testNode } from "./test-node.ts";

const hello: Hello = { kind: "hello", vantage: "dublin" as VantageId, session: "first", version: "1" };

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly reason?: string;
  readonly problem?: string;
}

/** A stream to a node, stopped with the test; with what it logged, and the targets it was given. */
function streamTo(node: TestNode, clock: Clock = processClock, trust: TrustOptions = {}) {
  const lines: Line[] = [];
  const given: (readonly Target[])[] = [];
  let heard = 0;
  const stream = new ReportStream({
    node: node.url,
    trust: parseTrust(trust),
    token: "secret",
    hello,
    clock,
    random: () => 0.5,
    log: pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    onHeard: () => {
      heard += 1;
    },
    onTargets: (targets) => void given.push(targets),
    onOrders: () => undefined,
  });
  stream.start();
  onTestFinished(() => stream.stop());
  const report = (vip: string, outcome: Outcome = success, urgent = true): void =>
    stream.report({ vip: target(vip).vip, endedAtMs: clock.now(), outcome }, urgent);
  return { stream, lines, given, report, heard: () => heard };
}

/** A clock whose timers run twenty times as fast. */
const hurried: Clock = {
  now: processClock.now,
  after: (ms, run) => processClock.after(ms / 20, run),
};

const vips = (node: TestNode): readonly string[] => node.taken.map((report) => report.vip);

describe("a stream", () => {
  test("says who it is, with its token, and takes targets at once and at each change", async () => {
    const node = await testNode([target("a")]);
    const { given, lines } = streamTo(node);
    await eventually(() => expect(given).toEqual([[target("a")]]));
    expect(node.authorizations).toEqual(["Bearer secret"]);
    expect(node.hellos).toEqual([hello]);
    node.send({ kind: "targets", version: 2, targets: [target("b")] });
    await eventually(() => expect(given[1]).toEqual([target("b")]));
    expect(lines.map((line) => line.msg)).toEqual(["connected to node", "targets changed"]);
  });

  test("brings what was expected in company, within 200 ms", async () => {
    const node = await testNode();
    const { given, report } = streamTo(node);
    await eventually(() => expect(given).toHaveLength(1));
    report("a", success, false);
    report("b", success, false);
    await eventually(() => expect(vips(node)).toEqual(["a", "b"]));
    expect(node.sequences).toEqual([1]);
    for (const { agoMs } of node.taken) expect(agoMs).toBeGreaterThanOrEqual(190);
  });

  test("brings news at once, and takes along what waits", async () => {
    // Here company would be waited for for 4 s, and news for 0.1 s.
    const slow: Clock = { ...processClock, after: (ms, run) => processClock.after(ms * 20, run) };
    const node = await testNode();
    const { given, report } = streamTo(node, slow);
    await eventually(() => expect(given).toHaveLength(1));
    report("a", success, false);
    report("b", failure, true);
    await eventually(() => expect(vips(node)).toEqual(["a", "b"]));
    expect(node.sequences).toEqual([1]);
    expect(node.taken[1]).toMatchObject({ outcome: failure });
    expect(node.taken[1]!.agoMs).toBeLessThan(2_000);
  });

  test("keeps what it has to say until the node is there", async () => {
    const node = await testNode();
    await node.close();
    const { report } = streamTo(node);
    for (const vip of ["a", "b", "c"]) report(vip);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await node.open();
    await eventually(() => expect(vips(node)).toEqual(["a", "b", "c"]));
    expect(node.taken[0]!.agoMs).toBeGreaterThan(40);
  });

  test("sends again what was not acknowledged, and the node takes each report once", async () => {
    const node = await testNode();
    node.acknowledges = false;
    const { given, report } = streamTo(node);
    await eventually(() => expect(given).toHaveLength(1));
    for (const vip of ["a", "b"]) {
      report(vip);
      await eventually(() => expect(vips(node)).toContain(vip));
    }
    await node.close();
    report("c");
    node.acknowledges = true;
    await node.open();
    await eventually(() => expect(node.sequences).toEqual([1, 2, 1, 2, 3]));
    expect(vips(node)).toEqual(["a", "b", "c"]);
    await node.close();
    await node.open();
    report("d");
    await eventually(() => expect(vips(node)).toEqual(["a", "b", "c", "d"]));
    expect(node.sequences).toEqual([1, 2, 1, 2, 3, 4]);
  });

  test("survives many cuts without losing or doubling a report", async () => {
    const node = await testNode();
    const { report } = streamTo(node, hurried);
    const sent: string[] = [];
    for (let i = 0; i < 100; i += 1) {
      sent.push(`${i}`);
      report(`${i}`, success, i % 3 === 0);
      if (i % 20 === 10) await node.close();
      if (i % 20 === 15) await node.open();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await eventually(() => expect(vips(node)).toHaveLength(100));
    expect(vips(node)).toEqual(sent);
  });

  test("waits longer after each failure, up to 1 s, and from the start again once it was connected", async () => {
    const waits: number[] = [];
    const clock: Clock = {
      now: processClock.now,
      after: (ms, run) => {
        if (ms >= 50 && ms !== 1_000) waits.push(ms);
        return processClock.after(ms / 200, run);
      },
    };
    const node = await testNode();
    await node.close();
    const { given, lines } = streamTo(node, clock);
    await eventually(() => expect(waits.length).toBeGreaterThan(8));
    expect(waits.slice(0, 9)).toEqual([75, 150, 300, 600, 750, 750, 750, 750, 750]);
    await node.open();
    await eventually(() => expect(given).toHaveLength(1));
    waits.length = 0;
    await node.close();
    await eventually(() => expect(waits[0]).toBe(75));
    expect(lines.map((line) => line.msg)).toEqual([
      "cannot connect to node",
      "connected to node",
      "lost node",
    ]);
    expect(lines[0]!.reason).toContain("ECONNREFUSED");
  });

  test("notices a node that has fallen silent, and comes back to it", async () => {
    const node = await testNode();
    const { given, lines } = streamTo(node, hurried);
    await eventually(() => expect(given).toHaveLength(1));
    node.silent = true;
    await eventually(() =>
      expect(lines.at(-1)).toMatchObject({ msg: "lost node", reason: "no sign of life for 4000 ms" }),
    );
    node.silent = false;
    await eventually(() => expect(given).toHaveLength(2));
  });

  test("tries again when a node pings back, but has not taken its hello", async () => {
    const node = await testNode([target("a")]);
    node.deaf = true;
    const { given, lines } = streamTo(node, hurried);
    await eventually(() => expect(lines.at(-1)?.reason).toBe("no targets within 4000 ms"));
    node.deaf = false;
    await eventually(() => expect(given).toEqual([[target("a")]]));
  });

  test("tells each sign of life, of which a refusal is one and silence is none", async () => {
    const node = await testNode();
    const { given, heard } = streamTo(node);
    await eventually(() => expect(given).toHaveLength(1));
    const connected = heard();
    expect(connected).toBeGreaterThanOrEqual(2);
    node.silent = true;
    await new Promise((resolve) => setTimeout(resolve, 50));
    const silent = heard();
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(heard()).toBe(silent);
    await node.close();
    await eventually(() => expect(heard()).toBeGreaterThan(silent + 1));
  });

  test("holds on to a node that only pings back", async () => {
    const node = await testNode();
    const { given } = streamTo(node, hurried);
    await eventually(() => expect(given).toHaveLength(1));
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(node.hellos).toHaveLength(1);
  });

  test("that is refused says so once, drops the targets, and asks again", async () => {
    const node = await testNode([target("a")]);
    node.refusal = 'no vantage "dublin"';
    const { given, lines } = streamTo(node, hurried);
    await eventually(() => expect(node.hellos.length).toBeGreaterThan(2));
    expect(given[0]).toEqual([]);
    expect(lines.filter((line) => line.reason === 'no vantage "dublin"')).toHaveLength(1);
    node.refusal = null;
    await eventually(() => expect(given.at(-1)).toEqual([target("a")]));
  });

  test("to a node with another key is an error that names it, gets no token, and is tried until the key is right", async () => {
    const node = await testNode([], "stranger");
    const [wanted, seen] = [pinOfTest("good"), pinOfTest("stranger")];
    const { given, lines } = streamTo(node, hurried, { pin: [wanted] });
    await eventually(() => expect(node.connections).toBeGreaterThan(3));
    expect(lines).toMatchObject([
      {
        level: 50,
        msg: "cannot trust that this is the node; it gets no token",
        reason: `expected a key with the pin ${wanted}, got ${seen}`,
      },
    ]);
    await node.close();
    node.certificate = "good";
    await node.open();
    await eventually(() => expect(given).toEqual([[]]));
    expect(node.authorizations).toEqual(["Bearer secret"]);
  });

  test("to a node whose certificate is exchanged for a wrong one keeps its targets, and says why it is not back", async () => {
    const node = await testNode([target("a")], "good");
    const { given, lines } = streamTo(node, hurried, { ca: certificateFile("ca") });
    await eventually(() => expect(given).toHaveLength(1));
    await node.close();
    node.certificate = "expired";
    await node.open();
    await eventually(() => expect(lines.at(-1)?.reason).toBe("certificate has expired"));
    expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
      [30, "connected to node"],
      [40, "lost node"],
      [50, "cannot trust that this is the node; it gets no token"],
    ]);
    expect(given).toEqual([[target("a")]]);
  });

  test("goes on after a message that it cannot read", async () => {
    const node = await testNode();
    const { given, lines, report } = streamTo(node);
    await eventually(() => expect(given).toHaveLength(1));
    node.sendText('{"kind":"dance"}');
    await eventually(() => expect(lines.at(-1)?.problem).toContain('got "dance"'));
    report("a");
    await eventually(() => expect(vips(node)).toEqual(["a"]));
  });

  test("sends what is left when it stops, and leaves", async () => {
    const node = await testNode();
    const { given, stream, report } = streamTo(node);
    await eventually(() => expect(given).toHaveLength(1));
    report("a", success, false);
    await stream.stop();
    await eventually(() => expect(vips(node)).toEqual(["a"]));
    await eventually(() => expect(node.clients).toBe(0));
  });

  test("stops at once while it connects, while it waits, and when the node no longer answers", async () => {
    const node = await testNode();
    await streamTo(node).stream.stop();
    const { given, stream } = streamTo(node);
    await eventually(() => expect(given).toHaveLength(1));
    node.silent = true;
    await stream.stop();
    await node.close();
    const { lines, stream: waiting } = streamTo(node);
    await eventually(() => expect(lines).toHaveLength(1));
    await waiting.stop();
  });

  test.each(["dns1.example", "ftp://dns1.example", ""])("to %j cannot be made", (url) => {
    const node = { url } as TestNode;
    expect(() => streamTo(node)).toThrow(`Cannot use node "${url}": expected a URL such as`);
  });
});
