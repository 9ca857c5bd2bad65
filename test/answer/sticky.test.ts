/** Sticky answers: one member for a client at any time, exact scopes, and what a patch moves. */

import { describe, expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import { applyPatches, PatchWriter } from "../../src/book/patch.ts";
import { PREFIX_BITS } from "../../src/book/pick.ts";
import type { Policy } from "../../src/config/policy.ts";
import { buildAtlas } from "../../src/geo/atlas.ts";
import { compileClasses, NO_BITS } from "../../src/geo/trie.ts";
import { vipsOf } from "../../src/health/tracked.ts";
import { localise } from "../../src/steering/localise.ts";
import { partition } from "../../src/steering/partition.ts";
import { type Plan, planFor } from "../../src/steering/plan.ts";
import { addressOf, parsePrefix } from "../../src/wire/address.ts";
import { fc } from "../fast-check.ts";
import {
  configOf,
  type FactSpec,
  factsOf,
  geo,
  member,
  pool,
  sticky,
  weighted,
  serviceOf as whenDownOf,
} from "../steering/world.ts";
import { queryOf, readReply, Server, scopeOf, serviceOf, texts, zoneOf } from "./harness.ts";

const zone = zoneOf("$ORIGIN example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n");
const ten = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`m${i}`, { region: "us" }]));
const config = configOf({ us: [39, -77] }, { ten, other: { a: { region: "us" }, b: { region: "us" } } });
const members = [...config.members.values()];

/** Clients in 10.0.0.0/8 and 2001:db8::/32 are sticky, but for a corner of each; all others are not. */
const policy = geo({
  "prefix 10.3.7.128/25": member("other/a"),
  "prefix 10.0.0.0/8": sticky(pool("ten")),
  "prefix 2001:db8:0:0:ab00::/72": member("other/a"),
  "prefix 2001:db8::/32": sticky(pool("ten")),
  default: member("other/a"),
});

/** A node that answers for a policy, as control would have it. */
class Sticky {
  readonly server: Server;
  readonly #locals;

  constructor(given: Policy) {
    const prefixes = JSON.stringify(given)
      .match(/[0-9a-f.:]+\/\d+/g)
      ?.map((text) => parsePrefix(text)!);
    const atlas = buildAtlas({ databases: [], labels: [], prefixes: prefixes ?? [] });
    const { classOf, representatives, isSticky } = partition(given, atlas.locations, config);
    this.#locals = representatives.map((location) => localise(given, location, config));
    const trie = compileClasses(atlas, classOf, (number) => (isSticky[number] ? PREFIX_BITS : NO_BITS));
    const service = serviceOf("www.example.", this.#plans({}), trie, { alpn: ["h2"], port: null });
    this.server = new Server([zone], [{ ...service, capacity4: 12, capacity6: 12 }], members.flatMap(vipsOf));
  }

  /** Patches the plans to these facts. */
  patch(facts: FactSpec): void {
    const writer = new PatchWriter(this.server.compiled.directory);
    for (const [number, { ipv4, ipv6 }] of this.#plans(facts).entries())
      writer.put(0, number, 4, ipv4, 5).put(0, number, 6, ipv6, 5);
    applyPatches(new Uint32Array(this.server.memory), writer.packed);
  }

  answer(subnet: string, type: "A" | "AAAA" = "A", moment = 0): string {
    return texts(this.server.ask("www.example", type, { subnet, moment }).answers).join();
  }

  #plans(facts: FactSpec): readonly { readonly ipv4: Plan; readonly ipv6: Plan }[] {
    return this.#locals.map((local) => {
      const [ipv4, ipv6] = ([4, 6] as const).map(
        (family) => planFor(local, whenDownOf(), family, factsOf(facts), config).plan,
      );
      return { ipv4: ipv4!, ipv6: ipv6! };
    });
  }
}

/** The /24s 10.x.y.0. */
const subnets = Array.from({ length: 2000 }, (_, i) => `10.${i % 199}.${(i * 7) % 256}.0/24`);

