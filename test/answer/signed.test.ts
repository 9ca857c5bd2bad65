/** Answers of signed zones: what is signed, what is proved, and what is left as it was. */

import { describe, expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import { applyPatches, PatchWriter } from "../../src/book/patch.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import { Duty } from "../../src/dnssec/key-duty.ts";
import type { Signing } from "../../src/dnssec/signer.ts";
import { Counter } from "../../src/telemetry/counters.ts";
import { nameKey } from "../../src/wire/name.ts";
import { nameOf } from "../dnssec/zone-text.ts";
import {
  type AskOptions,
  optionsOf,
  planOf,
  queryOf,
  type Reply,
  Server,
  serviceOf,
  vipOf,
  zoneOf,
} from "./harness.ts";
import { keyOf, verify, withKeys } from "./validator.ts";

const NOW = 1_800_000_000;
const DAY = 86_400;

const ZONE = `
$ORIGIN example.
$TTL 300
@        3600 SOA  Ns1 hostmaster 1 3600 900 604800 60
@        NS   Ns1
@        NS   ns.other.test.
Ns1      A    192.0.2.53
@        MX   10 Mail
Mail     A    192.0.2.25
host     A    192.0.2.2
host     A    192.0.2.1
host     TXT  "hello"
host     CAA  0 issue "ca.example"
alias    CNAME Host
across   CNAME host.plain.test.
inward   CNAME host.inner.example.
missing  CNAME nobody
a.b.c    A    192.0.2.3
*.wild   A    192.0.2.4
*.wildc  CNAME Host
sub      NS   ns.sub
sub      DS   1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.sub   A    192.0.2.60
lame     NS   ns.other.test.
old      DNAME new
x.new    A    192.0.2.70
big      TXT  "${"x".repeat(250)}" "${"y".repeat(250)}" "${"z".repeat(250)}" "${"z".repeat(250)}" "${"z".repeat(150)}"
shop     STEER www
inner    NS   ns.inner
inner    DS   2 13 2 1111111111111111111111111111111111111111111111111111111111111111
ns.inner A    192.0.2.98
bare     NS   ns.bare
ns.bare  A    192.0.2.97
`;

const signing: Signing = { validitySeconds: 14 * DAY, keys: [keyOf(Algorithm.EcdsaP256Sha256)] };
const innerSigning: Signing = { validitySeconds: 14 * DAY, keys: [keyOf(Algorithm.Ed25519)] };
const keys = [...signing.keys, ...innerSigning.keys];
const small = (apex: string): string =>
  `$ORIGIN ${apex}\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.99\nhost 60 A 192.0.2.9\n`;
const vips = ["192.0.2.11", "192.0.2.12", "2001:db8::11"].map(vipOf);
const services = [
  serviceOf(
    "www.example.",
    [{ ipv4: planOf({ "192.0.2.11": 1 }), ipv6: planOf({ "2001:db8::11": 1 }) }],
    null,
    {
      alpn: ["h2"],
      port: null,
    },
  ),
  serviceOf("half.example.", [{ ipv4: planOf({ "192.0.2.12": 1 }), ipv6: planOf({}) }]),
  serviceOf("*.steered.example.", [{ ipv4: planOf({ "192.0.2.12": 1 }), ipv6: planOf({}) }]),
  serviceOf("down.example.", [{ ipv4: { kind: "servfail" }, ipv6: { kind: "servfail" } }]),
];
const zones = [
  withKeys(zoneOf(ZONE), signing),
  withKeys(zoneOf(small("inner.example.")), innerSigning),
  zoneOf(small("bare.example.")),
  zoneOf(small("plain.test.")),
];
const signedZones = new Map([
  [nameKey(nameOf("example.")), signing],
  [nameKey(nameOf("inner.example.")), innerSigning],
]);
const newServer = (): Server => new Server(zones, services, vips, {}, signedZones);
const server = newServer();

function ask(name: string, type: string, options: AskOptions = {}): Reply {
  return server.ask(name, type, { dnssec: "ok", moment: NOW, ...options });
}

/** `+` before what is signed, `-` before what is not. */
function verified(reply: Reply): readonly string[] {
  return verify(reply, keys, NOW).map(({ what, isSigned }) => `${isSigned ? "+" : "-"} ${what}`);
}

describe("a query with DO", () => {
  test.each([
    ["host.example", "A", ["+ host.example A"]],
    ["HOST.eXample", "A", ["+ HOST.eXample A"]],
    ["host.example", "TXT", ["+ host.example TXT"]],
    ["example", "SOA", ["+ example SOA"]],
    ["example", "NS", ["+ example NS"]],
    ["example", "MX", ["+ example MX"]],
    ["example", "DNSKEY", ["+ example DNSKEY"]],
    ["example", "CDS", ["+ example CDS"]],
    ["example", "CDNSKEY", ["+ example CDNSKEY"]],
    ["alias.example", "A", ["+ alias.example CNAME", "+ Host.example A"]],
    ["across.example", "A", ["+ across.example CNAME", "- host.plain.test A"]],
    ["inward.example", "A", ["+ inward.example CNAME", "+ host.inner.example A"]],
    ["any.wild.example", "A", ["+ any.wild.example A"]],
    ["*.wild.example", "A", ["+ *.wild.example A"]],
    ["any.wild.example", "NSEC", ["+ any.wild.example NSEC"]],
    ["any.steered.example", "A", ["+ any.steered.example A"]],
    ["other.steered.example", "A", ["+ other.steered.example A"]],
    ["x.wildc.example", "A", ["+ x.wildc.example CNAME", "+ Host.example A"]],
    ["www.example", "A", ["+ www.example A"]],
    ["www.example", "AAAA", ["+ www.example AAAA"]],
    ["www.example", "HTTPS", ["+ www.example UNKNOWN_65"]],
    ["shop.example", "A", ["+ shop.example A"]],
    ["sub.example", "DS", ["+ sub.example DS"]],
    ["host.plain.test", "A", ["- host.plain.test A"]],
  ])("%s %s is answered with signatures (RFC 4035 §3.1.1)", (name, type, expected) => {
    const reply = ask(name, type);
    expect(verified(reply)).toEqual(expected);
    expect(reply.flag_ad).toBe(false);
    expect(doBit(reply)).toBe(true);
  });

  test("a challenge is signed, and so is the proof that the name above it has nothing else", () => {
    const zone = "$ORIGIN example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.99\n";
    const challenge = zoneOf(`${zone}_acme-challenge.deep.fresh 60 TXT "token"\n`);
    const signedApex = new Map([[nameKey(nameOf("example.")), signing]]);
    const node = newServer();
    node.adoptChallenges(new Server([withKeys(challenge, signing)], [], [], {}, signedApex).served);
    const options = { dnssec: "ok", moment: NOW } as const;
    const found = node.ask("_acme-challenge.deep.fresh.example", "TXT", options);
    expect(verified(found)).toEqual(["+ _acme-challenge.deep.fresh.example TXT"]);
    const above = node.ask("deep.fresh.example", "TXT", options);
    expect(verified(above)).toEqual(["+ example SOA", "+ deep.fresh.example NSEC"]);
  });

  test("a DNAME is signed, and the CNAME that follows from it is not (RFC 6672 §5.3.1)", () => {
    expect(verified(ask("x.old.example", "A"))).toEqual([
      "+ old.example DNAME",
      "- x.old.example CNAME",
      "+ x.new.example A",
    ]);
  });

  test("ANY is answered with a signed HINFO (RFC 8482 §4.2)", () => {
    expect(verified(ask("host.example", "ANY"))).toEqual(["+ host.example HINFO"]);
  });

  test("addresses that a client could do without are left out of a signed answer", () => {
    expect(ask("example", "MX").additionals).toHaveLength(1);
    expect(server.ask("example", "MX", { size: 1232 }).additionals).toHaveLength(2);
  });

  test("a service that answers SERVFAIL says nothing else", () => {
    const reply = ask("down.example", "A");
    expect([reply.rcode, reply.answers, reply.authorities]).toEqual(["SERVFAIL", [], []]);
  });
});

describe("a query without DO", () => {
  test.each([
    ["host.example", "A"],
    ["nobody.example", "A"],
    ["host.example", "MX"],
    ["x.sub.example", "A"],
    ["www.example", "A"],
  ])("for %s %s gets no RRSIG and no NSEC (RFC 4035 §3.1)", (name, type) => {
    const { answers, authorities, additionals } = server.ask(name, type, { size: 1232 });
    const types = [...answers!, ...authorities!, ...additionals!].map((rr) => rr.type);
    expect(types).not.toContain("RRSIG");
    expect(types).not.toContain("NSEC");
  });

  test("NXDOMAIN stays NXDOMAIN (RFC 9824 §4)", () => {
    expect(server.ask("nobody.example", "A").rcode).toBe("NXDOMAIN");
  });

  test("an RRset of the keys is given to who asks for it", () => {
    expect(server.ask("example", "DNSKEY").answers!.map((rr) => rr.type)).toEqual(["DNSKEY"]);
  });
});

describe("denial of existence", () => {
  test.each([
    ["nobody.example", "A", "nobody.example", ["RRSIG", "NSEC", "UNKNOWN_128"]],
    ["deep.no.example", "A", "deep.no.example", ["RRSIG", "NSEC", "UNKNOWN_128"]],
    ["host.example", "MX", "host.example", ["A", "TXT", "RRSIG", "NSEC", "CAA"]],
    ["b.c.example", "A", "b.c.example", ["RRSIG", "NSEC"]],
    ["any.wild.example", "TXT", "any.wild.example", ["A", "RRSIG", "NSEC"]],
    ["lame.example", "DS", "lame.example", ["NS", "RRSIG", "NSEC"]],
    ["bare.example", "DS", "bare.example", ["NS", "RRSIG", "NSEC"]],
    ["www.example", "TXT", "www.example", ["A", "AAAA", "RRSIG", "NSEC", "UNKNOWN_65"]],
    ["half.example", "AAAA", "half.example", ["A", "RRSIG", "NSEC"]],
    ["half.example", "HTTPS", "half.example", ["A", "AAAA", "RRSIG", "NSEC"]],
  ])("%s %s: one NSEC says which types there are (RFC 9824 §3.1, §3.2)", (name, type, owner, types) => {
    const reply = ask(name, type);
    expect([reply.rcode, reply.answers]).toEqual(["NOERROR", []]);
    expect(verified(reply)).toEqual(["+ example SOA", `+ ${owner} NSEC`]);
    const nsec = reply.authorities!.find((rr) => rr.type === "NSEC");
    expect(Reflect.get(nsec!, "data")).toEqual({ nextDomain: `\0.${owner}`, rrtypes: types });
    expect(Reflect.get(nsec!, "ttl")).toBe(60);
  });

  test("the SOA's signature has the zone's TTL inside and the sent one outside (RFC 4034 §3.1.4)", () => {
    const rrsig = ask("nobody.example", "A").authorities!.find((rr) => rr.type === "RRSIG")!;
    expect(Reflect.get(rrsig, "ttl")).toBe(60);
    expect(Reflect.get(Reflect.get(rrsig, "data"), "originalTTL")).toBe(3600);
  });

  test("a steered RRset has the service's longest TTL in its signature, and the sent one outside (RFC 4034 §3.1.4)", () => {
    const lowered = newServer();
    const signaturesOf = (type: "A" | "HTTPS"): readonly unknown[] => {
      const reply = lowered.ask("www.example", type, { dnssec: "ok", moment: NOW });
      expect(verify(reply, keys, NOW).every(({ isSigned }) => isSigned)).toBe(true);
      return reply.answers!.map((rr) => [
        Reflect.get(rr, "ttl"),
        rr.type === "RRSIG" ? Reflect.get(Reflect.get(rr, "data"), "originalTTL") : null,
      ]);
    };
    const full = [
      [5, null],
      [5, 5],
    ];
    expect([signaturesOf("A"), signaturesOf("HTTPS")]).toEqual([full, full]);
    const writer = new PatchWriter(lowered.compiled.directory);
    const { packed } = writer.put(0, 0, 4, planOf({ "192.0.2.11": 1 }), 2);
    applyPatches(new Uint32Array(lowered.memory), packed);
    const low = [
      [2, null],
      [2, 5],
    ];
    expect([signaturesOf("A"), signaturesOf("HTTPS")]).toEqual([low, low]);
  });

  test("who sets CO gets NXDOMAIN with the same proof, and CO (RFC 9824 §5.1)", () => {
    const reply = ask("nobody.example", "A", { dnssec: "compact" });
    expect(reply.rcode).toBe("NXDOMAIN");
    expect(verified(reply)).toEqual(["+ example SOA", "+ nobody.example NSEC"]);
    expect(flagsOf(reply)).toBe(0xc000);
  });

  test("a CNAME into nothing proves both", () => {
    expect(verified(ask("missing.example", "A"))).toEqual([
      "+ missing.example CNAME",
      "+ example SOA",
      "+ nobody.example NSEC",
    ]);
  });

  test("a query for NXNAME is malformed (RFC 9824 §3.5)", () => {
    expect(ask("host.example", "NXNAME").rcode).toBe("FORMERR");
  });

  test("in an unsigned zone NXDOMAIN is NXDOMAIN, with DO too", () => {
    const reply = ask("nobody.plain.test", "A");
    expect(reply.rcode).toBe("NXDOMAIN");
    expect(verified(reply)).toEqual(["- plain.test SOA"]);
  });
});

describe("delegations", () => {
  test("a secure one comes with its DS, and NS and glue are not signed (RFC 4035 §2.2, §3.1.4)", () => {
    const reply = ask("x.sub.example", "A");
    expect(reply.flag_aa).toBe(false);
    expect(verified(reply)).toEqual(["- sub.example NS", "+ sub.example DS"]);
    expect(reply.additionals!.map((rr) => rr.type)).toEqual(["A", "OPT"]);
  });

  test("an insecure one comes with the proof that it has no DS (RFC 4035 §3.1.4.1)", () => {
    const reply = ask("x.lame.example", "A");
    expect(verified(reply)).toEqual(["- lame.example NS", "+ lame.example NSEC"]);
    const nsec = reply.authorities!.find((rr) => rr.type === "NSEC")!;
    expect(Reflect.get(nsec, "data")).toEqual({
      nextDomain: "\0.lame.example",
      rrtypes: ["NS", "RRSIG", "NSEC"],
    });
  });

  test("the DS of a zone that is served too is the parent's (RFC 4035 §3.1.4.1)", () => {
    expect(verified(ask("inner.example", "DS"))).toEqual(["+ inner.example DS"]);
    expect(Reflect.get(ask("inner.example", "DS").answers![1]!, "data").signersName).toBe("example");
    expect(verified(ask("inner.example", "SOA"))).toEqual(["+ inner.example SOA"]);
  });
});

describe("queries for what is made while answering", () => {
  test("NSEC is the one of the name", () => {
    expect(verified(ask("host.example", "NSEC"))).toEqual(["+ host.example NSEC"]);
    expect(server.ask("host.example", "NSEC", { moment: NOW }).answers!.map((rr) => rr.type)).toEqual([
      "NSEC",
    ]);
  });

  test.each(["ok", undefined] as const)("RRSIG is the one of that NSEC (DO %s)", (dnssec) => {
    const reply = server.ask("host.example", "RRSIG", { moment: NOW, ...(dnssec && { dnssec }) });
    expect(reply.answers!.map((rr) => [rr.type, Reflect.get(rr, "data").typeCovered])).toEqual([
      ["RRSIG", "NSEC"],
    ]);
  });

  test("neither is there in an unsigned zone, nor at a name that is not there", () => {
    expect(ask("host.plain.test", "NSEC").answers).toEqual([]);
    expect(verified(ask("nobody.example", "RRSIG"))).toEqual(["+ example SOA", "+ nobody.example NSEC"]);
  });
});

describe("a signature", () => {
  test("is made once for all clients and cases of a name, and found again", () => {
    const fresh = newServer();
    const first = fresh.ask("host.example", "A", { dnssec: "ok", moment: NOW });
    const again = fresh.ask("HOST.example", "A", { dnssec: "ok", moment: NOW + DAY });
    expect(signatureOf(again)).toEqual(signatureOf(first));
  });

  test("is made anew when an eighth of its validity is left", () => {
    const fresh = newServer();
    const first = signatureOf(fresh.ask("host.example", "A", { dnssec: "ok", moment: NOW }));
    const late = NOW + (14 * DAY * 7) / 8;
    expect(signatureOf(fresh.ask("host.example", "A", { dnssec: "ok", moment: late - 1 }))).toEqual(first);
    const other = signatureOf(fresh.ask("host.example", "A", { dnssec: "ok", moment: late }));
    expect(other.expiration).toBe(late + 14 * DAY);
  });

  test("holds from an hour ago, for clocks that are behind", () => {
    const { inception, expiration } = signatureOf(ask("host.example", "A"));
    expect([inception, expiration]).toEqual([NOW - 3600, NOW + 14 * DAY]);
  });

  test("that does not fit makes UDP clients come back over TCP (RFC 4035 §3.1.1)", () => {
    const reply = ask("big.example", "TXT");
    expect([reply.flag_tc, reply.answers]).toEqual([true, []]);
    expect(verified(ask("big.example", "TXT", { transport: Transport.Tcp }))).toEqual(["+ big.example TXT"]);
  });

  test.each([
    [Transport.Udp, "NOERROR", true],
    [Transport.Tcp, "SERVFAIL", false],
  ])("more than 2,000 fresh ones in a second are not made (transport %i)", (transport, rcode, truncated) => {
    const fresh = newServer();
    const options = { dnssec: "ok", moment: NOW, transport } as const;
    // Each new name costs the signature of its NSEC, and that of the SOA where the NSEC has taken its place.
    let made = 0;
    while (fresh.raw(queryOf(`n${made}.example`, "A", options), transport, NOW).length > 100) made += 1;
    expect(made).toBeGreaterThan(1500);
    expect(made).toBeLessThan(2000);
    const over = fresh.ask("over.example", "A", options);
    expect([over.rcode, over.flag_tc, over.answers, over.authorities]).toEqual([rcode, truncated, [], []]);
    expect(fresh.ask(`n${made - 1}.example`, "A", options).authorities).toHaveLength(4);
    expect(fresh.ask("over.example", "A", { ...options, moment: NOW + 1 }).authorities).toHaveLength(4);
  });
});

test("a signature that should be made anew, but may not, is better than none while it outlives the TTL", () => {
  const fresh = newServer();
  const ask = (name: string, moment: number): Reply => fresh.ask(name, "A", { dnssec: "ok", moment });
  ask("host.example", NOW);
  const end = NOW + 14 * DAY;
  const exhaust = (moment: number): void => {
    for (let i = 0; i < 2000; i += 1) ask(`n${i}.x${moment}.example`, moment);
  };
  for (const [moment, tells] of [
    [end - DAY, "RRSIG"],
    [end - 1, undefined],
  ] as const) {
    exhaust(moment);
    const reply = ask("host.example", moment);
    expect(reply.answers!.at(-1)?.type).toBe(tells);
    expect(reply.flag_tc).toBe(tells === undefined);
  }
});

test("made on demand, and refused, are counted", () => {
  const fresh = newServer();
  fresh.ask("host.example", "A", { dnssec: "ok", moment: NOW });
  fresh.ask("host.example", "A", { dnssec: "ok", moment: NOW });
  expect([fresh.counters[Counter.signedOnDemand], fresh.counters[Counter.signingRefused]]).toEqual([1, 0]);
  for (let i = 0; i < 2000; i += 1) fresh.ask(`n${i}.example`, "A", { dnssec: "ok", moment: NOW });
  expect(fresh.counters[Counter.signedOnDemand]).toBe(2000);
  expect(fresh.counters[Counter.signingRefused]).toBeGreaterThan(0);
});

describe("keys", () => {
  test("two keys of a zone both sign everything, DNSKEY too (RFC 4035 §2.2)", () => {
    const both: Signing = { ...signing, keys };
    const two = new Server(
      [withKeys(zoneOf(ZONE), both)],
      services,
      vips,
      {},
      new Map([[nameKey(nameOf("example.")), both]]),
    );
    for (const [name, type] of [
      ["example", "DNSKEY"],
      ["www.example", "A"],
      ["nobody.example", "A"],
    ] as const) {
      const reply = two.ask(name, type, { dnssec: "ok", moment: NOW });
      const sections = [...reply.answers!, ...reply.authorities!];
      const rrsigs = sections.filter((rr) => rr.type === "RRSIG").map((rr) => Reflect.get(rr, "data"));
      const sets = verify(reply, keys, NOW).length;
      for (const { tag } of keys) expect(rrsigs.filter((data) => data.keyTag === tag)).toHaveLength(sets);
    }
  });

  test("with one duty each sign the DNSKEY RRset, or the rest; both sign CDS and CDNSKEY (RFC 7344 §4.1)", () => {
    const [first, second] = keys;
    const split: Signing = {
      ...signing,
      keys: [
        { ...first!, duties: Duty.Keys },
        { ...second!, duties: Duty.Data },
      ],
    };
    const zone = new Map([[nameKey(nameOf("example.")), split]]);
    const two = new Server([withKeys(zoneOf(ZONE), split)], services, vips, {}, zone);
    const signers = (name: string, type: string): readonly number[] => {
      const reply = two.ask(name, type, { dnssec: "ok", moment: NOW });
      expect(verify(reply, keys, NOW).every(({ isSigned }) => isSigned)).toBe(true);
      const rrsigs = [...reply.answers!, ...reply.authorities!].filter((rr) => rr.type === "RRSIG");
      return [...new Set(rrsigs.map((rr) => Reflect.get(rr, "data").keyTag))];
    };
    expect(signers("example", "DNSKEY")).toEqual([first!.tag]);
    for (const [name, type] of [
      ["www.example", "A"],
      ["host.example", "TXT"],
      ["nobody.example", "A"],
    ] as const)
      expect(signers(name, type)).toEqual([second!.tag]);
    for (const type of ["CDS", "CDNSKEY"])
      expect(signers("example", type)).toEqual([first!.tag, second!.tag]);
  });

  test("that cannot be read leave SERVFAIL and Not Ready for who wants signatures (RFC 8914 §4.15), and answers for the others", () => {
    const without = new Server(
      zones,
      services,
      vips,
      {},
      new Map([[nameKey(nameOf("example.")), { ...signing, keys: [] }]]),
    );
    expect(without.ask("host.example", "A", { dnssec: "ok" })).toMatchObject({
      rcode: "SERVFAIL",
      answers: [],
    });
    expect(optionsOf(without.raw(queryOf("host.example", "A", { dnssec: "ok" })))).toEqual([[15, "000e"]]);
    expect(without.ask("host.example", "A").rcode).toBe("NOERROR");
    expect(without.ask("host.plain.test", "A", { dnssec: "ok" }).rcode).toBe("NOERROR");
  });
});

function signatureOf(reply: Reply): { readonly inception: number; readonly expiration: number } {
  return Reflect.get(reply.answers!.find((rr) => rr.type === "RRSIG")!, "data");
}

function flagsOf(reply: Reply): number {
  const opt = reply.additionals!.find((rr) => rr.type === "OPT");
  return Number(Reflect.get(opt!, "flags"));
}

function doBit(reply: Reply): boolean {
  return (flagsOf(reply) & 0x8000) !== 0;
}
