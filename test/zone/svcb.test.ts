import { describe, expect, test } from "vitest";
import { RRType } from "../../src/wire/codes.ts";
import { formatRdata } from "../../src/zone/rdata.ts";
import { fc } from "../fast-check.ts";
import { rdataHex } from "./texts.ts";

const foo = "03666f6f076578616d706c6503636f6d00";
const fooOrg = "03666f6f076578616d706c65036f726700";

describe("the test vectors of RFC 9460 Appendix D", () => {
  test.each([
    ["0 foo.example.com.", `0000${foo}`],
    ["1 .", "000100"],
    ["16 foo.example.com. port=53", `0010${foo}000300020035`],
    ["1 foo.example.com. key667=hello", `0001${foo}029b000568656c6c6f`],
    ['1 foo.example.com. key667="hello\\210qoo"', `0001${foo}029b000968656c6c6fd2716f6f`],
    [
      '1 foo.example.com. ( ipv6hint="2001:db8::1,2001:db8::53:1" )',
      `0001${foo}0006002020010db800000000000000000000000120010db8000000000000000000530001`,
    ],
    [
      '1 example.com. ( ipv6hint="2001:db8:122:344::192.0.2.33" )',
      "0001076578616d706c6503636f6d000006001020010db80122034400000000c0000221",
    ],
    [
      "16 foo.example.org. ( alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1 )",
      `0010${fooOrg}0000000400010004000100090268320568332d313900040004c0000201`,
    ],
    ['16 foo.example.org. alpn="f\\\\\\\\oo\\\\,bar,h2"', `0010${fooOrg}0001000c08665c6f6f2c626172026832`],
    ["16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2", `0010${fooOrg}0001000c08665c6f6f2c626172026832`],
  ])("SVCB %s", (text, hex) => {
    expect(rdataHex("SVCB", text)).toBe(hex);
  });

  test.each([
    ["key123=abc key123=def", "key123 is given twice"],
    ["mandatory", '"" is not right for mandatory: expected keys with commas between them'],
    ["alpn", '"" is not right for alpn: expected protocols'],
    ["port", '"" is not right for port: expected a number from 0 to 65535'],
    ["ipv4hint", '"" is not right for ipv4hint: expected IPv4 addresses'],
    ["ipv6hint", '"" is not right for ipv6hint: expected IPv6 addresses'],
    ["no-default-alpn=abc", '"abc" is not right for no-default-alpn: expected no value'],
    ["mandatory=key123", "mandatory names key123, which is not there (RFC 9460 §8)"],
    ["mandatory=mandatory", '"mandatory" is not right for mandatory'],
    ["mandatory=key123,key123 key123=abc", '"key123,key123" is not right for mandatory'],
  ])("refuses %s", (parameters, message) => {
    expect(rdataHex("SVCB", `1 foo.example.com. ( ${parameters} )`)).toContain(message);
  });
});

describe("HTTPS", () => {
  test("sorts parameters by key, whatever their order in the file", () => {
    const sorted =
      '1 . alpn="h2" no-default-alpn port=8443 ipv4hint=192.0.2.1 ech=AQID dohpath="/q{?dns}" ohttp key99';
    const shuffled =
      "1 . key99 ech=AQID port=8443 ohttp no-default-alpn dohpath=/q{?dns} ipv4hint=192.0.2.1 alpn=h2";
    expect(rdataHex("HTTPS", shuffled)).toBe(rdataHex("HTTPS", sorted));
    expect(formatRdata(RRType.HTTPS, Buffer.from(rdataHex("HTTPS", shuffled), "hex"))).toBe(sorted);
  });

  test("takes a known parameter by its number, with its octets", () => {
    expect(rdataHex("HTTPS", "1 . key3=\\001\\187")).toBe(rdataHex("HTTPS", "1 . port=443"));
    expect(rdataHex("HTTPS", "1 . key3=443")).toBe(
      '"443" is not right for key3: expected a number from 0 to 65535',
    );
  });

  test.each([
    [
      "0 www alpn=h2",
      "priority 0 is AliasMode, in which parameters mean nothing: leave them out (RFC 9460 §2.4.2)",
    ],
    ["1 . no-default-alpn", "no-default-alpn leaves no protocol at all without alpn (RFC 9460 §7.1.1)"],
    [
      "1 . apln=h2",
      '"apln" is not a parameter: expected one of mandatory, alpn, no-default-alpn, port, ipv4hint, ech, ipv6hint, dohpath, ohttp, or key0 to key65534',
    ],
    ["1 . key65535=x", '"key65535" is not a parameter'],
    ["1 . key01=x", '"key01" is not a parameter'],
    ['1 . "alpn=h2"', "parameter is in quotes: write it without them"],
    ["1 . alpn=h2,", '"h2," is not right for alpn'],
    ["1 . alpn=a\\\\b", "is not right for alpn"],
    ["1 . alpn=a\\999", "is not right for alpn"],
    [`1 . alpn=${"a".repeat(256)}`, "is not right for alpn"],
    ["1 . port=65536", '"65536" is not right for port'],
    ["1 . ech=A", '"A" is not right for ech: expected base64'],
    ["1 . ech", '"" is not right for ech'],
    ["1 . dohpath", '"" is not right for dohpath'],
    ["1 . ipv4hint=192.0.2.1,x", "is not right for ipv4hint"],
    ["1 . key9=\\999", "is not right for key9: expected octets, with \\DDD for those that are not printable"],
    ["1 . mandatory=nothing", '"nothing" is not right for mandatory'],
    ["1", "target is missing: HTTPS rdata is <priority> <target> <key=value ...>"],
  ])("refuses %s", (text, message) => {
    expect(rdataHex("HTTPS", text)).toContain(message);
  });
});

