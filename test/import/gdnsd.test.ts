import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { formatNote, type Translation } from "../../src/import/draft.ts";
import { importGdnsd } from "../../src/import/gdnsd.ts";
import { readGdnsdZone } from "../../src/import/gdnsd-zone.ts";
import type { SourceFiles } from "../../src/import/vscf.ts";

const DEMO = join(import.meta.dirname, "gdnsd");
const ZONE = "@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n";

function demo(): SourceFiles {
  return {
    read: (path) => {
      const at = join(DEMO, path);
      return existsSync(at) && statSync(at).isFile() ? readFileSync(at, "utf8") : null;
    },
    list: (folder) => (existsSync(join(DEMO, folder)) ? readdirSync(join(DEMO, folder)).sort() : []),
  };
}

/** A translation of plugins and a zone with these names. */
function translate(plugins: string, names: string, rest = ""): Translation {
  const files: Readonly<Record<string, string>> = {
    config: `${rest}\nplugins => { ${plugins} }`,
    "zones/example.com": `${ZONE}${names}`,
  };
  const { value, problems } = importGdnsd({
    read: (path) => files[path] ?? null,
    list: (folder) => (folder === "zones" ? ["example.com"] : []),
  });
  expect(problems).toEqual([]);
  if (value === null) throw new Error("there is no translation");
  return value;
}

function configOf({ files }: Translation): Record<string, never> {
  return parse(files.get("meridian.yaml") ?? "");
}

function notesOf({ notes }: Translation): readonly string[] {
  return notes.map(formatNote);
}

describe("a configuration of gdnsd's", () => {
  test("becomes regions, pools, policies and services", () => {
    const { value } = importGdnsd(demo());
    expect(parse(value?.files.get("meridian.yaml") ?? "")).toMatchObject({
      node: { listen: ["127.0.0.1:5399"], workers: 1 },
      zones: ["zones/example.com.zone"],
      services: {
        "www.example.com": { ttl: { min: "10s", max: "300s" }, policy: "www" },
        "next.example.com": { ttl: "60s", policy: "next" },
        "eu.example.com": { policy: "eu-eu" },
        "pair.example.com": { policy: { failover: ["pair/primary", "pair/secondary"] } },
      },
      policies: {
        www: {
          geo: {
            prefixes: { "10.0.0.0/8": "eu-eu" },
            countries: { GB: "www-us-first-2", IL: "www-eu-first-3", RU: "ap" },
            fence: true,
          },
        },
        intra: { geo: { prefixes: { "10.99.0.0/16": "intra-eu-first" }, fence: true } },
      },
    });
    expect(value?.files.get("zones/example.com.zone")).toContain(
      "*.shop.apps.example.com. STEER www.example.com.\n",
    );
  });

  test("checks become checks, and several one", () => {
    const types = `service_types => {
      web => { plugin => http_status, url_path => /up, vhost => www.example.com, ok_codes => [200, 301], interval => 5, timeout => 3, up_thresh => 4, down_thresh => 200 }
      smtp => { plugin => tcp_connect, port => 25 }
    }`;
    const made = translate(
      "multifo => { a => { service_types => web, x => 192.0.2.1 }, b => { service_types => [web, smtp, up], x => 192.0.2.2 } }",
      "a 60 DYNA multifo!a\nb 60 DYNA multifo!b\n",
      types,
    );
    expect(configOf(made)).toMatchObject({
      vantages: { local: {} },
      checks: {
        web: {
          type: "http",
          path: "/up",
          host: "www.example.com",
          expect: { codes: [200, 301] },
          interval: "5s",
          timeout: "3s",
          rise: 4,
          fall: 100,
        },
        smtp: { type: "tcp", port: 25, interval: "10s", timeout: "5s", rise: 20, fall: 10 },
        "web-and-smtp": { type: "calculated", of: ["web", "smtp"], need: "all" },
      },
      pools: { a: { check: "web" }, b: { check: "web-and-smtp" } },
    });
  });

  test("city-auto-mode becomes the nearest", () => {
    const made = translate(
      `geoip => {
        maps => { m => { geoip2_db => City.mmdb, datacenters => [a, b], auto_dc_coords => { a => [38.9, -77], b => [53.3, -6.3] }, map => { EU => { DE => [b] } } } }
        resources => { r => { map => m, dcmap => { a => 192.0.2.1, b => 192.0.2.2 } } }
      }`,
      "www DYNA geoip!r\n",
    );
    expect(configOf(made)).toMatchObject({
      geo: { database: "/etc/gdnsd/geoip/City.mmdb" },
      regions: { a: { at: [38.9, -77] }, b: { at: [53.3, -6.3] } },
      policies: {
        r: { geo: { countries: { DE: "r-b" }, default: { nearest: { of: { failover: ["r-a", "r-b"] } } } } },
      },
    });
  });

  test("groups and several addresses by weight", () => {
    const made = translate(
      `weighted => {
        g => { one => { a => [192.0.2.1, 3], b => [192.0.2.2, 3] }, two => { c => [192.0.2.3, 2] } }
        m => { multi => true, a => [192.0.2.1, 45], b => [192.0.2.2, 60], c => [192.0.2.3, 60] }
      }`,
      "g DYNA weighted!g\nm DYNA weighted!m\n",
    );
    expect(configOf(made)).toMatchObject({
      services: {
        "g.example.com": {
          policy: {
            weighted: {
              of: {
                one: { weight: 6, use: { spread: { of: "g-one", count: 2 } } },
                two: { weight: 2, use: "g-two" },
              },
              minUp: 0.5,
            },
          },
        },
        "m.example.com": { policy: { spread: { of: "m", count: 3 } } },
      },
    });
  });

  test("what does not go over is told, with its place", () => {
    const made = translate(
      `static => { alias => www.example.net. }
       metafo => { resources => { r => { datacenters => [a, b], dcmap => { a => 192.0.2.1, b => sorry.example.net. } }
         loop => { datacenters => [a], dcmap => { a => %metafo!loop } } } }`,
      "r DYNC metafo!r\nalias 60 DYNC static!alias\nme DYNA reflect\nloop DYNA metafo!loop\nnone DYNA multifo!none\n",
      "options => { edns_client_subnet => false }",
    );
    expect(notesOf(made)).toEqual([
      expect.stringMatching(/^config:1:14: left out: option edns_client_subnet/),
      expect.stringMatching(/^config:3:76: assumed: nothing says where a stands/),
      expect.stringMatching(/^config:3:92: assumed: nothing says where b stands/),
      expect.stringMatching(/^config:3:97: left out: CNAME sorry\.example\.net\./),
      expect.stringMatching(/^config:4:56: left out: metafo!loop comes to itself/),
      expect.stringMatching(/^zones\/example\.com:5:1: changed: alias\.example\.com\. is a CNAME/),
      expect.stringMatching(/^zones\/example\.com:6:1: left out: plugin reflect/),
      expect.stringMatching(/^zones\/example\.com:6:1: left out: me\.example\.com\. DYNA/),
      expect.stringMatching(/^zones\/example\.com:7:1: left out: loop\.example\.com\. DYNA/),
      expect.stringMatching(/^zones\/example\.com:8:1: left out: there is no resource none/),
      expect.stringMatching(/^zones\/example\.com:8:1: left out: none\.example\.com\. DYNA/),
    ]);
  });

  test("problems of its own are told as they are", () => {
    const files = {
      read: (path: string) => (path === "config" ? "plugins => {" : null),
      list: () => ["example.com"],
    };
    expect(importGdnsd(files)).toMatchObject({
      value: null,
      problems: [{ file: "config", line: 1, column: 13 }],
    });
    expect(importGdnsd({ read: () => null, list: () => [] }).problems).toMatchObject([
      { message: "there is no zone file" },
    ]);
  });
});

