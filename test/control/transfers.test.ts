/** Requests for zones as they come to control, signed, and every message of the replies. */

import { decode } from "dns-packet";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import type { ForwardedRequest } from "../../src/book/messages.ts";
import type { Config, TransferPeer } from "../../src/config/config.ts";
import { Clerk } from "../../src/control/clerk.ts";
import type { Snapshot } from "../../src/control/snapshot.ts";
import { parseAddress, parsePrefix } from "../../src/wire/address.ts";
import { Opcode, Rcode, RRClass, RRType, TsigError } from "../../src/wire/codes.ts";
import { EdnsBits } from "../../src/wire/format.ts";
import { type Message, MessageWriter, readMessage } from "../../src/wire/message.ts";
import { type Name, nameKey, parseName } from "../../src/wire/name.ts";
import { findTsig, type Tsig, type TsigKey, TsigSigner, verifyTsig } from "../../src/wire/tsig.ts";
import type { Zone } from "../../src/zone/zone.ts";
import { rrsetLengthMax } from "../../src/zone/zone.ts";
import { zoneOf } from "../answer/harness.ts";
import { configWith } from "../health/fixtures.ts";

const { AXFR, IXFR, SOA } = RRType;
const NOW = 1_800_000_000;
const QR_AA = 0x8400;

