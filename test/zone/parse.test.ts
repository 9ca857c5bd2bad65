import { describe, expect, test } from "vitest";
import { parseZone } from "../../src/zone/parse.ts";
import { fc } from "../fast-check.ts";
import { name, readLines, readZone, rrsOf } from "./texts.ts";

describe("an RR", () => {
  test.each([
    [
      "has TTL and class in any order",
      ["a 30 IN A 192.0.2.1", "b IN 30 A 192.0.2.1"],
      ["a.example. 30", "b.example. 30"],
    ],
    [
      "has either of them alone, or none",
      ["a 30 A 192.0.2.1", "b in A 192.0.2.1", "c A 192.0.2.1"],
      ["a.example. 30", "b.example. 60", "c.example. 60"],
    ],
    ["has a TTL with units", ["a 1h30m A 192.0.2.1"], ["a.example. 5400"]],
    ["has its class by number", ["a CLASS1 A 192.0.2.1"], ["a.example. 60"]],
    [
      "has its type in any case",
      ["a aaaa 2001:db8::1", "a type1 192.0.2.1"],
      ["a.example. 60 AAAA", "a.example. 60 A"],
    ],
    ["has an absolute owner", ["www.example. A 192.0.2.1"], ["www.example. 60"]],
    ["has the origin as owner", ["@ A 192.0.2.1"], ["example. 60 A"]],
    [
      "has the owner before it where its line starts with a blank",
      ["a A 192.0.2.1", " 30 TXT x"],
      ["a.example. 60", "a.example. 30"],
    ],
    [
      "has an owner that reads like a class or a type",
      ["in A 192.0.2.1", "a A 192.0.2.1", "ttl IN A 192.0.2.1"],
      ["in.example. 60", "a.example. 60", "ttl.example. 60"],
    ],
    [
      "goes over lines in parentheses",
      ["a ( 30", " IN A ) ( ; here", "192.0.2.1 )"],
      ["a.example. 30 A 192.0.2.1"],
    ],
    ["is of a type without a name", ["a TYPE65280 \\# 2 abcd"], ["a.example. 60 TYPE65280 \\# 2 abcd"]],
  ])("%s", (_, lines, expected) => {
    const rrs = readLines(...lines);
    expect(rrs).toHaveLength(expected.length);
    for (const [i, start] of expected.entries()) expect(rrs[i]?.startsWith(start)).toBe(true);
  });

  test("keeps the case of its owner as it is first written", () => {
    expect(readLines("WwW A 192.0.2.1", "www A 192.0.2.2")).toEqual([
      "WwW.example. 60 A 192.0.2.1",
      "WwW.example. 60 A 192.0.2.2",
    ]);
  });

  test.each([
    ["a A 192.0.2.1.", '5:5: "192.0.2.1." is not an IPv4 address: expected one such as 192.0.2.1'],
    [
      "a 1h30 A 192.0.2.1",
      '5:3: cannot read TTL "1h30": expected seconds up to 2147483647, or units as in 1h30m',
    ],
    [
      "a 2147483648 A 192.0.2.1",
      '5:3: cannot read TTL "2147483648": expected seconds up to 2147483647, or units as in 1h30m',
    ],
    ["a 1 2 A 192.0.2.1", '5:5: "2" is a second TTL: expected an RR type'],
    ["a IN 1 IN A 192.0.2.1", '5:8: "IN" is a second class: expected an RR type'],
    ["a CH TXT x", "5:3: class CH is not served: expected IN"],
    ["a CNMAE www", '5:3: "CNMAE" is not an RR type: did you mean CNAME?'],
    ["a STER www", '5:3: "STER" is not an RR type: did you mean STEER?'],
    ["a BLAHBLAH www", '5:3: "BLAHBLAH" is not an RR type: expected one such as A, or TYPE123'],
    ['a "A" 192.0.2.1', "5:3: an RR type is written without quotes"],
    ["a ANY 192.0.2.1", "5:3: ANY stands in messages, never in a zone"],
    ["a OPT x", "5:3: OPT stands in messages, never in a zone"],
    ["a TYPE0 \\# 0", "5:3: TYPE0 stands in messages, never in a zone"],
    ["a TYPE200 \\# 0", "5:3: TYPE200 stands in messages, never in a zone"],
    ["a 192.0.2.1", '5:3: "192.0.2.1" is not an RR type: expected one such as A, or TYPE123'],
    ["a HS TXT x", "5:3: class HS is not served: expected IN"],
    ["a 30 IN", "5:6: an RR ends before its type: expected [owner] [TTL] [class] type rdata"],
    ['"a" A 192.0.2.1', "5:1: an owner name is written without quotes"],
    ["a..b A 192.0.2.1", '5:1: "a..b" has an empty label'],
    ['a TXT "x', "5:7: this quote is not closed on its line"],
  ])("is refused: %s", (line, problem) => {
    expect(readLines(line)).toEqual([`zone:${problem}`]);
  });

  test("that is refused does not hide the problems after it, nor lend its owner to them", () => {
    const lines = ["a..b A 192.0.2.1", " A 192.0.2.x", 'c TXT "x', " A 192.0.2.y", "d A 192.0.2.1"];
    expect(readLines(...lines)).toEqual([
      'zone:5:1: "a..b" has an empty label',
      'zone:6:4: "192.0.2.x" is not an IPv4 address: expected one such as 192.0.2.1',
      "zone:7:7: this quote is not closed on its line",
      'zone:8:4: "192.0.2.y" is not an IPv4 address: expected one such as 192.0.2.1',
    ]);
  });
});

