import { describe, expect, test } from "vitest";
import { readLines, readZone } from "./texts.ts";

describe("zones that break no rule", () => {
  test.each([
    [
      "glue below a delegation, and DS at it",
      ["sub NS ns.sub", `sub DS 1 8 1 ${"ab".repeat(20)}`, "ns.sub A 192.0.2.1"],
    ],
    ["glue at the delegation itself", ["sub NS sub", "sub A 192.0.2.1"]],
    ["an NS that leads below another delegation", ["a NS ns.b", "b NS ns.b", "ns.b AAAA 2001:db8::1"]],
    ["an NS that leads below another delegation without glue", ["a NS ns.b", "b NS ns.example.net."]],
    ["an NS that leads to a steered name", ["@ NS www", "www STEER www"]],
    ["a DNAME with other data at its owner", ["old DNAME new", "old TXT x"]],
    ["a DNAME at the apex beside NS", ["@ DNAME example.org."]],
    ["a signed CNAME", ["a CNAME b", "a TYPE46 \\# 1 00", "a TYPE47 \\# 1 00"]],
    ["a CNAME that leads to a CNAME", ["a CNAME b", "b CNAME c"]],
    ["steering beside types it does not answer", ["www STEER www", "www TXT x", "www MX 1 mx.example.net."]],
    ["steering at the apex, beside its NS", ["@ STEER www"]],
    ["steering at a wildcard", ["* STEER www"]],
    [
      "MX and SRV that lead out of the zone, or to addresses",
      ["@ MX 1 a", "@ SRV 1 1 1 a.test.", "a A 192.0.2.1"],
    ],
    ["rdata that differ in case where case counts", ["a TXT x", "a TXT X"]],
    ["the longest RR that fits into a message", [`a TYPE65400 \\# 32755 ${"00".repeat(32_755)}`]],
  ])("%s", (_, lines) => {
    const problems = readLines(...lines).filter((text) => text.startsWith("zone"));
    expect(problems).toEqual([]);
  });
});

describe("zones that break a rule", () => {
  test.each([
    ["a second SOA", ["a SOA . . 1 2 3 4 5"], ["5:1: a zone has one SOA, and there is one in line 3"]],
    [
      "an owner outside",
      ["a.test. A 192.0.2.1", " STEER www"],
      ["5:1: a.test. is outside the zone example.", "6:2: a.test. is outside the zone example."],
    ],
    [
      "an RR repeated",
      ["a A 192.0.2.1", "a A 192.0.2.2", "A 60 A 192.0.2.1"],
      ["7:1: a.example. A 192.0.2.1 is repeated: remove one"],
    ],
    [
      "an RR repeated in another case",
      ["a MX 1 mail.test.", "a MX 1 MAIL.test."],
      ["6:1: a.example. MX 1 MAIL.test. is repeated: remove one"],
    ],
    [
      "two TTLs in an RRset (RFC 2181 §5.2)",
      ["a 30 A 192.0.2.1", "a 60 A 192.0.2.2"],
      ["6:1: a.example. A has the TTL 60, and 30 in line 5: expected one TTL for all (RFC 2181 §5.2)"],
    ],
    [
      "a CNAME and other data (RFC 2181 §10.1)",
      ["a CNAME b", "a A 192.0.2.1"],
      ["6:1: a.example. has a CNAME, so it can have no A (RFC 2181 §10.1)"],
    ],
    [
      "an RRset that no message has room for",
      Array.from({ length: 130 }, (_, i) => `a TXT ${"x".repeat(237)}${1_000 + i}`),
      ["5:1: a.example. TXT takes 33020 octets: expected at most 32767, for which a message has room"],
    ],
    [
      "an RR that no message has room for",
      [`a TYPE65400 \\# 32756 ${"00".repeat(32_756)}`],
      ["5:1: a.example. TYPE65400 takes 32768 octets: expected at most 32767, for which a message has room"],
    ],
    ["two CNAMEs", ["a CNAME b", "a CNAME c"], ["5:1: a.example. has 2 CNAME RRs: expected one"]],
    ["two DNAMEs", ["a DNAME b", "a DNAME c"], ["5:1: a.example. has 2 DNAME RRs: expected one"]],
    [
      "data below a DNAME (RFC 6672 §2.4)",
      ["x.a A 192.0.2.1", "y.a STEER www", "a DNAME b"],
      [
        "5:1: x.a.example. is below the DNAME at a.example., so it can have no A",
        "6:1: y.a.example. is below the DNAME at a.example., so it cannot be steered",
      ],
    ],
    [
      "data below a delegation",
      ["a NS ns.example.net.", "x.a TXT x", "y.x.a STEER www"],
      [
        "6:1: x.a.example. is below the delegation at a.example., so it can have no TXT",
        "7:1: y.x.a.example. is below the delegation at a.example., so it cannot be steered",
      ],
    ],
    [
      "data at a delegation",
      ["a NS ns.example.net.", "a MX 1 b.test."],
      ["6:1: a.example. is delegated, so it can have no MX"],
    ],
    [
      "an NS that leads to a CNAME (RFC 2181 §10.3)",
      ["@ NS a", "a CNAME b"],
      ["5:1: NS leads to a.example., which is a CNAME: name its target instead (RFC 2181 §10.3)"],
    ],
    [
      "an MX that leads to a CNAME (RFC 2181 §10.3)",
      ["@ MX 1 a", "a CNAME b"],
      ["5:1: MX leads to a.example., which is a CNAME: name its target instead (RFC 2181 §10.3)"],
    ],
    [
      "an SRV that leads to a CNAME (RFC 2782)",
      ["@ SRV 1 2 3 a", "a CNAME b"],
      ["5:1: SRV leads to a.example., which is a CNAME: name its target instead (RFC 2782)"],
    ],
    [
      "an NS of the zone without an address",
      ["@ NS a"],
      ["5:1: NS leads to a.example., which has no A or AAAA here: expected an address"],
    ],
    [
      "a delegation without its glue",
      ["a NS ns.a", "ns.b TXT x"],
      [
        "5:1: NS leads to ns.a.example., which has no A or AAAA here: expected a glue address (RFC 9471 §2.1)",
      ],
    ],
    [
      "steering beside what it answers",
      ["a STEER www", "a A 192.0.2.1", "b STEER www", "b CNAME c", "d STEER www", "d NS ns.test."],
      [
        "6:1: a.example. is steered, so it can have no A of its own",
        "8:1: b.example. is steered, so it can have no CNAME of its own",
        "10:1: d.example. is steered, so it can have no NS of its own",
      ],
    ],
    [
      "a name steered twice",
      ["a STEER www", "a STEER shop"],
      ["6:1: a.example. is steered already, in line 5"],
    ],
  ])("%s", (_, lines, expected) => {
    expect(readLines(...lines)).toEqual(expected.map((problem) => `zone:${problem}`));
  });

  test("no SOA", () => {
    expect(readZone("example. 60 A 192.0.2.1\n")).toEqual([
      "zone: no SOA: a zone starts with one, at its apex",
    ]);
    expect(readZone("")).toEqual(["zone: no SOA: a zone starts with one, at its apex"]);
  });

  test("no NS at the apex", () => {
    expect(readZone("example. 60 SOA . . 1 2 3 4 5\na.example. 60 NS ns.test.\n")).toEqual([
      "zone:1:1: no NS at example.: expected at least one at the apex",
    ]);
  });
});

