/** Real validators agree with every signed answer: delv, unbound and BIND, each with the zone's key as its trust anchor. */

import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort, has, type Program, until, useLab } from "./harness.ts";
import { addToken, call, layOut, type Site, startNode, VIPS } from "./site.ts";

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
    const edits = [["zones:", `dnssec: { gslb.example: { algorithm: ${algorithm} } }\nzones:`]] as const;
    site = await layOut(lab, edits, algorithm);
    appendFileSync(join(site.folder, "zones/gslb.example.zone"), MORE);
    const made = await lab.run("key", "add", "gslb.example", "--config", site.folder);
    expect(made).toBe(await lab.run("ds", "gslb.example", "--config", site.folder));
    const token = await addToken(lab, site, "operator", "admin");
    node = await startNode(lab, site);
    await call(site, token, "/v1/challenges/www.gslb.example/challenge-value", { until: "+1h" }, "PUT");
    await node.said(/signed ahead/);
    const keys = join(site.folder, "var/keys");
    const [file = ""] = readdirSync(keys).filter((name) => name.endsWith(".key"));
    anchor = readFileSync(join(keys, file), "utf8").trim();
  });
  afterAll(() => node.end("SIGTERM"));

  describe.skipIf(!has("delv"))("delv validates (needs delv)", () => {
    async function delv(...question: readonly string[]): Promise<string> {
      const server = ["@127.0.0.1", "-p", String(site.port)];
      const anchors = join(lab.folder, `${algorithm}.anchors`);
      writeFileSync(anchors, trustAnchors(anchor));
      const args = [...server, "-a", anchors, "+root=gslb.example", "+multiline", ...question];
      const program = lab.start("delv", "delv", args);
      await program.ended;
      return program.output.replaceAll(/\s+/g, " ");
    }

    test.each(QUESTIONS)("%s: %s %s", async (_what, name, type, printed) => {
      const said = await delv(name, type);
      expect(said).toContain("; fully validated");
      expect(said).toContain(printed);
      expect(said).not.toMatch(/unsigned answer|resolution failed/);
    });

    test.each(DENIED)("%s: %s %s", async (_what, name, type) => {
      const said = await delv(name, type);
      expect(said).toContain("; negative response, fully validated");
      expect(said).toMatch(/NSEC|SOA/);
    });
  });

  describe.skipIf(!has("unbound") || !has("dig"))("unbound validates (needs unbound and dig)", () => {
    validates(once(() => startUnbound(site, anchor, algorithm)));
  });

  describe.skipIf(!has("named") || !has("dig"))("BIND validates (needs named and dig)", () => {
    validates(once(() => startNamed(site, anchor, algorithm)));
  });

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

/** The DNSKEY of a key file as BIND and delv trust it. */
function trustAnchors(dnskey: string): string {
  const [owner = "", , , , flags = "", protocol = "", number = "", key = ""] = dnskey.split(" ");
  return `trust-anchors { "${owner}" static-key ${flags} ${protocol} ${number} "${key}"; };\n`;
}

/** A validating resolver that asks the node. */
class Resolver {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  ask(name: string, type: string): Promise<string> {
    return digAt(this.#port, name, type, "+dnssec", "+rec");
  }
}

async function digAt(port: number, ...question: readonly string[]): Promise<string> {
  const program = lab.start("dig", "dig", [
    "@127.0.0.1",
    "-p",
    String(port),
    "+time=5",
    "+tries=2",
    ...question,
  ]);
  await program.ended;
  return program.output;
}

async function ready(resolver: Resolver, program: Program): Promise<Resolver> {
  const isReady = async (): Promise<boolean> => /status:/.test(await resolver.ask("gslb.example", "SOA"));
  await until(`${program.name} answers`, async () => program.hasEnded || (await isReady()));
  return resolver;
}

async function startUnbound(site: Site, anchor: string, label: string): Promise<Resolver> {
  const port = await freePort();
  const file = join(lab.folder, `unbound-${label}.conf`);
  writeFileSync(
    file,
    `server:
  interface: 127.0.0.1@${port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "${lab.folder}"
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor: "${anchor}"
  local-zone: "example." nodefault
  private-address: 10.0.0.0/8
stub-zone:
  name: "gslb.example"
  stub-addr: 127.0.0.1@${site.port}
remote-control:
  control-enable: no
`,
  );
  const program = lab.start("unbound", "unbound", ["-c", file, "-d"]);
  return ready(new Resolver(port), program);
}

async function startNamed(site: Site, anchor: string, label: string): Promise<Resolver> {
  const port = await freePort();
  const folder = join(lab.folder, `named-${label}`);
  mkdirSync(folder);
  writeFileSync(
    join(folder, "named.conf"),
    `options {
  directory "${folder}";
  pid-file none;
  session-keyfile none;
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion yes;
  allow-query { any; };
  dnssec-validation yes;
  managed-keys-directory "${folder}";
  empty-zones-enable no;
};
controls { };
${trustAnchors(anchor)}
zone "gslb.example" { type forward; forward only; forwarders { 127.0.0.1 port ${site.port}; }; };
`,
  );
  const program = lab.start("named", "named", ["-c", join(folder, "named.conf"), "-f", "-g", "-n", "1"]);
  return ready(new Resolver(port), program);
}