describe("a zone file of gdnsd's", () => {
  const read = (text: string, files: Readonly<Record<string, string>> = {}) =>
    readGdnsdZone("z", text, "example.com.", 300, (path) => files[path] ?? null).parts;

  test("gives its DYNA and DYNC away, with their TTLs", () => {
    expect(read("www 600/10 DYNA geoip!a\n    1H IN DYNC metafo!b/dc\n$TTL 90\nx DYNA null\n")).toMatchObject(
      [
        "$ORIGIN example.com.\n$TTL 300\n",
        {
          owner: "www.example.com.",
          type: "DYNA",
          maxSeconds: 600,
          minSeconds: 10,
          plugin: "geoip",
          resource: "a",
        },
        {
          owner: "www.example.com.",
          type: "DYNC",
          maxSeconds: 3600,
          minSeconds: 1800,
          resource: "b/dc",
          line: 2,
        },
        "$TTL 90\n",
        { owner: "x.example.com.", maxSeconds: 90, minSeconds: 45, plugin: "null", resource: "" },
      ],
    );
  });

  test("keeps the owner of what comes after them", () => {
    expect(read("www DYNA a!b\n  MX 10 mail\n  TXT x\nmail A 192.0.2.1\n  TXT y\n").slice(2)).toEqual([
      "www.example.com. MX 10 mail\n",
      "www.example.com. TXT x\n",
      "mail A 192.0.2.1\n",
      "  TXT y\n",
    ]);
  });

  test("follows origins, @Z and @F, and includes files where they stand", () => {
    const parts = read("$INCLUDE inc foo\nb DYNA p!q\n", {
      inc: "$ORIGIN bar\na DYNA p!r\nx.@F A 192.0.2.1\ny.@Z A 192.0.2.2\n",
    });
    expect(parts.filter((part) => typeof part !== "string").map(({ owner }) => owner)).toEqual([
      "a.bar.foo.example.com.",
      "b.example.com.",
    ]);
    expect(parts).toContain("x.foo.example.com. A 192.0.2.1\n");
    expect(parts).toContain("y.example.com. A 192.0.2.2\n");
  });
});
