/** Zones as secondaries get them: AXFR and IXFR with TSIG, NOTIFY, and Knot, NSD and BIND that follow a change. */

import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { HAS_OPENSSL, makeCertificate } from "../serve/certificates.ts";
import { freePort, has, PATIENCE, type Program, report, until, useLab } from "./harness.ts";
import { folderOf, MISSING, SECONDARIES } from "./secondaries.ts";
import { layOut, type Site, startNode } from "./site.ts";

const lab = useLab();
const NEEDS = has("dig") && has("kdig") && HAS_OPENSSL ? "" : " (skipped: needs dig, kdig and openssl)";
const ZONE = "static.example";
const WITHOUT = MISSING.length === 0 ? "" : ` (skipped: there is no ${MISSING.join(", no ")})`;

/** Names that fill several messages, data of many types, a cut with glue, a wildcard and letters of both cases. */
function zoneText(serial: number, more = ""): string {
  const names = Array.from(
    { length: 1_000 },
    (_, i) => `h${i} A 192.0.2.${i % 256}\nh${i} TXT "number ${i}"`,
  );
  return `$TTL 300
@ SOA Ns1 hostmaster ${serial} 3600 600 86400 60
@ NS Ns1
@ NS ns.elsewhere.test.
@ MX 10 Mail
Ns1 A 127.0.0.1
Mail AAAA 2001:db8::25
*.wild CNAME Mail
sub NS ns.sub
ns.sub A 192.0.2.99
sub DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
svc HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1
type TYPE65400 \\# 3 010203
${names.join("\n")}
${more}
`;
}

/** How many RRs that are. */
const RRS = 12 + 2_000;

let site: Site;
let node: Program;
let tlsPort: number;
let certificate: string;
const secrets = { xfr: secret(), other: secret() };
const KEY = key("xfr", secrets.xfr);
/** Where each secondary listens, by its name. */
const ports = new Map<string, number>();