describe("TTLs", () => {
  const soa = "example. SOA ns host 1 2 3 4 5".replaceAll(/ (ns|host)/g, " $1.example.net.");
  const ns = "example. NS ns.example.net.";

  test("come from $TTL for the RRs below it (RFC 2308 §4)", () => {
    expect(readZone(`$TTL 1h\n${soa}\n$TTL 5m\n${ns}\nexample. 7 TXT x\nexample. A 192.0.2.1\n`)).toEqual([
      expect.stringMatching(/^example\. 3600 SOA/),
      "example. 300 NS ns.example.net.",
      'example. 7 TXT "x"',
      "example. 300 A 192.0.2.1",
    ]);
  });

  test("come from the RR before where there is no $TTL", () => {
    expect(readZone(`${soa.replace("SOA", "30 SOA")}\n${ns}\n`)[1]).toBe("example. 30 NS ns.example.net.");
  });

  test("are missed once where there is neither", () => {
    expect(readZone(`${soa}\n${ns}\n`)).toEqual([
      "zone:1:10: no TTL: write one before the type, or $TTL at the top of the file (RFC 2308 §4)",
    ]);
  });
});

describe("an origin", () => {
  test("is the apex that is passed in, until $ORIGIN", () => {
    const text = "$TTL 1\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n$ORIGIN sub\nx A 192.0.2.1\n";
    const { value } = parseZone("zone", name("example."), () => text);
    expect(value && rrsOf(value)).toEqual([
      "example. 1 SOA ns.example. host.example. 1 2 3 4 5",
      "example. 1 NS ns.example.",
      "ns.example. 1 A 192.0.2.1",
      "x.sub.example. 1 A 192.0.2.1",
    ]);
  });

  test("is missed by each relative name without one", () => {
    expect(readZone("a 1 A 192.0.2.1\nb.example. 1 MX 1 c\n$ORIGIN d\n")).toEqual([
      'zone:1:1: "a" is relative and there is no origin; end it with a dot',
      'zone:2:19: exchange: "c" is relative and there is no origin; end it with a dot',
      'zone:3:9: "d" is relative and there is no origin; end it with a dot',
    ]);
  });

  test("lets an owner be left out only after another", () => {
    expect(readZone("$ORIGIN example.\n$TTL 1\n A 192.0.2.1\n A 192.0.2.2\n")).toEqual([
      "zone:3:2: no owner name: the line starts with a blank, and there is no RR before it",
    ]);
  });
});

