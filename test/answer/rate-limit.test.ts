/** Response rate limiting, on a clock that the test moves. */

import { describe, expect, test } from "vitest";
import { installSecrets, newSecretMemory } from "../../src/answer/cookie.ts";
import { newLimitTable, type RateLimitOptions } from "../../src/answer/rate-limit.ts";
import { Transport } from "../../src/answer/transport.ts";
import { Counter } from "../../src/telemetry/counters.ts";
import { parseAddress, parsePrefix } from "../../src/wire/address.ts";
import { EdnsOption } from "../../src/wire/codes.ts";
import { optionsOf, queryOf, queryWith, readReply, Server, zoneOf } from "./harness.ts";

const zone = zoneOf(`$ORIGIN example.
@ 60 SOA ns h 1 2 3 4 5
@ 60 NS ns
ns 60 A 192.0.2.53
www 60 A 192.0.2.1
*.wild 60 A 192.0.2.2
sub 60 NS ns.sub
ns.sub 60 A 192.0.2.3
old 60 DNAME www
alias 60 CNAME www
big 60 TXT "${"x".repeat(200)}" "${"y".repeat(200)}"
`);

function limited(options: Partial<RateLimitOptions> = {}, others: object = {}): Server {
  const rateLimit: RateLimitOptions = {
    table: newLimitTable(),
    seed: 12_345,
    answers: 5,
    denials: 4,
    referrals: 3,
    errors: 2,
    windowSeconds: 10,
    slip: 0,
    ipv4PrefixLength: 24,
    ipv6PrefixLength: 56,
    exempt: [],
    dryRun: false,
    ...options,
  };
  return new Server([zone], [], [], { rateLimit, ...others });
}

function from(server: Server, text: string): void {
  const address = parseAddress(text)!;
  server.client.family = address.family;
  server.client.address.set(address.bytes);
}

/** How many of `count` queries at one moment get a reply. */
function replied(server: Server, count: number, name = "www.example", moment = 100, type = "A"): number {
  let replies = 0;
  for (let i = 0; i < count; i += 1) {
    const query = queryOf(name.replace("#", String(i)), type);
    if (server.raw(query, Transport.Udp, moment).length > 0) replies += 1;
  }
  return replies;
}

describe("in one second a prefix gets", () => {
  test.each([
    ["as many answers of a name as its rate", "www.example", "A", 5],
    ["those of any case together", "wWw.eXample", "A", 5],
    ["those of all names below a wildcard together", "n#.wild.example", "A", 5],
    ["those of a CNAME", "alias.example", "A", 5],
    ["those of a DNAME, whatever is below it", "n#.old.example", "A", 4],
    ["as many NODATA of a name as the rate of denials", "www.example", "AAAA", 4],
    ["as many NXDOMAIN of a zone, whatever the name", "n#.example", "A", 4],
    ["as many referrals to a zone, whatever is below it", "n#.sub.example", "A", 3],
    ["as many errors of any kind", "n#.test", "A", 2],
  ])("%s", (_, name, type, rate) => {
    expect(replied(limited(), 20, name, 100, type)).toBe(rate);
  });
});

test("names, types of responses and prefixes have balances of their own", () => {
  const server = limited();
  expect(replied(server, 20)).toBe(5);
  expect(replied(server, 20, "ns.example")).toBe(5);
  expect(replied(server, 20, "www.example", 100, "AAAA")).toBe(4);
  from(server, "198.51.101.7");
  expect(replied(server, 20)).toBe(5);
});

test.each([
  ["198.51.100.7", "198.51.100.200", true],
  ["198.51.100.7", "198.51.101.7", false],
  ["2001:db8:0:100::1", "2001:db8:0:1ff::2", true],
  ["2001:db8:0:100::1", "2001:db8:0:200::1", false],
  ["2001:db8::", "32.1.13.184", false],
])("%s and %s are one source: %s", (one, other, isOne) => {
  const server = limited();
  from(server, one);
  expect(replied(server, 5)).toBe(5);
  from(server, other);
  expect(replied(server, 1)).toBe(isOne ? 0 : 1);
});

