/** Real validators agree with every signed answer: delv, unbound and BIND, each with the zone's key as its trust anchor. */

import { appendFileSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { has, type Program, useLab } from "./harness.ts";
import { addToken, call, layOut, type Site, startNode, VIPS } from "./site.ts";
import { anchorOf, delv, type Resolver, startNamed, startUnbound } from "./validators.ts";

/** Added to the demo's zone, for the sorts of answers that it lacks. */
const MORE = `
outside   CNAME  status
*.wild    A      192.0.2.63
x.y.ent   TXT    "below an empty non-terminal"
MIXED     MX     10 Mail
secure    NS     ns.secure
secure    DS     12345 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.secure A      192.0.2.61
insecure  NS     ns.insecure
ns.insecure A    192.0.2.62
old       DNAME  new
deep.new  TXT    "behind a DNAME"
`;

/** What is asked, and what must be in a validated answer. */
const QUESTIONS: readonly (readonly [what: string, name: string, type: string, printed: string])[] = [
  ["positive", "status.gslb.example", "A", "192.0.2.80"],
  ["the keys", "gslb.example", "DNSKEY", "257 3 "],
  ["the SOA", "gslb.example", "SOA", "ns1.gslb.example"],
  ["mixed case", "mixed.gslb.example", "MX", "10 "],
  ["steered A", "www.gslb.example", "A", VIPS.us],
  ["steered AAAA", "www.gslb.example", "AAAA", "2001:db8:1::1"],
  ["steered HTTPS", "www.gslb.example", "HTTPS", "ipv4hint=127.0.1.1"],
  ["steered by STEER", "shop.gslb.example", "A", VIPS.us],
  ["a wildcard and its CNAME", "any.apps.gslb.example", "A", VIPS.us],
  ["a wildcard", "any.wild.gslb.example", "A", "192.0.2.63"],
  ["a CNAME", "outside.gslb.example", "A", "192.0.2.80"],
  ["a DNAME", "deep.old.gslb.example", "TXT", "behind a DNAME"],
  ["a secure delegation's DS", "secure.gslb.example", "DS", "12345 13 2"],
  ["a challenge", "_acme-challenge.www.gslb.example", "TXT", "challenge-value"],
  ["why a name is steered", "_explain.www.gslb.example", "TXT", "web/us-east in us-east"],
  ["CDS", "gslb.example", "CDS", " 2 "],
  ["CDNSKEY", "gslb.example", "CDNSKEY", "257 3 "],
];
const DENIED: readonly (readonly [what: string, name: string, type: string])[] = [
  ["NODATA", "status.gslb.example", "MX"],
  ["NODATA at a steered name", "www.gslb.example", "TXT"],
  ["NODATA at an empty non-terminal", "y.ent.gslb.example", "A"],
  ["NODATA at a wildcard", "any.wild.gslb.example", "TXT"],
  ["NODATA at a challenge", "_acme-challenge.www.gslb.example", "A"],
  ["no such name", "nobody.gslb.example", "A"],
  ["no such name, far below", "a.b.c.nobody.gslb.example", "MX"],
  ["no DS at an insecure delegation", "insecure.gslb.example", "DS"],
];

const lab = useLab();

describe.each(["ecdsap256sha256", "ed25519"])("%s", (algorithm) => {
  let site: Site;
  let node: Program;
  let anchor = "";

  beforeAll(async () => {
    const edits = [
      ["zones:", `dnssec: { gslb.example: { algorithm: ${algorithm} } }\nzones:`],
      ["  workers: 1", "  workers: 1\n  explain: [127.0.0.1]"],
    ] as const;
    site = await layOut(lab, edits, algorithm);
    appendFileSync(join(site.folder, "zones/gslb.example.zone"), MORE);
    const made = await lab.run("key", "add", "gslb.example", "--config", site.folder);
    expect(made).toBe(await lab.run("ds", "gslb.example", "--config", site.folder));
    const token = await addToken(lab, site, "operator", "admin");
    node = await startNode(lab, site);
    await call(site, token, "/v1/challenges/www.gslb.example/challenge-value", { until: "+1h" }, "PUT");
    await node.said(/signed ahead/);
    anchor = anchorOf(site, "gslb.example");
  });
  afterAll(() => node.end("SIGTERM"));

  describe.skipIf(!has("delv"))("delv validates (needs delv)", () => {
    test.each(QUESTIONS)("%s: %s %s", async (_what, name, type, printed) => {
      const said = await delv(lab, site, anchor, name, type);
      expect(said).toContain("; fully validated");
      expect(said).toContain(printed);
      expect(said).not.toMatch(/unsigned answer|resolution failed/);
    });

    test.each(DENIED)("%s: %s %s", async (_what, name, type) => {
      const said = await delv(lab, site, anchor, name, type);
      expect(said).toContain("; negative response, fully validated");
      expect(said).toMatch(/NSEC|SOA/);
    });
  });

  describe.skipIf(!has("unbound") || !has("dig"))("unbound validates (needs unbound and dig)", () => {
    validates(once(() => startUnbound(lab, site, anchor, algorithm)));
  });

  describe.skipIf(!has("named") || !has("dig"))("BIND validates (needs named and dig)", () => {
    validates(once(() => startNamed(lab, site, anchor, algorithm)));
  });

  describe.skipIf(!has("dnssec-cds") || !has("dig"))(
    "a parent that reads CDS (needs dnssec-cds and dig)",
    () => {
      test("gets the DS of the zone's key (RFC 7344 §4, §4.1)", async () => {
        const ds = await lab.run("ds", "gslb.example", "--config", site.folder);
        expect(await dsAfter(ds)).toBe(ds.trim().toLowerCase());
      });
    },
  );

  test.skipIf(!has("delv") || !has("dig"))(
    "asks the parent to take its DS out, and stays signed (RFC 8078 §4; needs delv and dig)",
    async () => {
      const config = join(site.folder, "meridian.yaml");
      const from = node.output.length;
      const text = readFileSync(config, "utf8");
      writeFileSync(config, text.replace(`algorithm: ${algorithm}`, `algorithm: ${algorithm}, cds: delete`));
      await node.said(/is in force/, 30_000, from);
      for (const [type, rdata] of [
        ["CDS", "0 0 0 00"],
        ["CDNSKEY", "0 3 0 AA=="],
      ] as const) {
        expect(await dig("+short", "gslb.example", type)).toBe(`${rdata}\n`);
        expect(await delv(lab, site, anchor, "gslb.example", type)).toContain("; fully validated");
      }
    },
  );

  /** The DS RRset that BIND's own program makes of the parent's, and of what the zone asks for. */
  async function dsAfter(ds: string): Promise<string> {
    const [before, child] = ["dsset", "child"].map((name) => join(lab.folder, `${algorithm}.${name}`));
    writeFileSync(before ?? "", ds);
    // It takes no signature that is older than the DS: what is replayed could bring back an old key.
    utimesSync(before ?? "", 0, 0);
    const types = ["DNSKEY", "CDS", "CDNSKEY"];
    const rrs = await Promise.all(
      types.map((type) => dig("+dnssec", "+noall", "+answer", "gslb.example", type)),
    );
    writeFileSync(child ?? "", rrs.join(""));
    const args = ["-d", before ?? "", "-f", child ?? "", "gslb.example"];
    const program = lab.start("dnssec-cds", "dnssec-cds", args);
    await program.ended;
    if (program.status !== 0) throw new Error(program.output);
    return program.output.trim().toLowerCase();
  }

  async function dig(...question: readonly string[]): Promise<string> {
    const program = lab.start("dig", "dig", ["@127.0.0.1", "-p", String(site.port), ...question]);
    await program.ended;
    return program.output;
  }

  function validates(resolver: () => Promise<Resolver>): void {
    test.each(QUESTIONS)("%s: %s %s", async (_what, name, type, printed) => {
      const said = await (await resolver()).ask(name, type);
      expect(said).toMatch(/status: NOERROR/);
      expect(said).toMatch(/flags: qr rd ra ad/);
      expect(said).toContain(printed);
    });

    test.each(DENIED)("%s: %s %s", async (_what, name, type) => {
      const said = await (await resolver()).ask(name, type);
      expect(said).toMatch(/status: (NOERROR|NXDOMAIN)/);
      expect(said).toMatch(/flags: qr rd ra ad/);
      expect(said).toContain("ANSWER: 0");
    });

    test("a referral to what is not signed is no answer of ours", async () => {
      expect(await (await resolver()).ask("www.insecure.gslb.example", "A")).not.toMatch(
        /flags: qr rd ra ad/,
      );
    });
  }
});

/** Starts something when it is first wanted, and gives the same to all who want it. */
function once<T>(start: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | null = null;
  return () => {
    started ??= start();
    return started;
  };
}