describe("directives", () => {
  test.each([
    ["$ORIGN x", '5:1: "$ORIGN" is not a directive: did you mean $ORIGIN?'],
    ["$QUUX x", '5:1: "$QUUX" is not a directive: expected one of $ORIGIN, $TTL, $INCLUDE, $GENERATE'],
    ["$ORIGIN", "5:1: expected $ORIGIN <name>"],
    ["$ORIGIN a b", "5:1: expected $ORIGIN <name>"],
    ["$TTL", "5:1: expected $TTL <ttl>"],
    ["$TTL 1 2", "5:1: expected $TTL <ttl>"],
    ["$TTL soon", '5:6: cannot read TTL "soon": expected seconds up to 2147483647, or units as in 1h30m'],
    ["$INCLUDE", "5:1: expected $INCLUDE <file> [origin]"],
    ["$INCLUDE a b c", "5:1: expected $INCLUDE <file> [origin]"],
    ["$INCLUDE nowhere", "5:10: cannot read nowhere: expected a text file"],
    ["$INCLUDE nowhere a..b", '5:18: "a..b" has an empty label'],
    ["$INCLUDE zone", "5:10: zone includes itself: zone includes zone"],
    ['$TTL "1', "5:6: this quote is not closed on its line"],
  ])("are refused: %s", (line, problem) => {
    expect(readLines(line)).toEqual([`zone:${problem}`]);
  });

  test("may be written in any case", () => {
    expect(readLines("$ttl 7", "$Origin a", "b A 192.0.2.1")).toEqual(["b.a.example. 7 A 192.0.2.1"]);
  });

  test("a $TTL that cannot be read is one problem, not one for each RR below it", () => {
    expect(readZone("$TTL x\nexample. SOA . . 1 2 3 4 5\nexample. NS ns.test.\n")).toHaveLength(1);
  });
});

describe("$INCLUDE", () => {
  const start = "$ORIGIN example.\n$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns.example.net.\n";

  test("reads a file relative to the one that includes it, under an origin of its own", () => {
    const files = {
      "parts/a": "x A 192.0.2.1\n$INCLUDE b\n$INCLUDE /c\n",
      "parts/b": "y A 192.0.2.2\n",
      "/c": "z A 192.0.2.3\n",
    };
    expect(readZone(`${start}$INCLUDE parts/a sub\n`, files).slice(2)).toEqual([
      "x.sub.example. 60 A 192.0.2.1",
      "y.sub.example. 60 A 192.0.2.2",
      "z.sub.example. 60 A 192.0.2.3",
    ]);
  });

  test("keeps what the file sets inside it: origin, owner and TTL (RFC 1035 §5.1)", () => {
    const files = { a: "$ORIGIN sub\n$TTL 7\nx A 192.0.2.1\n" };
    expect(readZone(`${start}y A 192.0.2.2\n$INCLUDE "a"\n TXT y\nz A 192.0.2.3\n`, files).slice(2)).toEqual([
      "y.example. 60 A 192.0.2.2",
      'y.example. 60 TXT "y"',
      "x.sub.example. 7 A 192.0.2.1",
      "z.example. 60 A 192.0.2.3",
    ]);
  });

  test("does not lend the owner before it to the file", () => {
    expect(readZone(`${start}y A 192.0.2.2\n$INCLUDE a\n`, { a: " A 192.0.2.1\n" })).toEqual([
      "a:1:2: no owner name: the line starts with a blank, and there is no RR before it",
    ]);
  });

  test("reports problems with the file they are in, in reading order", () => {
    const files = { a: "x A 1\n", b: "y A 2\n" };
    expect(readZone(`${start}$INCLUDE a\nz A 3\n$INCLUDE b\n`, files)).toEqual([
      'zone:6:5: "3" is not an IPv4 address: expected one such as 192.0.2.1',
      'a:1:5: "1" is not an IPv4 address: expected one such as 192.0.2.1',
      'b:1:5: "2" is not an IPv4 address: expected one such as 192.0.2.1',
    ]);
  });

  test("refuses files that include each other", () => {
    expect(readZone(`${start}$INCLUDE a\n`, { a: "$INCLUDE b\n", b: "$INCLUDE ./a\n" })).toEqual([
      "b:1:10: a includes itself: zone includes a includes b includes a",
    ]);
  });

  test("goes 8 files deep and no deeper", () => {
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`f${i}`, `$INCLUDE f${i + 1}\n`]));
    expect(readZone(`${start}$INCLUDE f0\n`, files)).toEqual([
      "f7:1:10: files include each other more than 8 deep",
    ]);
    expect(readZone(`${start}$INCLUDE f0\n`, { ...files, f7: "x A 192.0.2.1\n" })).toHaveLength(3);
  });

  test("may read one file twice, under two origins", () => {
    expect(readZone(`${start}$INCLUDE a b\n$INCLUDE a c\n`, { a: "x A 192.0.2.1\n" }).slice(2)).toEqual([
      "x.b.example. 60 A 192.0.2.1",
      "x.c.example. 60 A 192.0.2.1",
    ]);
  });
});

