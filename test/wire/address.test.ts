import { describe, expect, test } from "vitest";
import {
  addressOf,
  formatAddress,
  isInPrefix,
  parseAddress,
  parseIpv4,
  parseIpv6,
  parsePrefix,
} from "../../src/wire/address.ts";
import { fc } from "../fast-check.ts";

describe("parseAddress", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1", 4],
    ["0.0.0.0", "0.0.0.0", 4],
    ["255.255.255.255", "255.255.255.255", 4],
    ["::", "::", 6],
    ["::1", "::1", 6],
    ["1::", "1::", 6],
    ["2001:DB8::1", "2001:db8::1", 6],
    ["2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1", 6],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", 6],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1", 6],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", 6],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", 6],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221", 6],
    ["1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201", 6],
    ["::ffff:192.0.2.1", "192.0.2.1", 4],
    ["::ffff:c000:201", "192.0.2.1", 4],
  ])("reads %s as %s", (text, canonical, family) => {
    expect(parseAddress(text)).toMatchObject({ text: canonical, family });
  });

  test.each([
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.04",
    "1.2.3.",
    "1.2.3.4 ",
    "0x1.2.3.4",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1::",
    "12345::",
    "g::",
    "fe80::1%eth0",
    "1.2.3.4::",
    "1.2.3.4:1:2:3:4:5:6",
    "::1.2.3",
    "1:",
    ":1",
  ])("refuses %j", (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  test("agrees with the platform's reader and writer of IPv6 addresses on any octets", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(0xffff), (octets, zeroed) => {
        // Most groups zero: the runs are what the form is about.
        const bytes = octets.map((octet, i) => ((zeroed >> (i >> 1)) & 1 ? octet : 0));
        const groups = Buffer.from(bytes).toString("hex").match(/.{4}/g)!.join(":");
        expect(parseIpv6(groups)).toEqual(bytes);
        const text = formatAddress(bytes);
        expect(parseIpv6(text)).toEqual(bytes);
        if (!text.startsWith("::ffff:")) expect(new URL(`http://[${groups}]/`).hostname).toBe(`[${text}]`);
      }),
    );
  });
});

describe("addressOf", () => {
  test("copies its octets", () => {
    const bytes = Uint8Array.of(192, 0, 2, 1);
    const address = addressOf(bytes);
    bytes[0] = 1;
    expect(address).toEqual({ family: 4, bytes: Uint8Array.of(192, 0, 2, 1), text: "192.0.2.1" });
  });

  test("folds an IPv4-mapped address, as parseAddress does", () => {
    expect(addressOf(parseIpv6("::ffff:192.0.2.1")!)).toEqual(parseAddress("192.0.2.1"));
  });

  test("takes 4 or 16 octets and nothing else", () => {
    expect(() => addressOf(new Uint8Array(5))).toThrow("4 or 16 octets");
  });
});

test("an IPv4-mapped address that stays IPv6 is written with its dotted quad (RFC 5952 §5)", () => {
  expect(formatAddress(parseIpv6("::ffff:c000:201")!)).toBe("::ffff:192.0.2.1");
  expect(formatAddress(parseIpv4("192.0.2.1")!)).toBe("192.0.2.1");
});

describe("isInPrefix", () => {
  test.each([
    ["192.0.2.1", "192.0.2.0/24", true],
    ["192.0.3.1", "192.0.2.0/24", false],
    ["192.0.3.1", "192.0.2.0/23", true],
    ["192.0.4.1", "192.0.2.0/23", false],
    ["192.0.2.1", "192.0.2.1/32", true],
    ["192.0.2.0", "192.0.2.1/32", false],
    ["203.0.113.9", "0.0.0.0/0", true],
    ["2001:db8:1::", "2001:db8::/33", true],
    ["2001:db8:8000::", "2001:db8::/33", false],
    ["::1", "0.0.0.0/0", false],
    ["192.0.2.1", "::/0", false],
    ["::ffff:192.0.2.1", "192.0.2.0/24", true],
  ])("%s in %s: %s", (address, prefix, is) => {
    expect(isInPrefix(parseAddress(address)!, parsePrefix(prefix)!)).toBe(is);
  });
});

describe("parsePrefix", () => {
  test.each([
    ["192.0.2.0/24", "192.0.2.0/24", 24],
    ["192.0.2.1", "192.0.2.1/32", 32],
    ["192.0.2.1/32", "192.0.2.1/32", 32],
    ["192.0.2.128/25", "192.0.2.128/25", 25],
    ["0.0.0.0/0", "0.0.0.0/0", 0],
    ["2001:db8::/32", "2001:db8::/32", 32],
    ["2001:DB8::1", "2001:db8::1/128", 128],
    ["::/0", "::/0", 0],
    ["::ffff:192.0.2.0/120", "192.0.2.0/24", 24],
    ["::ffff:0:0/96", "0.0.0.0/0", 0],
  ])("reads %s as %s", (text, canonical, length) => {
    expect(parsePrefix(text)).toMatchObject({ text: canonical, length });
  });

  test.each([
    "192.0.2.1/24",
    "192.0.2.64/25",
    "192.1.0.0/8",
    "192.0.2.0/33",
    "192.0.2.0/",
    "192.0.2.0/024",
    "192.0.2.0/-1",
    "192.0.2.0/24/24",
    "2001:db8::1/64",
    "2001:db8::/129",
    "::ffff:0:0/95",
    "/24",
    "example",
  ])("refuses %s", (text) => {
    expect(parsePrefix(text)).toBeNull();
  });
});
