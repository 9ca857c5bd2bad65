/** What a DNS probe says of servers that answer, over UDP and TCP, and of every way in which they do not. */

import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { decode, encode, type Packet } from "dns-packet";
import { describe, expect, onTestFinished, test } from "vitest";
import { probeDns } from "../../src/probe/dns.ts";
import { closedPort, listening } from "./servers.ts";
import { dnsSpec } from "./specs.ts";

const never = new AbortController().signal;
const TC = 0x0200;
const AA = 0x0400;

type Answer = (query: Packet) => readonly (Packet | Buffer)[];

/** A server over UDP and TCP at one port, which sends what `answer` gives for each query. */
async function serve(answer: Answer, overTcp: Answer = answer): Promise<number> {
  const port = await listening(
    createServer((socket) =>
      socket
        .on("error", () => {})
        .on("data", (data: Buffer) => {
          for (const octets of overTcp(decode(data.subarray(2))).map(octetsOf)) {
            const length = Buffer.alloc(2);
            length.writeUInt16BE(octets.length);
            // In pieces, as the network may deliver it.
            socket.write(length.subarray(0, 1));
            setTimeout(() => socket.write(Buffer.concat([length.subarray(1), octets])), 10);
          }
          if (overTcp(decode(data.subarray(2))).length === 0) socket.end();
        }),
    ),
  );
  const socket = createSocket("udp4");
  onTestFinished(() => void socket.close());
  await new Promise<void>((resolve) => socket.bind(port, "127.0.0.1", resolve));
  socket.on("message", (data, from) => {
    for (const octets of answer(decode(data)).map(octetsOf)) socket.send(octets, from.port, from.address);
  });
  return port;
}

function octetsOf(message: Packet | Buffer): Buffer {
  return Buffer.isBuffer(message) ? message : encode(message);
}

function response({ id, questions }: Packet, changes: Partial<Packet> = {}): Packet {
  return {
    type: "response",
    ...(id !== undefined && { id }),
    ...(questions !== undefined && { questions }),
    flags: AA,
    answers: [
      { type: "CNAME", name: "www.gslb.example", data: "eu.gslb.example" },
      { type: "A", name: "eu.gslb.example", data: "192.0.2.1" },
      { type: "A", name: "eu.gslb.example", data: "192.0.2.2" },
    ],
    ...changes,
  };
}

/** The RCODE is in the lowest bits of the flags. */
function refusal(query: Packet, rcode: number): Packet {
  return response(query, { flags: AA | rcode, answers: [] });
}

describe.each(["udp", "tcp"] as const)("over %s", (transport) => {
  const asked = async (answer: Answer, changes: Parameters<typeof dnsSpec>[1] = {}, timeoutMs = 2_000) =>
    probeDns("127.0.0.1", dnsSpec(await serve(answer), { transport, ...changes }), timeoutMs, never);

  test("an answer of the type is a success, and its time is told", async () => {
    const outcome = await asked((query) => [response(query)]);
    expect(outcome).toMatchObject({ kind: "success", timings: { firstByteMs: expect.any(Number) } });
    expect(outcome!.timings.connectMs === null).toBe(transport === "udp");
  });

  test("the query asks for the check's name and type, with RD and EDNS", async () => {
    let seen: Packet = {};
    await asked(
      (query) => {
        seen = query;
        return [refusal(query, 0)];
      },
      { qname: "a\\.b.example.", qtype: 28 },
    );
    expect(seen).toMatchObject({
      flags: 0x0100,
      questions: [{ name: "a.b.example", type: "AAAA", class: "IN" }],
      additionals: [{ type: "OPT", udpPayloadSize: 1_232 }],
    });
  });

  test("addresses that must be there are, in any order", async () => {
    const outcome = await asked((query) => [response(query)], { answers: ["192.0.2.2", "192.0.2.1"] });
    expect(outcome).toMatchObject({ kind: "success" });
  });

  test("an RCODE that is expected is a success without an answer", async () => {
    const outcome = await asked((query) => [refusal(query, 3)], { rcodes: [0, 3] });
    expect(outcome).toMatchObject({ kind: "success" });
  });

  test.each<[string, Answer, string, string]>([
    ["another RCODE", (query) => [refusal(query, 2)], "status", "expected NOERROR, got SERVFAIL"],
    [
      "an RCODE without the question",
      (query) => [{ ...refusal(query, 5), questions: [] }],
      "status",
      "expected NOERROR, got REFUSED",
    ],
    ["NODATA", (query) => [refusal(query, 0)], "body", "expected an answer of type A, got none"],
    [
      "another address",
      (query) => [response(query, { answers: [{ type: "A", name: "a", data: "192.0.2.9" }] })],
      "body",
      "expected 192.0.2.1 among the answers, got 192.0.2.9",
    ],
  ])("%s is a failure of its class", async (_, answer, error, detail) => {
    expect(await asked(answer, { answers: ["192.0.2.1"] })).toMatchObject({ error, detail });
  });

  test("a closed port is refused", async () => {
    const spec = dnsSpec(await closedPort(), { transport });
    expect(await probeDns("127.0.0.1", spec, 2_000, never)).toMatchObject({ error: "refused" });
  });

  test("a probe that is given up says nothing of the VIP", async () => {
    const spec = dnsSpec(await closedPort(), { transport });
    expect(await probeDns("127.0.0.1", spec, 2_000, AbortSignal.abort())).toBeNull();
  });
});

test("over udp what does not answer the query is waited past", async () => {
  const port = await serve((query) => [
    Buffer.from("no message"),
    { ...response(query), id: (query.id! + 1) & 0xffff },
    response(query, { questions: [{ name: "other.example", type: "A" }] }),
    query,
    refusal(query, 3),
  ]);
  const outcome = await probeDns("127.0.0.1", dnsSpec(port), 2_000, never);
  expect(outcome).toMatchObject({ detail: "expected NOERROR, got NXDOMAIN" });
});

test("over udp an address that cannot be reached is unreachable", async () => {
  // Nobody may send there without asking for it, whatever network the machine is in.
  const outcome = await probeDns("255.255.255.255", dnsSpec(53), 2_000, never);
  expect(outcome).toMatchObject({ error: "unreachable", detail: expect.stringContaining("EACCES") });
});

test("over udp silence times out", async () => {
  const outcome = await probeDns("127.0.0.1", dnsSpec(await serve(() => [])), 100, never);
  expect(outcome).toMatchObject({ error: "timeout", detail: "waited 100 ms for the response" });
});

test("a truncated response is asked for again over tcp", async () => {
  const port = await serve(
    (query) => [response(query, { flags: AA | TC, answers: [] })],
    (query) => [response(query)],
  );
  const outcome = await probeDns("127.0.0.1", dnsSpec(port, { answers: ["192.0.2.2"] }), 2_000, never);
  expect(outcome).toMatchObject({ kind: "success" });
});

test.each<[string, Answer, string, string]>([
  ["a close", () => [], "reset", "connection closed before the response"],
  [
    "garbage",
    () => [Buffer.from("no message")],
    "protocol",
    "expected a response to the query, got something else",
  ],
])("over tcp %s instead of a response is a failure of its class", async (_, answer, error, detail) => {
  const spec = dnsSpec(await serve(answer), { transport: "tcp" });
  expect(await probeDns("127.0.0.1", spec, 2_000, never)).toMatchObject({ error, detail });
});
