/** Zones of octoDNS's and traffic policies of Route 53's, and that a node can start with what becomes of them. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { checkFolder } from "../../src/control/check-folder.ts";
import { formatNote, type Translation } from "../../src/import/draft.ts";
import { importGdnsd } from "../../src/import/gdnsd.ts";
import { importOctodns } from "../../src/import/octodns.ts";
import { importRoute53, type SourceText } from "../../src/import/route53.ts";
import type { Checked } from "../../src/problem.ts";

const here = mkdtempSync(join(tmpdir(), "meridian-import-"));
afterAll(() => rmSync(here, { recursive: true }));

const RECORD = { name: "www.example.com", zone: "example.com", ttlSeconds: 60 };

function source(path: string): SourceText {
  return { file: path, text: readFileSync(join(import.meta.dirname, path), "utf8") };
}

function octodns(text: string = source("octodns/example.com.yaml").text): Checked<Translation> {
  return importOctodns("example.com.yaml", text, "example.com");
}

function made({ value, problems }: Checked<Translation>): Translation {
  expect(problems).toEqual([]);
  if (value === null) throw new Error("there is no translation");
  return value;
}

function configOf({ files }: Translation): Record<string, never> {
  return parse(files.get("meridian.yaml") ?? "");
}

/** What a node says that is to start with a translation. */
function problemsOf({ files }: Translation, name: string): unknown {
  const folder = join(here, name);
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return checkFolder(folder).problems;
}

describe("a zone of octoDNS's", () => {
  test("becomes a zone, and services for its dynamic records", () => {
    const translation = made(octodns());
    expect(problemsOf(translation, "octodns")).toEqual([]);
    expect(configOf(translation)).toMatchObject({
      checks: {
        www: { type: "https", host: "health.example.com", path: "/up", port: 8443, expect: { codes: [200] } },
        "any.shop": { type: "https", host: "shop.example.com", path: "/_dns", port: 443 },
      },
      pools: {
        "www-apac": { check: "www", members: { 1: { ipv4: "192.0.2.1" }, 3: { ipv6: "2001:db8::1" } } },
        "www-eu": { check: "www", members: { 1: { ipv4: "192.0.2.3", weight: 2 } } },
        "www-eu-always": { members: { 2: { ipv4: "192.0.2.4", weight: 3 } } },
      },
      policies: {
        "www-na-first": { failover: ["www-na", { spread: { of: "www-backup", count: 3 } }] },
        "www-apac-first": { failover: ["www-apac", "www-na", { spread: { of: "www-backup" } }] },
      },
      services: {
        "www.example.com": {
          ttl: "60s",
          policy: {
            geo: {
              prefixes: { "203.0.113.0/24": "www-eu-first" },
              countries: { ZA: "www-apac-first" },
              subdivisions: { "US-CA": "www-eu-first" },
              continents: { AF: "www-eu-first", AS: "www-apac-first" },
              default: "www-na-first",
              fence: true,
            },
          },
        },
        "any.shop.example.com": { ttl: "3600s" },
      },
    });
    expect(translation.files.get("zones/example.com.zone")?.split("\n").slice(2)).toEqual([
      "@ SOA ns1.example.net. hostmaster.example.com. 1 3600 900 1209600 60",
      "@ 86400 NS ns1.example.net.",
      "@ 86400 NS ns2.example.net.",
      "@ 3600 MX 10 mail.example.net.",
      '@ 3600 CAA 0 issue "ca.example"',
      "*.shop.example.com. STEER any.shop.example.com.",
      "mail 3600 A 192.0.2.25",
      'txt 3600 TXT "v=spf1 -all; \\"quoted\\""',
      "_sip._tcp 3600 SRV 1 2 5060 sip.example.net.",
      "",
    ]);
    expect(translation.notes.map(formatNote)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/left out: status down/),
        expect.stringMatching(/left out: where LOC/),
        expect.stringMatching(/assumed: the SOA of example\.com\./),
      ]),
    );
  });

  test("a place that a wider one before it has taken is told", () => {
    const text =
      "www: { type: A, dynamic: { pools: { a: { values: [{ value: 192.0.2.1 }] }, b: { values: [{ value: 192.0.2.2 }] } }, rules: [{ geos: [EU], pool: a }, { geos: [EU-GB], pool: b }, { pool: a }] } }";
    expect(made(octodns(text)).notes.map(formatNote)).toContainEqual(
      expect.stringMatching(/changed: EU-GB: EU stands in a rule before it/),
    );
  });

  test("a text of several strings, and what is no zone", () => {
    const zone = made(octodns(`long: { type: TXT, value: ${"x".repeat(300)} }`)).files.get(
      "zones/example.com.zone",
    );
    expect(zone).toContain(`long 3600 TXT "${"x".repeat(255)}" "${"x".repeat(45)}"\n`);
    expect(octodns("- a")).toMatchObject({
      value: null,
      problems: [{ message: "expected records by their names" }],
    });
    expect(octodns("a: [")).toMatchObject({ value: null, problems: [{ file: "example.com.yaml" }] });
  });
});

