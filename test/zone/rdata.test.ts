import { describe, expect, test } from "vitest";
import { RRType } from "../../src/wire/codes.ts";
import { formatRdata, rdataKey, targetOf } from "../../src/zone/rdata.ts";
import { fc } from "../fast-check.ts";
import { name, rdataHex } from "./texts.ts";

const example = "076578616d706c6500";
const www = `03777777${example}`;

describe("presentation form becomes wire form", () => {
  test.each([
    ["A", "192.0.2.1", "c0000201"],
    ["AAAA", "2001:db8::1", "20010db8000000000000000000000001"],
    ["AAAA", "::ffff:192.0.2.1", "00000000000000000000ffffc0000201"],
    ["NS", "www", www],
    ["CNAME", "WwW.Example.", "03577757074578616d706c6500"],
    ["DNAME", "@", example],
    ["PTR", ".", "00"],
    [
      "SOA",
      "www . 1 2h 3m 1w 5",
      `${www}00${"00000001"}${"00001c20"}${"000000b4"}${"00093a80"}${"00000005"}`,
    ],
    ["MX", "10 www", `000a${www}`],
    ["TXT", 'a "b c" ""', "016103622063" + "00"],
    ["TXT", '"\\000\\"\\;é"', "0500223bc3a9"],
    ["TXT", "😀", "04f09f9880"],
    ["SRV", "1 2 3 www", `000100020003${www}`],
    ["CAA", '0 issue "ca.example; x=y"', `0005${"6973737565"}${"63612e6578616d706c653b20783d79"}`],
    ["NAPTR", '1 2 u "E2U+sip" "!^.*$!x!" .', "000100020175074532552b7369700821" + "5e2e2a2421782100"],
    ["DS", `1 8 1 ${"ab".repeat(10)} ${"cd".repeat(10)}`, `00010801${"ab".repeat(10)}${"cd".repeat(10)}`],
    ["TLSA", "3 1 0 0123 45 6789", "030100012345" + "6789"],
    ["SSHFP", `4 2 ${"0f".repeat(32)}`, `0402${"0f".repeat(32)}`],
    ["DNSKEY", "257 3 13 AQID BA==", "0101030d01020304"],
    ["URI", '1 2 "https://example/"', "0001000268747470733a2f2f6578616d706c652f"],
    ["HINFO", "a b", "01610162"],
    ["TYPE65280", "\\# 3 01 0203", "010203"],
    ["TYPE65280", "\\# 0", ""],
    ["TYPE1", "\\# 4 c0000201", "c0000201"],
    ["A", "\\# 4 c0000201", "c0000201"],
  ])("%s %s", (type, text, hex) => {
    expect(rdataHex(type, text)).toBe(hex);
  });
});

