/** What two sets of files declare is compared thing by thing. */

import { describe, expect, test } from "vitest";
import {
  type DeclaredDiff,
  type DeclaredTexts,
  diffDeclared,
  formatDiff,
} from "../../src/control/declared-diff.ts";
import { finish } from "../../src/steps.ts";
import { CONFIG, ZONE } from "./test-node.ts";

const declared = (
  config: string,
  files: Readonly<Record<string, string>> = { "test.example.zone": ZONE },
): DeclaredTexts => ({
  file: "/etc/meridian/meridian.yaml",
  texts: new Map([
    ["/etc/meridian/meridian.yaml", config],
    ...Object.entries(files).map(([name, text]): [string, string] => [`/etc/meridian/${name}`, text]),
  ]),
});

const diff = (before: DeclaredTexts, after: DeclaredTexts): DeclaredDiff =>
  finish(diffDeclared(before, after));

describe("what is declared", () => {
  test("twice alike has no difference, though the text has", () => {
    const spaced = CONFIG.replace("regions:", "# where\nregions:").replace(
      "{ failover: [web/us-east, web/eu-west] }",
      "\n    failover:\n      - web/us-east\n      - web/eu-west",
    );
    expect(formatDiff(diff(declared(CONFIG), declared(CONFIG)))).toEqual(["nothing is different"]);
    expect(formatDiff(diff(declared(CONFIG), declared(spaced)))).toEqual([
      "only the text of meridian.yaml",
      "0 added, 0 changed, 0 removed",
    ]);
  });

  test("of services, members, policies and sections is told by its keys", () => {
    const after = CONFIG.replace(
      "mix.test.example: { ttl: 5s",
      "mix.test.example: { ttl: 10s, whenDown: nodata",
    )
      .replace('ipv4: 10.0.0.2, ipv6: "2001:db8::2"', "ipv4: 10.0.0.3")
      .replace("  us-first: { failover: [web/us-east, web/eu-west] }\n", "  any: web\n")
      .replace("labels: [labels.csv]", "labels: []");
    expect(formatDiff(diff(declared(CONFIG), declared(after)))).toEqual([
      "~ section geo",
      "    labels: [labels.csv] -> []",
      "~ member web/eu-west",
      "    ipv4: 10.0.0.2 -> 10.0.0.3",
      "    ipv6: 2001:db8::2 -> (nothing)",
      "- policy us-first",
      "    failover: [web/us-east, web/eu-west]",
      "~ service mix.test.example",
      "    ttl: 5s -> 10s",
      "    whenDown: (nothing) -> nodata",
      "+ policy any",
      "    web",
      "1 added, 3 changed, 1 removed",
    ]);
  });

  test("of RRsets is told whatever the order of RRs, and what is steered too", () => {
    const two = `${ZONE}two A 192.0.2.1\ntwo A 192.0.2.2\n`;
    const turned = `${ZONE}two A 192.0.2.2\ntwo A 192.0.2.1\n`;
    const other = `${ZONE.replace("STEER www", "STEER mix")}two 60 A 192.0.2.1\n`;
    const config = CONFIG;
    expect(
      diff(declared(config, { "test.example.zone": two }), declared(config, { "test.example.zone": turned }))
        .differences,
    ).toEqual([]);
    expect(
      formatDiff(
        diff(
          declared(config, { "test.example.zone": two }),
          declared(config, { "test.example.zone": other }),
        ),
      ),
    ).toEqual([
      "~ RRset shop.test.example. STEER",
      "    as: www.test.example. -> mix.test.example.",
      "~ RRset two.test.example. A",
      "    ttl: 300 -> 60",
      "    rdata: 192.0.2.1, 192.0.2.2 -> 192.0.2.1",
      "0 added, 2 changed, 0 removed",
    ]);
  });

  test("of an included file and of a whole zone is seen", () => {
    const including = `${ZONE}$INCLUDE more.inc\n`;
    const files = (more: string): Record<string, string> => ({
      "test.example.zone": including,
      "more.inc": more,
    });
    const before = declared(CONFIG, files("one A 192.0.2.1\n"));
    expect(formatDiff(diff(before, declared(CONFIG, files("one A 192.0.2.9\n"))))).toEqual([
      "~ RRset one.test.example. A",
      "    rdata: 192.0.2.1 -> 192.0.2.9",
      "0 added, 1 changed, 0 removed",
    ]);
    const none = declared(CONFIG.replace("zones: [test.example.zone]", "zones: []"), {});
    expect(diff(before, none).counts).toEqual({ added: 0, removed: 5, changed: 1 });
    expect(diff(none, before).counts).toEqual({ added: 5, removed: 0, changed: 1 });
  });

  test("and cannot be read is compared as text, and said so", () => {
    const found = diff(declared(CONFIG), declared("a: [", { "test.example.zone": "nonsense\n" }));
    expect(found.notes).toEqual(["a text of /etc/meridian/meridian.yaml cannot be read as YAML"]);
    expect(found.files.map(({ path, change }) => [path, change])).toEqual([
      ["meridian.yaml", "changed"],
      ["test.example.zone", "changed"],
    ]);
    const zone = diff(declared(CONFIG), declared(CONFIG, { "test.example.zone": "nonsense\n" }));
    expect(zone.notes).toEqual(["a text of test.example.zone cannot be read as a zone"]);
  });

  test("in large numbers is counted, and its beginning listed", () => {
    const names = Array.from({ length: 3_000 }, (_, i) => `n${i} A 192.0.2.1\n`).join("");
    const found = diff(declared(CONFIG), declared(CONFIG, { "test.example.zone": ZONE + names }));
    expect([found.counts.added, found.differences.length]).toEqual([3_000, 1_000]);
    expect(formatDiff(found)).toContain("… and 2000 more");
  });
});
