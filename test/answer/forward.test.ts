import { describe, expect, test } from "vitest";
import { Client } from "../../src/answer/client.ts";
import { FORWARD } from "../../src/answer/forward.ts";
import { createResponder, type ServedBook } from "../../src/answer/responder.ts";
import { Transport } from "../../src/answer/transport.ts";
import { type Admission, compileBook } from "../../src/book/compile.ts";
import { Counter, counterRow, newCounters } from "../../src/telemetry/counters.ts";
import { parseAddress, parsePrefix } from "../../src/wire/address.ts";
import { queryOf, readReply, texts, zoneOf } from "./harness.ts";

const zone = zoneOf(`$ORIGIN example.
@ 60 SOA ns h 1 2 3 4 5
@ 60 NS ns
ns 60 A 192.0.2.53
*.wild 60 A 192.0.2.1
alias 60 CNAME _acme-challenge.www
above 60 CNAME new
_acme-challenge.static 60 TXT "file"
`);
const challenges = zoneOf(`$ORIGIN example.
@ 60 SOA ns h 1 2 3 4 5
@ 60 NS ns.other.test.
_acme-challenge.www 60 TXT "one"
_acme-challenge.www 60 TXT "two"
_acme-challenge.deep.new 60 TXT "deep"
_acme-challenge.below.wild 60 TXT "wild"
ns 60 A 192.0.2.99
`);

function admission(text: string, updates: boolean, transfers: boolean): Admission {
  const prefix = parsePrefix(text);
  if (prefix === null) throw new Error(text);
  return { prefix, updates, transfers };
}

const BOTH = [
  admission("192.0.2.128/25", true, false),
  admission("198.51.100.0/24", false, true),
  admission("2001:db8::/33", true, true),
];

class Node {
  readonly counters = counterRow(newCounters(1), 0);
  readonly #responder = createResponder(null, this.counters);
  readonly #packet = new Uint8Array(65_535);

  constructor(admissions: readonly Admission[], hasBook = true) {
    if (hasBook) this.#responder.adopt(bookOf(zone, admissions));
  }

  challenge(there = true): this {
    this.#responder.adoptChallenges(there ? bookOf(challenges, []) : null);
    return this;
  }

