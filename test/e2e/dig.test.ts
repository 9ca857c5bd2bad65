/** Real clients read our wire: dig and kdig, for every sort of answer, size and transport. */

import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { HAS_OPENSSL, makeCertificate } from "../serve/certificates.ts";
import { encodeQuery } from "./dns.ts";
import { freePort, has, hasIpv6, useLab } from "./harness.ts";
import { layOut, type Site, startNode, VIPS } from "./site.ts";

/** Added to the demo's zone: an RRset of 8 texts, which 512 octets do not hold and 1232 do, and one that needs TCP. */
const LONG = `
long      TXT    ${Array.from({ length: 8 }, (_, i) => `"${String(i).repeat(100)}"`).join("\n          TXT    ")}
longer    TXT    ${Array.from({ length: 8 }, (_, i) => `"${String(i).repeat(250)}"`).join("\n          TXT    ")}
`;

/** One question, as it is typed, and what dig must print. */
const QUESTIONS: readonly (readonly [
  what: string,
  question: string,
  printed: readonly (string | RegExp)[],
])[] = [
  ["A of a service", "www.gslb.example A", ["status: NOERROR", `www.gslb.example.\t5\tIN\tA\t${VIPS.us}`]],
  ["AAAA of a service", "www.gslb.example AAAA", ["status: NOERROR", /AAAA\t2001:db8:1::1/]],
  [
    "HTTPS of a service",
    "www.gslb.example HTTPS",
    [/alpn="?h2"? ipv4hint=127\.0\.1\.1 ipv6hint=2001:db8:1::1/],
  ],
  ["A of a static name", "status.gslb.example A", [/3600\tIN\tA\t192\.0\.2\.80/]],
  ["TXT", "gslb.example TXT", ['"v=spf1 mx -all"']],
  ["MX with the address of its target", "gslb.example MX", [/MX\t10 mail\.gslb\.example\./, /192\.0\.2\.25/]],
  ["NXDOMAIN with the SOA", "nobody.gslb.example A", ["status: NXDOMAIN", "ANSWER: 0", /60\tIN\tSOA\tns1/]],
  ["NODATA with the SOA", "mail.gslb.example AAAA", ["status: NOERROR", "ANSWER: 0", /60\tIN\tSOA\tns1/]],
  ["a wildcard, and the CNAME it leads over", "any.apps.gslb.example A", [/CNAME\twww\.gslb/, VIPS.us]],
  ["a name steered like another", "shop.gslb.example A", [`shop.gslb.example.\t5\tIN\tA\t${VIPS.us}`]],
  ["the case of the question", "wWw.GSLB.exAMPle A", [`wWw.GSLB.exAMPle.\t5\tIN\tA\t${VIPS.us}`]],
  ["a name of somebody else", "www.elsewhere.example A", ["status: REFUSED", "ANSWER: 0"]],
  [
    "ECS with its scope",
    "www.gslb.example A +subnet=81.2.69.0/24",
    [/CLIENT-SUBNET: 81\.2\.69\.0\/24\/1\d/, VIPS.eu],
  ],
  [
    "ECS over IPv6",
    "www.gslb.example A +subnet=2001:200::/32",
    [/CLIENT-SUBNET: 2001:200::\/32\/\d+/, VIPS.ap],
  ],
  ["ECS of scope 0 for a static name", "status.gslb.example A +subnet=81.2.69.0/24", ["81.2.69.0/24/0"]],
  ["ECS that withholds the address", "www.gslb.example A +subnet=0", ["CLIENT-SUBNET: 0.0.0.0/0/0", VIPS.us]],
  ["an unknown EDNS version", "www.gslb.example A +edns=1 +noednsneg", ["status: BADVERS", "ANSWER: 0"]],
  ["an unknown EDNS option", "www.gslb.example A +ednsopt=65001:cafe", ["status: NOERROR", VIPS.us]],
  [
    "a cookie (RFC 9018)",
    "www.gslb.example A +cookie",
    [/COOKIE: [0-9a-f]{16}01000000[0-9a-f]{24} \(good\)/, VIPS.us],
  ],
  ["why a question is refused", "www.elsewhere.example A", [/EDE: 20 \(Not Authoritative\)/]],
  ["how long a connection may idle", "www.gslb.example A +tcp +keepalive", [/TCP[- ]KEEPALIVE: 10\.0/]],
  ["nothing of the software", "version.bind TXT CH", ["status: REFUSED", /EDE: 18 \(Prohibited\)/]],
  [
    "why, from where one may ask",
    "_explain.www.gslb.example TXT +subnet=81.2.69.0/24",
    [
      /0\tIN\tTXT\t"www\.gslb\.example\. for 81\.2\.69\.0\/24, ECS scope \/1\d, TTL 5 s"/,
      `"A ${VIPS.eu}, web/eu-west in eu-west: 100 % of answers"`,
      '"by geo > continent EU > failover eu-first > choice 1 > web/eu-west"',
      '"it would be web/us-east if web/eu-west were down"',
      "CLIENT-SUBNET: 81.2.69.0/24/24",
    ],
  ],
  ["why, of a name that is not steered", "_explain.mail.gslb.example TXT", ["status: NXDOMAIN"]],
  ["nothing of who the node is", "www.gslb.example A +nsid", ["status: NOERROR", VIPS.us]],
  ["a question without EDNS", "www.gslb.example A +noedns", ["status: NOERROR", "ADDITIONAL: 0"]],
  ["TCP", "www.gslb.example A +tcp", [VIPS.us, "(TCP)"]],
  [
    "a long RRset that EDNS has room for",
    "long.gslb.example TXT +ignore",
    ["ANSWER: 8", /flags: qr aa;|flags: qr aa rd;/],
  ],
  [
    "a long RRset that is truncated",
    "long.gslb.example TXT +bufsize=512 +ignore",
    [/flags: qr aa tc/, "ANSWER: 0"],
  ],
  [
    "a truncated RRset asked for again over TCP",
    "long.gslb.example TXT +bufsize=512",
    ["ANSWER: 8", "(TCP)"],
  ],
  ["an RRset that is too long for any UDP", "longer.gslb.example TXT", ["ANSWER: 8", "(TCP)", "Truncated"]],
];