function name(text: string): Name {
  const parsed = parseName(text, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

const KEY: TsigKey = { name: name("xfr."), algorithm: "hmac-sha256", secret: Buffer.alloc(32, 7) };
const OTHER: TsigKey = { ...KEY, name: name("other.") };

function zone(serial: number, more = ""): Zone {
  return zoneOf(`$ORIGIN Example.
@ 60 SOA Ns h ${serial} 2 3 4 5
@ 60 NS Ns
Ns 60 A 192.0.2.53
${more}
`);
}

const MANY = Array.from({ length: 2_000 }, (_, i) => `h${i} 60 TXT "number ${i}"`).join("\n");

function peer(key: TsigKey, from: string): TransferPeer {
  const prefix = parsePrefix(from);
  if (prefix === null) throw new Error(from);
  return { key: nameKey(key.name), from: [prefix], notify: [] };
}

class Lab {
  zones: readonly Zone[];
  readonly logged: string[] = [];
  readonly clerk: Clerk;

  constructor(...zones: readonly Zone[]) {
    this.zones = zones;
    const place = { file: "", line: 0, column: 0 };
    const peers = [peer(KEY, "192.0.2.0/24")];
    const declared = { apex: name("example."), label: "example", place, omitsSteered: false, peers };
    const transfer = new Map([[nameKey(declared.apex), declared]]);
    const config: Config = { ...configWith({}), transfer };
    const keys = new Map([KEY, OTHER].map((key) => [nameKey(key.name), key]));
    this.clerk = new Clerk({
      snapshot: () => ({ config, keys, zones: this.zones }) as Partial<Snapshot> as Snapshot,
      nowMs: () => NOW * 1000,
      update: () => Promise.reject(new Error("no UPDATE in here")),
      log: pino({}, { write: (line) => void this.logged.push(line) }),
    });
  }

  ask(octets: Uint8Array, request: Partial<ForwardedRequest> = {}): AsyncGenerator<Uint8Array> {
    const source = parseAddress("192.0.2.54")?.bytes ?? octets;
    return this.clerk.reply({
      kind: "request",
      request: 1,
      octets,
      source,
      isStream: true,
      tls: null,
      response: null,
      ...request,
    });
  }

  async all(octets: Uint8Array, request: Partial<ForwardedRequest> = {}): Promise<readonly Uint8Array[]> {
    return await Array.fromAsync(this.ask(octets, request));
  }

  async rcode(
    octets: Uint8Array,
    request: Partial<ForwardedRequest> = {},
  ): Promise<readonly [number, number]> {
    const [reply] = await this.all(octets, request);
    const message = read(reply);
    const found = findTsig(message);
    return [message.flags & 15, found.kind === "signed" ? found.tsig.error : -1];
  }
}

interface Asked {
  readonly key?: TsigKey;
  readonly zone?: string;
  readonly qclass?: number;
  readonly at?: number;
  /** Whether there is an OPT. */
  readonly edns?: boolean;
}

function query(qtype: number, asked: Asked = {}): Uint8Array {
  const { key = KEY, zone: apex = "example.", qclass = RRClass.IN, at = NOW, edns = false } = asked;
  const writer = new MessageWriter(4711, 0, 512).question({ qname: name(apex), qtype, qclass });
  return new TsigSigner(key, null).sign((edns ? writer.opt(1232, EdnsBits.DO) : writer).octets, at);
}

/** With the SOA of the version that the client has. */
function ixfr(serial: number, owner = "example."): Uint8Array {
  const question = { qname: name("example."), qtype: IXFR, qclass: RRClass.IN };
  const octets = new MessageWriter(4711, 0, 512).question(question).octets;
  const counters = new Uint8Array(20);
  new DataView(counters.buffer).setUint32(0, serial);
  const soa = [...name(owner), 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0, ...counters];
  const whole = Uint8Array.from([...octets, ...soa]);
  whole[9] = 1;
  return new TsigSigner(KEY, null).sign(whole, NOW);
}

function read(octets: Uint8Array | undefined): Message {
  const message = octets === undefined ? null : readMessage(octets);
  if (message === null) throw new Error("a message that cannot be read");
  return message;
}

function tsigOf(octets: Uint8Array): Tsig {
  const found = findTsig(read(octets));
  if (found.kind !== "signed") throw new Error(found.kind);
  return found.tsig;
}

describe("a transfer", () => {
  test("is the zone's SOA, all its RRs and its SOA again (RFC 5936 §2.2), names in their case (§3.4)", async () => {
    const lab = new Lab(zone(7, "sub 60 NS ns.sub\nns.sub 60 A 192.0.2.9"));
    const [only, ...others] = await lab.all(query(AXFR));
    expect(others).toEqual([]);
    const message = read(only);
    expect([message.id, message.flags, message.questions.length]).toEqual([4711, QR_AA, 1]);
    const decoded = decode(Buffer.from(only ?? []));
    expect(decoded.answers?.map((rr) => `${rr.name} ${rr.type}`)).toEqual([
      "Example SOA",
      "Example NS",
      "Ns.Example A",
      "sub.Example NS",
      "ns.sub.Example A",
      "Example SOA",
    ]);
    expect(lab.clerk.transfers).toEqual({ done: 1, current: 0, refused: 0, broken: 0 });
  });

  test("of several messages has the question in the first, and a signature in each (RFC 8945 §5.3.1)", async () => {
    const lab = new Lab(zone(7, MANY));
    const octets = query(AXFR, { edns: true });
    const messages = await lab.all(octets);
    expect(messages.length).toBeGreaterThan(3);
    let mac = tsigOf(octets).mac;
    for (const [i, message] of messages.entries()) {
      expect(message.length).toBeLessThan(17_000);
      const { id, questions, additionals } = read(message);
      expect([id, questions.length, additionals.length]).toEqual([4711, i === 0 ? 1 : 0, i === 0 ? 2 : 1]);
      const tsig = tsigOf(message);
      // The first message is verified as any reply; of the others the digest has the times alone.
      if (i === 0) expect(verifyTsig(message, tsig, KEY, NOW, mac)).toEqual({ kind: "valid" });
      expect(tsig.mac).not.toEqual(mac);
      mac = tsig.mac;
    }
    const rrs = messages.flatMap((message) => read(message).answers);
    expect(rrs).toHaveLength(2_004);
    expect([rrs.at(0)?.type, rrs.at(-1)?.type]).toEqual([SOA, SOA]);
  });

  test("is made message by message, and of one version though another is loaded meanwhile", async () => {
    const lab = new Lab(zone(7, MANY));
    const messages = lab.ask(query(AXFR));
    const parts = [(await messages.next()).value];
    lab.zones = [zone(8)];
    for await (const message of messages) parts.push(message);
    const rrs = parts.flatMap((message) => read(message).answers);
    expect(rrs).toHaveLength(2_004);
    expect(rrs.at(-1)?.rdata).toEqual(rrs[0]?.rdata);
    expect((await lab.all(query(AXFR))).length).toBe(1);
  });

  test("has the longest RR that a zone may have in a message of its own (RFC 5936 §2.2)", async () => {
    const length = rrsetLengthMax - 12;
    const longest = `big 60 TYPE65400 \\# ${length} ${"ab".repeat(length)}`;
    const messages = await new Lab(zone(7, `${longest}\n${MANY}`)).all(query(AXFR, { edns: true }));
    expect(messages.filter((octets) => octets.length > rrsetLengthMax)).toHaveLength(1);
    const rrs = messages.flatMap((octets) => read(octets).answers);
    expect(rrs).toHaveLength(2_005);
    expect(rrs.find(({ type }) => type === 65_400)?.rdata).toHaveLength(length);
  });

  test("that the client breaks off is ended, and makes room for others: 16 are under way at most", async () => {
    const lab = new Lab(zone(7, MANY));
    const open: AsyncGenerator<Uint8Array>[] = [];
    for (let i = 0; i < 16; i += 1) {
      const messages = lab.ask(query(AXFR));
      await messages.next();
      open.push(messages);
    }
    expect(await lab.rcode(query(AXFR))).toEqual([Rcode.ServFail, 0]);
    await open[0]?.return(undefined);
    expect(lab.clerk.transfers).toEqual({ done: 0, current: 0, refused: 1, broken: 1 });
    expect(await lab.rcode(query(AXFR))).toEqual([Rcode.NoError, 0]);
  });
});

describe("a request for a zone is refused", () => {
  const elsewhere = parseAddress("198.51.100.1")?.bytes ?? new Uint8Array(4);
  const stolen = { ...KEY, secret: Buffer.alloc(32, 8) };
  test.each<[string, Uint8Array, readonly [number, number]]>([
    ["with a key that may not have it (RFC 5936 §5)", query(AXFR, { key: OTHER }), [Rcode.Refused, 0]],
    [
      "with a wrong secret (RFC 8945 §5.2.2)",
      query(AXFR, { key: stolen }),
      [Rcode.NotAuth, TsigError.BadSig],
    ],
    [
      "with an unknown key (RFC 8945 §5.2.1)",
      query(AXFR, { key: { ...KEY, name: name("nobody.") } }),
      [Rcode.NotAuth, TsigError.BadKey],
    ],
    [
      "with a clock that is wrong (RFC 8945 §5.2.3)",
      query(AXFR, { at: NOW - 301 }),
      [Rcode.NotAuth, TsigError.BadTime],
    ],
    [
      "of a zone that is not ours (RFC 5936 §2.2.1)",
      query(AXFR, { zone: "www.example." }),
      [Rcode.NotAuth, 0],
    ],
    ["of another class", query(AXFR, { qclass: RRClass.CH }), [Rcode.NotAuth, 0]],
    ["of a zone that nobody may have", query(AXFR, { zone: "inner.example." }), [Rcode.Refused, 0]],
    ["as an IXFR without the client's SOA (RFC 1995 §3)", query(IXFR), [Rcode.FormErr, 0]],
    ["as an IXFR with another name's SOA", ixfr(1, "other."), [Rcode.FormErr, 0]],
  ])("%s", async (_what, octets, outcome) => {
    const inner = zoneOf("$ORIGIN inner.example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n");
    expect(await new Lab(zone(7), inner).rcode(octets)).toEqual(outcome);
  });

  test("from where it may not be sent (RFC 5936 §5)", async () => {
    const lab = new Lab(zone(7));
    expect(await lab.rcode(query(AXFR), { source: elsewhere })).toEqual([Rcode.Refused, 0]);
    expect(lab.logged.join("")).toContain("transfer refused: example. is not for this key from there");
    expect(lab.clerk.transfers.refused).toBe(1);
  });

  test("without a signature, or with one that cannot be read", async () => {
    const unsigned = query(AXFR).slice(0, 12 + 9 + 4);
    unsigned[11] = 0;
    expect(await new Lab(zone(7)).rcode(unsigned)).toEqual([Rcode.Refused, -1]);
    expect(await new Lab(zone(7)).rcode(unsigned.slice(0, -1))).toEqual([Rcode.FormErr, -1]);
  });
});

describe("an IXFR", () => {
  const answers = async (serial: number, isStream = true): Promise<number> => {
    const messages = await new Lab(zone(7)).all(ixfr(serial), { isStream });
    return messages.flatMap((message) => read(message).answers).length;
  };

  test.each([
    [6, 4],
    [7, 1],
    [8, 1],
    [0x8000_0008, 4],
  ])("of version %i, where ours is 7, gets %i RRs (RFC 1995 §2, RFC 1982)", async (serial, count) => {
    expect(await answers(serial)).toBe(count);
  });

  test("over UDP gets the SOA alone, so that the client comes again over TCP (RFC 1995 §2)", async () => {
    expect(await answers(6, false)).toBe(1);
  });
});

describe("a signed query", () => {
  const SIGNED = query(SOA);
  const response = (length: number): Uint8Array => {
    const writer = new MessageWriter(4711, QR_AA, 4096).question({
      qname: name("example."),
      qtype: SOA,
      qclass: RRClass.IN,
    });
    while (writer.octets.length + 66 <= length)
      writer.answer(name("example."), RRType.TXT, RRClass.IN, 1, new Uint8Array(54));
    return writer.octets;
  };

  test("gets its response signed (RFC 8945 §5.3)", async () => {
    const [reply] = await new Lab(zone(7)).all(SIGNED, { response: response(400), isStream: false });
    expect(read(reply).answers.length).toBeGreaterThan(3);
    expect(verifyTsig(reply ?? SIGNED, tsigOf(reply ?? SIGNED), KEY, NOW, tsigOf(SIGNED).mac).kind).toBe(
      "valid",
    );
  });

  test("gets TC where the signature makes it too long for UDP, and all of it over TCP (RFC 8945 §5.3)", async () => {
    const lab = new Lab(zone(7));
    const long = response(500);
    const [udp] = await lab.all(SIGNED, { response: long, isStream: false });
    expect([read(udp).flags, read(udp).answers.length]).toEqual([QR_AA | 0x0200, 0]);
    expect(udp?.length).toBeLessThanOrEqual(512);
    const [tcp] = await lab.all(SIGNED, { response: long });
    expect(read(tcp).answers.length).toBeGreaterThan(3);
    const [edns] = await lab.all(query(SOA, { edns: true }), { response: long, isStream: false });
    expect(read(edns).answers.length).toBeGreaterThan(3);
  });

  test("that dns has no response for is refused", async () => {
    expect(await new Lab(zone(7)).rcode(SIGNED)).toEqual([Rcode.Refused, 0]);
  });

  test("that is an opcode of its own is not a transfer", async () => {
    const update = query(AXFR);
    update[2] = Opcode.Update << 3;
    expect((await new Lab(zone(7)).rcode(update))[1]).toBe(TsigError.BadSig);
  });
});
