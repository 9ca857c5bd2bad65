/** Queries that ask why: from whom control is asked, and how its answer is given. */

import { describe, expect, test } from "vitest";
import { FORWARD } from "../../src/answer/forward.ts";
import { defaultAnswerOptions } from "../../src/answer/options.ts";
import { Transport } from "../../src/answer/transport.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import type { Signing } from "../../src/dnssec/signer.ts";
import { parseAddress, parsePrefix } from "../../src/wire/address.ts";
import { nameKey } from "../../src/wire/name.ts";
import { Packet } from "../../src/wire/packet.ts";
import { nameOf } from "../dnssec/zone-text.ts";
import { planOf, queryOf, readReply, Server, scopeOf, serviceOf, vipOf, zoneOf } from "./harness.ts";
import { keyOf, verify, withKeys } from "./validator.ts";

const NOW = 1_800_000_000;
const WHY = "_explain.www.example";

const zone = zoneOf(`$ORIGIN example.
@ 60 SOA ns h 1 2 3 4 5
@ 60 NS ns
ns 60 A 192.0.2.53
*.wild 60 TXT "wild"
`);
const plans = [{ ipv4: planOf({ "192.0.2.10": 1 }), ipv6: planOf({}) }];
const services = [serviceOf("www.example.", plans)];
const signing: Signing = { validitySeconds: 86_400, keys: [keyOf(Algorithm.Ed25519)] };
const rdata = Uint8Array.from([3, ...Buffer.from("why"), 2, ...Buffer.from("so")]);

function serverOf(isSigned: boolean): Server {
  const prefix = parsePrefix("192.0.2.128/25");
  if (prefix === null) throw new Error("no prefix");
  const server = new Server(
    [isSigned ? withKeys(zone, signing) : zone],
    services,
    ["192.0.2.10"].map(vipOf),
    defaultAnswerOptions,
    isSigned ? new Map([[nameKey(nameOf("example.")), signing]]) : new Map(),
    1,
    null,
    [{ prefix, updates: false, transfers: false, explains: true }],
  );
  server.client.address.set(parseAddress("192.0.2.200")?.bytes ?? []);
  return server;
}

function ask(server: Server, name: string, type: string, transport: Transport): number {
  const query = queryOf(name, type);
  const packet = new Packet(new Uint8Array(65_535));
  packet.octets.set(query);
  return server.answer(packet, query.length, transport, NOW);
}

describe("control is asked", () => {
  test.each([
    ["over TCP", WHY, "TXT", Transport.Tcp],
    ["over TLS", WHY, "TXT", Transport.Tls],
    ["whatever the case", "_EXPLAIN.www.example", "TXT", Transport.Tcp],
    [
      "of a name that there is not, because it may be steered",
      "_explain.a.wild.example",
      "TXT",
      Transport.Tcp,
    ],
  ])("%s", (_how, name, type, transport) => {
    expect(ask(serverOf(false), name, type, transport)).toBe(FORWARD);
  });

  test.each([
    ["over HTTPS", WHY, "TXT", Transport.Https],
    ["for another type", WHY, "A", Transport.Tcp],
    ["under another label", "_explains.www.example", "TXT", Transport.Tcp],
    ["deeper down", "a._explain.www.example", "TXT", Transport.Tcp],
  ])("not %s", (_how, name, type, transport) => {
    const server = serverOf(false);
    expect(readReply(server.raw(queryOf(name, type), transport)).rcode).toBe("NXDOMAIN");
  });

  test("from no other prefix: there is no such name", () => {
    const server = serverOf(false);
    server.client.address.set([192, 0, 2, 100]);
    expect(readReply(server.raw(queryOf(WHY, "TXT"), Transport.Tcp)).rcode).toBe("NXDOMAIN");
  });

  test("over TCP, where it came over UDP from an address that may be forged", () => {
    const reply = readReply(serverOf(false).raw(queryOf(WHY, "TXT"), Transport.Udp));
    expect([reply.rcode, reply.flag_tc, reply.answers]).toEqual(["NOERROR", true, []]);
  });
});

describe("what control says", () => {
  const tcp = Transport.Tcp;

  test("is a TXT that nobody keeps", () => {
    const reply = readReply(serverOf(false).explain(queryOf(WHY, "TXT"), rdata, tcp, NOW));
    expect(reply).toMatchObject({
      rcode: "NOERROR",
      flag_aa: true,
      answers: [{ name: WHY, type: "TXT", ttl: 0, data: [Buffer.from("why"), Buffer.from("so")] }],
    });
  });

  test("is for the very subnet that asked", () => {
    const query = queryOf(WHY, "TXT", { subnet: "203.0.113.0/24" });
    expect(scopeOf(readReply(serverOf(false).explain(query, rdata, tcp, NOW)))).toBe(24);
  });

  test("is signed in a signed zone, for who asks for signatures", () => {
    const server = serverOf(true);
    const signed = readReply(server.explain(queryOf(WHY, "TXT", { dnssec: "ok" }), rdata, tcp, NOW));
    expect(verify(signed, signing.keys, NOW)).toEqual([{ what: `${WHY} TXT`, isSigned: true }]);
    expect(readReply(server.explain(queryOf(WHY, "TXT"), rdata, tcp, NOW)).answers).toHaveLength(1);
  });

  test("comes over TCP where it is too long for UDP", () => {
    const long = Uint8Array.from(Array.from({ length: 6 }, () => [200, ...new Uint8Array(200)]).flat());
    const query = queryOf(WHY, "TXT", { size: 1232 });
    const reply = readReply(serverOf(false).explain(query, long, Transport.Udp, NOW));
    expect([reply.flag_tc, reply.answers]).toEqual([true, []]);
    expect(readReply(serverOf(false).explain(query, long, tcp, NOW)).answers).toHaveLength(1);
  });

  test.each([
    ["nothing: there is no such name", WHY, null, "NXDOMAIN", 0],
    ["nothing, and a wildcard answers", "_explain.wild.example", null, "NOERROR", 1],
    ["something of a name in no zone of ours", "_explain.www.test", rdata, "REFUSED", 0],
  ])("may be %s", (_what, name, said, rcode, answers) => {
    const reply = readReply(serverOf(false).explain(queryOf(name, "TXT"), said, tcp, NOW));
    expect([reply.rcode, reply.answers?.length]).toEqual([rcode, answers]);
  });
});