describe.skipIf(NEEDS !== "")(`zone transfers${NEEDS}`, () => {
  beforeAll(async () => {
    tlsPort = await freePort();
    const files = makeCertificate();
    ({ certificate } = files);
    const tls = `tls: { listen: ["127.0.0.1:${tlsPort}"], certificate: ${certificate}, key: ${files.key} }`;
    site = await layOut(lab, [
      ["zones: [", `zones: [zones/${ZONE}.zone, `],
      ["node:\n", `node:\n  ${tls}\n`],
    ]);
    writeZone(1);
    mkdirSync(join(site.folder, "keys"));
    for (const [name, value] of Object.entries(secrets))
      writeFileSync(join(site.folder, `keys/${name}.secret`), `${value}\n`, { mode: 0o600 });
    for (const { name } of SECONDARIES) ports.set(name, await freePort());
    const notify = [...ports.values()].map((port) => `"127.0.0.1:${port}"`).join(", ");
    appendFileSync(
      join(site.folder, "meridian.yaml"),
      `
keys: { xfr: { secret: keys/xfr.secret }, other: { secret: keys/other.secret } }
transfer:
  ${ZONE}: { keys: { xfr: { from: [127.0.0.1/32], notify: [${notify}] } } }
  gslb.example: { keys: { xfr: { from: [127.0.0.1/32] } }, steered: omit }
`,
    );
    node = await startNode(lab, site);
  });

  test.each([["dig"], ["kdig"]])(
    "%s gets a whole zone, each message signed (RFC 5936 §2.2)",
    async (program) => {
      const printed = await ask(program, ZONE, "AXFR", "-y", KEY);
      const rrs = rrsIn(printed);
      expect(rrs).toHaveLength(RRS + 1);
      expect(rrs[0]).toBe(rrs.at(-1));
      expect(new Set(rrs).size).toBe(RRS);
      expect(rrs[0]).toContain("SOA Ns1.static.example. hostmaster.static.example. 1 ");
      expect(rrs).toContain("ns.sub.static.example. 300 IN A 192.0.2.99");
      expect(printed).not.toMatch(/WARNING|verif|failed/i);
      if (program === "dig") expect(printed).toMatch(/messages [3-9],/);
    },
  );

  test("kdig gets a whole zone over TLS, each message signed (RFC 9103 §7)", async () => {
    const tls = ["+tls", `+tls-ca=${certificate}`, "+tls-hostname=dns.test"];
    const printed = await askPort("kdig", tlsPort, ZONE, "AXFR", [...tls, "-y", KEY]);
    expect(new Set(rrsIn(printed)).size).toBe(RRS);
    expect(printed).not.toMatch(/WARNING|verif|failed/i);
  });

  test("kdig gets no zone over TLS 1.2, only answers (RFC 9103 §7.2)", async () => {
    const file = join(lab.folder, "gnutls.conf");
    writeFileSync(file, "[overrides]\ndisabled-version = tls1.3\n");
    const env = { GNUTLS_SYSTEM_PRIORITY_FILE: file, GNUTLS_SYSTEM_PRIORITY_FAIL_ON_INVALID: "1" };
    const from = node.output.length;
    for (const type of ["AXFR", "IXFR=0"]) {
      const refused = await askPort("kdig", tlsPort, ZONE, type, ["+tls", "-y", KEY], env);
      expect(refused).toMatch(/REFUSED/);
      expect(rrsIn(refused)).toEqual([]);
    }
    await node.said(/static\.example\. came by TLSv1\.2, and goes by TLS 1\.3 or later alone/, 5_000, from);
    const answered = await askPort("kdig", tlsPort, ZONE, "SOA", ["+tls", "-y", KEY], env);
    expect(answered).toMatch(/TLS session \(TLS1\.2\)[\s\S]*NOERROR/);
    expect(rrsIn(answered)).toHaveLength(1);
  });

  test("without a key there is no transfer over TLS either (RFC 9103 §7)", async () => {
    const printed = await askPort("kdig", tlsPort, ZONE, "AXFR", ["+tls"]);
    expect(printed).toMatch(/REFUSED/);
    expect(rrsIn(printed)).toEqual([]);
  });

  test("a zone with steered names is transferred without them where the config says so", async () => {
    const rrs = rrsIn(await ask("dig", "gslb.example", "AXFR", "-y", KEY));
    expect(rrs.some((rr) => rr.startsWith("mail.gslb.example. 3600 IN A "))).toBe(true);
    expect(rrs.filter((rr) => /^(www|shop)\./.test(rr))).toEqual([]);
  });

  test.each<[string, readonly string[], RegExp]>([
    ["without a key", [], /Transfer failed/],
    ["with a key that may not", ["-y", key("other", secrets.other)], /Transfer failed/],
    ["with a wrong secret", ["-y", key("xfr", secret())], /BADSIG/],
    ["with an unknown key", ["-y", key("nobody", secret())], /BADKEY/],
    ["from another address", ["-b", "127.0.0.2", "-y", key("xfr", secrets.xfr)], /Transfer failed/],
  ])("%s there is no transfer (RFC 5936 §5)", async (_what, args, said) => {
    const printed = await ask("dig", ZONE, "AXFR", ...args);
    expect(printed).toMatch(said);
    expect(rrsIn(printed)).toEqual([]);
  });

  test.each<[string, string, number, readonly string[]]>([
    ["of an older version is the whole zone (RFC 1995 §4)", "IXFR=0", RRS + 1, []],
    ["of this version is the SOA alone (RFC 1995 §2)", "IXFR=1", 1, []],
    ["of a later version is the SOA alone (RFC 1995 §2)", "IXFR=2", 1, []],
    ["over UDP is the SOA alone (RFC 1995 §2)", "IXFR=0", 1, ["+notcp"]],
  ])("an IXFR %s", async (_what, type, count, args) => {
    const rrs = rrsIn(await ask("dig", ZONE, type, "-y", KEY, ...args));
    expect(rrs).toHaveLength(count);
    expect(rrs[0]).toMatch(/ SOA .* 1 3600/);
  });

  test("a query signed with a known key gets a signed answer, one with an unknown key BADKEY (RFC 8945 §5.2)", async () => {
    const signed = await ask("dig", ZONE, "SOA", "-y", KEY);
    expect(signed).toMatch(/status: NOERROR[\s\S]*TSIG PSEUDOSECTION/);
    expect(signed).not.toMatch(/Couldn't verify|BADSIG|BADKEY/);
    for (const from of ["127.0.0.1", "127.0.0.2"])
      expect(await ask("dig", ZONE, "SOA", "-b", from, "-y", key("nobody", secret()))).toMatch(
        /status: NOTAUTH[\s\S]*BADKEY/,
      );
  });

  describe(`secondaries${WITHOUT}`, () => {
    let next = 1;

    beforeAll(() => {
      const primary = { zone: ZONE, port: site.port, tlsPort, certificate, key: "xfr", secret: secrets.xfr };
      for (const secondary of SECONDARIES) {
        const port = ports.get(secondary.name) ?? 0;
        const [command = "", ...args] = secondary.command(folderOf(secondary, lab.folder), port, primary);
        lab.start(secondary.name, command, args);
      }
    });

    test.each(SECONDARIES)("$name serves what we serve", async ({ name }) => {
      await until(`${name} has the zone`, async () => (await serialAt(name)) === next);
      for (const [qname, type] of QUERIES) {
        const [ours, theirs] = await Promise.all([
          ask("dig", qname, type, "+short"),
          askAt(name, qname, type, "+short"),
        ]);
        expect([qname, type, sorted(theirs)]).toEqual([qname, type, sorted(ours)]);
      }
    });

    test("all follow a change of the file within seconds, because they are told (RFC 1996 §3)", async () => {
      const from = node.output.length;
      next += 1;
      writeZone(next, 'new TXT "second"');
      const startedMs = performance.now();
      const followedMs = await Promise.all(
        SECONDARIES.map(async ({ name }) => {
          await until(`${name} follows`, async () => (await serialAt(name)) === next, 10_000 * PATIENCE);
          return Math.round(performance.now() - startedMs);
        }),
      );
      report(`the secondaries have followed after ${followedMs.join(", ")} ms`);
      for (const { name } of SECONDARIES)
        expect(await askAt(name, `new.${ZONE}`, "TXT", "+short")).toBe('"second"\n');
      for (const { name } of SECONDARIES)
        await node.said(new RegExp(`"target":"127.0.0.1#${ports.get(name)}".*answered`), 60_000, from);
    }, 90_000);

    test("a change without a new serial is told to the operator, and to nobody else", async () => {
      const from = node.output.length;
      writeZone(next, 'new TXT "third"');
      await node.said(/static\.example\. has changed, but not its serial 2/, 30_000, from);
      expect(node.output.slice(from)).not.toMatch(/NOTIFY/);
      writeZone(next - 1);
      await node.said(/static\.example\. has serial 1 after 2/, 30_000, from);
    });
  });
});

const QUERIES: readonly (readonly [string, string])[] = [
  [ZONE, "NS"],
  [ZONE, "MX"],
  [`h7.${ZONE}`, "TXT"],
  [`a.b.wild.${ZONE}`, "CNAME"],
  [`svc.${ZONE}`, "HTTPS"],
  [`type.${ZONE}`, "TYPE65400"],
  [`sub.${ZONE}`, "DS"],
];

function writeZone(serial: number, more = ""): void {
  writeFileSync(join(site.folder, "zones", `${ZONE}.zone`), zoneText(serial, more));
}

function secret(): string {
  return randomBytes(32).toString("base64");
}

function key(name: string, value: string): string {
  return `hmac-sha256:${name}:${value}`;
}

/** What dig or kdig says. */
async function ask(program: string, name: string, type: string, ...args: readonly string[]): Promise<string> {
  return await askPort(program, site.port, name, type, args);
}

function askAt(secondary: string, name: string, type: string, ...args: readonly string[]): Promise<string> {
  return askPort("dig", ports.get(secondary) ?? 0, name, type, args);
}

async function askPort(
  program: string,
  port: number,
  name: string,
  type: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const times = program === "dig" ? ["+time=2", "+tries=1"] : ["+time=2", "+retry=0"];
  const all = ["@127.0.0.1", "-p", String(port), ...times, ...args, name, type];
  const asked = lab.start(program, program, all, env);
  await asked.ended;
  return asked.output;
}

async function serialAt(secondary: string): Promise<number | null> {
  const [, , serial] = (await askAt(secondary, ZONE, "SOA", "+short")).split(" ");
  return serial === undefined ? null : Number(serial);
}

/** The RRs in the order that they came, with single spaces and without the TSIG. */
function rrsIn(printed: string): readonly string[] {
  return printed
    .split("\n")
    .filter((line) => /^[^;\s]\S*\s+\d+\s+IN\s/.test(line))
    .map((line) => line.trim().split(/\s+/).join(" "));
}

/** Knot and NSD keep names in RDATA in lower case. */
function sorted(lines: string): readonly string[] {
  return lines.toLowerCase().split("\n").sort();
}