describe("octets that are not right fall back to RFC 3597", () => {
  test.each([
    ["parameters cut short", "0003"],
    ["a value that runs past the end", "0063000201"],
    ["keys that do not ascend", "0064000000630000"],
    ["a key twice", "0063000000630000"],
    ["the invalid key", "ffff0000"],
    ["an empty alpn", "00010000"],
    ["an empty protocol", "0001000100"],
    ["a protocol that runs past the end", "000100020261"],
    ["a port of one octet", "0003000101"],
    ["an address cut short", "00040003c00002"],
    ["an empty ech", "00050000"],
    ["an empty dohpath", "00070000"],
    ["a value for a key without one", "0008000101"],
    ["an empty mandatory", "00000000"],
    ["a mandatory cut short", "0000000100"],
    ["mandatory keys that do not ascend", "0000000400040001" + "000100020161" + "00040004c0000201"],
    ["the invalid key as mandatory", "00000002ffff"],
    ["a mandatory key that is not there", "000000020003"],
    ["no-default-alpn alone", "00020000"],
  ])("%s", (_, parameters) => {
    const rdata = Buffer.from(`000100${parameters}`, "hex");
    expect(formatRdata(RRType.SVCB, rdata)).toBe(`\\# ${rdata.length} ${rdata.toString("hex")}`);
  });

  test("parameters in AliasMode", () => {
    expect(formatRdata(RRType.SVCB, Buffer.from("00000000630000", "hex"))).toBe("\\# 7 00000000630000");
  });
});

test("any right parameters are read back as they were written", () => {
  const octets = fc.array(fc.nat(255), { minLength: 1, maxLength: 20 });
  const list = (length: number): fc.Arbitrary<readonly number[]> =>
    fc
      .array(fc.array(fc.nat(255), { minLength: length, maxLength: length }), { minLength: 1, maxLength: 3 })
      .map((all) => all.flat());
  const values = fc.record(
    {
      1: fc
        .array(octets, { minLength: 1, maxLength: 3 })
        .map((all) => all.flatMap((one) => [one.length, ...one])),
      3: list(2).map((value) => value.slice(0, 2)),
      4: list(4),
      5: octets,
      6: list(16),
      7: octets,
      8: fc.constant([]),
      667: fc.array(fc.nat(255), { maxLength: 20 }),
      65534: octets,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(values, fc.boolean(), (chosen, allMandatory) => {
      const keys = Object.entries(chosen).map(([key, value]) => [Number(key), value] as const);
      const u16 = (value: number): readonly number[] => [value >> 8, value & 255];
      const mandatory =
        allMandatory && keys.length > 0 ? [[0, keys.flatMap(([key]) => u16(key))] as const] : [];
      const parameters = [...mandatory, ...keys].flatMap(([key, value]) => [
        ...u16(key),
        ...u16(value.length),
        ...value,
      ]);
      const rdata = Uint8Array.from([0, 1, 0, ...parameters]);
      const text = formatRdata(RRType.HTTPS, rdata);
      expect(text).not.toContain("\\# ");
      expect(rdataHex("HTTPS", text)).toBe(Buffer.from(rdata).toString("hex"));
    }),
  );
});