test("a problem with an RR of another file names that file", () => {
  const text = "$ORIGIN example.\n@ 1 SOA . . 1 2 3 4 5\n@ 1 NS .\n$INCLUDE a\n$INCLUDE b\n";
  expect(readZone(text, { a: "x 1 A 192.0.2.1\n", b: "x 2 A 192.0.2.2\n" })).toEqual([
    "b:1:1: x.example. A has the TTL 2, and 1 in a line 1: expected one TTL for all (RFC 2181 §5.2)",
  ]);
});

describe("where an RR could not be read", () => {
  test("what may only seem to be missing is no problem", () => {
    expect(readZone("example. 60 SOA . . 1 2 3 4\n")).toEqual([
      "zone:1:27: minimum is missing: SOA rdata is <primary name server> <mailbox> <serial> <refresh> <retry> <expire> <minimum>",
    ]);
    expect(readZone("$ORIGIN example.\n@ 60 SOA . . 1 2 3 4 5\n@ NSS ns\n")).toHaveLength(1);
    expect(readLines("@ NS ns", "ns A 192.0.2")).toHaveLength(1);
  });

  test("the other rules still hold", () => {
    expect(readLines("a CNAME b", "a A 192.0.2.1", "c A x")).toEqual([
      "zone:6:1: a.example. has a CNAME, so it can have no A (RFC 2181 §10.1)",
      'zone:7:5: "x" is not an IPv4 address: expected one such as 192.0.2.1',
    ]);
  });
});

test("a zone may be the root", () => {
  expect(
    readZone(
      ". 60 SOA ns.test. host.test. 1 2 3 4 5\n. 60 NS ns.test.\ntest. 60 NS ns.test.\nns.test. 60 A 192.0.2.1\n",
    ),
  ).toEqual([
    ". 60 SOA ns.test. host.test. 1 2 3 4 5",
    ". 60 NS ns.test.",
    "test. 60 NS ns.test.",
    "ns.test. 60 A 192.0.2.1",
  ]);
});
