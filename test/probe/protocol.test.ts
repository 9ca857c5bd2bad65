/** The messages of the report stream, and everything that is not one. */

import { describe, expect, test } from "vitest";
import type { ProbeSpec } from "../../src/config/check.ts";
import type { CheckId } from "../../src/config/config.ts";
import {
  AGENT_MESSAGE_LENGTH_MAX,
  checkHello,
  DETAIL_LENGTH_MAX,
  formatMessage,
  type NodeMessage,
  parseAgentMessage,
  parseNodeMessage,
  REPORTS_PER_MESSAGE_MAX,
} from "../../src/probe/protocol.ts";
import { fc } from "../fast-check.ts";
import { dnsSpec, expecting, grpcSpec, httpSpec, tcpSpec, tls } from "./specs.ts";
import { failure, success, target } from "./targets.ts";

const hello = { kind: "hello", vantage: "dublin", session: "s", version: "1" };
const reports = {
  kind: "reports",
  sequence: 1,
  reports: [
    { vip: "web/eu/ipv4", agoMs: 3, outcome: success },
    { vip: "web/eu/ipv4", agoMs: 0, outcome: failure },
  ],
};
const probes: readonly ProbeSpec[] = [
  httpSpec(443, {
    version: 2,
    tls,
    headers: { "x-check": "yes" },
    expect: expecting({
      headers: { "x-release": "7" },
      body: "ok",
      pattern: "^ok",
      json: { db: { kind: "is", text: "ok" }, "queue.depth": { kind: "between", above: null, below: 100 } },
    }),
    load: { from: "json", name: "load", full: 100 },
  }),
  tcpSpec(25, {
    tls: { insecure: true, validForMs: 1_000 },
    host: "mail.example",
    send: "0d0a",
    expect: "00ff",
  }),
  dnsSpec(53, { transport: "tcp", rcodes: [0, 3], answers: ["192.0.2.1"], latencyMs: 50 }),
  grpcSpec(50_051, { service: "shop.Cart", inverted: true }),
  { kind: "icmp", latencyMs: null, inverted: false },
  {
    kind: "calculated",
    need: 1,
    of: [{ check: "web" as CheckId, probe: tcpSpec(80) }],
    latencyMs: null,
    inverted: false,
  },
];
const targets = {
  kind: "targets",
  version: 7,
  targets: [target("a", { address: "::1" }), ...probes.map((probe) => target("b", { probe }))],
};

test.each([hello, reports])("an agent's $kind message is read as it was written", (message) => {
  expect(parseAgentMessage(JSON.stringify(message))).toEqual(message);
});

test.each<NodeMessage>([
  targets as NodeMessage,
  { kind: "ack", sequence: 9 },
  { kind: "refused", reason: "no vantage" },
])("a node's $kind message is read as it was written", (message) => {
  expect(parseNodeMessage(formatMessage(message))).toMatchObject(message);
});

test.each([0.25, null])("a report of success may say the load of the VIP: %j", (load) => {
  const loaded = { ...reports, reports: [{ ...reports.reports[0], outcome: { ...success, load } }] };
  expect(parseAgentMessage(JSON.stringify(loaded))).toEqual(loaded);
});

test("unknown keys are let through, so that releases can differ", () => {
  expect(parseAgentMessage(JSON.stringify({ ...hello, colour: "blue" }))).toMatchObject(hello);
});

