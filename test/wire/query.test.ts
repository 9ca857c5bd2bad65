import { encode } from "dns-packet";
import { describe, expect, test } from "vitest";
import { RRType } from "../../src/wire/codes.ts";
import { headerLength } from "../../src/wire/format.ts";
import { Packet, viewOf } from "../../src/wire/packet.ts";
import { Parsed, parseQuery, Query } from "../../src/wire/query.ts";
import { fc } from "../fast-check.ts";
import { readPackets } from "../packets/read.ts";

const packets = readPackets("queries.hex");
const resultNames = new Map<number, string>(Object.entries(Parsed).map(([name, code]) => [code, name]));

function packetOf(name: string): Uint8Array {
  return packets.find((packet) => packet.name === name)!.bytes;
}

function parsed(packet: Uint8Array): Query {
  const query = new Query();
  expect(parseQuery(new Packet(packet), packet.length, query)).toBe(Parsed.Query);
  return query;
}

describe("golden packets", () => {
  test.each(packets)("$name is $expected", ({ bytes, expected }) => {
    const query = new Query();
    const result = resultNames.get(parseQuery(new Packet(bytes), bytes.length, query));
    const hasQuestion = query.questionEnd > headerLength;
    expect(result === "FormErr" && hasQuestion ? "FormErr (question)" : result).toBe(expected);
  });

  test("a query without EDNS has the defaults that its absence means", () => {
    const query = parsed(packetOf("a plain query"));
    expect(query).toMatchObject({
      flags: 0x0100,
      opcode: 0,
      qnameLength: 13,
      qtype: RRType.A,
      qclass: 1,
      questionEnd: 29,
      hasEdns: false,
      ednsVersion: 0,
      udpPayloadSize: 512,
      dnssecOk: false,
      hasSubnet: false,
    });
  });

  test("EDNS gives the payload size and the DO bit", () => {
    const query = parsed(packetOf("a query with EDNS, DO and a cookie"));
    expect(query).toMatchObject({ hasEdns: true, udpPayloadSize: 1232, dnssecOk: true, hasSubnet: false });
  });

  test("a payload size below 512 is read as 512 (RFC 6891 §6.2.3)", () => {
    expect(parsed(packetOf("a query with an EDNS payload size below 512")).udpPayloadSize).toBe(512);
  });

  test.each([
    ["a query with the subnet 192.0.2.0/24", 1, 24, "c0000200000000000000000000000000"],
    ["a query with the subnet 2001:db8::/33", 2, 33, "20010db8800000000000000000000000"],
    ["a query whose client withholds its IPv4 subnet", 1, 0, "00000000000000000000000000000000"],
    [
      "a query whose client withholds its subnet without a family, as dig +subnet=0",
      0,
      0,
      "00000000000000000000000000000000",
    ],
  ])("%s gives family %i, source prefix %i", (name, family, length, address) => {
    const query = parsed(packetOf(name));
    expect(query).toMatchObject({ hasSubnet: true, subnetFamily: family, sourcePrefixLength: length });
    expect(octetsOf(query.subnetAddress, 16).toString("hex")).toBe(address);
  });

  test("NSID, keepalive and padding are noticed (RFC 5001, RFC 7828, RFC 7830)", () => {
    expect(parsed(packetOf("a query with NSID, keepalive and padding"))).toMatchObject({
      hasNsid: true,
      keepaliveLength: 0,
      hasPadding: true,
      cookieLength: 0,
    });
    expect(parsed(packetOf("a query with a keepalive that has a timeout"))).toMatchObject({
      hasNsid: false,
      keepaliveLength: 2,
      hasPadding: false,
    });
  });

  test.each([
    ["a query with EDNS, DO and a cookie", "0102030405060708"],
    ["a query with both cookies", "010203040506070811121314151617182122232425262728"],
    ["a query with two cookie options", "0102030405060708"],
    ["a cookie of 40 octets", "0102030405060708".repeat(5)],
  ])("%s gives its octets, of several options the first (RFC 7873 §5.2)", (name, cookie) => {
    const query = parsed(packetOf(name));
    expect(octetsOf(query.cookie, query.cookieLength).toString("hex")).toBe(cookie);
  });

  test("BADVERS keeps the question and the EDNS fields for the reply", () => {
    const query = new Query();
    const packet = packetOf("EDNS version 1");
    expect(parseQuery(new Packet(packet), packet.length, query)).toBe(Parsed.BadVers);
    expect(query).toMatchObject({ questionEnd: 17, hasEdns: true, ednsVersion: 1, dnssecOk: true });
  });

  test("a fault in an option still tells that there was an OPT", () => {
    const query = new Query();
    const packet = packetOf("an option that runs past its OPT");
    expect(parseQuery(new Packet(packet), packet.length, query)).toBe(Parsed.FormErr);
    expect(query).toMatchObject({ hasEdns: true, udpPayloadSize: 1232 });
  });
});

