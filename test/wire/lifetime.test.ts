import { type Answer, encode } from "dns-packet";
import { describe, expect, test } from "vitest";
import { lifetimeSeconds } from "../../src/wire/lifetime.ts";
import { fc } from "../fast-check.ts";

const SOA: Answer = {
  type: "SOA",
  name: "example",
  ttl: 300,
  data: {
    mname: "ns.example",
    rname: "hostmaster.example",
    serial: 1,
    refresh: 2,
    retry: 3,
    expire: 4,
    minimum: 60,
  },
};
const NS: Answer = { type: "NS", name: "sub.example", ttl: 100, data: "ns.sub.example" };

function a(ttl: number): Answer {
  return { type: "A", name: "www.example", ttl, data: "192.0.2.1" };
}

function response(
  answers: Answer[],
  authorities: Answer[] = [],
  { rcode = 0, flags = 0 }: { readonly rcode?: number; readonly flags?: number } = {},
): Buffer {
  return encode({
    type: "response",
    flags: rcode | flags,
    questions: [{ type: "A", name: "www.example" }],
    answers,
    authorities,
    additionals: [a(1)],
  });
}

describe("how long a response may be kept (RFC 8484 §5.1)", () => {
  test.each([
    ["the smallest TTL of its answers", response([a(30), a(20), a(40)], [NS]), 20],
    ["a TTL of 0", response([a(0), a(20)]), 0],
    ["MINIMUM of the SOA for NODATA (RFC 2308 §5)", response([], [SOA]), 60],
    ["the TTL of the SOA where that is smaller", response([], [{ ...SOA, ttl: 7 }]), 7],
    ["the SOA for NXDOMAIN", response([], [NS, SOA], { rcode: 3 }), 60],
    ["not at all: a referral", response([], [NS]), null],
    ["not at all: SERVFAIL", response([], [], { rcode: 2 }), null],
    ["not at all: REFUSED, whatever it holds", response([a(30)], [], { rcode: 5 }), null],
    ["not at all: truncated", response([a(30)], [], { flags: 0x0200 }), null],
    ["not at all: a header alone", response([a(30)]).subarray(0, 12), null],
    ["not at all: less than a header", Buffer.alloc(11), null],
  ])("%s", (_what, packet, seconds) => {
    expect(lifetimeSeconds(packet, packet.length)).toBe(seconds);
  });

  test("follows names that are compressed", () => {
    const packet = Buffer.concat([
      response([]).subarray(0, 12 + 17),
      Buffer.from("c00c000100010000000900040a000001", "hex"),
    ]);
    packet.writeUInt16BE(1, 6);
    expect(lifetimeSeconds(packet, packet.length)).toBe(9);
  });

  test("is nothing of what is cut off anywhere, and never reads past its end", () => {
    const packet = response([a(30), a(20)]);
    const end = packet.length - 27;
    for (let length = 0; length < end; length += 1)
      expect(lifetimeSeconds(packet.subarray(0, length), length)).toBeNull();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 200 }), (octets) => {
        const seconds = lifetimeSeconds(octets, octets.length);
        expect(seconds === null || seconds >= 0).toBe(true);
      }),
      { numRuns: 5_000, seed: 3 },
    );
  });
});
