/** Signatures that are there before anybody asks, on a clock that the test moves. */

import { describe, expect, test } from "vitest";
import { signAhead, signPatched } from "../../src/answer/sign-ahead.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import { Duty } from "../../src/dnssec/key-duty.ts";
import { SignatureTable } from "../../src/dnssec/signature-table.ts";
import type { Signing } from "../../src/dnssec/signer.ts";
import { nameKey } from "../../src/wire/name.ts";
import { nameOf } from "../dnssec/zone-text.ts";
import { planOf, type Reply, Server, serviceOf, vipOf, zoneOf } from "./harness.ts";
import { keyOf, verify, withKeys } from "./validator.ts";

const NOW = 1_800_000_000;
const DAY = 86_400;
const VALIDITY = 16 * DAY;

const names = Array.from({ length: 200 }, (_, i) => `n${i} TXT "${i}"`).join("\n");
const zone = zoneOf(`
$ORIGIN example.
$TTL 300
@      SOA ns h 1 2 3 4 60
@      NS ns
ns     A 192.0.2.53
alias  CNAME Ns
a.ent  A 192.0.2.1
*.wild A 192.0.2.2
sub    NS ns.sub
sub    DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.sub A 192.0.2.3
lame   NS ns.other.test.
old    DNAME new
inner  NS ns.inner
inner  DS 2 13 2 1111111111111111111111111111111111111111111111111111111111111111
ns.inner A 192.0.2.4
${names}
`);
const inner = zoneOf("$ORIGIN inner.example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.9\n");
const vips = ["192.0.2.11", "192.0.2.12", "2001:db8::11", "2001:db8::12"].map(vipOf);
const [first, second] = [planOf({ "192.0.2.11": 1 }), planOf({ "192.0.2.12": 1 })];
const service = {
  ...serviceOf("www.example.", [{ ipv4: first, ipv6: planOf({ "2001:db8::11": 1 }) }], null, {
    alpn: ["h2"],
    port: null,
  }),
  reach: [
    { ipv4: vips[0]!.id, ipv6: vips[2]!.id },
    { ipv4: vips[1]!.id, ipv6: null },
    { ipv4: null, ipv6: vips[3]!.id },
  ],
};
/** Without HTTPS. */
const plain = serviceOf("plain.example.", [{ ipv4: first, ipv6: planOf({}) }]);
const signing: Signing = { validitySeconds: VALIDITY, keys: [keyOf(Algorithm.Ed25519)] };

/** A server of many names. */
function newLargeServer(count: number): Server {
  const more = Array.from({ length: count }, (_, i) => `m${i} A 192.0.2.7`).join("\n");
  const large = zoneOf(
    `$ORIGIN example.\n$TTL 300\n@ SOA ns h 1 2 3 4 60\n@ NS ns\nns A 192.0.2.53\n${more}\n`,
  );
  const keys = new Map([[nameKey(nameOf("example.")), signing]]);
  return new Server([withKeys(large, signing)], [], [], {}, keys);
}

function newServer(plan = first, keys = signing): Server {
  const moved = {
    ...service,
    plans: service.plans.map((of) => ({ ...of, ipv4: plan, ipv6: plan === first ? of.ipv6 : planOf({}) })),
  };
  const zones = [withKeys(zone, keys), inner];
  return new Server(zones, [moved, plain], vips, {}, new Map([[nameKey(nameOf("example.")), keys]]));
}

/** Every inception of a reply's signatures, which must be right. */
function inceptions(reply: Reply, keys = signing, moment = NOW): readonly number[] {
  verify(reply, keys.keys, moment);
  return [...reply.answers!, ...reply.authorities!]
    .filter(({ type }) => type === "RRSIG")
    .map((rrsig) => Reflect.get(rrsig, "data").inception);
}

const QUESTIONS = [
  ["example", "SOA"],
  ["example", "NS"],
  ["example", "DNSKEY"],
  ["example", "CDS"],
  ["example", "CDNSKEY"],
  ["alias.example", "A"],
  ["alias.example", "CNAME"],
  ["n7.example", "TXT"],
  ["n7.example", "A"],
  ["ent.example", "A"],
  ["plain.example", "A"],
  ["www.example", "A"],
  ["www.example", "AAAA"],
  ["www.example", "HTTPS"],
  ["www.example", "TXT"],
  ["x.sub.example", "A"],
  ["sub.example", "DS"],
  ["x.lame.example", "A"],
  ["lame.example", "DS"],
  ["old.example", "DNAME"],
  ["inner.example", "DS"],
  ["n7.example", "NSEC"],
] as const;