  /** The length that is returned, and what is in the packet then. */
  ask(octets: Uint8Array, from = "192.0.2.200", transport: Transport = Transport.Tcp): [number, Uint8Array] {
    const address = parseAddress(from);
    if (address === null) throw new Error(from);
    const client = new Client();
    client.family = address.family;
    client.address.set(address.bytes);
    this.#packet.set(octets);
    const length = this.#responder.answer(this.#packet, octets.length, client, transport, 1);
    return [length, this.#packet.slice(0, Math.max(length, octets.length))];
  }

  rcode(octets: Uint8Array, from?: string, transport?: Transport): number {
    const [length, packet] = this.ask(octets, from, transport);
    return length === FORWARD ? FORWARD : (packet[3] ?? 0) & 15;
  }

  reply(name: string, type: string) {
    const [length, packet] = this.ask(queryOf(name, type));
    return readReply(packet.subarray(0, length));
  }
}

function bookOf(of: typeof zone, admissions: readonly Admission[]): ServedBook {
  const { bytes } = compileBook({
    version: 1,
    zones: [of],
    vips: [],
    regionOf: () => 0,
    signing: new Map(),
    services: [],
    admissions,
  });
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return { memory, signing: null };
}

function update(): Uint8Array {
  const packet = queryOf("example", "SOA");
  packet[2] = 5 << 3;
  return packet;
}

/** A query with an empty TSIG RR, which is enough to be told apart. */
function signed(name: string, type: string): Uint8Array {
  const tsig = [0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0];
  const packet = Uint8Array.from([...queryOf(name, type), ...tsig]);
  packet[11] = 1;
  return packet;
}

const REFUSED = 5;

describe("what control is to answer", () => {
  test.each<[string, Uint8Array, string, Transport, number]>([
    ["UPDATE from where it is taken", update(), "192.0.2.200", Transport.Udp, FORWARD],
    ["UPDATE over TCP, IPv6", update(), "2001:db8:7fff::1", Transport.Tcp, FORWARD],
    ["UPDATE from the other half of the /24", update(), "192.0.2.100", Transport.Udp, REFUSED],
    ["UPDATE from the other half of the /32", update(), "2001:db8:8000::1", Transport.Udp, REFUSED],
    ["UPDATE from where transfers are taken", update(), "198.51.100.1", Transport.Tcp, REFUSED],
    ["AXFR from where it is taken", queryOf("example", "AXFR"), "198.51.100.1", Transport.Tcp, FORWARD],
    [
      "AXFR over UDP, which is not defined (RFC 5936 §4.2)",
      queryOf("example", "AXFR"),
      "198.51.100.1",
      Transport.Udp,
      REFUSED,
    ],
    ["AXFR from elsewhere (RFC 5936 §5)", queryOf("example", "AXFR"), "192.0.2.200", Transport.Tcp, REFUSED],
    ["IXFR over UDP", queryOf("example", "IXFR"), "198.51.100.1", Transport.Udp, FORWARD],
    ["IXFR from elsewhere", queryOf("example", "IXFR"), "203.0.113.1", Transport.Tcp, REFUSED],
    ["UPDATE over HTTPS", update(), "192.0.2.200", Transport.Https, REFUSED],
    ["AXFR over HTTPS", queryOf("example", "AXFR"), "198.51.100.1", Transport.Https, REFUSED],
    ["a signed query over HTTPS", signed("example", "SOA"), "192.0.2.200", Transport.Https, 0],
    ["a signed query of somebody we know", signed("example", "SOA"), "192.0.2.200", Transport.Udp, FORWARD],
    [
      "a signed query of a stranger, which is one like others",
      signed("example", "SOA"),
      "203.0.113.1",
      Transport.Udp,
      0,
    ],
  ])("%s", (_what, packet, from, transport, outcome) => {
    const node = new Node(BOTH);
    expect(node.rcode(packet, from, transport)).toBe(outcome);
    expect(node.counters[Counter.forwarded]).toBe(outcome === FORWARD ? 1 : 0);
  });

  test("is left as it came", () => {
    const packet = Uint8Array.from(update());
    expect(new Node(BOTH).ask(packet)).toEqual([FORWARD, packet]);
  });

  test("is refused where nobody may ask, and before there is a book (RFC 2136 §3.3)", () => {
    expect(new Node([]).rcode(update())).toBe(REFUSED);
    expect(new Node([]).rcode(queryOf("example", "AXFR"))).toBe(REFUSED);
    expect(new Node([], false).rcode(update())).toBe(REFUSED);
  });

  test("is not another opcode: NOTIFY is NOTIMP, because we are nobody's secondary (RFC 1996 §3)", () => {
    const packet = update();
    packet[2] = 4 << 3;
    expect(new Node(BOTH).rcode(packet)).toBe(4);
  });
});

describe("challenges", () => {
  test("are answered beside what is in the zone, and go without a trace", () => {
    const node = new Node([]).challenge();
    expect(texts(node.reply("_ACME-Challenge.www.example", "TXT").answers)).toEqual([
      "_ACME-Challenge.www.example TXT one",
      "_ACME-Challenge.www.example TXT two",
    ]);
    expect(texts(node.reply("_acme-challenge.static.example", "TXT").answers)).toEqual([
      "_acme-challenge.static.example TXT file",
    ]);
    expect(node.challenge(false).reply("_acme-challenge.www.example", "TXT").rcode).toBe("NXDOMAIN");
  });

  test("of another type are NODATA, with the zone's SOA", () => {
    const { rcode, answers, authorities } = new Node([])
      .challenge()
      .reply("_acme-challenge.www.example", "A");
    expect([rcode, answers]).toEqual(["NOERROR", []]);
    expect(authorities?.[0]?.type).toBe("SOA");
  });

  test("are where a CNAME leads", () => {
    const { answers } = new Node([]).challenge().reply("alias.example", "TXT");
    expect(answers?.map(({ type }) => type)).toEqual(["CNAME", "TXT", "TXT"]);
  });

  test("make the names above them exist where a CNAME leads to one", () => {
    const { rcode, answers } = new Node([]).challenge().reply("above.example", "TXT");
    expect([rcode, texts(answers)]).toEqual(["NOERROR", ["above.example CNAME new.example"]]);
  });

  test("make the names above them exist (RFC 4592 §2.2.2), which are NXDOMAIN otherwise (RFC 8020 §2)", () => {
    const node = new Node([]).challenge();
    for (const name of ["deep.new.example", "new.example"]) {
      const { rcode, authorities } = node.reply(name, "TXT");
      expect([name, rcode, authorities?.length]).toEqual([name, "NOERROR", 1]);
    }
    expect(node.reply("other.new.example", "TXT").rcode).toBe("NXDOMAIN");
    expect(new Node([]).reply("deep.new.example", "TXT").rcode).toBe("NXDOMAIN");
  });

  test("leave what a wildcard answers as it is", () => {
    const { answers } = new Node([]).challenge().reply("below.wild.example", "A");
    expect(texts(answers)).toEqual(["below.wild.example A 192.0.2.1"]);
  });

  test("have no say on names that the zone has, whatever they hold", () => {
    const node = new Node([]).challenge();
    expect(texts(node.reply("ns.example", "A").answers)).toEqual(["ns.example A 192.0.2.53"]);
  });
});