test("prefixes of any length are told apart by just their bits", () => {
  const server = limited({ ipv4PrefixLength: 32, ipv6PrefixLength: 128 });
  for (const [one, other] of [
    ["198.51.100.7", "198.51.100.6"],
    ["2001:db8::1", "2001:db8::2"],
  ] as const) {
    from(server, one);
    expect(replied(server, 6)).toBe(5);
    from(server, other);
    expect(replied(server, 6)).toBe(5);
  }
});

describe("as time goes by", () => {
  test("a source that keeps to the rate is never limited", () => {
    const server = limited();
    for (let moment = 0; moment < 100; moment += 1) expect(replied(server, 5, "www.example", moment)).toBe(5);
  });

  test("one that asks a little more gets what it earns", () => {
    const server = limited();
    replied(server, 6, "www.example", 0);
    expect(replied(server, 5, "www.example", 1)).toBe(4);
  });

  test("an attacker gets nothing while he goes on, and is answered a window after he has stopped", () => {
    const server = limited();
    for (let moment = 0; moment < 30; moment += 1) {
      expect(replied(server, 200, "www.example", moment)).toBe(moment === 0 ? 5 : 0);
    }
    expect(replied(server, 1, "www.example", 29 + 10)).toBe(0);
    expect(replied(server, 1, "www.example", 29 + 11)).toBe(1);
  });

  test("the 16 bits of the second overflow without harm", () => {
    const server = limited();
    expect(replied(server, 9, "www.example", 65_535)).toBe(5);
    expect(replied(server, 9, "www.example", 65_537)).toBe(5);
  });

  test("a thread whose clock is a second behind earns nothing by that", () => {
    const server = limited();
    expect(replied(server, 20, "www.example", 100)).toBe(5);
    expect(replied(server, 20, "www.example", 99)).toBe(0);
  });

  test("a debt is forgotten after hours", () => {
    const server = limited();
    replied(server, 200, "www.example", 0);
    expect(replied(server, 9, "www.example", 40_000)).toBe(5);
  });
});

describe("what is limited", () => {
  test("is dropped, but each slip-th is truncated, so that a real client comes over TCP", () => {
    const server = limited({ slip: 3 });
    replied(server, 5);
    const lengths = Array.from({ length: 9 }, () =>
      server.raw(queryOf("www.example", "A"), Transport.Udp, 100),
    );
    expect(lengths.map(({ length }) => length > 0)).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 1].map(Boolean));
    expect(readReply(lengths[2]!)).toMatchObject({ flag_tc: true, answers: [], rcode: "NOERROR" });
    expect(server.counters[Counter.limitDropped]).toBe(6);
    expect(server.counters[Counter.limitTruncated]).toBe(3);
  });

  test("is an error: each slip-th is sent as it is, because TC would promise more over TCP", () => {
    const server = limited({ slip: 1 });
    replied(server, 5, "other.test");
    expect(server.ask("other.test", "A", { moment: 100 })).toMatchObject({
      flag_tc: false,
      rcode: "REFUSED",
    });
  });

  test("is NXDOMAIN: each slip-th is truncated", () => {
    const server = limited({ slip: 1 });
    replied(server, 5, "no.example");
    expect(server.ask("no.example", "A", { moment: 100 })).toMatchObject({
      flag_tc: true,
      rcode: "NXDOMAIN",
      authorities: [],
    });
  });

  test("is only counted in a dry run", () => {
    const server = limited({ dryRun: true, slip: 2 });
    expect(replied(server, 11)).toBe(11);
    expect(server.counters[Counter.wouldDrop]).toBe(3);
    expect(server.counters[Counter.wouldTruncate]).toBe(3);
    expect(server.counters[Counter.limitDropped]).toBe(0);
    expect(server.counters[Counter.truncated]).toBe(0);
  });
});

