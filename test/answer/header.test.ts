/** The header: opcodes, flags and counts of a query, and what its response makes of them. */

import { describe, expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import { queryOf, readReply, Server, texts, zoneOf } from "./harness.ts";

const zone = zoneOf("$ORIGIN example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n");
const server = new Server([zone]);

function withFlags(flags: number, name = "ns.example", type = "A"): Uint8Array {
  const query = queryOf(name, type);
  query[2] = flags >> 8;
  query[3] = flags & 0xff;
  return query;
}

describe("an opcode other than QUERY is NOTIMP, a header alone (RFC 1035 §4.1.1)", () => {
  const NAMES: Readonly<Record<number, string>> = {
    1: "IQUERY (RFC 3425 §3)",
    2: "STATUS",
    6: "DNS Stateful Operations (RFC 8490 §5.1.1)",
  };

  test.each(
    [1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map((opcode) => [opcode, NAMES[opcode] ?? "unassigned"]),
  )("%i, %s", (opcode) => {
    for (const transport of [Transport.Udp, Transport.Tcp]) {
      const reply = server.raw(withFlags((Number(opcode) << 11) | 0x0100), transport);
      const expected = [0x12, 0x34, 0x81 | (Number(opcode) << 3), 4, 0, 0, 0, 0, 0, 0, 0, 0];
      expect([...reply]).toEqual(expected);
    }
  });

  test("a DSO message, which has no question, is answered the same (RFC 8490 §5.1.1)", () => {
    // An unencrypted keepalive TLV behind a header without counts (RFC 8490 §7.1).
    const keepalive = Buffer.from(
      "123430000000000000000000 00010008 00003a98 00003a98".replaceAll(" ", ""),
      "hex",
    );
    expect([...server.raw(keepalive, Transport.Tcp)]).toEqual([0x12, 0x34, 0xb0, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe("the counts (RFC 1035 §4.1.1)", () => {
  function withCount(at: number, count: number): Uint8Array {
    const query = queryOf("ns.example", "A");
    query[at] = count >> 8;
    query[at + 1] = count & 0xff;
    return query;
  }

  test.each([
    ["two questions (RFC 9619 §4)", 4, 2],
    ["65,535 questions (RFC 9619 §4)", 4, 65_535],
    ["no question, and no cookie (RFC 7873 §5.4)", 4, 0],
    ["an answer", 6, 1],
    ["an authority", 8, 1],
    ["an additional RR that is not there", 10, 1],
  ])("%s: FORMERR", (_, at, count) => {
    const reply = server.raw(withCount(at, count));
    expect(readReply(reply)).toMatchObject({ rcode: "FORMERR", answers: [], authorities: [] });
  });

  test("a question that really stands there twice is FORMERR, and none comes back (RFC 9619 §4)", () => {
    const once = queryOf("ns.example", "A");
    const twice = Uint8Array.from([...once, ...once.slice(12)]);
    twice[5] = 2;
    const reply = server.raw(twice);
    expect(readReply(reply)).toMatchObject({ rcode: "FORMERR", questions: [] });
    expect(reply).toHaveLength(12);
  });
});

describe("the flags", () => {
  test.each([
    ["RD comes back (RFC 1035 §4.1.1)", 0x0100, 0x8500],
    ["without RD it does not", 0x0000, 0x8400],
    ["Z, AD and CD do not come back (RFC 6840 §5.7, §5.8)", 0x0070, 0x8400],
    ["AA, TC, RA and an RCODE mean nothing in a query (RFC 1035 §4.1.1)", 0x068f, 0x8400],
  ])("%s", (_, asked, replied) => {
    const reply = server.raw(withFlags(asked));
    expect(((reply[2] ?? 0) << 8) | (reply[3] ?? 0)).toBe(replied);
    expect(texts(readReply(reply).answers)).toEqual(["ns.example A 192.0.2.53"]);
  });

  test("a response is met with silence, whatever its opcode, so that no loop starts", () => {
    for (let opcode = 0; opcode < 16; opcode += 1) {
      expect(server.raw(withFlags(0x8000 | (opcode << 11)))).toHaveLength(0);
    }
  });
});

describe("types that we do not know (RFC 3597)", () => {
  test.each(["UNKNOWN_65280", "UNKNOWN_999", "NULL", "UNKNOWN_0"])(
    "%s is NODATA at a name that exists, and NXDOMAIN at one that does not",
    (type) => {
      expect(server.ask("ns.example", type)).toMatchObject({ rcode: "NOERROR", answers: [], flag_aa: true });
      expect(server.ask("no.example", type)).toMatchObject({ rcode: "NXDOMAIN", answers: [], flag_aa: true });
    },
  );
});
