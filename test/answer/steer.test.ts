/** The properties of steered answers: exact scopes, one pick for all types, shares as planned. */

import { describe, expect, test } from "vitest";
import { Reply } from "../../src/answer/reply.ts";
import { steer } from "../../src/answer/steer.ts";
import { Transport } from "../../src/answer/transport.ts";
import { Book } from "../../src/book/book.ts";
import { applyPatches, PatchWriter } from "../../src/book/patch.ts";
import { buildAtlas } from "../../src/geo/atlas.ts";
import { compileClasses } from "../../src/geo/trie.ts";
import type { Plan } from "../../src/steering/plan.ts";
import { addressOf, parsePrefix } from "../../src/wire/address.ts";
import { Packet } from "../../src/wire/packet.ts";
import { Parsed, parseQuery, Query } from "../../src/wire/query.ts";
import { fc } from "../fast-check.ts";
import { planOf, queryOf, readReply, Server, scopeOf, serviceOf, texts, vipOf, zoneOf } from "./harness.ts";

const zone = zoneOf("$ORIGIN example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n");
const v4 = ["192.0.2.10", "192.0.2.11", "192.0.2.12"];
const v6 = ["2001:db8::10", "2001:db8::11", "2001:db8::12"];
const vips = [...v4, ...v6].map(vipOf);

const prefixes = ["10.0.0.0/8", "10.3.0.0/24", "172.16.0.0/12", "2001:db8::/32", "2001:db8:8000::/33"].map(
  (text) => {
    const prefix = parsePrefix(text);
    if (prefix === null) throw new Error(text);
    return prefix;
  },
);
const atlas = buildAtlas({ databases: [], labels: [], prefixes });
/** Class 1: inside 10.0.0.0/8 or 2001:db8::/32; class 2: inside the two narrow prefixes; class 0: elsewhere. */
const classOf = Uint16Array.from(atlas.locations, ({ prefixes: [longest] }) =>
  longest === undefined || longest === "172.16.0.0/12"
    ? 0
    : longest === "10.0.0.0/8" || longest === "2001:db8::/32"
      ? 1
      : 2,
);
const trie = compileClasses(atlas, classOf);
const plans = [0, 1, 2].map((i) => ({
  ipv4: planOf({ [v4[i] ?? ""]: 1 }),
  ipv6: planOf({ [v6[i] ?? ""]: 1 }),
}));
const server = new Server([zone], [serviceOf("www.example.", plans, trie)], vips);

describe("ECS scope (RFC 7871 §7.2.1)", () => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc
      .constantFrom([10, 3, 0], [10, 3, 1], [10, 0, 0], [172, 16, 3], [11, 0, 0])
      .map((bytes) => Uint8Array.from([...bytes, 7])),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc
      .uint8Array({ minLength: 12, maxLength: 12 })
      .map((tail) => Uint8Array.from([0x20, 1, 0x0d, 0xb8, ...tail])),
  );

  test("every address inside the scope gets the same answer, and no shorter scope would be true", () => {
    fc.assert(
      fc.property(address, fc.infiniteStream(fc.nat(255)), (bytes, noise) => {
        const [scope, answer] = answerFor(bytes);
        const inside = bytes.map((octet, i) => keepBits(octet, Number(noise.next().value), scope - 8 * i));
        expect(answerFor(inside)).toEqual([scope, answer]);
        if (scope === 0) return;
        expect(hasOtherAnswer(bytes, scope - 1, answer)).toBe(true);
      }),
      { numRuns: 500, seed: 7871 },
    );
  });

  test("a client that withholds its address is steered by its resolver's, with scope 0", () => {
    const query = queryOf("www.example", "A", { subnet: "0.0.0.0/0" });
    server.client.address.set([10, 3, 0, 9]);
    expect(scopeOf(readReply(server.raw(query)))).toBe(0);
    expect(texts(readReply(server.raw(query)).answers)).toEqual(["www.example A 192.0.2.12"]);
    server.client.address.set([198, 51, 100, 7]);
  });

  test("without ECS the source address decides", () => {
    server.client.address.set([10, 9, 9, 9]);
    expect(texts(server.ask("www.example", "A").answers)).toEqual(["www.example A 192.0.2.11"]);
    server.client.address.set([198, 51, 100, 7]);
    expect(texts(server.ask("www.example", "A").answers)).toEqual(["www.example A 192.0.2.10"]);
  });

  function answerFor(bytes: Uint8Array): readonly [number, string] {
    const subnet = `${addressOf(bytes).text}/${bytes.length * 8}`;
    const reply = server.ask("www.example", "A", { subnet });
    return [scopeOf(reply) ?? -1, texts(reply.answers).join()];
  }

  /** Whether some address in the prefix of `length` bits around `bytes` is answered otherwise. */
  function hasOtherAnswer(bytes: Uint8Array, length: number, answer: string): boolean {
    const corners = prefixes
      .filter(({ address: { bytes: corner } }) => corner.length === bytes.length)
      .flatMap((prefix) => [
        prefix.address.bytes,
        lastOf(prefix.address.bytes, prefix.length),
        afterLast(prefix.address.bytes, prefix.length),
      ]);
    const flipped = bytes.map((octet, i) => (i === length >> 3 ? octet ^ (0x80 >> (length & 7)) : octet));
    return [flipped, ...corners].some(
      (corner) => isInside(corner, bytes, length) && answerFor(corner)[1] !== answer,
    );
  }
});