describe("after a round", () => {
  const server = newServer();
  const round = server.signAhead(NOW);

  test.each(QUESTIONS)("%s %s needs no fresh signature", (name, type) => {
    const found = inceptions(server.ask(name, type, { dnssec: "ok", moment: NOW + 100 }));
    expect(found.length).toBeGreaterThan(0);
    expect(new Set(found)).toEqual(new Set([NOW - 3600]));
  });

  test("the next one is due in a 64th of the validity, and finds nothing to do", () => {
    expect(round).toMatchObject({ earliestExpiration: NOW + VALIDITY, nextAfterSeconds: VALIDITY / 64 });
    expect(round.made).toBe(round.ready);
    expect(server.signAhead(NOW + VALIDITY / 64)).toMatchObject({ made: 0, ready: round.ready });
  });

  test("names from a wildcard, and names that are not there, are signed when they are asked for", () => {
    const wild = server.ask("x.wild.example", "A", { dnssec: "ok", moment: NOW + 100 });
    expect(inceptions(wild)).toEqual([NOW + 100 - 3600]);
    const nobody = server.ask("nobody.example", "A", { dnssec: "ok", moment: NOW + 100 });
    expect(new Set(inceptions(nobody))).toEqual(new Set([NOW - 3600, NOW + 100 - 3600]));
  });
});

describe("a failover", () => {
  test.each(["A", "AAAA", "HTTPS"])("finds the signatures of where it goes: %s", (type) => {
    const before = newServer();
    before.signAhead(NOW);
    const after = newServer(second);
    after.use({ ...after.served, signing: before.served.signing });
    const reply = after.ask("www.example", type, { dnssec: "ok", moment: NOW + 100 });
    expect(new Set(inceptions(reply))).toEqual(new Set([NOW - 3600]));
  });
});

describe("a key that comes", () => {
  const [old, fresh] = [keyOf(Algorithm.Ed25519), keyOf(Algorithm.Ed25519)];
  const both = (duties: number, freshDuties: number): Signing => ({
    validitySeconds: VALIDITY,
    keys: [
      { ...old, duties },
      { ...fresh, duties: freshDuties },
    ],
  });

  test("gives no signatures but that of DNSKEY, and has them all when it takes over", () => {
    const [waiting, taking] = [both(Duty.All, Duty.Keys | Duty.Ahead), both(Duty.Keys, Duty.All)];
    const before = newServer(first, waiting);
    before.signAhead(NOW);
    const early = before.ask("n7.example", "TXT", { dnssec: "ok", moment: NOW + 100 });
    expect(inceptions(early, waiting)).toHaveLength(1);
    const after = newServer(first, taking);
    const table = before.served.signing?.table;
    after.use({ ...after.served, signing: { ...after.served.signing!, table: table! } });
    const late = after.ask("n7.example", "TXT", { dnssec: "ok", moment: NOW + 100 });
    expect(inceptions(late, taking)).toEqual([NOW - 3600]);
  });
});

describe("a refresh", () => {
  const made = (days: number): number => {
    const server = newServer();
    server.signAhead(NOW);
    return server.signAhead(NOW + days * DAY).made;
  };

  test("spreads over the third quarter of the validity, so that not all come at once", () => {
    const all = newServer().signAhead(NOW).made;
    expect(made(7.9)).toBe(0);
    expect(made(10)).toBeGreaterThan(0.35 * all);
    expect(made(10)).toBeLessThan(0.65 * all);
    expect(made(12.1)).toBe(all);
  });

  test("with the rounds that are due leaves no signature less than a fifth of its validity", () => {
    const server = newServer();
    let { nextAfterSeconds } = server.signAhead(NOW);
    for (let moment = NOW; moment < NOW + 3 * VALIDITY; moment += nextAfterSeconds) {
      const round = server.signAhead(moment);
      ({ nextAfterSeconds } = round);
      expect(round.earliestExpiration! - moment).toBeGreaterThan(VALIDITY / 5);
      expect(round.made).toBeLessThan(round.ready / 5);
    }
  });
});

