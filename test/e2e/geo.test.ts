/** Answers over UDP against what maxmind's own reader and the policy say, without any of the project's geo code. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CountryResponse, Reader } from "maxmind";
import { beforeAll, describe, expect, test } from "vitest";
import { type Answer, Resolver } from "./dns.ts";
import { hasIpv6, report, useLab } from "./harness.ts";
import { randomFrom } from "./random.ts";
import { layOut, type Site, startNode, VIPS } from "./site.ts";

const DATABASE = "@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb";
const QNAME = "www.gslb.example";
const CLIENTS = 1_000;
const PROBES_IN_SCOPE = 3;
const SEED = 20_260_101;

/** The policy, twice: for the config, and for the test to work out what is right. */
const BY_COUNTRY: Readonly<Record<string, keyof typeof VIPS>> = Object.fromEntries([
  ...["US", "CA", "MX", "BR"].map((country) => [country, "us"]),
  ...["GB", "DE", "FR", "NL", "IT", "SE", "PL", "ZA", "NG"].map((country) => [country, "eu"]),
  ...["JP", "CN", "KR", "IN", "AU", "SG", "VN", "ID"].map((country) => [country, "ap"]),
]);
const REGION_OF = { us: "us-east", eu: "eu-west", ap: "ap-northeast" } as const;
const DEFAULT = "us";

const lab = useLab();
let site: Site;
let database: Reader<CountryResponse>;

beforeAll(async () => {
  const countries = Object.entries(BY_COUNTRY).map(([country, vip]) => `${country}: web/${REGION_OF[vip]}`);
  const policy = `
      geo:
        prefixes: { 127.0.6.0/24: web/ap-northeast }
        labels: { canteen: web/eu-west }
        countries: { ${countries.join(", ")} }
        default: web/${REGION_OF[DEFAULT]}`;
  site = await layOut(lab, [
    ["zones: [", "geo: { labels: [labels.csv] }\n\nzones: ["],
    [
      `
      geo:
        continents: { EU: eu-first, AF: eu-first, AS: ap-first, OC: ap-first }
        default: us-first`,
      policy,
    ],
    // Here nobody but the default region takes over.
    ["invariants:\n  nobody is left without an answer that is up: { answered: while-up }\n", ""],
  ]);
  writeFileSync(join(site.folder, "labels.csv"), "127.0.5.0/24,canteen\n");
  database = new Reader(readFileSync(fileURLToPath(import.meta.resolve(DATABASE))));
  await startNode(lab, site);
});

describe("an answer by location", () => {
  test(`for ${CLIENTS} client prefixes is what database and policy say, all over its scope and no farther`, async () => {
    const resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
    const random = randomFrom(SEED);
    const found = { us: 0, eu: 0, ap: 0 };
    const lengths = new Set<number>();
    let unknown = 0;
    const faults: string[] = [];
    for (let i = 0; i < CLIENTS; i += 1) {
      const family = i % 2 === 0 ? 4 : 6;
      const isAnywhere = i % 4 < 2;
      const client = isAnywhere ? anywhere(family, random) : inDatabase(family, random);
      const source = sourceLength(family, random);
      // ECS carries zeros beyond the source prefix, and these zeros are who is located (RFC 7871 §6).
      const sent = mask(client, source);
      const vip = vipFor(sent);
      if (countryOf(sent) === null) unknown += 1;
      const answer = await resolver.ask(QNAME, "A", { subnet: `${textOf(sent)}/${source}` });
      if (!isRight(answer, vip))
        faults.push(`${textOf(sent)}/${source}: ${JSON.stringify(answer)}, not ${vip}`);
      found[vip] += 1;
      const scope = answer.scope ?? -1;
      lengths.add(scope);
      if (scope > 0 && !hasOther(sibling(sent, scope), scope, vip))
        faults.push(`${textOf(sent)}/${scope} is too narrow: all of /${scope - 1} is for ${vip}`);
      for (let probe = 0; probe < PROBES_IN_SCOPE; probe += 1) {
        const inside = withTail(sent, scope, random);
        const subnet = `${textOf(inside)}/${inside.length * 8}`;
        const other = await resolver.ask(QNAME, "A", { subnet });
        if (!isRight(other, vip))
          faults.push(`${subnet} is in ${textOf(sent)}/${scope}: ${JSON.stringify(other)}, not ${vip}`);
      }
    }
    report(
      `${CLIENTS} client prefixes, ${CLIENTS * PROBES_IN_SCOPE} more in their scopes: ${faults.length} wrong ` +
        `(${found.us} us-east, ${found.eu} eu-west, ${found.ap} ap-northeast; ${unknown} without a country; ` +
        `scopes of ${lengths.size} lengths)`,
    );
    expect(faults).toEqual([]);
    // The test has seen what it is for.
    expect(Math.min(...Object.values(found))).toBeGreaterThan(50);
    expect(lengths.size).toBeGreaterThan(15);
  });

  test.each([
    ["127.0.0.1", "us", "no country: the default"],
    ["127.0.5.9", "eu", "a label"],
    ["127.0.5.255", "eu", "a label"],
    ["127.0.4.255", "us", "no label: the default"],
    ["127.0.6.1", "ap", "a prefix of the policy"],
  ] as const)("without ECS is for the source address %s: %s, by %s", async (source, vip, _reason) => {
    const resolver = new Resolver(await lab.socket(source), site.port);
    expect(await resolver.ask(QNAME, "A")).toEqual({ rcode: "NOERROR", data: [VIPS[vip]], scope: null });
  });

  test.skipIf(!hasIpv6())("without ECS is for an IPv6 source address too (needs IPv6)", async () => {
    const resolver = new Resolver(await lab.socket("::1"), site.port, "::1");
    expect(await resolver.ask(QNAME, "A")).toEqual({ rcode: "NOERROR", data: [VIPS[DEFAULT]], scope: null });
  });

  test("by ECS wins over the source address, and source prefix 0 does not", async () => {
    const resolver = new Resolver(await lab.socket("127.0.5.1"), site.port);
    expect(await resolver.ask(QNAME, "A", { subnet: "133.11.0.0/16" })).toMatchObject({ data: [VIPS.ap] });
    // RFC 7871 §7.1.2: the client wants nobody to look at its address; the resolver's own is known anyway.
    expect(await resolver.ask(QNAME, "A", { subnet: "0.0.0.0/0" })).toMatchObject({
      data: [VIPS.eu],
      scope: 0,
    });
  });
});

