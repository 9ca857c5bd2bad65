import { describe, expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import { Counter } from "../../src/telemetry/counters.ts";
import { Packet } from "../../src/wire/packet.ts";
import { planOf, queryOf, readReply, Server, scopeOf, serviceOf, texts, vipOf, zoneOf } from "./harness.ts";

const ZONE = `
$ORIGIN example.
$TTL 300
@        SOA  ns1 hostmaster 1 3600 900 604800 60
@        NS   ns1
@        NS   ns.other.test.
ns1      A    192.0.2.53
ns1      AAAA 2001:db8::53
@        MX   10 mail
@        MX   20 mail
mail     A    192.0.2.25
Host     A    192.0.2.1
Host     A    192.0.2.2
Host     TXT  "hello" "world"
alias    CNAME Host
alias2   CNAME alias
outside  CNAME www.other.test.
broken   CNAME missing
loop     CNAME loop2
loop2    CNAME loop
a.b.c    A    192.0.2.3
*.wild   A    192.0.2.4
*.wild   TXT  "w"
there.wild TXT "no A here"
*.wildc  CNAME Host
sub      NS   ns.sub
sub      NS   ns1
sub      DS   1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.sub   A    192.0.2.60
bare     NS   ns.other.test.
old      DNAME new
x.new    A    192.0.2.70
again.new CNAME x.old
tooled   DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
_s._tcp  SRV  1 2 443 Host
svc      HTTPS 1 mail alpn=h2
svc      HTTPS 2 . port=8443
svc      A    192.0.2.80
toSvc    HTTPS 0 svc
toMail   SVCB 0 mail
nothing  HTTPS 0 .
big      TXT  "${"x".repeat(200)}" "${"y".repeat(200)}" "${"z".repeat(200)}"
shop     STEER www
*.many   STEER www
`;

const vips = ["192.0.2.11", "192.0.2.12", "2001:db8::11", "2001:db8::12"].map(vipOf);
const plans = [{ ipv4: planOf({ "192.0.2.11": 1 }), ipv6: planOf({ "2001:db8::11": 1 }) }];
const services = [
  serviceOf("www.example.", plans, null, { alpn: ["h2", "h3"], port: 8443 }),
  serviceOf("v4only.example.", [{ ipv4: planOf({ "192.0.2.12": 1 }), ipv6: planOf({}) }]),
  serviceOf("down.example.", [{ ipv4: { kind: "servfail" }, ipv6: { kind: "servfail" } }], null, {
    alpn: [],
    port: null,
  }),
  serviceOf("Host.example.", plans),
];

const inner = zoneOf("$ORIGIN inner.example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.99\n");
const outer = zoneOf(`${ZONE}inner NS ns.inner\nns.inner A 192.0.2.98\n`);
const server = new Server([outer, inner], services.slice(0, 3), vips);

describe("static answers (RFC 1034 §4.3.2)", () => {
  test.each([
    ["host.example", "A", ["host.example A 192.0.2.1", "host.example A 192.0.2.2"]],
    ["host.example", "TXT", ["host.example TXT hello world"]],
    ["a.b.c.example", "A", ["a.b.c.example A 192.0.2.3"]],
    [
      "example",
      "MX",
      [
        'example MX {"preference":10,"exchange":"mail.example"}',
        'example MX {"preference":20,"exchange":"mail.example"}',
      ],
    ],
    [
      "_s._tcp.example",
      "SRV",
      ['_s._tcp.example SRV {"priority":1,"weight":2,"port":443,"target":"Host.example"}'],
    ],
    ["anything.wild.example", "A", ["anything.wild.example A 192.0.2.4"]],
    ["very.deep.wild.example", "A", ["very.deep.wild.example A 192.0.2.4"]],
    ["*.wild.example", "A", ["*.wild.example A 192.0.2.4"]],
    [
      "alias.example",
      "A",
      ["alias.example CNAME Host.example", "Host.example A 192.0.2.1", "Host.example A 192.0.2.2"],
    ],
    ["alias.example", "CNAME", ["alias.example CNAME Host.example"]],
    ["outside.example", "A", ["outside.example CNAME www.other.test"]],
    ["x.wildc.example", "TXT", ["x.wildc.example CNAME Host.example", "Host.example TXT hello world"]],
    ["old.example", "DNAME", ["old.example DNAME new.example"]],
    ["sub.example", "DS", []],
  ])("%s %s", (name, type, answers) => {
    const reply = server.ask(name, type);
    expect(reply.rcode).toBe("NOERROR");
    expect(reply.flag_aa).toBe(true);
    if (type === "DS") expect(reply.answers).toHaveLength(1);
    else expect(texts(reply.answers)).toEqual(answers);
  });

  test("the qname's case comes back as it was asked, the target's as it was written", () => {
    expect(texts(server.ask("ALIAS.eXample", "A").answers)[0]).toBe("ALIAS.eXample CNAME Host.example");
  });

  test("a chain of CNAMEs is followed, and a loop is gone round once (RFC 1034 §3.6.2)", () => {
    expect(texts(server.ask("alias2.example", "A").answers)).toHaveLength(4);
    const loop = server.ask("loop.example", "A");
    expect(loop.rcode).toBe("NOERROR");
    expect(texts(loop.answers)).toEqual([
      "loop.example CNAME loop2.example",
      "loop2.example CNAME loop.example",
    ]);
  });

  test("a CNAME to a name that does not exist says NXDOMAIN with the CNAME (RFC 6604 §3)", () => {
    const reply = server.ask("broken.example", "A");
    expect(reply.rcode).toBe("NXDOMAIN");
    expect(texts(reply.answers)).toEqual(["broken.example CNAME missing.example"]);
    expect(reply.authorities?.[0]?.type).toBe("SOA");
  });

  test("addresses of MX and NS targets in the zone come along", () => {
    expect(texts(server.ask("example", "MX").additionals)).toEqual(["mail.example A 192.0.2.25"]);
    expect(texts(server.ask("example", "NS").additionals)).toEqual([
      "ns1.example A 192.0.2.53",
      "ns1.example AAAA 2001:db8::53",
    ]);
  });
});

describe("SVCB and HTTPS of a zone bring along what their targets have (RFC 9460 §4.1)", () => {
  test.each([
    ["a service of several RRs", "svc", "HTTPS", ["mail.example A 192.0.2.25", "svc.example A 192.0.2.80"]],
    [
      "an alias",
      "toSvc",
      "HTTPS",
      ["svc.example A 192.0.2.80", "svc.example UNKNOWN_65", "svc.example UNKNOWN_65"],
    ],
    ["an alias of type SVCB", "toMail", "SVCB", ["mail.example A 192.0.2.25"]],
    ["an alias for nothing (§2.5.1)", "nothing", "HTTPS", []],
  ])("%s", (_, name, type, additionals) => {
    const reply = server.ask(`${name}.example`, type);
    expect(texts(reply.additionals).map((text) => text.replace(/(UNKNOWN_65) .*/, "$1"))).toEqual(
      additionals,
    );
  });
});

describe("negative answers (RFC 2308)", () => {
  test.each([
    ["missing.example", "A", "NXDOMAIN"],
    ["missing.example", "DS", "NXDOMAIN"],
    ["deep.missing.example", "A", "NXDOMAIN"],
    ["host.example", "AAAA", "NOERROR"],
    ["b.c.example", "A", "NOERROR"],
    ["c.example", "TXT", "NOERROR"],
    ["wild.example", "A", "NOERROR"],
    ["there.wild.example", "A", "NOERROR"],
    ["below.there.wild.example", "A", "NXDOMAIN"],
    ["anything.wild.example", "MX", "NOERROR"],
    ["x.b.c.example", "A", "NXDOMAIN"],
  ])("%s %s is %s with the SOA, its TTL no more than MINIMUM", (name, type, rcode) => {
    const reply = server.ask(name, type);
    expect(reply.rcode).toBe(rcode);
    expect(reply.flag_aa).toBe(true);
    expect(reply.answers).toEqual([]);
    const [soa] = reply.authorities ?? [];
    expect(soa).toMatchObject({
      name: "example",
      type: "SOA",
      ttl: 60,
      data: { mname: "ns1.example", minimum: 60 },
    });
  });
});

describe("delegations", () => {
  test.each(["sub.example", "x.sub.example", "ns.sub.example"])("%s is referred, with glue", (name) => {
    const reply = server.ask(name, "A");
    expect(reply.rcode).toBe("NOERROR");
    expect(reply.flag_aa).toBe(false);
    expect(reply.answers).toEqual([]);
    expect(texts(reply.authorities)).toEqual(["sub.example NS ns.sub.example", "sub.example NS ns1.example"]);
    expect(texts(reply.additionals)).toContain("ns.sub.example A 192.0.2.60");
  });

  test("a delegation to servers elsewhere is referred without glue", () => {
    const reply = server.ask("x.bare.example", "A");
    expect(texts(reply.authorities)).toEqual(["bare.example NS ns.other.test"]);
    expect(reply.additionals).toEqual([]);
  });

  test("a zone served below another answers for itself", () => {
    expect(texts(server.ask("ns.inner.example", "A").answers)).toEqual(["ns.inner.example A 192.0.2.99"]);
    expect(server.ask("x.inner.example", "A").authorities?.[0]?.name).toBe("inner.example");
  });
});

describe("DNAME (RFC 6672)", () => {
  test("a name below is answered by the DNAME, a CNAME made from it, and the target", () => {
    expect(texts(server.ask("x.old.example", "A").answers)).toEqual([
      "old.example DNAME new.example",
      "x.old.example CNAME x.new.example",
      "x.new.example A 192.0.2.70",
    ]);
  });

  test("a query for the CNAME itself ends there", () => {
    expect(texts(server.ask("x.old.example", "CNAME").answers)).toHaveLength(2);
  });

  test("a DNAME that is met twice is in the answer once (RFC 2181 §5)", () => {
    expect(texts(server.ask("again.old.example", "A").answers)).toEqual([
      "old.example DNAME new.example",
      "again.old.example CNAME again.new.example",
      "again.new.example CNAME x.old.example",
      "x.old.example CNAME x.new.example",
      "x.new.example A 192.0.2.70",
    ]);
  });

  test("a target that would be too long is YXDOMAIN (§2.2)", () => {
    const name = `${"d".repeat(60)}.tooled.example`;
    expect(server.ask(name, "A").rcode).toBe("YXDOMAIN");
  });

  test("the owner itself is not redirected", () => {
    expect(server.ask("old.example", "A").rcode).toBe("NOERROR");
    expect(server.ask("old.example", "A").answers).toEqual([]);
  });
});

describe("steered answers", () => {
  test.each([
    ["www.example", "A", "www.example A 192.0.2.11"],
    ["www.example", "AAAA", "www.example AAAA 2001:db8::11"],
    ["shop.example", "A", "shop.example A 192.0.2.11"],
    ["x.many.example", "A", "x.many.example A 192.0.2.11"],
    ["v4only.example", "A", "v4only.example A 192.0.2.12"],
  ])("%s %s", (name, type, answer) => {
    const reply = server.ask(name, type);
    expect(texts(reply.answers)).toEqual([answer]);
    expect(reply.answers?.[0]).toMatchObject({ ttl: 5 });
    expect(reply.flag_aa).toBe(true);
  });

  test("HTTPS has ALPN, port, and the addresses of A and AAAA as hints (RFC 9460 §7)", () => {
    const wire = Buffer.from(server.raw(queryOf("www.example", "HTTPS")));
    const rdata = Buffer.from(
      `000100 00010006 026832026833 00030002 20fb 00040004 c000020b 00060010 20010db8000000000000000000000011`.replaceAll(
        " ",
        "",
      ),
      "hex",
    );
    expect(wire.subarray(-rdata.length)).toEqual(rdata);
  });

  test("an AAAA query for a v4-only VIP gets NODATA, and so does HTTPS without parameters", () => {
    for (const type of ["AAAA", "HTTPS", "MX"]) {
      const reply = server.ask("v4only.example", type);
      expect([reply.rcode, reply.answers, reply.authorities?.[0]?.type]).toEqual(["NOERROR", [], "SOA"]);
    }
  });

  test("a plan can be SERVFAIL", () => {
    for (const type of ["A", "AAAA", "HTTPS"])
      expect(server.ask("down.example", type).rcode).toBe("SERVFAIL");
  });

  test("other types of a steered name come from the zone", () => {
    const mixed = new Server([zoneOf(ZONE.replaceAll(/^Host +A .*$/gm, ""))], services, vips);
    expect(texts(mixed.ask("host.example", "TXT").answers)).toEqual(["host.example TXT hello world"]);
    expect(texts(mixed.ask("host.example", "A").answers)).toEqual(["host.example A 192.0.2.11"]);
    expect(texts(mixed.ask("alias.example", "A").answers)).toEqual([
      "alias.example CNAME Host.example",
      "Host.example A 192.0.2.11",
    ]);
  });
});

describe("EDNS", () => {
  test("a query without EDNS gets none back", () => {
    expect(server.ask("host.example", "A").additionals).toEqual([]);
  });

  test("a query with EDNS gets our payload size of 1232", () => {
    expect(server.ask("host.example", "A", { size: 4096 }).additionals?.[0]).toMatchObject({
      udpPayloadSize: 1232,
    });
  });

  test.each([
    [undefined, true],
    [512, true],
    [700, false],
  ])("a reply of 640 octets to a client that takes %s is truncated: %s", (size, truncated) => {
    const reply = server.ask("big.example", "TXT", size === undefined ? {} : { size });
    expect(reply.flag_tc).toBe(truncated);
    expect(reply.answers).toHaveLength(truncated ? 0 : 1);
  });

  test("on a stream nothing is truncated", () => {
    expect(server.ask("big.example", "TXT", { transport: Transport.Tcp }).answers).toHaveLength(1);
  });

  test("ECS comes back with its prefix, and scope 0 for what does not depend on it (RFC 7871 §7.2.1)", () => {
    for (const [name, type] of [
      ["host.example", "A"],
      ["www.example", "A"],
      ["missing.example", "A"],
    ] as const) {
      const reply = server.ask(name, type, { subnet: "192.0.2.0/24" });
      expect(scopeOf(reply)).toBe(0);
      expect(JSON.stringify(reply.additionals)).toContain('"ip":"192.0.2.0"');
    }
    expect(scopeOf(server.ask("www.example", "A", { subnet: "2001:db8::/56" }))).toBe(0);
  });

  test("a version above 0 gets BADVERS (RFC 6891 §6.1.3)", () => {
    const query = queryOf("host.example", "A", { size: 1232 });
    query[query.length - 11 + 6] = 1;
    const reply = server.raw(query);
    expect(readReply(reply).additionals?.[0]).toMatchObject({ extendedRcode: 1 });
  });
});

describe("what is refused", () => {
  const refused = (name: string, type: string): string => server.ask(name, type).rcode;

  test.each([
    ["other.test", "A", "REFUSED"],
    ["test", "A", "REFUSED"],
    ["example", "AXFR", "REFUSED"],
    ["example", "IXFR", "REFUSED"],
  ])("%s %s is %s", (name, type, rcode) => {
    expect(refused(name, type)).toBe(rcode);
  });

  test("a name of 127 labels outside our zones costs a bounded search and is REFUSED", () => {
    expect(refused(`${"a.".repeat(126)}b`, "A")).toBe("REFUSED");
  });

  test("a class other than IN is REFUSED", () => {
    const query = queryOf("host.example", "A");
    query[query.length - 1] = 3;
    expect(server.raw(query)[3]).toBe(5);
  });

  test("an opcode other than QUERY is NOTIMP", () => {
    const query = queryOf("host.example", "A");
    query[2] = 0x20;
    expect(server.raw(query)[3]).toBe(4);
  });

  test("a malformed query is FORMERR, and a response is met with silence", () => {
    const query = queryOf("host.example", "A");
    expect(server.raw(query.subarray(0, query.length - 1))[3]).toBe(1);
    query[2] = 0x80;
    expect(server.raw(query)).toHaveLength(0);
    expect(server.raw(new Uint8Array(11))).toHaveLength(0);
  });

  test("ANY gets one small HINFO for a name that exists (RFC 8482 §4.2)", () => {
    expect(texts(server.ask("host.example", "ANY").answers)).toEqual([
      'host.example HINFO {"cpu":"RFC8482","os":""}',
    ]);
    expect(texts(server.ask("www.example", "ANY").answers)).toHaveLength(1);
    expect(server.ask("missing.example", "ANY").rcode).toBe("NXDOMAIN");
  });

  test("ANY at a CNAME gets it, and is not led on (RFC 8482 §4.2)", () => {
    expect(texts(server.ask("alias.example", "ANY").answers)).toEqual(["alias.example CNAME Host.example"]);
  });

  test("ANY at an empty non-terminal is NODATA", () => {
    const reply = server.ask("b.c.example", "ANY");
    expect([reply.rcode, reply.answers, reply.authorities?.[0]?.type]).toEqual(["NOERROR", [], "SOA"]);
  });
});

test("every kind of reply is counted in its cell", () => {
  const counted = new Server([outer], services.slice(0, 3), vips);
  counted.ask("host.example", "A", { subnet: "192.0.2.0/24" });
  counted.ask("www.example", "A");
  counted.ask("missing.example", "A");
  counted.ask("host.example", "AAAA", { transport: Transport.Tcp });
  counted.ask("x.sub.example", "A");
  counted.ask("other.test", "A");
  counted.ask("big.example", "TXT");
  counted.ask("down.example", "A");
  const cells = [
    "answered",
    "steered",
    "nxDomain",
    "noData",
    "referrals",
    "refused",
    "truncated",
    "servFail",
    "withSubnet",
    "queriesUdp",
    "queriesTcp",
  ] as const;
  expect(Object.fromEntries(cells.map((cell) => [cell, counted.counters[Counter[cell]]]))).toEqual({
    answered: 3,
    steered: 2,
    nxDomain: 1,
    noData: 1,
    referrals: 1,
    refused: 1,
    truncated: 1,
    servFail: 1,
    withSubnet: 1,
    queriesUdp: 7,
    queriesTcp: 1,
  });
});

test("without a book every query gets SERVFAIL, so that resolvers turn to another node", async () => {
  const { createResponder } = await import("../../src/answer/responder.ts");
  const responder = createResponder(null, server.counters);
  const packet = new Packet(new Uint8Array(1232));
  const query = queryOf("host.example", "A");
  packet.octets.set(query);
  expect(responder.answer(packet, query.length, server.client, Transport.Udp, 1)).toBe(query.length);
  expect(packet.octets[3]).toBe(2);
});

test("another book is used from the next query on", () => {
  const first = new Server([outer]);
  const second = new Server([zoneOf(`${ZONE}late A 192.0.2.90\n`)]);
  expect(first.ask("late.example", "A").rcode).toBe("NXDOMAIN");
  first.adopt({ memory: second.memory, signing: null });
  expect(texts(first.ask("late.example", "A").answers)).toEqual(["late.example A 192.0.2.90"]);
});
