/** Class CH: what a node tells of itself (RFC 4892), and to whom. */

import { describe, expect, test } from "vitest";
import type { AnswerOptions } from "../../src/answer/options.ts";
import { createResponder } from "../../src/answer/responder.ts";
import { Transport } from "../../src/answer/transport.ts";
import { parseAddress, parsePrefix } from "../../src/wire/address.ts";
import { EdnsOption } from "../../src/wire/codes.ts";
import { Packet } from "../../src/wire/packet.ts";
import { optionsOf, queryOf, readReply, Server, texts, zoneOf } from "./harness.ts";

const zone = zoneOf("$ORIGIN example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n");

function serverWith(chaos: Partial<AnswerOptions["chaos"]>, version = 1): Server {
  return new Server(
    [zone],
    [],
    [],
    { chaos: { id: null, version: null, bookFor: [], ...chaos } },
    new Map(),
    version,
  );
}

/** A query with EDNS for a name in another class. */
function inClass(rrClass: number, name: string, type = "TXT"): Uint8Array {
  const query = queryOf(name, type, { size: 1232 });
  // The OPT is the last 11 octets, the class of the question the two before it.
  query[query.length - 11 - 1] = rrClass;
  return query;
}

const CH = 3;
const open = serverWith({
  id: Buffer.from("ams-1"),
  version: Buffer.from("Meridian 1"),
  bookFor: [parsePrefix("198.51.100.0/24")!, parsePrefix("2001:db8::/32")!],
});

test.each([
  ["id.server", "ams-1"],
  ["hostname.bind", "ams-1"],
  ["version.server", "Meridian 1"],
  ["VERSION.bind", "Meridian 1"],
  ["book.meridian", "1"],
])("%s is %s (RFC 4892 §3)", (name, text) => {
  const reply = readReply(open.raw(inClass(CH, name)));
  expect(reply).toMatchObject({ rcode: "NOERROR", flag_aa: true });
  expect(texts(reply.answers)).toEqual([`${name} TXT ${text}`]);
  expect(reply.answers?.[0]).toMatchObject({ class: "CH", ttl: 0 });
});

describe("refused", () => {
  test.each(["id.server", "hostname.bind", "version.server", "version.bind", "book.meridian"])(
    "is %s where the operator has not allowed it, as Prohibited (RFC 8914 §4.19)",
    (name) => {
      const reply = serverWith({}).raw(inClass(CH, name));
      expect(readReply(reply)).toMatchObject({ rcode: "REFUSED", answers: [] });
      expect(optionsOf(reply)).toEqual([[EdnsOption.ExtendedError, "0012"]]);
    },
  );

  test.each([
    ["198.51.100.7", "NOERROR"],
    ["198.51.101.7", "REFUSED"],
    ["2001:db8::1", "NOERROR"],
    ["2001:db9::1", "REFUSED"],
  ])("is the book's version to who may not know it: %s gets %s", (from, rcode) => {
    const address = parseAddress(from)!;
    open.client.family = address.family;
    open.client.address.set(address.bytes);
    expect(readReply(open.raw(inClass(CH, "book.meridian"))).rcode).toBe(rcode);
  });

  test.each([
    ["another name of class CH", CH, "other.server", "TXT"],
    ["a name of the same length", CH, "ib.server", "TXT"],
    ["a zone of ours in class CH", CH, "ns.example", "A"],
    ["class HS", 4, "ns.example", "A"],
    ["class ANY", 255, "ns.example", "A"],
    ["class NONE", 254, "ns.example", "A"],
  ])("is %s, as Not Authoritative (RFC 8914 §4.21)", (_, rrClass, name, type) => {
    const reply = open.raw(inClass(rrClass, name, type));
    expect(readReply(reply)).toMatchObject({ rcode: "REFUSED", answers: [] });
    expect(optionsOf(reply)).toEqual([[EdnsOption.ExtendedError, "0014"]]);
  });

  test("is another type of a name that is told", () => {
    expect(readReply(open.raw(inClass(CH, "id.server", "A"))).rcode).toBe("REFUSED");
  });
});

test.each([9, 10, 4_294_967_296, Number.MAX_SAFE_INTEGER])(
  "a book of version %i is told in full",
  (version) => {
    const server = serverWith({ bookFor: [parsePrefix("0.0.0.0/0")!] }, version);
    expect(texts(readReply(server.raw(inClass(CH, "book.meridian"))).answers)).toEqual([
      `book.meridian TXT ${version}`,
    ]);
  },
);

test("before the first book its version is 0", () => {
  const options = {
    ...open.options,
    chaos: { id: null, version: null, bookFor: [parsePrefix("0.0.0.0/0")!] },
  };
  const responder = createResponder(null, open.counters, options);
  const packet = new Packet(new Uint8Array(1232));
  const query = inClass(CH, "book.meridian");
  packet.octets.set(query);
  open.client.family = 4;
  const length = responder.answer(packet, query.length, open.client, Transport.Udp, 1);
  expect(texts(readReply(packet.octets.slice(0, length)).answers)).toEqual(["book.meridian TXT 0"]);
});

test("a text that does not fit is truncated", () => {
  const tight = new Server([zone], [], [], {
    chaos: { id: new Uint8Array(64).fill(0x61), version: null, bookFor: [parsePrefix("0.0.0.0/0")!] },
    maxAmplification: 1,
  });
  for (const name of ["id.server", "book.meridian"]) {
    expect(readReply(tight.raw(inClass(CH, name)))).toMatchObject({ flag_tc: true, answers: [] });
  }
});
