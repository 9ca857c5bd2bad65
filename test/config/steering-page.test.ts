/** `docs/steering.md`: its examples are configs, and its tables are what they answer. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse as parseYaml, stringify } from "yaml";
import { checkFolder } from "../../src/control/check-folder.ts";
import { COUNTRIES } from "../../src/geo/countries.ts";
import { NOWHERE } from "../../src/geo/location.ts";
import { localise } from "../../src/steering/localise.ts";
import { planFor } from "../../src/steering/plan.ts";
import { Folder } from "../control/test-node.ts";
import { factsOf } from "../steering/world.ts";
import { configOf, root } from "./fixture.ts";

const page = readFileSync(join(root, "docs/steering.md"), "utf8");

/** Each example with the tables that follow it before the next one. */
const examples = page
  .split(/^```yaml\n/m)
  .slice(1)
  .map((part) => {
    const [text = "", rest = ""] = part.split(/^```$/m);
    const [, suffers = ""] = /^\| Client in \| (.+?) \|/m.exec(rest) ?? [];
    const rows = [...rest.matchAll(/^\| ([A-Z]{2}) \| (.*?) ?\| (.+) \|$/gm)];
    return {
      text,
      rows: rows.map(([, country, down, gets]) => ({ country: country!, suffers, down: down!, gets: gets! })),
    };
  });

type Sections = Record<string, Record<string, unknown> | readonly string[]>;

describe("docs/steering.md", () => {
  test("has three regions, geo with failover and a canary in one in at most 15 lines", () => {
    expect(examples[0]!.text.trimEnd().split("\n").length).toBeLessThanOrEqual(15);
    expect(examples[0]!.rows.length).toBeGreaterThan(5);
  });

  test.each(examples.map(({ text }) => text))("has examples that are valid: %s", (text) => {
    expect(() => configOf(wholeOf(text))).not.toThrow();
  });

  test("has tests and invariants that hold for its first example", () => {
    const { text } = examples.find((example) => example.text.startsWith("tests:"))!;
    const zone = readFileSync(join(root, "zones/gslb.example.zone"), "utf8");
    const folder = new Folder({
      "meridian.yaml": wholeOf(text).replace("zones/gslb.example.zone", "gslb.example.zone"),
      "gslb.example.zone": zone,
    });
    expect(checkFolder(folder.path).problems).toEqual([]);
  });

  test.each(examples.flatMap(({ text, rows }) => rows.map((row) => ({ text, ...row }))))(
    "says what clients in $country get, $suffers: $down: $gets",
    ({ text, country, suffers, down, gets }) => {
      const config = configOf(wholeOf(text));
      // The example's own service, not the first one's.
      const [label] = Object.keys((parseYaml(text) as Sections)["services"]!);
      const service = config.services.find((found) => found.label === label)!;
      const { continent, latitude, longitude } = COUNTRIES.get(country)!;
      const location = { ...NOWHERE, continent, country, coordinates: { latitude, longitude } };
      // Whoever has a capacity is idle.
      const headrooms = [...config.members.values()].flatMap(({ id, capacity }) =>
        capacity === null ? [] : [[id, capacity] as const],
      );
      const spec = suffers === "Down" ? { down: down.split(", ") } : { votes: unreached(down.split(", ")) };
      const facts = factsOf({ ...spec, headrooms: Object.fromEntries(headrooms) });
      const { plan } = planFor(localise(service.policy, location, config), service, 4, facts, config);
      const shares = plan.kind === "answer" ? plan.shares : [];
      const words = shares.map(({ vip, share }) => {
        const member = vip.replace("/ipv4", "");
        return share > 0.999 ? member : `${Math.round(100 * share)} % ${member}`;
      });
      expect(plan.kind === "nodata" ? "no address" : words.join(", ")).toBe(gets);
    },
  );
});

/** Dublin alone does not reach these members. */
function unreached(
  members: readonly string[],
): Readonly<Record<string, Readonly<Record<string, "up" | "down">>>> {
  return Object.fromEntries(members.map((id) => [id, { dublin: "down", virginia: "up", tokyo: "up" }]));
}

/** An example, with the first one around it. */
function wholeOf(text: string): string {
  const whole = parseYaml(examples[0]!.text) as Sections;
  for (const [section, value] of Object.entries(parseYaml(text) as Sections))
    whole[section] = Array.isArray(value) ? value : { ...whole[section], ...value };
  return stringify(whole);
}