describe("picks", () => {
  const shares = { [v4[0] ?? ""]: 0.8, [v4[1] ?? ""]: 0.2 };
  const mirrored = { [v6[0] ?? ""]: 0.8, [v6[1] ?? ""]: 0.2 };
  const weighted = new Server(
    [zone],
    [
      serviceOf("www.example.", [{ ipv4: planOf(shares), ipv6: planOf(mirrored) }], null, {
        alpn: ["h2"],
        port: null,
      }),
    ],
    vips,
  );

  test("80/20 over 100,000 clients passes a chi-squared test", () => {
    const counts = countPicks(weighted, 100_000);
    const [first = 0, second = 0] = [counts.get("192.0.2.10"), counts.get("192.0.2.11")];
    const chiSquared = (first - 80_000) ** 2 / 80_000 + (second - 20_000) ** 2 / 20_000;
    expect(first + second).toBe(100_000);
    // 1 degree of freedom: exceeded by chance once in a thousand runs.
    expect(chiSquared).toBeLessThan(10.83);
  });

  test("one client is spread by time too: a resolver that asks each second sees the shares", () => {
    let first = 0;
    for (let moment = 0; moment < 10_000; moment += 1) {
      if (texts(weighted.ask("www.example", "A", { moment }).answers)[0]?.endsWith(".10")) first += 1;
    }
    expect(Math.abs(first - 8000)).toBeLessThan(4 * Math.sqrt(10_000 * 0.8 * 0.2));
  });

  test("A, AAAA and the hints of HTTPS of one client and one moment come from one member", () => {
    for (let i = 0; i < 300; i += 1) {
      const options = { subnet: `192.0.${i % 200}.0/24`, moment: i };
      const member = texts(weighted.ask("www.example", "A", options).answers)[0]?.slice(-2);
      expect(texts(weighted.ask("www.example", "AAAA", options).answers)[0]?.slice(-2)).toBe(member);
      const https = Buffer.from(
        weighted.raw(queryOf("www.example", "HTTPS", options), Transport.Udp, i),
      ).toString("hex");
      expect(https).toContain(`00040004c00002${member === "10" ? "0a" : "0b"}`);
      expect(https).toContain(`0006001020010db80000000000000000000000${member}`);
    }
  });

  test("all of a /24, and of a /56, gets one member at one moment, whether or not its resolver says more of the address", () => {
    for (let moment = 0; moment < 100; moment += 1) {
      const memberOf = (subnet: string): string =>
        texts(weighted.ask("www.example", "A", { subnet, moment }).answers).join();
      const [whole4, whole6] = [memberOf("198.51.100.0/24"), memberOf("2001:db8:1:200::/56")];
      expect([memberOf("198.51.100.77/32"), memberOf("198.51.100.128/25")]).toEqual([whole4, whole4]);
      expect([memberOf("2001:db8:1:2ff::1/128"), memberOf("2001:db8:1:210::/64")]).toEqual([whole6, whole6]);
    }
    const picks = Array.from({ length: 40 }, (_, i) =>
      texts(weighted.ask("www.example", "A", { subnet: `10.0.${i}.0/24`, moment: 7 }).answers).join(),
    );
    expect(new Set(picks).size).toBe(2);
  });

  test("a patch moves the very next answer, and back", () => {
    const words = new Uint32Array(weighted.memory);
    const patch = (plan: Plan): void =>
      applyPatches(words, new PatchWriter(weighted.compiled.directory).put(0, 0, 4, plan, 5).packed);
    for (const target of ["192.0.2.12", "192.0.2.10", "192.0.2.11"]) {
      patch(planOf({ [target]: 1 }));
      for (let moment = 0; moment < 20; moment += 1)
        expect(texts(weighted.ask("www.example", "A", { moment }).answers)).toEqual([
          `www.example A ${target}`,
        ]);
    }
    patch({ kind: "nodata", lastResort: false });
    expect(weighted.ask("www.example", "A").answers).toEqual([]);
    patch({ kind: "servfail" });
    expect(weighted.ask("www.example", "A").rcode).toBe("SERVFAIL");
  });

  test("a patch brings a TTL with it, and HTTPS has the shorter one of both families (RFC 2181 §5.2)", () => {
    const both = [{ ipv4: planOf({ "192.0.2.10": 1 }), ipv6: planOf({ "2001:db8::10": 1 }) }];
    const https = { alpn: ["h2"], port: null };
    const patched = new Server([zone], [serviceOf("www.example.", both, null, https)], vips);
    const { ipv4, ipv6 } = both[0]!;
    const ttls = (): readonly number[] =>
      (["A", "AAAA", "HTTPS"] as const).map((type) =>
        Reflect.get(patched.ask("www.example", type).answers![0]!, "ttl"),
      );
    expect(ttls()).toEqual([5, 5, 5]);
    for (const [ttl4, ttl6] of [
      [60, 7],
      [1, 86_400],
    ] as const) {
      const writer = new PatchWriter(patched.compiled.directory);
      const { packed } = writer.put(0, 0, 4, ipv4, ttl4).put(0, 0, 6, ipv6, ttl6);
      applyPatches(new Uint32Array(patched.memory), packed);
      expect(ttls()).toEqual([ttl4, ttl6, Math.min(ttl4, ttl6)]);
    }
  });

  /**
   * The interleaving that a thread which patches can bring about: each time the plan's count is read, two patches come
   * before the rest of it.
   */
  function answerWhilePatched(times: number): string {
    const book = new Book(weighted.memory);
    const shared = new Uint32Array(weighted.memory);
    const slot = String(weighted.compiled.directory.services[0]?.slots);
    const two = ["192.0.2.12", "192.0.2.10"].map(
      (target) =>
        new PatchWriter(weighted.compiled.directory).put(0, 0, 4, planOf({ [target]: 1 }), 5).packed,
    );
    let left = times;
    const words = new Proxy(shared, {
      get(target, key) {
        const read = Reflect.get(target, key, target);
        if (key !== slot || left === 0) return read;
        left -= 1;
        for (const packed of two) applyPatches(shared, packed);
        return read;
      },
    });
    const query = queryOf("www.example", "A");
    const packet = new Packet(new Uint8Array(1_232));
    packet.octets.set(query);
    const [parsed, reply] = [new Query(), new Reply()];
    expect(parseQuery(packet, query.length, parsed)).toBe(Parsed.Query);
    reply.begin(packet, parsed, 512, 0);
    const patched = Object.create(book, { words: { value: words } }) as Book;
    expect(steer(patched, 0, parsed, weighted.client, 1, reply, weighted.counters)).toBe(true);
    return addressOf(packet.octets.slice(reply.at - 4, reply.at)).text;
  }

  test.each([1, 4, 100])(
    "a plan patched twice during %i of its reads is answered from what was in force",
    (times) => {
      expect(answerWhilePatched(times)).toBe("192.0.2.10");
    },
  );

  function countPicks(asked: Server, queries: number): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    const query = queryOf("www.example", "A", { subnet: "192.0.2.0/24" });
    for (let i = 0; i < queries; i += 1) {
      query.set([1 + (i >> 16), (i >> 8) & 255, i & 255], query.length - 3);
      const reply = asked.raw(query);
      const vip = addressOf(reply.slice(29 + 12, 29 + 16)).text;
      counts.set(vip, (counts.get(vip) ?? 0) + 1);
    }
    return counts;
  }
});

/** The first `bits` bits of `octet`, the others from `noise`. */
function keepBits(octet: number, noise: number, bits: number): number {
  if (bits >= 8) return octet;
  if (bits <= 0) return noise;
  const mask = (0xff << (8 - bits)) & 0xff;
  return (octet & mask) | (noise & ~mask & 0xff);
}

function isInside(bytes: Uint8Array, prefix: Uint8Array, length: number): boolean {
  return (
    bytes.length === prefix.length &&
    bytes.every(
      (octet, i) => keepBits(octet, 0, length - 8 * i) === keepBits(prefix[i] ?? 0, 0, length - 8 * i),
    )
  );
}

function lastOf(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.map((octet, i) => keepBits(octet, 0xff, length - 8 * i));
}

/** The first address after a prefix. */
function afterLast(bytes: Uint8Array, length: number): Uint8Array {
  const next = lastOf(bytes, length);
  for (let i = next.length - 1; i >= 0; i -= 1) {
    next[i] = ((next[i] ?? 0) + 1) & 255;
    if (next[i] !== 0) break;
  }
  return next;
}