describe("limits", () => {
  const tail = [0, 1, 0, 1];
  const header = [0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  const label = (length: number): number[] => [length, ...Array.from({ length }, () => 0x61)];

  test("a qname of 255 octets is read, one of 256 is malformed (RFC 1035 §2.3.4)", () => {
    const long = [...label(63), ...label(63), ...label(63)];
    const longest = Uint8Array.from([...header, ...long, ...label(61), 0, ...tail]);
    const tooLong = Uint8Array.from([...header, ...long, ...label(62), 0, ...tail]);
    expect(parsed(longest).qnameLength).toBe(255);
    expect(parseQuery(new Packet(tooLong), tooLong.length, new Query())).toBe(Parsed.FormErr);
  });

  test("a label of 64 octets is malformed", () => {
    const packet = Uint8Array.from([...header, ...label(64), 0, ...tail]);
    expect(parseQuery(new Packet(packet), packet.length, new Query())).toBe(Parsed.FormErr);
  });

  test("an owner name that never ends is malformed", () => {
    const owner = Array.from({ length: 6 }, () => label(63)).flat();
    const packet = Uint8Array.from([
      ...header.slice(0, 11),
      1,
      0,
      ...tail,
      ...owner,
      0,
      ...tail,
      0,
      0,
      0,
      0,
      0,
      0,
    ]);
    expect(parseQuery(new Packet(packet), packet.length, new Query())).toBe(Parsed.FormErr);
  });

  test("an owner name cut short is malformed", () => {
    const packet = Uint8Array.from([...header.slice(0, 11), 1, 0, ...tail, 3, 0x61]);
    expect(parseQuery(new Packet(packet), packet.length, new Query())).toBe(Parsed.FormErr);
  });

  test.each([
    [32, Parsed.Query],
    [33, Parsed.FormErr],
  ])("with %i EDNS options the result is %i", (count, expected) => {
    const options = Array.from({ length: count }, () => [0, 12, 0, 0]).flat();
    const opt = [0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, options.length, ...options];
    const packet = Uint8Array.from([...header.slice(0, 11), 1, 0, ...tail, ...opt]);
    expect(parseQuery(new Packet(packet), packet.length, new Query())).toBe(expected);
  });
});

describe("any bytes", () => {
  /** Bytes that often get past the header: a plausible one before arbitrary octets. */
  const plausible = fc
    .tuple(
      fc.constantFrom(...packets.map((packet) => packet.bytes)),
      fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 4 }),
      fc.nat(80),
    )
    .map(([bytes, edits, length]) => {
      const packet = Uint8Array.from(bytes);
      for (const [at, octet] of edits) if (at < packet.length) packet[at] = octet;
      return packet.slice(0, Math.max(0, packet.length - (length > 40 ? 0 : length)));
    });

  test("are parsed without a throw or a read outside them", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), plausible), (packet) => {
        const query = new Query();
        const reads: number[] = [];
        const watched = new Proxy(packet, {
          get(target, key) {
            const at = Number(key);
            reads.push(at);
            return target[at];
          },
        });
        // A view throws where it is read outside.
        parseQuery({ octets: watched, view: viewOf(packet) }, packet.length, query);
        for (const at of reads) expect(at).toBeLessThan(packet.length);
        expect(query.questionEnd).toBeLessThanOrEqual(Math.max(headerLength, packet.length));
      }),
      { numRuns: 2000 },
    );
  });

  test("leave nothing of an earlier packet in the fields that count", () => {
    fc.assert(
      fc.property(plausible, plausible, (earlier, packet) => {
        const used = new Query();
        const fresh = new Query();
        parseQuery(new Packet(earlier), earlier.length, used);
        const result = parseQuery(new Packet(packet), packet.length, used);
        expect(parseQuery(new Packet(packet), packet.length, fresh)).toBe(result);
        if (result !== Parsed.Query) return;
        expect(meaningOf(used)).toEqual(meaningOf(fresh));
      }),
    );
  });
});