describe("a client", () => {
  const node = new Sticky(sticky(pool("ten")));

  test("gets the same at any moment, and all of its /24 or /56 does", () => {
    for (const [one, other] of [
      ["192.0.2.1/32", "192.0.2.200/32"],
      ["2001:db8:1:200::/56", "2001:db8:1:2ff:ffff::1/128"],
    ] as const) {
      const first = node.answer(one);
      for (let moment = 1; moment < 50; moment += 1) {
        expect(node.answer(one, "A", moment)).toBe(first);
        expect(node.answer(other, "A", moment)).toBe(first);
      }
    }
  });

  test("without ECS is known by its source", () => {
    node.server.client.address.set([10, 1, 2, 3]);
    const bySource = texts(node.server.ask("www.example", "A").answers).join();
    node.server.client.address.set([198, 51, 100, 7]);
    expect(bySource).toBe(node.answer("10.1.2.0/24"));
  });

  test("gets one member by A, AAAA and the hints of HTTPS", () => {
    for (const subnet of subnets.slice(0, 200)) {
      const host = /\.(\d+)$/.exec(node.answer(subnet))?.[1];
      const hex = Number(host).toString(16);
      expect(node.answer(subnet, "AAAA")).toMatch(new RegExp(`::${hex}$`));
      const https = Buffer.from(
        node.server.raw(queryOf("www.example", "HTTPS", { subnet }), Transport.Udp, 9),
      ).toString("hex");
      expect(https).toContain(`00040004c00002${hex.padStart(2, "0")}`);
      expect(https).toContain(`0006001020010db8${hex.padStart(24, "0")}`);
    }
  });
});

describe("a patch", () => {
  test("that takes one of ten out moves its clients and nobody else's, and back", () => {
    const node = new Sticky(sticky(pool("ten")));
    const before = subnets.map((subnet) => node.answer(subnet));
    node.patch({ down: ["ten/m3"] });
    const after = subnets.map((subnet) => node.answer(subnet));
    const moved = after.filter((answer, i) => answer !== before[i]);
    const own = before.filter((answer) => answer.endsWith(" 192.0.2.4"));
    expect(moved).toHaveLength(own.length);
    expect(after.filter((answer) => answer.endsWith(" 192.0.2.4"))).toEqual([]);
    expect(Math.abs(own.length / subnets.length - 0.1)).toBeLessThan(0.03);
    node.patch({});
    expect(subnets.map((subnet) => node.answer(subnet))).toEqual(before);
  });

  test("can leave a plan with nothing sticky, and with nothing at all", () => {
    const node = new Sticky(weighted({ a: [1, sticky(pool("ten"))], b: [0, pool("other")] }));
    node.patch({ down: members.filter(({ pool: id }) => id === "ten").map(({ id }) => id) });
    const others = new Set(Array.from({ length: 50 }, (_, i) => node.answer("10.0.0.0/24", "A", i)));
    expect([...others].sort()).toEqual(["www.example A 192.0.2.11", "www.example A 192.0.2.12"]);
    const writer = new PatchWriter(node.server.compiled.directory);
    applyPatches(
      new Uint32Array(node.server.memory),
      writer.put(0, 0, 4, { kind: "nodata", lastResort: true }, 5).put(0, 0, 6, { kind: "servfail" }, 5)
        .packed,
    );
    expect(node.answer("10.0.0.0/24")).toBe("");
    expect(node.server.ask("www.example", "AAAA").rcode).toBe("SERVFAIL");
  });
});

test("what is not sticky beside it is drawn for each query, and the rest stays", () => {
  const node = new Sticky(weighted({ a: [80, sticky(pool("ten"))], b: [20, pool("other")] }));
  const answers = Array.from({ length: 2000 }, (_, moment) => node.answer("10.0.0.0/24", "A", moment));
  const counts = Map.groupBy(answers, (answer) => answer.split(" ")[2]);
  const own = [...counts].filter(([address]) => !/\.1[12]$/.test(address!));
  expect(own).toHaveLength(1);
  expect(Math.abs(own[0]![1].length - 1600)).toBeLessThan(4 * Math.sqrt(2000 * 0.8 * 0.2));
  expect(counts.size).toBe(3);
});