describe("what is wrong is told", () => {
  test.each([
    ["A", "192.0.2.256", '"192.0.2.256" is not an IPv4 address: expected one such as 192.0.2.1'],
    ["A", "", "IPv4 address is missing: A rdata is <IPv4 address>"],
    ["A", '"192.0.2.1"', "IPv4 address is in quotes: write it without them"],
    ["A", "192.0.2.1 192.0.2.2", '"192.0.2.2" is one word too many: A rdata is <IPv4 address>'],
    ["AAAA", "2001:db8::g", '"2001:db8::g" is not an IPv6 address: expected one such as 2001:db8::1'],
    ["MX", "www 10", '"www" is not a preference: expected a number from 0 to 65535'],
    ["MX", "65536 www", '"65536" is not a preference: expected a number from 0 to 65535'],
    ["MX", "10", "exchange is missing: MX rdata is <preference> <exchange>"],
    ["NS", "a..b", 'name server: "a..b" has an empty label'],
    ["NS", '"ns"', "name server is in quotes: write it without them"],
    ["SOA", "a b 1 x 3 4 5", '"x" is not a refresh: expected seconds up to 2147483647, or units as in 1h30m'],
    ["SOA", 'a b 1 "2" 3 4 5', "refresh is in quotes: write it without them"],
    ["TXT", "", "text ... is missing: TXT rdata is <text ...>"],
    ["TXT", "a".repeat(256), "text has 256 octets: split it into strings of at most 255"],
    ["TXT", "a\\256", "text has a bad escape (\\DDD or \\X is one), or is not UTF-8"],
    ["TXT", "\ufffd", "text has a bad escape (\\DDD or \\X is one), or is not UTF-8"],
    ["CAA", "0 is-sue x", '"is-sue" is not a tag: expected letters and digits, such as issue'],
    ["CAA", '0 "issue" x', "tag is in quotes: write it without them"],
    ["CAA", "0 issue \\9", "value has a bad escape (\\DDD or \\X is one), or is not UTF-8"],
    ["DS", "1 8 2 abcd", "digest has 2 octets: its algorithm has 32"],
    ["DS", "1 8 3 abc", "digest is not hexadecimal: expected pairs of 0-9 and a-f"],
    ["DS", '1 8 3 ab "cd"', "digest is in quotes: write it without them"],
    ["DNSKEY", "257 3 13 A*==", "public key is not base64 (RFC 4648 §4)"],
    ["DNSKEY", '257 3 13 "AQID"', "public key is in quotes: write it without them"],
    ["LOC", "1 2 3", "there is no text form for LOC here: write TYPE29 \\# <length> <hex> (RFC 3597 §5)"],
    [
      "TYPE65280",
      "x",
      "there is no text form for TYPE65280 here: write TYPE65280 \\# <length> <hex> (RFC 3597 §5)",
    ],
    ["TYPE65280", "\\# 2 01", "rdata has 1 octets, and its length says 2"],
    ["TYPE65280", "\\# x", '"x" is not a length: expected a number from 0 to 65535'],
    ["TYPE65280", "\\#", "length is missing"],
    ["TYPE65280", "\\# 1 0g", "rdata is not hexadecimal: expected pairs of 0-9 and a-f"],
    ["A", "\\# 3 c00002", "these octets are not A rdata is <IPv4 address>"],
    ["MX", "\\# 3 000a03", "these octets are not MX rdata is <preference> <exchange>"],
    ["URI", `0 0 ${"a".repeat(65_532)}`, "URI rdata has 65536 octets: expected at most 65535"],
  ])("%s %s", (type, text, message) => {
    expect(rdataHex(type, text)).toBe(message);
  });
});