describe("a traffic policy of Route 53's", () => {
  const document = source("route53/policy.json");
  const checks = source("route53/health-checks.json");

  test("becomes a policy for each rule, and a pool for each endpoint", () => {
    const translation = made(importRoute53(document, checks, RECORD));
    expect(problemsOf(translation, "route53")).toEqual([]);
    expect(configOf(translation)).toMatchObject({
      regions: { "us-east-1": { at: [38.9, -77.4] }, "at-35.7-139.7": { at: [35.7, 139.7] } },
      checks: {
        "check-us": {
          type: "https",
          port: 443,
          path: "/up",
          host: "www.example.com",
          expect: { body: "fine" },
          fall: 2,
        },
        "check-eu": { type: "tcp", port: 8080, interval: "30s", fall: 3 },
      },
      policies: {
        where: {
          geo: {
            countries: { DE: "eu" },
            subdivisions: { "US-CA": "shares" },
            continents: { EU: "fast" },
            default: "several",
          },
        },
        shares: { weighted: { of: { us: { weight: 80 }, "us-new": { weight: 20 } } } },
        fast: { latency: { of: { failover: ["us-2", "eu-2"] } } },
        near: { nearest: { of: { failover: expect.any(Array) } } },
        several: { spread: { of: "several-all", count: 3 } },
      },
      services: { "www.example.com": { ttl: "60s", policy: "where" } },
    });
    expect(translation.notes.map(formatNote)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^route53\/policy\.json:\d+:\d+: left out: endpoint sorry: s3-website/),
        expect.stringMatching(/left out: Bias/),
        expect.stringMatching(/left out: health check check-unknown/),
        expect.stringMatching(/left out: HealthCheck of the rule several/),
      ]),
    );
  });

  test("without health checks everything is up, and that is told", () => {
    const translation = made(importRoute53(document, null, RECORD));
    expect(problemsOf(translation, "unchecked")).toEqual([]);
    expect(configOf(translation)).not.toHaveProperty("checks");
    expect(translation.notes.filter(({ message }) => message.startsWith("health check"))).toHaveLength(3);
  });

  test.each([
    ["{", null],
    ["{}", "expected a traffic policy document"],
  ])("refuses %s", (text, message) => {
    const { value, problems } = importRoute53({ file: "policy.json", text }, null, RECORD);
    expect(value).toBeNull();
    if (message !== null) expect(problems[0]?.message).toContain(message);
  });

  test("rules that come to themselves, or are not there, or are of a kind that is not here", () => {
    const text = JSON.stringify({
      RecordType: "CNAME",
      StartRule: "a",
      Rules: {
        a: { RuleType: "failover", Primary: { RuleReference: "a" }, Secondary: { RuleReference: "b" } },
        b: { RuleType: "cidr" },
      },
    });
    const { notes } = made(importRoute53({ file: "policy.json", text }, null, RECORD));
    expect(notes.map(({ message }) => message)).toEqual(
      expect.arrayContaining([
        "RecordType CNAME: Meridian steers A, AAAA and HTTPS",
        "rule a comes to itself",
        "rule b of type cidr: Meridian has nothing like it",
        "www.example.com: nothing answers for it",
      ]),
    );
  });
});

test("a node can start with the translation of gdnsd's demo", () => {
  const folder = join(import.meta.dirname, "gdnsd");
  const names: Readonly<Record<string, readonly string[]>> = {
    zones: ["example.com"],
    "plugins.d": ["geoip", "others"],
  };
  const files = ["config", "zones/example.com", "plugins.d/geoip", "plugins.d/others", "geoip/nets"];
  const translation = made(
    importGdnsd({
      read: (path) =>
        files.includes(path)
          ? readFileSync(join(folder, path), "utf8").replace(/geoip2_db => \S+,/, "")
          : null,
      list: (path) => names[path] ?? [],
    }),
  );
  expect(problemsOf(translation, "gdnsd")).toEqual([]);
});