test("queries that dns-packet encodes are read back", () => {
  const subnet = fc.oneof(
    fc.record({ family: fc.constant(1), bytes: octets(4), length: fc.integer({ min: 1, max: 32 }) }),
    fc.record({ family: fc.constant(2), bytes: octets(16), length: fc.integer({ min: 1, max: 128 }) }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-z0-9-]{1,20}$/), { minLength: 1, maxLength: 6 }),
      fc.constantFrom("A" as const, "AAAA" as const, "TXT" as const),
      subnet,
      fc.integer({ min: 512, max: 4096 }),
      (labels, type, { family, bytes, length }, udpPayloadSize) => {
        const address = masked(bytes, length);
        const packet = encode({
          type: "query",
          questions: [{ type, name: labels.join(".") }],
          additionals: [
            {
              type: "OPT",
              name: ".",
              udpPayloadSize,
              flags: 0,
              extendedRcode: 0,
              ednsVersion: 0,
              flag_do: false,
              options: [
                {
                  type: "CLIENT_SUBNET",
                  code: 8,
                  ip: plainText(address),
                  family,
                  sourcePrefixLength: length,
                },
              ],
            },
          ],
        });
        const query = parsed(packet);
        expect(query).toMatchObject({
          qtype: RRType[type],
          udpPayloadSize,
          hasSubnet: true,
          subnetFamily: family,
          sourcePrefixLength: length,
        });
        expect(packet.toString("latin1", headerLength, headerLength + query.qnameLength)).toBe(
          `${labels.map((label) => String.fromCharCode(label.length) + label).join("")}\0`,
        );
        const padded = new Uint8Array(16);
        padded.set(address);
        expect([...octetsOf(query.subnetAddress, 16)]).toEqual([...padded]);
      },
    ),
  );
});

/** A query without what has no meaning in it. */
function meaningOf(query: Query): object {
  const { subnetFamily, sourcePrefixLength, subnetAddress, cookie, tsigOwnerEnd, ...rest } = query;
  const address = octetsOf(subnetAddress, 16);
  const subnet = query.hasSubnet ? { subnetFamily, sourcePrefixLength, address } : {};
  const tsig = query.tsigAt === 0 ? {} : { tsigOwnerEnd };
  return { ...rest, ...subnet, ...tsig, cookieOctets: octetsOf(cookie, query.cookieLength) };
}

function octetsOf({ buffer }: DataView, length: number): Buffer {
  return Buffer.from(buffer).subarray(0, length);
}

function octets(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

function masked(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.map((octet, i) => octet & (0xff00 >> Math.max(0, Math.min(8, length - 8 * i))));
}

/** An address with none of its groups left out, so that the encoder's reader has nothing to get wrong. */
function plainText(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  return Buffer.from(address).toString("hex").match(/.{4}/g)!.join(":");
}