describe("formatRdata", () => {
  const label = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((octets) => [octets.length, ...octets]);
  const anyName = fc.array(label, { maxLength: 5 }).map((labels) => [...labels.flat(), 0]);
  const octets = (length: number): fc.Arbitrary<readonly number[]> =>
    fc.array(fc.nat(255), { minLength: length, maxLength: length });
  const some = fc.array(fc.nat(255), { minLength: 1, maxLength: 40 });
  const string = fc.array(fc.nat(255), { maxLength: 255 }).map((text) => [text.length, ...text]);
  const time = fc
    .nat(2 ** 31 - 1)
    .map((value) => [value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255]);
  const digest = (type: number, length: number): fc.Arbitrary<readonly number[]> =>
    octets(length).map((bytes) => [type, ...bytes]);
  const tag = fc.stringMatching(/^[a-z0-9]{1,15}$/).map((text) => [text.length, ...Buffer.from(text)]);

  const rdatas: readonly (readonly [
    type: keyof typeof RRType,
    ...fields: fc.Arbitrary<readonly number[]>[],
  ])[] = [
    ["A", octets(4)],
    ["AAAA", octets(16)],
    ["NS", anyName],
    ["CNAME", anyName],
    ["DNAME", anyName],
    ["PTR", anyName],
    ["SOA", anyName, anyName, octets(4), time, time, time, time],
    ["MX", octets(2), anyName],
    ["AFSDB", octets(2), anyName],
    ["KX", octets(2), anyName],
    ["RP", anyName, anyName],
    ["HINFO", string, string],
    ["TXT", string, string],
    ["SPF", string],
    ["SRV", octets(6), anyName],
    ["NAPTR", octets(4), string, string, string, anyName],
    ["CAA", octets(1), tag, some],
    ["URI", octets(4), some],
    ["DS", octets(3), fc.oneof(digest(1, 20), digest(2, 32), digest(4, 48), digest(9, 3))],
    ["CDS", octets(3), digest(0, 1)],
    ["SSHFP", octets(1), fc.oneof(digest(1, 20), digest(2, 32), digest(3, 5))],
    ["TLSA", octets(2), fc.oneof(digest(0, 9), digest(1, 32), digest(2, 64))],
    ["SMIMEA", octets(2), digest(1, 32)],
    ["DNSKEY", octets(4), some],
    ["CDNSKEY", octets(4), some],
    ["OPENPGPKEY", some],
    ["LOC", octets(16)],
  ];

  test.each(rdatas.map(([type, ...fields]) => ({ type, fields })))(
    "gives text for $type that is read back as the same octets",
    ({ type, fields }) => {
      fc.assert(
        fc.property(fc.tuple(...fields), (parts) => {
          const rdata = Uint8Array.from(parts.flat());
          const text = formatRdata(RRType[type], rdata);
          if (type !== "LOC") expect(text).not.toContain("\\# ");
          expect(rdataHex(type, text)).toBe(Buffer.from(rdata).toString("hex"));
        }),
        { numRuns: 50 },
      );
    },
  );

  test("gives text for any octets of any type, which our own parser takes as a type it does not know", () => {
    const types = fc.constantFrom(...Object.values(RRType), 65280);
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 60 }), (type, rdata) => {
        const text = formatRdata(type, rdata);
        const generic = text.startsWith("\\# ") ? "TYPE65280" : `TYPE${type}`;
        expect(rdataHex(generic, text)).toBe(Buffer.from(rdata).toString("hex"));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["A", "c00002", "\\# 3 c00002"],
    ["A", "c000020100", "\\# 5 c000020100"],
    ["A", "", "\\# 0"],
    ["TXT", "0561", "\\# 2 0561"],
    ["TXT", "", "\\# 0"],
    ["TXT", "000561", "\\# 3 000561"],
    ["CAA", "00", "\\# 1 00"],
    ["CAA", "000561", "\\# 3 000561"],
    ["CAA", "00012d", "\\# 3 00012d"],
    ["DS", "000108", "\\# 3 000108"],
    ["DS", "00010801ab", "\\# 5 00010801ab"],
    ["DNSKEY", "0101030d", "\\# 4 0101030d"],
    ["SOA", `0000${"00000001".repeat(4)}80000000`, `\\# 22 0000${"00000001".repeat(4)}80000000`],
    ["MX", "000ac00c", "\\# 4 000ac00c"],
  ])("falls back to RFC 3597 for %s octets that are not right: %s", (type, hex, text) => {
    expect(formatRdata(RRType[type as keyof typeof RRType], Buffer.from(hex, "hex"))).toBe(text);
  });
});

describe("names in rdata", () => {
  test("targetOf finds the name that an RR leads to", () => {
    const rdata = Buffer.from(`000100020003${www}`, "hex");
    expect(targetOf(RRType.SRV, rdata)).toEqual(name("www.example."));
    expect(targetOf(RRType.TXT, rdata)).toBeNull();
  });

  test("rdataKey is blind to the case of that name and to nothing else", () => {
    const key = (type: "MX" | "TXT", text: string): string =>
      rdataKey(RRType[type], Buffer.from(rdataHex(type, text), "hex"));
    expect(key("MX", "65 WWW")).toBe(key("MX", "65 www"));
    // 65 and 97 are A and a.
    expect(key("MX", "65 www")).not.toBe(key("MX", "97 www"));
    expect(key("TXT", "A")).not.toBe(key("TXT", "a"));
  });
});