const lab = useLab();
let site: Site;
let tlsPort: number;
let httpsPort: number;

beforeAll(async () => {
  const more = HAS_OPENSSL ? `\n  ${await encrypted()}` : "";
  site = await layOut(lab, [["  workers: 1", `  workers: 1\n  explain: [127.0.0.1]${more}`]]);
  appendFileSync(join(site.folder, "zones/gslb.example.zone"), LONG);
  await startNode(lab, site);
});

/** TLS and HTTPS in the config. */
async function encrypted(): Promise<string> {
  tlsPort = await freePort();
  httpsPort = await freePort();
  const { certificate, key } = makeCertificate();
  const files = `certificate: ${certificate}, key: ${key}`;
  return `tls: { listen: ["127.0.0.1:${tlsPort}"], ${files} }\n  https: { listen: ["127.0.0.1:${httpsPort}"], ${files} }`;
}

describe.skipIf(!has("dig"))("dig reads (needs dig)", () => {
  test.each(QUESTIONS)("%s: %s", async (_what, question, printed) => {
    const said = await ask("dig", ["+norecurse", "+time=2", "+tries=1", ...question.split(" ")]);
    for (const part of printed) expect(said).toMatch(part);
    expect(said).not.toMatch(/malformed|mismatch|WARNING/i);
  });
});

describe.skipIf(!has("dig") || !hasIpv6())("dig over IPv6 reads (needs dig and IPv6)", () => {
  test("an answer that came from the address that was asked", async () => {
    const said = await ask("dig", ["-6", "www.gslb.example", "A"]);
    expect(said).toContain(VIPS.us);
    expect(said).toContain("#PORT(::1) (UDP)");
  });

  test("that there is no such name as one that asks why, from where one may not", async () => {
    const said = await ask("dig", ["-6", "_explain.www.gslb.example", "TXT"]);
    expect(said).toContain("status: NXDOMAIN");
  });
});