describe("a table that is full", () => {
  test("gives way to a greater one, with what it had", () => {
    const server = newServer();
    const small = server.served.signing!.table;
    const { ready, made, left } = server.signAhead(NOW);
    const { table } = server.served.signing!;
    expect(table).not.toBe(small);
    expect(left).toBe(0);
    expect(made).toBe(ready);
    expect(ready).toBeGreaterThan(400);
    expect(server.signAhead(NOW + 1)).toMatchObject({ made: 0 });
    expect(server.served.signing!.table).toBe(table);
  });

  test("does so without signing anew what it holds already", () => {
    const server = newServer();
    const first = server.signAhead(NOW);
    const { table } = server.served.signing!;
    // The signatures of two more keys do not fit in beside them.
    const others = [keyOf(Algorithm.EcdsaP256Sha256), keyOf(Algorithm.Ed25519)];
    const three: Signing = { ...signing, keys: [...signing.keys, ...others] };
    const after = newServer(undefined, three);
    after.use({ ...after.served, signing: { ...after.served.signing!, table } });
    const next = after.signAhead(NOW + 100);
    expect(after.served.signing!.table).not.toBe(table);
    expect(next.ready).toBe(3 * first.ready);
    const reply = after.ask("n9.example", "TXT", { dnssec: "ok", moment: NOW + 200 });
    const [old, fresh] = [NOW - 3600, NOW + 100 - 3600];
    expect([...inceptions(reply, three, NOW + 200)].sort()).toEqual([old, fresh, fresh]);
  });
});

describe("the size of a table", () => {
  test("follows a book that has become much smaller", () => {
    const server = newLargeServer(3_000);
    const { ready } = server.signAhead(NOW);
    expect(ready).toBeGreaterThan(6_000);
    const small = newServer();
    const { table } = server.served.signing!;
    small.use({ ...small.served, signing: { ...small.served.signing!, table } });
    const { made, left } = small.signAhead(NOW);
    expect(made).toBeGreaterThan(400);
    expect(left).toBe(0);
    const capacities = [small.served.signing!.table, table].map((of) => new SignatureTable(of).capacity);
    expect(capacities).toEqual([1024, Math.ceil(1.5 * ready)]);
  });

  test("grows with the book, and what was there goes along", () => {
    const server = newLargeServer(1_000);
    const { ready } = server.signAhead(NOW);
    const larger = newLargeServer(2_000);
    larger.use({
      ...larger.served,
      signing: { ...larger.served.signing!, table: server.served.signing!.table },
    });
    const round = larger.signAhead(NOW + 100);
    expect(round.ready).toBe(ready + 2_000);
    // All but the names that are new: two signatures each.
    expect(round.made).toBe(2_000);
  });

  test("has a limit: what is more than that is left, and signed when it is asked for", () => {
    const server = newLargeServer(1_000);
    const round = server.signAhead(NOW, 1_500);
    expect([round.ready, round.left > 500]).toEqual([1_500, true]);
    const { table } = server.served.signing!;
    expect(server.signAhead(NOW + 100, 1_500)).toMatchObject({ made: 0, ready: 1_500, left: round.left });
    expect(server.served.signing!.table).toBe(table);
    for (let i = 0; i < 1_000; i += 1)
      expect(server.ask(`m${i}.example`, "A", { dnssec: "ok", moment: NOW + 100 }).answers).toHaveLength(2);
  });
});

test("a book without signed zones has nothing to sign", () => {
  const server = new Server([inner]);
  const { memory, signing: state } = server.served;
  const steps = signAhead({ memory, signing: null }, new SignatureTable(state!.table), NOW);
  expect(steps.next()).toMatchObject({ done: true, value: { made: 0, ready: 0, earliestExpiration: null } });
  const patched = signPatched({ memory, signing: null }, new SignatureTable(state!.table), NOW);
  expect([...patched]).toEqual([]);
});

test("a zone whose keys cannot be read has nothing ready", () => {
  const server = newServer(first, { ...signing, keys: [] });
  expect(server.signAhead(NOW)).toMatchObject({ made: 0, ready: 0, earliestExpiration: null });
});

test("a key that signs the DNSKEY RRset alone has no other signature made ahead", () => {
  const [one, other] = [signing.keys[0]!, keyOf(Algorithm.Ed25519)];
  const keys: Signing = { ...signing, keys: [one, { ...other, duties: Duty.Keys }] };
  const { ready } = newServer(first, keys).signAhead(NOW);
  // DNSKEY, CDS and CDNSKEY have two signatures.
  expect(ready).toBe(newServer().signAhead(NOW).ready + 3);
});
