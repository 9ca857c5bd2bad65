/** The options of EDNS: what a query may carry, and what its reply carries for it. */

import { describe, expect, test } from "vitest";
import { optLength, writeOpt } from "../../src/answer/opt.ts";
import { defaultAnswerOptions } from "../../src/answer/options.ts";
import { Reply } from "../../src/answer/reply.ts";
import { createResponder } from "../../src/answer/responder.ts";
import { Transport } from "../../src/answer/transport.ts";
import { EdnsOption, ExtendedError } from "../../src/wire/codes.ts";
import { messageLengthMax } from "../../src/wire/format.ts";
import { Packet } from "../../src/wire/packet.ts";
import { Parsed, parseQuery, Query } from "../../src/wire/query.ts";
import { optionsOf, queryOf, queryWith, readReply, Server, texts, zoneOf } from "./harness.ts";

const zone = zoneOf(
  `$ORIGIN example.
@ 60 SOA ns h 1 2 3 4 5
@ 60 NS ns
ns 60 A 192.0.2.53
big 60 TXT "${"x".repeat(250)}" "${"y".repeat(250)}"
`,
);
const nsid = Buffer.from("ams-1");
const nsidHex = nsid.toString("hex");
const server = new Server([zone], [], [], { nsid, idleTimeoutMs: 12_340 });

describe("NSID (RFC 5001)", () => {
  test("a query that asks gets the node's identifier (§2.2)", () => {
    const reply = server.raw(queryWith("ns.example", "A", [EdnsOption.NSID, ""]));
    expect(optionsOf(reply)).toEqual([[EdnsOption.NSID, nsidHex]]);
  });

  test("what the option holds in a query is ignored (§2.3)", () => {
    const reply = server.raw(queryWith("ns.example", "A", [EdnsOption.NSID, "abcdef"]));
    expect(readReply(reply).rcode).toBe("NOERROR");
    expect(optionsOf(reply)).toEqual([[EdnsOption.NSID, nsidHex]]);
  });

  test("a query that does not ask gets none (§2.2)", () => {
    expect(optionsOf(server.raw(queryOf("ns.example", "A", { size: 1232 })))).toEqual([]);
  });

  test("a node without an identifier gives none", () => {
    const silent = new Server([zone]);
    expect(optionsOf(silent.raw(queryWith("ns.example", "A", [EdnsOption.NSID, ""])))).toEqual([]);
  });

  test("errors carry it too, and options share one OPT", () => {
    const subnet = [EdnsOption.ClientSubnet, "00011800c00002"] as const;
    const reply = server.raw(queryWith("other.test", "A", [EdnsOption.NSID, ""], subnet));
    expect(optionsOf(reply)).toEqual([
      subnet,
      [EdnsOption.NSID, nsidHex],
      [EdnsOption.ExtendedError, "0014"],
    ]);
  });
});

describe("edns-tcp-keepalive (RFC 7828)", () => {
  const asked = queryWith("ns.example", "A", [EdnsOption.TcpKeepalive, ""]);

  test.each([
    ["TCP", Transport.Tcp],
    ["TLS", Transport.Tls],
  ])("over %s a client that asks is told the idle timeout, in units of 100 ms (§3.1)", (_, transport) => {
    expect(optionsOf(server.raw(asked, transport))).toEqual([[EdnsOption.TcpKeepalive, "007b"]]);
  });

  test("a timeout beyond what the field holds is told as the most it holds", () => {
    const patient = new Server([zone], [], [], { idleTimeoutMs: 7_200_000 });
    expect(optionsOf(patient.raw(asked, Transport.Tcp))).toEqual([[EdnsOption.TcpKeepalive, "ffff"]]);
  });

  test.each([
    ["UDP (§3.2.2)", Transport.Udp],
    ["HTTPS, which has its own rules", Transport.Https],
  ])("over %s no timeout is told", (_, transport) => {
    expect(optionsOf(server.raw(asked, transport))).toEqual([]);
  });

  test("a client that does not ask is not told", () => {
    expect(optionsOf(server.raw(queryOf("ns.example", "A", { size: 1232 }), Transport.Tcp))).toEqual([]);
  });

  const wrong = queryWith("ns.example", "A", [EdnsOption.TcpKeepalive, "0064"]);

  test("a query that has a timeout in it is FORMERR on a stream (§3.2.1)", () => {
    for (const transport of [Transport.Tcp, Transport.Tls]) {
      const reply = server.raw(wrong, transport);
      expect(readReply(reply)).toMatchObject({ rcode: "FORMERR", answers: [] });
      expect(optionsOf(reply)).toEqual([]);
    }
  });

  test("over UDP the option is ignored, whatever it holds (§3.2.2)", () => {
    expect(texts(readReply(server.raw(wrong)).answers)).toEqual(["ns.example A 192.0.2.53"]);
  });
});

