import { chmodSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { checkFolder } from "../../src/control/check-folder.ts";
import { Loader } from "../../src/control/snapshot.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { writeMmdb } from "../geo/mmdb-file.ts";
import { CONFIG, Folder, GB, ZONE } from "./test-node.ts";

describe("a folder", () => {
  test("that is sound is a snapshot", () => {
    const { value, problems } = checkFolder(new Folder().path);
    expect(problems).toEqual([]);
    expect(value?.config.services).toHaveLength(3);
    expect(value?.zones.map(({ nodes }) => nodes.size)).toEqual([3]);
    expect(value?.atlas.locate(parseAddress(GB)!).country).toBe("GB");
  });

  test("without a config names the file it looked for", () => {
    const folder = new Folder();
    const { problems } = checkFolder(folder.file("elsewhere"));
    expect(problems).toMatchObject([{ file: folder.file("elsewhere/meridian.yaml"), line: 0 }]);
  });

  test("with the built-in geo database needs no other", () => {
    const folder = new Folder({ "meridian.yaml": CONFIG.replace("database: geo.mmdb, ", "") });
    const { value, problems } = checkFolder(folder.path);
    expect(problems).toEqual([]);
    expect(value?.atlas.locate(parseAddress("81.2.69.1")!).country).toBe("GB");
  });

  test("shows what is wrong in all of its files at once", () => {
    const folder = new Folder({
      "test.example.zone": `${ZONE}bad A 1.2.3.999\n`,
      "labels.csv": "192.0.2.0/24",
      "geo.mmdb": "half a file",
      "meridian.yaml": CONFIG.replace("ttl: 5s\n", "ttl: 5s\n    failoverWithin: 6s\n"),
    });
    const { value, problems } = checkFolder(folder.path);
    expect(value).toBeNull();
    const files = problems.map(({ file }) => file.slice(folder.path.length + 1));
    expect(files.sort()).toEqual(["geo.mmdb", "labels.csv", "meridian.yaml", "test.example.zone"]);
  });

  const peer = "keys: { xfr: { from: [192.0.2.54] } }";
  test.each<[string, string, readonly string[]]>([
    [
      "of a zone that there is not",
      `transfer: { other.example: { ${peer} } }`,
      ["transfer.other.example: there is no zone of this name, expected an apex"],
    ],
    [
      "of a zone with steered names, which must be meant",
      `transfer: { test.example: { ${peer} } }`,
      [
        'transfer.test.example: a secondary cannot steer shop.test.example., www.test.example., mix.test.example. and 1 more; "steered: omit" transfers the zone without them',
      ],
    ],
    ["of a zone without its steered names", `transfer: { test.example: { ${peer}, steered: omit } }`, []],
    [
      "of a zone that is signed here",
      `transfer: { test.example: { ${peer}, steered: omit } }\ndnssec: { test.example: {} }`,
      [
        "transfer.test.example: it is signed answer by answer, for which a secondary has no key; remove it from transfer or from dnssec",
        'dnssec.test.example: no key, make one with "meridian key add test.example"',
      ],
    ],
  ])("has its transfers checked: %s", (_what, section, messages) => {
    const folder = new Folder({
      "meridian.yaml": `${CONFIG}\nkeys: { xfr: { secret: xfr.secret } }\n${section}\n`,
      "xfr.secret": Buffer.alloc(32, 1).toString("base64"),
    });
    chmodSync(folder.file("xfr.secret"), 0o600);
    const { problems } = checkFolder(folder.path);
    expect(problems.map(({ message }) => message)).toEqual(messages);
  });

  test("has its certificates checked too, each pair once", () => {
    const tls = "certificate: dns.pem, key: dns.key";
    const sections = `tls: { listen: ["127.0.0.1:0"], ${tls} }, https: { listen: ["127.0.0.1:0"], ${tls} }`;
    const config = CONFIG.replace("state: state }", `state: state, ${sections} }`);
    const folder = new Folder({ "meridian.yaml": config, "dns.pem": "none", "dns.key": "none" });
    const { value, problems } = checkFolder(folder.path);
    expect(value).toBeNull();
    expect(problems).toMatchObject(
      [
        { file: folder.file("dns.pem"), message: "expected a certificate in PEM" },
        { file: folder.file("dns.key"), message: "expected a private key in PEM, without a passphrase" },
        { file: folder.file("dns.key"), message: /mode 0600 or 0640, found 06/ },
      ].map(({ message, ...rest }) => ({ ...rest, message: expect.stringMatching(message) })),
    );
    expect(new Loader(folder.path).load().problems).toEqual([]);
  });

  test.each([
    ["a file that is no MMDB", "half a file"],
    ["an empty file", ""],
  ])("with %s for a geo database cannot start", (_, content) => {
    const { value, problems } = checkFolder(new Folder({ "geo.mmdb": content }).path);
    expect(value).toBeNull();
    expect(problems).toHaveLength(1);
  });
});

describe("zones and services", () => {
  test.each<[string, string, string]>([
    [
      "a service with an address of its own",
      "www A 192.0.2.1",
      "service www.test.example: the zone has A for this name",
    ],
    [
      "a service with an alias",
      "www CNAME ns1",
      "service www.test.example: the zone has CNAME for this name",
    ],
    [
      "a service with an HTTPS RR",
      "www HTTPS 1 .",
      "service www.test.example: the zone has HTTPS for this name",
    ],
    [
      "a service at a delegation",
      "www NS ns.other.example.",
      "service www.test.example: www.test.example. is delegated",
    ],
    [
      "a steered name for a service that is not there",
      "cart STEER wwww",
      'no service wwww.test.example. in the config; did you mean "www.test.example"?',
    ],
    ["a service that is steered as another", "mix STEER www", "mix.test.example. is a service itself"],
  ])("%s is a problem", (_, line, message) => {
    const { value, problems } = checkFolder(new Folder({ "test.example.zone": `${ZONE}${line}\n` }).path);
    expect(value).toBeNull();
    expect(problems.map((problem) => problem.message)).toEqual([expect.stringContaining(message)]);
    expect(problems[0]?.line).toBeGreaterThan(0);
  });

  test.each<[string, string, string]>([
    ["in no zone", "www.other.example", "it lies in no zone; the zones are test.example."],
    ["below a delegation", "www.sub.test.example", "sub.test.example. is delegated"],
    ["below a DNAME", "www.moved.test.example", "moved.test.example. has a DNAME"],
  ])("a service %s is a problem", (_, name, message) => {
    const folder = new Folder({
      "meridian.yaml": CONFIG.replace("www.test.example", name),
      "test.example.zone": ZONE.replace(
        "shop  STEER www",
        "sub NS ns.other.example.\nmoved DNAME other.example.",
      ),
    });
    const { problems } = checkFolder(folder.path);
    expect(problems.map((problem) => problem.message)).toEqual([expect.stringContaining(message)]);
  });

  test("a zone that is there twice is a problem that names both files", () => {
    const folder = new Folder({
      "meridian.yaml": CONFIG.replace("zones: [test.example.zone]", "zones: [test.example.zone, again.zone]"),
      "again.zone": `$ORIGIN test.example.${ZONE.replace("shop  STEER www", "")}`,
    });
    expect(checkFolder(folder.path).problems).toMatchObject([
      { file: folder.file("again.zone"), message: expect.stringContaining("already declared in") },
    ]);
  });

  test("a service at an apex is sound", () => {
    const folder = new Folder({ "meridian.yaml": CONFIG.replace("  www.test.example:", "  test.example:") });
    const { problems } = checkFolder(folder.path);
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringContaining("no service www.test.example."),
    ]);
  });
});

