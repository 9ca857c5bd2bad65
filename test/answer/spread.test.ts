/** Answers with several VIPs as they come out of a packet: which, in what order, signed, and where there is no room. */

import { describe, expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import { applyPatches, PatchWriter } from "../../src/book/patch.ts";
import type { Policy } from "../../src/config/policy.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import type { Signing } from "../../src/dnssec/signer.ts";
import { vipsOf } from "../../src/health/tracked.ts";
import { localise } from "../../src/steering/localise.ts";
import { bucketCount } from "../../src/steering/maglev.ts";
import { type Plan, planFor } from "../../src/steering/plan.ts";
import { PICKS_AT } from "../../src/telemetry/counters.ts";
import { nameKey } from "../../src/wire/name.ts";
import { nameOf } from "../dnssec/zone-text.ts";
import {
  configOf,
  type FactSpec,
  factsOf,
  LONDON,
  member,
  pool,
  spread,
  sticky,
  weighted,
  serviceOf as whenDownOf,
} from "../steering/world.ts";
import { type AskOptions, queryOf, readReply, Server, scopeOf, serviceOf, texts, zoneOf } from "./harness.ts";
import { keyOf, verify, withKeys } from "./validator.ts";

const NOW = 1_800_000_000;

const LONG = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(53)}`;
const zone = zoneOf(
  "$ORIGIN example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n* STEER www\n",
);
const ten = Object.fromEntries(
  Array.from({ length: 10 }, (_, i) => [`m${i}`, { region: i < 5 ? "us" : "eu" }]),
);
const config = configOf({ us: [39, -77], eu: [53, -6] }, { ten, other: { a: { region: "us" } } });
const signing: Signing = { validitySeconds: 14 * 86_400, keys: [keyOf(Algorithm.EcdsaP256Sha256)] };

/** A node that answers for a policy, as control would have it. */
class Node {
  readonly server: Server;
  readonly #policy;

  constructor(policy: Policy, options: ConstructorParameters<typeof Server>[3] = {}) {
    this.#policy = policy;
    const [ipv4, ipv6] = this.#plans({});
    const service = serviceOf("www.example.", [{ ipv4, ipv6 }], null, { alpn: ["h2"], port: null });
    this.server = new Server(
      [withKeys(zone, signing)],
      [{ ...service, capacity4: 16, capacity6: 16, rings: 1, buckets: bucketCount(2) }],
      [...config.members.values()].flatMap(vipsOf),
      options,
      new Map([[nameKey(nameOf("example.")), signing]]),
    );
  }

  /** Patches the plans to these facts, or to these plans. */
  patch(facts: FactSpec, [ipv4, ipv6] = this.#plans(facts)): void {
    const writer = new PatchWriter(this.server.compiled.directory)
      .put(0, 0, 4, ipv4, 5)
      .put(0, 0, 6, ipv6, 5);
    applyPatches(new Uint32Array(this.server.memory), writer.packed);
  }

  /** The last number of each address, in the order of the answer. */
  hosts(type: "A" | "AAAA", moment: number, name = "www.example"): readonly number[] {
    return texts(this.server.ask(name, type, { moment }).answers).map((text) => {
      const last = /[.:](\w+)$/.exec(text)![1]!;
      return Number.parseInt(last, type === "A" ? 10 : 16);
    });
  }

  /** The hosts in both hints. */
  hints(moment: number): readonly (readonly number[])[] {
    const reply = this.server.raw(queryOf("www.example", "HTTPS"), Transport.Udp, moment);
    const text = Buffer.from(reply).toString("hex");
    const ipv4 = /0004(\w{4})((?:c00002\w\w)+)0006/.exec(text)!;
    const ipv6 = /0006(\w{4})((?:20010db8\w{24})+)$/.exec(text)!;
    return [ipv4, ipv6].map(([, length, octets]) => {
      expect(octets).toHaveLength(2 * Number.parseInt(length!, 16));
      const size = octets!.startsWith("c0") ? 8 : 32;
      const addresses = octets!.match(new RegExp(`.{${size}}`, "g"))!;
      return addresses.map((address) => Number.parseInt(address.slice(-2), 16));
    });
  }

  ask(type: string, options: AskOptions = {}): ReturnType<Server["ask"]> {
    return this.server.ask("www.example", type, { dnssec: "ok", moment: NOW, ...options });
  }

  #plans(facts: FactSpec): readonly [Plan, Plan] {
    const local = localise(this.#policy, LONDON, config);
    const planIn = (family: 4 | 6): Plan =>
      planFor(local, whenDownOf({ kind: "nodata" }), family, factsOf(facts), config).plan;
    return [planIn(4), planIn(6)];
  }
}

function sorted(hosts: readonly number[]): readonly number[] {
  return hosts.toSorted((a, b) => a - b);
}

const moments = Array.from({ length: 300 }, (_, i) => i);

describe("an answer", () => {
  const node = new Node(spread(pool("ten"), 3));

  test("has three of ten, each of them different, from both regions", () => {
    for (const moment of moments) {
      const hosts = node.hosts("A", moment);
      expect(new Set(hosts).size).toBe(3);
      expect(new Set(hosts.map((host) => host <= 5)).size).toBe(2);
    }
  });

  test("is given for A, AAAA and the hints of HTTPS from one pick, A and AAAA in one order", () => {
    for (const moment of moments) {
      const hosts = node.hosts("A", moment);
      expect(node.hosts("AAAA", moment)).toEqual(hosts);
      expect(node.hints(moment)).toEqual([sorted(hosts), sorted(hosts)]);
    }
  });

  test("comes in all orders", () => {
    const answers = moments.map((moment) => node.hosts("A", moment));
    const orders = Map.groupBy(answers, (hosts) => sorted(hosts).join(" "));
    expect(orders.size).toBe(10);
    const common = [...orders.values()].toSorted((a, b) => b.length - a.length)[0]!;
    expect(new Set(common.map((hosts) => hosts.join(" "))).size).toBe(6);
  });

  test("has another first in each second, each as often", () => {
    const first = Map.groupBy(moments, (moment) => node.hosts("A", moment)[0]);
    expect(first.size).toBe(10);
    for (const some of first.values()) expect(some.length).toBeGreaterThan(10);
  });

  test("counts as one pick, and depends on nobody's location", () => {
    const before = node.server.counters[PICKS_AT]!;
    for (const type of ["A", "AAAA", "HTTPS"])
      expect(scopeOf(node.server.ask("www.example", type, { subnet: "192.0.2.0/24" }))).toBe(0);
    expect(node.server.counters[PICKS_AT]! - before).toBe(3);
  });
});

describe("a patch", () => {
  const node = new Node(spread(pool("ten"), 3));

  test("takes out what is down, and leaves as many as there are", () => {
    node.patch({ down: ["ten/m0", "ten/m4"] });
    for (const moment of moments) {
      const hosts = node.hosts("A", moment);
      expect(hosts).toHaveLength(3);
      expect(hosts.filter((host) => host === 1 || host === 5)).toEqual([]);
    }
    const eight = Array.from({ length: 8 }, (_, i) => `ten/m${i}`);
    node.patch({ down: eight });
    for (const moment of moments) expect(sorted(node.hosts("AAAA", moment))).toEqual([9, 10]);
    node.patch({ down: [...eight, "ten/m9"] });
    for (const moment of moments) expect(node.hosts("A", moment)).toEqual([9]);
  });

  test("can leave one family with others than the other, and each with what it has", () => {
    const [all] = ["ten/m0", "ten/m1", "ten/m2"].map((id) => config.members.get(id as never)!);
    const plans = ["ipv4", "ipv6"].map((_, i) => (i === 0 ? all!.ipv4!.id : all!.ipv6!.id));
    const only = (vip: (typeof plans)[number]): Plan => ({
      kind: "answer",
      shares: [{ vip, share: 1 }],
      spreads: null,
      sticky: null,
      lastResort: false,
    });
    node.patch({}, [{ kind: "nodata", lastResort: false }, only(plans[1]!)]);
    expect(node.hosts("A", 1)).toEqual([]);
    expect(node.hosts("AAAA", 1)).toEqual([1]);
    const hex = Buffer.from(node.server.raw(queryOf("www.example", "HTTPS"))).toString("hex");
    expect(hex).not.toContain("00040004c00002");
    node.patch({}, [only(plans[0]!), { kind: "nodata", lastResort: false }]);
    expect(Buffer.from(node.server.raw(queryOf("www.example", "HTTPS"))).toString("hex")).toMatch(
      /00040004c0000201$/,
    );
    node.patch({}, [{ kind: "servfail" }, { kind: "servfail" }]);
    for (const type of ["A", "AAAA", "HTTPS"])
      expect(node.server.ask("www.example", type).rcode).toBe("SERVFAIL");
  });
});

test("what is answered alone, and what is sticky, stays so beside a spread", () => {
  const node = new Node(
    weighted({
      a: [50, spread(pool("ten"), 2)],
      b: [25, member("other/a")],
      c: [25, sticky(weighted({ x: [1, member("ten/m0")], y: [1, member("ten/m1")] }))],
    }),
  );
  const answers = Array.from({ length: 2000 }, (_, moment) => node.hosts("A", moment));
  const alone = answers.filter((hosts) => hosts.length === 1).map(([host]) => host!);
  const keeps = alone.filter((host) => host !== 11);
  expect(answers.every((hosts) => hosts.length <= 2)).toBe(true);
  expect(Math.abs(alone.length - 1000)).toBeLessThan(4 * Math.sqrt(500));
  expect(Math.abs(keeps.length - 500)).toBeLessThan(4 * Math.sqrt(375));
  expect(new Set(keeps).size).toBe(1);
});

describe("room", () => {
  const eight = new Node(spread(pool("ten"), 8));

  test("for eight IPv6 addresses is in 512 octets, at the longest name", () => {
    const reply = eight.server.ask(`${LONG}.example`, "AAAA");
    expect(reply.flag_tc).toBe(false);
    expect(reply.answers).toHaveLength(8);
  });

  test("that is missing for one of them leaves none, and TC (RFC 2181 §9)", () => {
    const node = new Node(spread(pool("ten"), 8), { maxAmplification: 3 });
    for (const type of ["A", "AAAA", "HTTPS"]) {
      const reply = node.server.ask("www.example", type);
      expect([reply.flag_tc, reply.answers]).toEqual([true, []]);
      expect(node.server.ask("www.example", type, { transport: Transport.Tcp }).answers).not.toEqual([]);
    }
  });
});

describe("a signed answer", () => {
  const node = new Node(spread(pool("ten"), 3));

  test.each(["A", "AAAA", "HTTPS"])(
    "has one signature of all its addresses, whichever comes first: %s",
    (type) => {
      for (const moment of moments.slice(0, 60)) {
        const reply = node.ask(type, { moment: NOW + moment });
        expect(verify(reply, signing.keys, NOW + moment).map(({ isSigned }) => isSigned)).toEqual([true]);
        expect(reply.answers!.filter(({ type: one }) => one === "RRSIG")).toHaveLength(1);
      }
    },
  );

  test("is right for a name from a wildcard too", () => {
    const reply = node.server.ask("any.example", "A", { dnssec: "ok", moment: NOW });
    expect(reply.answers).toHaveLength(4);
    expect(verify(reply, signing.keys, NOW)).toEqual([{ what: "any.example A", isSigned: true }]);
  });

  test("of fewer is right after a patch", () => {
    node.patch({ down: Array.from({ length: 9 }, (_, i) => `ten/m${i}`) });
    const reply = node.ask("A");
    expect(verify(reply, signing.keys, NOW)).toHaveLength(1);
    expect(
      readReply(node.server.raw(queryOf("www.example", "A", { dnssec: "ok" }), Transport.Udp, NOW)).answers,
    ).toHaveLength(2);
  });
});

describe("signatures of all answers", () => {
  /** When the signatures of the answers of a hundred seconds were made. */
  function madeAt(node: Node, type: string): ReadonlySet<number> {
    const replies = moments.slice(0, 100).map((moment) => node.ask(type, { moment: NOW + 100 + moment }));
    const rrsigs = replies.flatMap(({ answers }) => answers!.filter((rr) => rr.type === "RRSIG"));
    expect(rrsigs).toHaveLength(100);
    return new Set(rrsigs.map((rrsig) => Reflect.get(rrsig, "data").inception + 3600));
  }

  test.each(["A", "AAAA", "HTTPS"])("are there before anybody asks, and again after a patch: %s", (type) => {
    const node = new Node(spread(pool("ten"), 3));
    node.server.signAhead(NOW);
    expect(madeAt(node, type)).toEqual(new Set([NOW]));
    node.patch({ down: ["ten/m3"], takes: { "ten/m5": 0.3 } });
    node.server.signPatched(NOW + 50);
    const after = madeAt(node, type);
    expect(after).toContain(NOW + 50);
    expect(after.size).toBeLessThanOrEqual(2);
    expect(node.server.signAhead(NOW + 60).made).toBe(0);
  });

  test("are no more than places in the plan, for each type, beside those of one member", () => {
    const signed = (count: number): number =>
      new Node(spread(pool("ten"), count)).server.signAhead(NOW).ready;
    const one = new Node(pool("ten")).server.signAhead(NOW).ready;
    for (const count of [2, 3, 7, 8]) {
      expect(signed(count) - one).toBeGreaterThan(0);
      expect(signed(count) - one).toBeLessThanOrEqual(3 * 10);
    }
  });

  test("are of one family where the other has none, and of nothing where nothing is answered", () => {
    const node = new Node(spread(pool("ten"), 3));
    const none: Plan = { kind: "nodata", lastResort: true };
    const local = localise(spread(pool("ten"), 3), LONDON, config);
    const plan6 = planFor(local, whenDownOf(), 6, factsOf(), config).plan;
    node.patch({}, [none, plan6]);
    node.server.signAhead(NOW);
    expect(madeAt(node, "AAAA")).toEqual(new Set([NOW]));
    expect(madeAt(node, "HTTPS")).toEqual(new Set([NOW]));
    node.patch({}, [{ kind: "servfail" }, { kind: "servfail" }]);
    node.server.signPatched(NOW + 50);
    node.server.use({ ...node.server.served, signing: null });
    expect(() => node.server.signPatched(NOW)).toThrow("nothing to sign");
  });
});