describe("what breaks the protocol is a problem that says what would be right", () => {
  const report = reports.reports[0]!;
  test.each([
    ["", "expected JSON"],
    ["{", "expected JSON"],
    ["null", "expected an object"],
    ["[]", 'expected a message of kind hello or reports or observations or clock, got ""'],
    [
      '{"kind":"constructor"}',
      'expected a message of kind hello or reports or observations or clock, got "constructor"',
    ],
    [JSON.stringify({ ...hello, vantage: "" }), "hello/vantage: must not have fewer than 1 characters"],
    [JSON.stringify({ kind: "hello" }), "hello: must have required properties vantage, session, version"],
    [JSON.stringify({ ...reports, sequence: 0 }), "reports/sequence: must be >= 1"],
    [JSON.stringify({ ...reports, sequence: 1.5 }), "reports/sequence: must be integer"],
    [
      JSON.stringify({ ...reports, reports: [{ ...report, agoMs: -1 }] }),
      "reports/reports/0/agoMs: must be >= 0",
    ],
    [
      JSON.stringify({ ...reports, reports: Array.from({ length: 501 }, () => report) }),
      "reports/reports: must not have more than 500 items",
    ],
    [
      JSON.stringify({ ...reports, reports: [{ ...report, outcome: { ...success, load: -0.1 } }] }),
      "reports/reports/0/outcome/load: must be >= 0",
    ],
    [" ".repeat(AGENT_MESSAGE_LENGTH_MAX + 1), "expected at most 1048576 characters, got 1048577"],
  ])("from an agent: $1", (text, message) => {
    expect(parseAgentMessage(text)).toEqual({ kind: "problem", message });
  });

  test.each([
    [target("a", { address: "localhost" }), 'a: expected an address, got "localhost"'],
    [
      target("a", { probe: httpSpec(80, { path: "healthz" }) }),
      'targets/0/probe/path: must match pattern "^/"',
    ],
    [target("a", { intervalMs: 0 }), "targets/0/intervalMs: must be >= 10"],
    [target("a", { fall: 0 }), "targets/0/fall: must be >= 1"],
    [{ ...target("a"), probe: { type: "telepathy" } }, expect.stringMatching(/^targets\/0\/probe/)],
    ["a", "targets/0: must be object"],
  ])("in a target, which is left out: $1", (wrong, message) => {
    const text = JSON.stringify({ ...targets, targets: [wrong, target("b")] });
    expect(parseNodeMessage(text)).toEqual({
      ...targets,
      targets: [target("b")],
      unreadable: [message],
    });
  });

  const watch = (drill: string, everyMs: number, services: number, nodes: number) => ({
    kind: "watch",
    drill,
    forMs: 1_000,
    everyMs,
    services: Array.from({ length: services }, (_, i) => ({ label: `s${i}.example`, families: [4, 6] })),
    nodes: Array.from({ length: nodes }, (_, i) => ({ node: `dns${i}`, address: "192.0.2.1", port: 53 })),
    connections: [],
  });

  test.each([
    [[watch("a", 200, 100, 100)], [], ["orders/0: expected at most 256 routes, got 20200"]],
    [
      [watch("a", 20, 10, 3), watch("b", 200, 64, 1)],
      ["b"],
      ["orders/0: expected at most 2000 looks a second of all orders, got 4000"],
    ],
    [
      [watch("a", 200, 64, 1), watch("b", 200, 64, 1), watch("c", 500, 64, 1)],
      ["a", "c"],
      ["orders/1: expected at most 2000 looks a second of all orders, got 2560"],
    ],
  ])("in an order to watch, which is left out: #%$", (orders, followed, unreadable) => {
    const read = parseNodeMessage(JSON.stringify({ kind: "orders", orders }));
    expect(read).toMatchObject({ kind: "orders", orders: followed.map((drill) => ({ drill })), unreadable });
  });

  test("an agent's own hello is checked by the same rule", () => {
    expect(checkHello(hello)).toEqual(hello);
    expect(checkHello({ ...hello, vantage: "" })).toMatchObject({ kind: "problem" });
  });
});

test("the longest names and details fit in one message of as many reports as may be", () => {
  const longest = {
    vip: "v".repeat(512),
    agoMs: 60_000,
    outcome: { ...failure, detail: '"'.repeat(DETAIL_LENGTH_MAX) },
  };
  const full = { ...reports, reports: Array.from({ length: REPORTS_PER_MESSAGE_MAX }, () => longest) };
  expect(parseAgentMessage(JSON.stringify(full)).kind).toBe("reports");
});

test("no text makes a parser throw", () => {
  const anything = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .record({ kind: fc.constantFrom("hello", "reports", "targets", "ack", "refused"), a: fc.jsonValue() })
      .map((value) => JSON.stringify(value)),
    fc
      .tuple(fc.constantFrom(hello, reports, targets), fc.dictionary(fc.string(), fc.jsonValue()))
      .map(([message, changes]) => JSON.stringify({ ...message, ...changes })),
  );
  fc.assert(
    fc.property(anything, (text) => {
      expect(parseAgentMessage(text).kind).toMatch(/hello|reports|problem/);
      expect(parseNodeMessage(text).kind).toMatch(/targets|ack|refused|problem/);
    }),
  );
});