describe("a loader", () => {
  test("reads an unchanged geo database once, and keeps the atlas made from it", () => {
    const loader = new Loader(new Folder().path);
    const first = loader.load();
    expect(loader.load().value?.atlas).toBe(first.value?.atlas);
  });

  test("parses again what has changed, and nothing else", () => {
    const folder = new Folder({
      "meridian.yaml": CONFIG.replace("[test.example.zone]", "[test.example.zone, other.example.zone]"),
      "included.inc": "extra 60 A 192.0.2.7\n",
      "other.example.zone":
        "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n$INCLUDE included.inc\n",
    });
    const loader = new Loader(folder.path);
    const first = loader.load().value!;
    expect(first.zones).toHaveLength(2);
    folder.write("included.inc", "another 60 A 192.0.2.7\nextra 60 A 192.0.2.7\n");
    const { value, stamps } = loader.load();
    expect(value!.config).toBe(first.config);
    expect(value!.zones[0]).toBe(first.zones[0]);
    expect(value!.zones[1]!.nodes.size).toBe(first.zones[1]!.nodes.size + 1);
    expect([...stamps.keys()]).toEqual(expect.arrayContaining([folder.file("included.inc")]));
    folder.write("included.inc", "extra 60 A nonsense\n");
    expect(loader.load().problems).toHaveLength(1);
    expect(loader.load().problems).toHaveLength(1);
  });

  test("makes another atlas when labels change", () => {
    const folder = new Folder();
    const loader = new Loader(folder.path);
    const first = loader.load();
    folder.write("labels.csv", "192.0.2.0/25,office\n");
    const second = loader.load();
    expect(second.value?.atlas).not.toBe(first.value?.atlas);
    expect(second.value?.atlas.locate(parseAddress(GB)!).labels).toEqual(["office"]);
  });

  test("keeps a sound geo database when it breaks, and uses the next sound one", () => {
    const folder = new Folder();
    const loader = new Loader(folder.path);
    const first = loader.load();
    folder.write("geo.mmdb", "half a file");
    const second = loader.load();
    expect(second.problems).toEqual([]);
    expect(second.warnings).toMatchObject([{ file: folder.file("geo.mmdb") }]);
    expect(second.value?.atlas).toBe(first.value?.atlas);
  });

  test("takes the AS numbers that policies name from a database of their own", () => {
    const asns = (gb: number) =>
      writeMmdb({
        recordSize: 24,
        ipVersion: 6,
        records: {
          "192.0.2.0/25": { autonomous_system_number: gb, country: { iso_code: "JP" } },
          "192.0.2.128/25": { autonomous_system_number: 64501 },
        },
      });
    const folder = new Folder({
      "meridian.yaml": CONFIG.replace("geo: {", "geo: { asnDatabase: asn.mmdb,").replace(
        "continents: { EU: eu-first }",
        "continents: { EU: eu-first }, asns: { 64500: us-first }",
      ),
      "asn.mmdb": asns(64500),
    });
    const loader = new Loader(folder.path);
    const placesOf = () =>
      ["192.0.2.1", "192.0.2.200"].map((address) => {
        const { asn, country } = loader.load().value!.atlas.locate(parseAddress(address)!);
        return [asn, country];
      });
    expect(placesOf()).toEqual([
      [64500, "GB"],
      [null, "GB"],
    ]);
    folder.write("asn.mmdb", asns(64502));
    expect(placesOf()).toEqual([
      [null, "GB"],
      [null, "GB"],
    ]);
    folder.write("asn.mmdb", "half a file");
    expect(loader.load().warnings).toMatchObject([{ file: folder.file("asn.mmdb") }]);
    expect(new Loader(folder.path).load().problems).toMatchObject([{ file: folder.file("asn.mmdb") }]);
  });

  test("knows every file it asked for, also those that are not there", () => {
    const folder = new Folder({ "test.example.zone": `${ZONE}$INCLUDE more.zone\n` });
    const { stamps, problems } = new Loader(folder.path).load();
    expect(problems).toHaveLength(1);
    expect([...stamps.keys()].map((file) => file.slice(folder.path.length + 1)).sort()).toEqual([
      "geo.mmdb",
      "labels.csv",
      "meridian.yaml",
      "more.zone",
      "test.example.zone",
    ]);
    expect(stamps.get(folder.file("more.zone"))).toBe("absent");
  });
});
