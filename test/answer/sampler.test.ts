/** What the answering threads note of steered queries. */

import { describe, expect, test } from "vitest";
import { SAMPLE_WORDS, SampleWord } from "../../src/telemetry/samples.ts";
import { RRType } from "../../src/wire/codes.ts";
import { hashName } from "../../src/wire/name-hash.ts";
import { type AskOptions, planOf, queryOf, samplingServer, serviceOf, vipOf, zoneOf } from "./harness.ts";

const zone = zoneOf("$ORIGIN example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n");
const vips = [vipOf("192.0.2.10"), vipOf("2001:db8::10")];
const both = { ipv4: planOf({ "192.0.2.10": 1 }), ipv6: planOf({ "2001:db8::10": 1 }) };
const services = [
  serviceOf("www.example.", [both], null, { alpn: ["h2"], port: null }),
  serviceOf("v4.example.", [{ ...both, ipv6: planOf({}) }]),
  serviceOf("v6.example.", [{ ...both, ipv4: planOf({}) }], null, { alpn: ["h2"], port: null }),
  serviceOf("dead.example.", [{ ipv4: { kind: "servfail" }, ipv6: { kind: "servfail" } }]),
];

function sampling(sampleEvery: number) {
  return samplingServer([zone], services, vips, { sampleEvery }, 7);
}

/** What is noted of one query. */
function noted(name: string, type: string, options: AskOptions = {}, from = [198, 51, 100, 7]): unknown {
  const { server, drain } = sampling(1);
  server.client.family = from.length === 4 ? 4 : 6;
  server.client.address.set(from);
  server.ask(name, type, { moment: 1_700_000_000, ...options });
  const { words } = drain();
  if (words.length === 0) return null;
  const what = words[SampleWord.what] ?? 0;
  return {
    qtype: what >>> 16,
    region: (what >>> 8) & 0xff,
    family: (what & 0x80) === 0 ? 4 : 6,
    length: what & 0x7f,
    high: (words[SampleWord.high] ?? 0).toString(16),
    low: (words[SampleWord.low] ?? 0).toString(16),
  };
}

describe("a sample", () => {
  test("has version, service, second and the hash of the qname", () => {
    const { server, drain } = sampling(1);
    server.ask("v4.example", "A", { moment: 1_700_000_000 });
    const { words, dropped } = drain();
    expect([words.length, dropped]).toEqual([SAMPLE_WORDS, 0]);
    expect(words[SampleWord.version]).toBe(7);
    expect(words[SampleWord.service]).toBe(1);
    expect(words[SampleWord.moment]).toBe(1_700_000_000);
    const query = queryOf("v4.example", "A");
    const hash = hashName(new DataView(query.buffer, query.byteOffset), 12, 12);
    expect(words[SampleWord.qnameHash]).toBe(hash >>> 0);
  });

  const A = { qtype: RRType.A, region: 0, family: 4 };
  test.each<[string, Parameters<typeof noted>, unknown]>([
    ["the source's /24", ["www.example", "A"], { ...A, length: 24, high: "c6336400", low: "0" }],
    [
      "of a subnet its /24 at most",
      ["www.example", "A", { subnet: "10.1.2.3/32" }],
      { ...A, length: 24, high: "a010200", low: "0" },
    ],
    [
      "a shorter subnet as it is",
      ["www.example", "A", { subnet: "10.16.0.0/12" }],
      { ...A, length: 12, high: "a100000", low: "0" },
    ],
    [
      "of an IPv6 subnet its /56 at most",
      ["www.example", "AAAA", { subnet: "2001:db8:1:2ff::1/128" }],
      { qtype: RRType.AAAA, region: 0, family: 6, length: 56, high: "20010db8", low: "10200" },
    ],
    [
      "an IPv6 source's /56, where the subnet is withheld",
      [
        "www.example",
        "A",
        { subnet: "0.0.0.0/0" },
        [0x20, 1, 0xd, 0xb8, 0, 1, 2, 0xff, 9, 9, 9, 9, 9, 9, 9, 9],
      ],
      { ...A, family: 6, length: 56, high: "20010db8", low: "10200" },
    ],
    [
      "no region for NODATA",
      ["v4.example", "AAAA"],
      { ...A, qtype: RRType.AAAA, region: 255, length: 24, high: "c6336400", low: "0" },
    ],
    [
      "no region for SERVFAIL",
      ["dead.example", "A"],
      { ...A, region: 255, length: 24, high: "c6336400", low: "0" },
    ],
    [
      "of HTTPS the region of the hint that there is",
      ["v6.example", "HTTPS"],
      { ...A, qtype: RRType.HTTPS, length: 24, high: "c6336400", low: "0" },
    ],
    ["nothing of names that are not steered", ["ns.example", "A"], null],
  ])("has %s", (_, question, expected) => {
    expect(noted(...question)).toEqual(expected);
  });

  test("stands for as many queries as the config says, at distances that vary", () => {
    const { server, drain } = sampling(10);
    const moments: number[] = [];
    for (let moment = 0; moment < 20_000; moment += 1) server.ask("www.example", "A", { moment });
    const { words } = drain();
    for (let at = 0; at < words.length; at += SAMPLE_WORDS) moments.push(words[at + SampleWord.moment] ?? 0);
    expect(Math.abs(moments.length - 2_000)).toBeLessThan(100);
    const distances = moments.slice(1).map((moment, i) => moment - (moments[i] ?? 0));
    expect([Math.min(...distances), Math.max(...distances)]).toEqual([1, 19]);
  });
});

test("a ring that nobody reads keeps no answer from being given", () => {
  const { server, drain } = sampling(1);
  for (let i = 0; i < 5_000; i += 1)
    expect(server.ask("www.example", "A", { moment: i }).answers).toHaveLength(1);
  const { words, dropped } = drain();
  expect(words.length / SAMPLE_WORDS + dropped).toBe(5_000);
  expect(dropped).toBeGreaterThan(0);
});