describe("the ECS scope (RFC 7871 §7.2.1)", () => {
  const node = new Sticky(policy);
  const address = fc.oneof(
    fc.uint8Array({ minLength: 3, maxLength: 3 }).map((tail) => Uint8Array.of(10, ...tail)),
    fc.nat(255).map((last) => Uint8Array.of(10, 3, 7, last)),
    fc
      .uint8Array({ minLength: 12, maxLength: 12 })
      .map((tail) => Uint8Array.from([0x20, 1, 0x0d, 0xb8, ...tail])),
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );

  test("is as long as what the answer depends on, and all of it is answered alike at all times", () => {
    const lengths = new Map<number, number>();
    fc.assert(
      fc.property(address, fc.infiniteStream(fc.nat(255)), (bytes, noise) => {
        const scope = scopeAt(bytes);
        lengths.set(8 * bytes.length + scope, 1);
        const inside = bytes.map((octet, i) => keepBits(octet, Number(noise.next().value), scope - 8 * i));
        expect(scopeAt(inside)).toBe(scope);
        for (const moment of [0, 1, 2]) expect(answerAt(inside, moment)).toBe(answerAt(bytes, moment));
        // What is sticky is the same at any moment.
        if (isSticky(bytes)) {
          expect(scope).toBeGreaterThanOrEqual(bytes.length === 4 ? 24 : 56);
          expect(answerAt(bytes, 7)).toBe(answerAt(bytes, 0));
        }
      }),
      { numRuns: 2000, seed: 7871 },
    );
    const v4 = 32;
    const v6 = 128;
    expect([...lengths.keys()]).toEqual(expect.arrayContaining([v4 + 24, v4 + 25, v6 + 56]));
  });

  test("could not be one bit shorter: of siblings nine of ten get another member", () => {
    for (const [length, make] of [
      [23, (i: number) => Uint8Array.of(10, 1 + (i >> 8), i & 254, 0)],
      [55, (i: number) => Uint8Array.of(0x20, 1, 0x0d, 0xb8, 0, i >> 8, i & 255, ...new Uint8Array(9))],
    ] as const) {
      let others = 0;
      for (let i = 0; i < 1000; i += 1) {
        const one = make(2 * i + 2);
        const other = one.map((octet, at) => (at === length >> 3 ? octet ^ (0x80 >> (length & 7)) : octet));
        expect(scopeAt(one)).toBe(length + 1);
        if (answerAt(one, 0) !== answerAt(other, 0)) others += 1;
      }
      expect(others).toBeGreaterThan(860);
    }
  });

  test("is not longer for clients of whom nothing is sticky", () => {
    expect(scopeAt(Uint8Array.of(192, 0, 2, 1))).toBe(1);
    expect(scopeAt(Uint8Array.of(0x30, ...new Uint8Array(15)))).toBe(4);
  });

  test("of a policy that is sticky for all is /24 and /56", () => {
    const all = new Sticky(sticky(pool("ten")));
    const scopeFor = (subnet: string): number | null =>
      scopeOf(all.server.ask("www.example", "A", { subnet }));
    expect(scopeFor("192.0.0.0/20")).toBe(24);
    expect(scopeFor("2001:db8::1/128")).toBe(56);
    const withheld = all.server.raw(queryOf("www.example", "A", { subnet: "0.0.0.0/0" }));
    expect(scopeOf(readReply(withheld))).toBe(0);
  });

  function answerAt(bytes: Uint8Array, moment: number): string {
    return node.answer(`${addressOf(bytes).text}/${8 * bytes.length}`, "A", moment);
  }

  function scopeAt(bytes: Uint8Array): number {
    const subnet = `${addressOf(bytes).text}/${8 * bytes.length}`;
    return scopeOf(node.server.ask("www.example", "A", { subnet })) ?? -1;
  }

  /** As `policy` says. */
  function isSticky(bytes: Uint8Array): boolean {
    const [a, b, c, d = 0] = bytes;
    if (bytes.length === 4) return a === 10 && !(b === 3 && c === 7 && d >= 128);
    const isOurs = a === 0x20 && b === 1 && c === 0x0d && d === 0xb8;
    return isOurs && !(bytes.subarray(4, 8).every((octet) => octet === 0) && bytes[8] === 0xab);
  }
});

/** The first `bits` bits of `octet`, the others from `noise`. */
function keepBits(octet: number, noise: number, bits: number): number {
  if (bits >= 8) return octet;
  if (bits <= 0) return noise;
  const mask = (0xff << (8 - bits)) & 0xff;
  return (octet & mask) | (noise & ~mask & 0xff);
}
