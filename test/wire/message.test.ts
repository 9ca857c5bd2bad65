import { decode, encode } from "dns-packet";
import { describe, expect, test } from "vitest";
import { RRClass, RRType } from "../../src/wire/codes.ts";
import { EdnsBits } from "../../src/wire/format.ts";
import { MessageWriter, readMessage } from "../../src/wire/message.ts";
import { formatName, type Name, parseName } from "../../src/wire/name.ts";
import { fc } from "../fast-check.ts";

function name(text: string): Name {
  const parsed = parseName(text, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

const header = (...counts: number[]): number[] => [0, 1, 0x28, 0, ...counts.flatMap((count) => [0, count])];
const octets = (...parts: (number | number[])[]): Uint8Array => Uint8Array.from(parts.flat());
/** `a.` at offset 12, SOA, IN. */
const ZONE = [1, 97, 0, 0, 6, 0, 1];
const FIXED = [0, 2, 0, 1, 0, 0, 0, 0];

describe("a message", () => {
  test("is read in its sections, with the names of the types of RFC 1035 uncompressed (RFC 3597 §4)", () => {
    const encoded = encode({
      type: "response",
      id: 7,
      questions: [{ name: "a.example", type: "MX", class: "IN" }],
      answers: [
        { name: "a.example", type: "MX", ttl: 5, data: { preference: 10, exchange: "mx.a.example" } },
      ],
      authorities: [{ name: "example", type: "NS", ttl: 6, data: "ns.example" }],
    });
    const message = readMessage(encoded);
    expect(message?.id).toBe(7);
    expect(message?.questions.map(({ qname }) => formatName(qname))).toEqual(["a.example."]);
    expect(message?.answers[0]?.rdata).toEqual(Uint8Array.from([0, 10, ...name("mx.a.example.")]));
    expect(message?.authorities[0]?.rdata).toEqual(name("ns.example."));
    expect(message?.additionals).toEqual([]);
  });

  test("has RRs with empty RDATA where they delete (RFC 2136 §2.5), whatever their type", () => {
    const message = readMessage(octets(header(1, 0, 1, 0), ZONE, [0xc0, 12], FIXED, [0, 0]));
    expect(message?.authorities[0]?.rdata).toEqual(new Uint8Array(0));
  });

  test("expands a name that is a pointer and names in RDATA that end in one", () => {
    const message = readMessage(octets(header(1, 0, 1, 0), ZONE, [0xc0, 12], FIXED, [0, 4, 1, 98, 0xc0, 12]));
    expect(message?.authorities[0]?.owner).toEqual(name("a."));
    expect(message?.authorities[0]?.rdata).toEqual(name("b.a."));
  });

  test("expands a name whose pointer leads to one that ends in a pointer", () => {
    const rdata = [0, 4, 1, 98, 0xc0, 12];
    const second = [0xc0, 12 + 7 + 2 + 8 + 2];
    const message = readMessage(
      octets(header(1, 0, 2, 0), ZONE, [0xc0, 12], FIXED, rdata, second, FIXED, [0, 0]),
    );
    expect(message?.authorities[1]?.owner).toEqual(name("b.a."));
  });

  test.each<[string, Uint8Array]>([
    ["shorter than a header", octets([0, 1, 2])],
    ["a question that ends early", octets(header(1, 0, 0, 0), [1, 97, 0, 0, 6])],
    ["an RR that ends early", octets(header(1, 0, 1, 0), ZONE, [0xc0, 12], [0, 2])],
    ["RDATA past the end", octets(header(1, 0, 1, 0), ZONE, [0xc0, 12], FIXED, [0, 9, 1])],
    ["octets left over", octets(header(1, 0, 0, 0), ZONE, [0])],
    ["a pointer to itself (RFC 1035 §4.1.4)", octets(header(1, 0, 0, 0), [0xc0, 12, 0, 6, 0, 1])],
    ["a pointer forward", octets(header(1, 0, 0, 0), [0xc0, 14, 0, 0, 6, 0, 1])],
    ["a pointer into the header", octets(header(1, 0, 0, 0), [0xc0, 4, 0, 6, 0, 1])],
    ["half a pointer", octets(header(1, 0, 0, 0), [0xc0])],
    ["a reserved label type", octets(header(1, 0, 0, 0), [0x40, 97, 0, 0, 6, 0, 1])],
    ["a name without an end", octets(header(1, 0, 0, 0), [1, 97])],
    [
      "RDATA shorter than what comes before its name",
      octets(header(1, 0, 1, 0), ZONE, [0xc0, 12], [0, 15, 0, 1, 0, 0, 0, 0], [0, 1, 0]),
    ],
    ["a name in RDATA past its end", octets(header(1, 0, 1, 0), ZONE, [0xc0, 12], FIXED, [0, 2, 1, 98, 0])],
    [
      "a name of more than 255 octets (RFC 1035 §2.3.4)",
      octets(
        header(1, 0, 0, 0),
        Array.from({ length: 5 }, () => [63, ...Array(63).fill(97)]).flat(),
        0,
        [0, 6, 0, 1],
      ),
    ],
  ])("that is malformed is none: %s", (_what, packet) => {
    expect(readMessage(packet)).toBeNull();
  });

  test("of any octets is read or not, and nothing throws", () => {
    const some = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.uint8Array({ maxLength: 60 }).map((tail) => octets(header(1, 1, 1, 1), [...ZONE], [...tail])),
    );
    fc.assert(fc.property(some, (packet) => void readMessage(packet)));
  });
});

describe("a writer", () => {
  test.each([true, false])("has an OPT behind its RRs, with DO: %s (RFC 6891 §6.1.2)", (dnssecOk) => {
    const question = { qname: name("a.example."), qtype: RRType.A, qclass: RRClass.IN };
    const { additionals } = decode(
      Buffer.from(
        new MessageWriter(9, 0, 512).question(question).opt(1232, dnssecOk ? EdnsBits.DO : 0).octets,
      ),
    );
    expect(additionals).toMatchObject([{ type: "OPT", udpPayloadSize: 1232, flag_do: dnssecOk }]);
  });

  test("has options in its OPT", () => {
    const question = { qname: name("a.example."), qtype: RRType.A, qclass: RRClass.IN };
    const writer = new MessageWriter(9, 0, 512).question(question);
    const { additionals } = decode(
      Buffer.from(
        writer.opt(1232, 0, [
          [10, [1, 2]],
          [65_280, []],
        ]).octets,
      ),
    );
    const options = [
      { code: 10, data: Buffer.of(1, 2) },
      { code: 65_280, data: Buffer.alloc(0) },
    ];
    expect(additionals).toMatchObject([{ type: "OPT", options }]);
  });

  test("compresses names without changing their case (RFC 5936 §3.4), as an independent decoder reads", () => {
    const writer = new MessageWriter(9, 0x8400, 512);
    writer.question({ qname: name("Example."), qtype: RRType.AXFR, qclass: RRClass.IN });
    expect(writer.answer(name("www.Example."), RRType.A, RRClass.IN, 60, Uint8Array.of(192, 0, 2, 1))).toBe(
      true,
    );
    expect(writer.answer(name("www.example."), RRType.A, RRClass.IN, 60, Uint8Array.of(192, 0, 2, 2))).toBe(
      true,
    );
    const packet = decode(Buffer.from(writer.octets));
    expect(packet.answers?.map((rr) => rr.name)).toEqual(["www.Example", "www.example"]);
    expect(writer.octets.length).toBe(12 + 13 + (6 + 10 + 4) + (4 + 9 + 10 + 4));
    expect(writer.answers).toBe(2);
  });

  test("adds nothing that does not fit", () => {
    const writer = new MessageWriter(9, 0x8400, 40);
    expect(writer.answer(name("a."), RRType.TXT, RRClass.IN, 60, new Uint8Array(20))).toBe(false);
    expect(writer.answer(name("a."), RRType.TXT, RRClass.IN, 60, new Uint8Array(15))).toBe(true);
    expect(readMessage(writer.octets)?.answers).toHaveLength(1);
  });

  test("writes names beyond the reach of pointers in full (RFC 1035 §4.1.4)", () => {
    const writer = new MessageWriter(9, 0x8400, 40_000);
    for (let i = 0; i < 40; i += 1) {
      writer.answer(name(`n${i}.example.`), RRType.TXT, RRClass.IN, 60, new Uint8Array(500));
    }
    writer.answer(name("late.example."), RRType.TXT, RRClass.IN, 60, new Uint8Array(1));
    writer.answer(name("late.example."), RRType.TXT, RRClass.IN, 60, new Uint8Array(1));
    expect(
      readMessage(writer.octets)
        ?.answers.slice(-2)
        .map(({ owner }) => formatName(owner)),
    ).toEqual(["late.example.", "late.example."]);
  });
});