function isRight(answer: Answer, vip: keyof typeof VIPS): boolean {
  return answer.rcode === "NOERROR" && answer.data.length === 1 && answer.data[0] === VIPS[vip];
}

function vipFor(address: Uint8Array): keyof typeof VIPS {
  const text = textOf(address);
  if (text.startsWith("127.0.6.")) return "ap";
  if (text.startsWith("127.0.5.")) return "eu";
  return BY_COUNTRY[countryOf(address) ?? ""] ?? DEFAULT;
}

function countryOf(address: Uint8Array): string | null {
  const record = database.get(textOf(address));
  // The built-in database is flat, which maxmind's types do not know.
  return record === null ? null : String(Reflect.get(record, "country_code"));
}

/** Whether another VIP than `vip` is right anywhere in the prefix: goes through the networks of the database that lie in it. */
function hasOther(prefix: Uint8Array, length: number, vip: keyof typeof VIPS): boolean {
  const width = 8 * prefix.length;
  const end = toNumber(prefix) + (1n << BigInt(width - length));
  for (let at = toNumber(prefix); at < end; ) {
    const address = fromNumber(at, prefix.length);
    if (vipFor(address) !== vip) return true;
    const [, networkLength] = database.getWithPrefixLength(textOf(address));
    const size = 1n << BigInt(width - networkLength);
    at = (at / size + 1n) * size;
  }
  return false;
}

/** The other half of the prefix that is one bit shorter. */
function sibling(address: Uint8Array, length: number): Uint8Array {
  const other = mask(address, length);
  const at = (length - 1) >> 3;
  other[at] = (other[at] ?? 0) ^ (0x80 >> ((length - 1) & 7));
  return other;
}

function toNumber(address: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(address).toString("hex")}`);
}

function fromNumber(value: bigint, octetCount: number): Uint8Array {
  return Buffer.from(value.toString(16).padStart(2 * octetCount, "0"), "hex");
}

/**
 * Any unicast address: IPv4 below 224.0.0.0 but for 127.0.0.0/8, where the operator's own prefixes are; IPv6 below
 * ff00::/8, of which half in 2000::/3 where all allocations are.
 */
function anywhere(family: 4 | 6, random: () => number): Uint8Array {
  const address = octets(family, random);
  const first = address[0] ?? 0;
  if (family === 4) address[0] = first % 224 === 127 ? 128 : first % 224;
  else address[0] = random() < 0.5 ? 0x20 | (first & 0x1f) : first % 255;
  return address;
}

/** An address that the database has a country for, from the blocks that registries give out. */
function inDatabase(family: 4 | 6, random: () => number): Uint8Array {
  const blocks = [0x20_01, 0x24_00, 0x26_00, 0x28_00, 0x2a_00, 0x2c_00];
  for (;;) {
    const address = octets(family, random);
    if (family === 6) {
      const block = (blocks[Math.floor(random() * blocks.length)] ?? 0) + Math.floor(random() * 16);
      address[0] = block >> 8;
      address[1] = block & 0xff;
    }
    if (countryOf(address) !== null) return address;
  }
}

/** What resolvers send most, /24 and /56, and now and then any other length. */
function sourceLength(family: 4 | 6, random: () => number): number {
  if (random() < 0.6) return family === 4 ? 24 : 56;
  return 1 + Math.floor(random() * (family === 4 ? 32 : 128));
}

function octets(family: 4 | 6, random: () => number): Uint8Array {
  return Uint8Array.from({ length: family === 4 ? 4 : 16 }, () => Math.floor(random() * 256));
}

/** The first `length` bits of an address, then zeros. */
function mask(address: Uint8Array, length: number): Uint8Array {
  return address.map((octet, i) => octet & bits(length - 8 * i));
}

/** The first `length` bits of an address, then random ones. */
function withTail(address: Uint8Array, length: number, random: () => number): Uint8Array {
  return address.map((octet, i) => {
    const kept = bits(length - 8 * i);
    return (octet & kept) | (Math.floor(random() * 256) & ~kept & 0xff);
  });
}

/** An octet whose first `length` bits are set; all of them where `length` is 8 or more. */
function bits(length: number): number {
  return length >= 8 ? 0xff : length <= 0 ? 0 : (0xff << (8 - length)) & 0xff;
}

function textOf(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  return Buffer.from(address).toString("hex").match(/.{4}/g)!.join(":");
}
