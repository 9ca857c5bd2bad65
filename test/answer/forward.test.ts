import { describe, expect, test } from "vitest";
import { Client } from "../../src/answer/client.ts";
import { FORWARD } from "../../src/answer/forward.ts";
import { createResponder, type ServedBook } from "../../src/answer/responder.ts";
import { Transport } from "../../src/answer/transport.ts";
import { compileBook } from "../../src/book/compile.ts";
import type { Admission } from "../../src/book/content.ts";
import { Counter, counterRow, newCounters } from "../../src/telemetry/counters.ts";
import { parseAddress, parsePrefix } from "../../src/wire/address.ts";
import { TsigError } from "../../src/wire/codes.ts";
import { EdnsBits } from "../../src/wire/format.ts";
import { type Message, MessageWriter, readMessage } from "../../src/wire/message.ts";
import { type Name, parseName } from "../../src/wire/name.ts";
import { Packet } from "../../src/wire/packet.ts";
import { findTsig, type Tsig, type TsigKey, TsigSigner } from "../../src/wire/tsig.ts";
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
  return { prefix, updates, transfers, explains: false };
}

const BOTH = [
  admission("192.0.2.128/25", true, false),
  admission("198.51.100.0/24", false, true),
  admission("2001:db8::/33", true, true),
];

class Node {
  readonly counters = counterRow(newCounters(1), 0);
  readonly #responder = createResponder(null, this.counters);
  readonly #packet = new Packet(new Uint8Array(65_535));

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
    this.#packet.octets.set(octets);
    const length = this.#responder.answer(this.#packet, octets.length, client, transport, 1);
    return [length, this.#packet.octets.slice(0, Math.max(length, octets.length))];
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

const KEY: TsigKey = { name: nameOf("somebody."), algorithm: "hmac-sha256", secret: new Uint8Array(32) };

function signed(name: string, type: string): Uint8Array {
  return new TsigSigner(KEY, null).sign(queryOf(name, type), 1);
}

function nameOf(text: string): Name {
  const parsed = parseName(text, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

const NOTAUTH = 9;
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
    ["a signed query over HTTPS", signed("example", "SOA"), "192.0.2.200", Transport.Https, NOTAUTH],
    ["a signed query of somebody we know", signed("example", "SOA"), "192.0.2.200", Transport.Udp, FORWARD],
    [
      "a signed query from where no key is known",
      signed("example", "SOA"),
      "203.0.113.1",
      Transport.Udp,
      NOTAUTH,
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

describe("a key that is not known", () => {
  const STRANGER = "203.0.113.1";
  const refuse = (query: Uint8Array, transport: Transport = Transport.Tcp): Message => {
    const [length, packet] = new Node(BOTH).ask(query, STRANGER, transport);
    const message = readMessage(packet.slice(0, length));
    if (message === null) throw new Error("the reply cannot be read");
    return message;
  };
  /** The reply's TSIG, which must be its last RR. */
  const tsigOf = (message: Message): Tsig => {
    const found = findTsig(message);
    if (found.kind !== "signed") throw new Error(`the reply is ${found.kind}`);
    return found.tsig;
  };

  test("is BADKEY in an unsigned reply: NOTAUTH and the TSIG without its MAC (RFC 8945 §5.2.1, §5.3.2)", () => {
    const query = signed("www.example", "A");
    const message = refuse(query);
    expect(message.flags & 15).toBe(NOTAUTH);
    expect(message.answers).toEqual([]);
    expect(tsigOf(message)).toMatchObject({
      keyName: KEY.name,
      timeSigned: 1,
      fudgeSeconds: 300,
      mac: new Uint8Array(0),
      originalId: message.id,
      error: TsigError.BadKey,
      other: new Uint8Array(0),
    });
    expect(new Node(BOTH).ask(query, STRANGER)[0]).toBe(query.length - 32);
  });

  test("of a query with EDNS is told behind the OPT", () => {
    const plain = new MessageWriter(7, 0, 512).question({ qname: nameOf("example."), qtype: 6, qclass: 1 });
    const query = new TsigSigner(KEY, null).sign(plain.opt(4096, EdnsBits.DO).octets, 1);
    const message = refuse(query, Transport.Udp);
    expect(message.additionals.map(({ type }) => type)).toEqual([41, 250]);
    expect(tsigOf(message).error).toBe(TsigError.BadKey);
  });

  test("whatever its name is compressed to, the reply says it", () => {
    // "k" and a pointer to "example." in the question.
    const query = signed("www.example", "A");
    const at = queryOf("www.example", "A").length;
    const compressed = Uint8Array.from([
      ...query.subarray(0, at),
      ...[1, 107, 0xc0, 16],
      ...query.subarray(at + KEY.name.length),
    ]);
    expect(tsigOf(refuse(compressed)).keyName).toEqual(nameOf("k.example."));
    // To itself, into the header, and to a name that the reply would not have.
    for (const target of [at, 0, at + 20]) {
      compressed[at + 3] = target;
      expect(refuse(compressed).flags & 15).toBe(1);
    }
  });

  test("with a TSIG that cannot be read, or that is not the last RR, is FORMERR (RFC 8945 §5.1, §5.2)", () => {
    const query = signed("www.example", "A");
    const at = queryOf("www.example", "A").length;
    const rdataAt = at + KEY.name.length + 10;
    for (const rdata of [
      [],
      [0],
      [0, ...new Array<number>(15).fill(0)],
      [0xc0, 12, ...new Array<number>(16).fill(0)],
    ]) {
      const short = Uint8Array.from([...query.subarray(0, rdataAt), ...rdata]);
      short[rdataAt - 1] = rdata.length;
      expect(refuse(short).flags & 15).toBe(1);
    }
    const opt = [0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0];
    const behind = Uint8Array.from([...query, ...opt]);
    behind[11] = 2;
    expect(refuse(behind).flags & 15).toBe(1);
  });

  test("that would make the reply too long is told without it, truncated", () => {
    const label = [63, ...new Array<number>(63).fill(120)];
    const long = Uint8Array.from([...label, ...label, ...label, 0]) as Name;
    const plain = new MessageWriter(7, 0, 512).question({ qname: long, qtype: 1, qclass: 1 }).octets;
    const query = new TsigSigner({ ...KEY, name: long }, null).sign(plain, 1);
    expect(refuse(query, Transport.Udp).flags & 0x20f).toBe(NOTAUTH);
    const algorithm = query.indexOf(11, plain.length + long.length + 10);
    const odd = Uint8Array.from([
      ...query.subarray(0, algorithm),
      ...long,
      ...query.subarray(algorithm + 13),
    ]);
    new DataView(odd.buffer).setUint16(algorithm - 2, odd.length - algorithm);
    const message = refuse(odd, Transport.Udp);
    expect([message.flags & 0x20f, message.additionals]).toEqual([0x200 | NOTAUTH, []]);
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