describe("never limited", () => {
  test("is a class with the rate 0", () => {
    expect(replied(limited({ answers: 0 }), 50)).toBe(50);
  });

  test.each([
    ["198.51.100.0/24", "198.51.100.7", true],
    ["198.51.100.0/30", "198.51.100.7", false],
    ["198.51.100.4/30", "198.51.100.7", true],
    ["2001:db8::/32", "198.51.100.7", false],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["::/0", "2001:db8:8000::1", true],
  ])("is a source in %s that is exempt: %s %s", (prefix, client, isExempt) => {
    const server = limited({ exempt: [parsePrefix(prefix)!] });
    from(server, client);
    expect(replied(server, 20)).toBe(isExempt ? 20 : 5);
  });

  test.each([
    ["TCP", Transport.Tcp],
    ["TLS", Transport.Tls],
    ["HTTPS", Transport.Https],
  ])("is %s", (_, transport) => {
    const server = limited();
    for (let i = 0; i < 50; i += 1) {
      expect(server.raw(queryOf("www.example", "A"), transport, 100).length).toBeGreaterThan(0);
    }
  });

  test("is a client with a valid cookie, and no other (RFC 7873 §5.2.5)", () => {
    const secrets = newSecretMemory();
    installSecrets(secrets, new Uint8Array(16).fill(7), null);
    const server = limited({}, { cookies: { secrets, required: false } });
    const client = "0102030405060708";
    const asked = queryWith("www.example", "A", [EdnsOption.Cookie, client]);
    const [[, cookie] = [0, ""]] = optionsOf(server.raw(asked, Transport.Udp, 100)) ?? [];
    const proven = queryWith("www.example", "A", [EdnsOption.Cookie, cookie]);
    for (let i = 0; i < 50; i += 1) {
      expect(server.raw(proven, Transport.Udp, 100).length).toBeGreaterThan(0);
    }
    // One of the five was paid for the cookie.
    let replies = 0;
    for (let i = 0; i < 50; i += 1) if (server.raw(asked, Transport.Udp, 100).length > 0) replies += 1;
    expect(replies).toBe(4);
  });
});

test("threads with one table count together", () => {
  const table = newLimitTable();
  const one = limited({ table });
  const other = limited({ table });
  expect(replied(one, 3) + replied(other, 20)).toBe(5);
});

test("with more sources than there is room for the latest are limited, and those that are quiet forgotten", () => {
  const server = limited();
  for (let i = 0; i < 100_000; i += 1) {
    server.client.address.set([10 + (i >> 16), i >> 8, i, 1]);
    replied(server, 1, "www.example", 100 + (i >> 12));
  }
  expect(replied(server, 20, "www.example", 124)).toBe(4);
});

describe("maxAmplification", () => {
  const query = queryOf("big.example", "TXT", { size: 1232 });
  const whole = new Server([zone]).raw(query).length;

  function reply(maxAmplification: number, transport: Transport = Transport.Udp): Uint8Array {
    return new Server([zone], [], [], { maxAmplification }).raw(query, transport);
  }

  test("a reply that is longer than so many times its query is truncated", () => {
    expect(readReply(reply(whole / query.length))).toMatchObject({ flag_tc: false });
    const cut = reply((whole - 1) / query.length);
    expect(readReply(cut)).toMatchObject({ flag_tc: true, answers: [] });
    expect(cut.length).toBeLessThanOrEqual(query.length);
  });

  test("over TCP it is whole", () => {
    expect(reply(1, Transport.Tcp)).toHaveLength(whole);
  });

  test("with a factor of 1 nothing is longer than its query, whatever is asked", () => {
    const strict = new Server([zone], [], [], { maxAmplification: 1 });
    for (const name of ["www.example", "no.example", "x.sub.example", "big.example", "other.test"]) {
      for (const options of [{}, { size: 4096 }, { subnet: "192.0.2.0/24" }]) {
        const asked = queryOf(name, "TXT", options);
        expect(strict.raw(asked).length).toBeLessThanOrEqual(asked.length);
      }
    }
  });
});