describe("STEER", () => {
  test("names the service that answers for its owner", () => {
    expect(readLines("shop STEER www", "@ IN STEER Www.Example.", "*.eu steer www")).toEqual([
      "example. STEER Www.Example.",
      "shop.example. STEER www.example.",
      "*.eu.example. STEER www.example.",
    ]);
  });

  test.each([
    ["a 30 STEER www", "5:3: STEER takes no TTL: it is the service's, from the config"],
    ["a STEER", "5:3: the name of a service is missing"],
    ["a STEER www eu", '5:13: "eu" is one word too many: expected STEER <name>'],
    ["a STEER a..b", '5:9: "a..b" has an empty label'],
    ['a STEER "www"', "5:9: the name of a service is in quotes: write it without them"],
  ])("is refused: %s", (line, problem) => {
    expect(readLines(line)).toEqual([`zone:${problem}`]);
  });
});

test("a zone file that cannot be read is a problem of the whole file", () => {
  expect(parseZone("zones/x", null, () => null)).toEqual({
    value: null,
    problems: [
      { file: "zones/x", line: 0, column: 0, message: "cannot read this zone file: expected a text file" },
    ],
  });
});

test("RRsets know the place of their first RR", () => {
  const text = "$ORIGIN example.\n@ 60 SOA ns host 1 2 3 4 5\n  60 NS ns.test.\n  60 NS ns2.test.\n";
  const { value } = parseZone("zone", null, () => text);
  const places = [...value!.nodes.values()].flatMap((node) =>
    [...node.rrsets.values()].map((rrset) => rrset.place),
  );
  expect(places).toEqual([
    { file: "zone", line: 2, column: 1 },
    { file: "zone", line: 3, column: 3 },
  ]);
});

test("any text gives a zone or problems", () => {
  const words = fc.constantFrom(
    "@",
    "a",
    ".",
    "$TTL",
    "$ORIGIN",
    "$INCLUDE",
    "$GENERATE",
    "1-3",
    "$",
    "60",
    "IN",
    "A",
    "NS",
    "SOA",
    "TXT",
    "HTTPS",
    "STEER",
    "CNAME",
    "192.0.2.1",
    "1",
    "alpn=h2",
    "\\#",
    "(",
    ")",
    '"',
    ";",
    "\n",
    "\n ",
    "zone",
    "\\",
    "é",
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 60 }), (texts) => {
      const text = `$ORIGIN example.\n$TTL 1\n${texts.join(" ")}`;
      const { value, problems } = parseZone("zone", null, (path) => (path === "zone" ? text : null));
      expect(value === null).toBe(problems.length > 0);
    }),
    { numRuns: 500 },
  );
});

test("a zone of 100,000 RRs takes about a quarter of a second of a processor", () => {
  const lines = ["$ORIGIN example.", "$TTL 1h", "@ SOA ns host 1 2 3 4 5", "@ NS ns.example.net."];
  for (let i = 0; i < 100_000; i += 1)
    lines.push(`host-${i} 300 IN A 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  const text = lines.join("\n");
  const start = process.threadCpuUsage();
  const { value } = parseZone("zone", null, () => text);
  expect(value?.nodes.size).toBe(100_001);
  const { user, system } = process.threadCpuUsage(start);
  // A quarter of a second on a quiet machine; the limit is for one whose caches others use too.
  expect((user + system) / 1000).toBeLessThan(1500);
});