describe("padding (RFC 7830, RFC 8467)", () => {
  const asked = queryWith("ns.example", "A", [EdnsOption.Padding, "0000"]);

  test.each([
    ["TLS", Transport.Tls],
    ["HTTPS", Transport.Https],
  ])("over %s a reply to a padded query has a multiple of 468 octets (RFC 8467 §4.1)", (_, transport) => {
    for (const name of ["ns.example", "big.example", "missing.example"]) {
      const type = name === "big.example" ? "TXT" : "A";
      const reply = server.raw(queryWith(name, type, [EdnsOption.Padding, ""]), transport);
      expect(reply.length % 468).toBe(0);
      const [[code, data] = [0, ""]] = optionsOf(reply) ?? [];
      expect(code).toBe(EdnsOption.Padding);
      expect(data).toMatch(/^(00)*$/);
    }
  });

  test("in clear text nothing is padded (RFC 7830 §6)", () => {
    expect(optionsOf(server.raw(asked, Transport.Tcp))).toEqual([]);
    expect(optionsOf(server.raw(asked, Transport.Udp))).toEqual([]);
  });

  test("a reply to a query without the option is not padded (RFC 7830 §4)", () => {
    expect(optionsOf(server.raw(queryOf("ns.example", "A", { size: 1232 }), Transport.Tls))).toEqual([]);
    expect(optionsOf(server.raw(queryOf("ns.example", "A"), Transport.Tls))).toBeNull();
  });

  test.each([
    [467, 65_520],
    [10, 65_535],
    [4, 65_535],
    [3, 65_532],
    [0, 65_535],
  ])("a reply with %i octets left of the most a message can have ends at %i", (left, end) => {
    const query = new Query();
    const packet = new Packet(new Uint8Array(65_535));
    packet.octets.set(asked);
    expect(parseQuery(packet, asked.length, query)).toBe(Parsed.Query);
    const reply = new Reply();
    reply.begin(packet, query, messageLengthMax, optLength(query, Transport.Tls, defaultAnswerOptions));
    reply.at = reply.end - left;
    writeOpt(reply, query, Transport.Tls, defaultAnswerOptions);
    expect(reply.at).toBe(end);
  });
});

describe("extended errors (RFC 8914)", () => {
  test("a name that is in none of our zones is Not Authoritative (§4.21)", () => {
    expect(optionsOf(server.raw(queryOf("other.test", "A", { size: 1232 })))).toEqual([
      [EdnsOption.ExtendedError, hexOf(ExtendedError.NotAuthoritative)],
    ]);
  });

  test.each(["AXFR", "IXFR"])("%s is Prohibited (§4.19)", (type) => {
    expect(optionsOf(server.raw(queryOf("example", type, { size: 1232 }), Transport.Tcp))).toEqual([
      [EdnsOption.ExtendedError, hexOf(ExtendedError.Prohibited)],
    ]);
  });

  test("before the first book we are Not Ready (§4.15)", () => {
    const responder = createResponder(null, server.counters);
    const packet = new Packet(new Uint8Array(1232));
    const query = queryOf("ns.example", "A", { size: 1232 });
    packet.octets.set(query);
    const length = responder.answer(packet, query.length, server.client, Transport.Udp, 1);
    expect(optionsOf(packet.octets.slice(0, length))).toEqual([
      [EdnsOption.ExtendedError, hexOf(ExtendedError.NotReady)],
    ]);
  });

  test("a query without EDNS gets none (RFC 6891 §7)", () => {
    expect(optionsOf(server.raw(queryOf("other.test", "A")))).toBeNull();
  });

  test("is left out where it does not fit", () => {
    const label = "x".repeat(63);
    const long = `${label}.${label}.${label}.${"y".repeat(56)}.test`;
    const subnet = [EdnsOption.ClientSubnet, `00028000${"20010db8".repeat(4)}`] as const;
    const loud = new Server([zone], [], [], { nsid: new Uint8Array(64) });
    const query = queryWith(long, "A", subnet, [EdnsOption.NSID, ""]);
    // 12 + 255 + 4 octets of header and question, 11 of OPT, 24 of subnet, 68 of NSID.
    expect(loud.raw(query)).toHaveLength(374 + 6);
    const reply = new Reply();
    const parsed = new Query();
    const packet = new Packet(new Uint8Array(1232));
    packet.octets.set(query);
    parseQuery(packet, query.length, parsed);
    reply.begin(packet, parsed, 374 + 5, 0);
    reply.extendedError = ExtendedError.NotAuthoritative;
    writeOpt(reply, parsed, Transport.Udp, { ...defaultAnswerOptions, nsid: new Uint8Array(64) });
    expect(reply.at).toBe(374);
  });
});

test("an option that we do not know is ignored, and not sent back (RFC 6891 §6.1.2)", () => {
  const reply = server.raw(queryWith("ns.example", "A", [65_001, "00112233"], [4242, ""]));
  expect(texts(readReply(reply).answers)).toEqual(["ns.example A 192.0.2.53"]);
  expect(optionsOf(reply)).toEqual([]);
});

test("RRs are cut so that the OPT with all its options still fits (RFC 6891 §7)", () => {
  const chatty = new Server([zone], [], [], { nsid: new Uint8Array(64).fill(0x61) });
  const query = queryWith("big.example", "TXT", [EdnsOption.NSID, ""]);
  const whole = chatty.raw(query, Transport.Tcp).length;
  for (const [size, truncated] of [
    [whole, false],
    [whole - 1, true],
  ] as const) {
    Buffer.from(query.buffer, query.byteOffset).writeUInt16BE(size, query.length - 4 - 8);
    const reply = chatty.raw(query);
    expect(reply.length).toBeLessThanOrEqual(size);
    expect(readReply(reply).flag_tc).toBe(truncated);
    expect(optionsOf(reply)).toHaveLength(1);
  }
});

function hexOf(code: number): string {
  return code.toString(16).padStart(4, "0");
}
