/** Frames of queries become frames of responses, as a reader of the RFCs would have them. */

import { describe, expect, test } from "vitest";
import {
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  FrameMemory,
  PAYLOAD_AT_IPV4,
  PAYLOAD_AT_IPV6,
} from "../../../src/serve/xdp/frame.ts";
import { fc } from "../../fast-check.ts";

/** As in a queue's memory: two octets behind a multiple of four. */
const AT = 258;
const OURS = [2, 0, 0, 0, 0, 1];
const THEIRS = [2, 0, 0, 0, 0, 2];

/** The sum of RFC 1071 over 16-bit numbers in network order, octet by octet. */
function sum(octets: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < octets.length; i += 1) total += (octets[i] ?? 0) << (i % 2 === 0 ? 8 : 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

interface Ends {
  readonly source: readonly number[];
  readonly destination: readonly number[];
}

/** A query's frame of IPv4 or IPv6; its checksums say nothing, for nobody reads them. */
function frameOf({ source, destination }: Ends, payload: Uint8Array): Uint8Array {
  const isIpv4 = source.length === 4;
  const udpLength = 8 + payload.length;
  const length = isIpv4 ? 20 + udpLength : udpLength;
  const ip = isIpv4
    ? [0x45, 0x20, length >> 8, length & 0xff, 0x12, 0x34, 0, 0, 17, 17, 9, 9]
    : [0x61, 2, 3, 4, length >> 8, length & 0xff, 17, 17];
  const udp = [0xc0, 1, 0, 53, udpLength >> 8, udpLength & 0xff, 7, 7];
  const type = isIpv4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
  return Uint8Array.from([...OURS, ...THEIRS, ...type, ...ip, ...source, ...destination, ...udp, ...payload]);
}

const octets = (length: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 0, max: 255 }), { minLength: length, maxLength: length });
const endsOf = (length: number): fc.Arbitrary<Ends> =>
  fc.record({ source: octets(length), destination: octets(length) });
const anyPayload = fc.uint8Array({ minLength: 12, maxLength: 1232 });

/** Puts a query into memory full of noise, answers it with `response`, and returns the frame that is sent. */
function turned(ends: Ends, query: Uint8Array, response: Uint8Array): Uint8Array {
  const memory = new FrameMemory(new ArrayBuffer(2048));
  memory.octets.fill(0xa5);
  const frame = frameOf(ends, query);
  memory.octets.set(frame, AT);
  expect(memory.payloadLength(AT, frame.length)).toBe(query.length);
  const isIpv4 = ends.source.length === 4;
  memory.octets.set(response, AT + (isIpv4 ? PAYLOAD_AT_IPV4 : PAYLOAD_AT_IPV6));
  const length = memory.turnRound(AT, response.length);
  return memory.octets.slice(AT, AT + length);
}

describe("a response's frame", () => {
  test("of IPv4 has the ends exchanged, DF, and right checksums (RFC 791, RFC 768)", () => {
    fc.assert(
      fc.property(endsOf(4), anyPayload, anyPayload, ({ source, destination }, query, response) => {
        const frame = turned({ source, destination }, query, response);
        expect([...frame.subarray(0, 14)]).toEqual([...THEIRS, ...OURS, ...ETHERTYPE_IPV4]);
        const ip = frame.subarray(14, 34);
        const length = 28 + response.length;
        expect([...ip.subarray(0, 10)]).toEqual([0x45, 0, length >> 8, length & 0xff, 0, 0, 0x40, 0, 64, 17]);
        expect([...ip.subarray(12)]).toEqual([...destination, ...source]);
        expect(sum(ip)).toBe(0xffff);
        const udp = frame.subarray(34);
        const udpLength = [udp.length >> 8, udp.length & 0xff];
        expect([...udp.subarray(0, 6)]).toEqual([0, 53, 0xc0, 1, ...udpLength]);
        expect([...udp.subarray(8)]).toEqual([...response]);
        expect(udp[6] === 0 && udp[7] === 0).toBe(false);
        expect(sum(Uint8Array.from([...source, ...destination, 0, 17, ...udpLength, ...udp]))).toBe(0xffff);
      }),
    );
  });

  test("of IPv6 has the ends exchanged, and a right checksum (RFC 8200 §8.1)", () => {
    fc.assert(
      fc.property(endsOf(16), anyPayload, anyPayload, ({ source, destination }, query, response) => {
        const frame = turned({ source, destination }, query, response);
        expect([...frame.subarray(0, 14)]).toEqual([...THEIRS, ...OURS, ...ETHERTYPE_IPV6]);
        const udp = frame.subarray(54);
        const udpLength = [udp.length >> 8, udp.length & 0xff];
        expect([...frame.subarray(14, 22)]).toEqual([0x60, 0, 0, 0, ...udpLength, 17, 64]);
        expect([...frame.subarray(22, 54)]).toEqual([...destination, ...source]);
        expect([...udp.subarray(0, 6)]).toEqual([0, 53, 0xc0, 1, ...udpLength]);
        expect([...udp.subarray(8)]).toEqual([...response]);
        expect(udp[6] === 0 && udp[7] === 0).toBe(false);
        const pseudo = [...source, ...destination, 0, 0, ...udpLength, 0, 0, 0, 17];
        expect(sum(Uint8Array.from([...pseudo, ...udp]))).toBe(0xffff);
      }),
    );
  });
});

describe("a query's frame", () => {
  const ends = { source: [192, 0, 2, 1], destination: [198, 51, 100, 1] };

  test("says who asked whom", () => {
    const memory = new FrameMemory(new ArrayBuffer(2048));
    memory.octets.set(frameOf(ends, new Uint8Array(12)), AT);
    const { source, destination } = memory.ends(AT);
    expect([source.address.text, source.port]).toEqual(["192.0.2.1", 49153]);
    expect([destination.address.text, destination.port]).toEqual(["198.51.100.1", 53]);
  });

  test.each([
    ["more than came", 60],
    ["less than its header", 7],
    ["nothing", 0],
  ])("whose UDP length is %s is none", (_, length) => {
    const memory = new FrameMemory(new ArrayBuffer(2048));
    const frame = frameOf(ends, new Uint8Array(12));
    frame[39] = length;
    memory.octets.set(frame, AT);
    expect(memory.payloadLength(AT, frame.length)).toBe(0);
  });
});