describe.skipIf(!has("kdig"))("kdig reads (needs kdig)", () => {
  test.each([
    ["A", "www.gslb.example A +subnet=133.11.0.0/16", [VIPS.ap, "CLIENT-SUBNET: 133.11.0.0/16/"]],
    ["HTTPS", "www.gslb.example HTTPS", ["alpn=h2 ipv4hint=127.0.1.1 ipv6hint=2001:db8:1::1"]],
    ["NXDOMAIN", "nobody.gslb.example A", ["NXDOMAIN"]],
    [
      "many questions on one connection",
      "+tcp +keepopen www.gslb.example A mail.gslb.example A",
      [VIPS.us, "192.0.2.25"],
    ],
  ])("%s: %s", async (_what, question, printed) => {
    const said = await ask("kdig", ["+norecurse", "+time=2", "+retry=0", ...question.split(" ")]);
    for (const part of printed) expect(said).toContain(part);
    expect(said).not.toMatch(/malformed|mismatch|WARNING/i);
  });
});

describe.skipIf(!has("kdig") || !HAS_OPENSSL)("kdig over TLS reads (needs kdig and openssl)", () => {
  test.each([
    ["A of a service", "www.gslb.example A", [VIPS.us, /TLS session \(TLS1\.3\)/]],
    ["an RRset that is too long for UDP", "longer.gslb.example TXT", ["ANSWER: 8"]],
    [
      "many questions on one connection",
      "+keepopen www.gslb.example A mail.gslb.example A",
      [VIPS.us, "192.0.2.25"],
    ],
  ])("%s: %s", async (_what, question, printed) => {
    const args = ["@127.0.0.1", "-p", String(tlsPort), "+tls", "+norecurse", "+time=2", "+retry=0"];
    const client = lab.start("kdig", "kdig", [...args, ...question.split(" ")]);
    await client.ended;
    for (const part of printed) expect(client.output).toMatch(part);
    expect(client.output).not.toMatch(/malformed|mismatch|WARNING/i);
  });
});

describe.skipIf(!has("kdig") || !HAS_OPENSSL)("kdig over HTTPS reads (needs kdig and openssl)", () => {
  test.each([
    ["A of a service, by POST", "+https www.gslb.example A", [VIPS.us, /HTTP session \(HTTP\/2-POST\)/]],
    ["A of a service, by GET", "+https-get www.gslb.example A", [VIPS.us, /HTTP session \(HTTP\/2-GET\)/]],
    ["an RRset that is too long for UDP", "+https longer.gslb.example TXT", ["ANSWER: 8"]],
    ["NXDOMAIN", "+https nobody.gslb.example A", ["NXDOMAIN"]],
  ])("%s: %s", async (_what, question, printed) => {
    const args = ["@127.0.0.1", "-p", String(httpsPort), "+norecurse", "+time=2", "+retry=0"];
    const client = lab.start("kdig", "kdig", [...args, ...question.split(" ")]);
    await client.ended;
    for (const part of printed) expect(client.output).toMatch(part);
    expect(client.output).not.toMatch(/malformed|mismatch|WARNING/i);
  });
});

describe.skipIf(!has("curl") || !HAS_OPENSSL)("curl over HTTPS reads (needs curl and openssl)", () => {
  test.each([
    ["--http2", "HTTP/2 200", "www.gslb.example", "private, max-age=5"],
    ["--http1.1", "HTTP/1.1 200", "www.gslb.example", "private, max-age=5"],
    ["--http2", "HTTP/2 200", "nobody.gslb.example", "private, max-age=60"],
    ["--http2", "HTTP/2 200", "www.elsewhere.example", "no-store"],
  ])("with %s: %s for %s, which may be kept: %s", async (version, status, name, cacheControl) => {
    const parameter = encodeQuery(0, name, "A").toString("base64url");
    const url = `https://127.0.0.1:${httpsPort}/dns-query?dns=${parameter}`;
    const client = lab.start("curl", "curl", [
      "-sk",
      version,
      "--output",
      "/dev/null",
      "--dump-header",
      "-",
      url,
    ]);
    await client.ended;
    expect(client.output).toContain(status);
    expect(client.output).toContain("content-type: application/dns-message");
    expect(client.output).toContain(`cache-control: ${cacheControl}`);
  });
});

async function ask(program: string, args: readonly string[]): Promise<string> {
  const server = args.includes("-6") ? "::1" : "127.0.0.1";
  const client = lab.start(program, program, [`@${server}`, "-p", String(site.port), ...args]);
  await client.ended;
  return client.output.replaceAll(`#${site.port}`, "#PORT");
}
