import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse as parseYaml, stringify } from "yaml";
import { keys } from "../../src/config/keys.ts";
import { problemsOf, root } from "./fixture.ts";

const reference = readFileSync(join(root, "docs/configuration.md"), "utf8");

/** The keys in the first column of the table under each heading that is a path: `pools.<pool>` is `pools.*`. */
function documentedKeys(): Readonly<Record<string, readonly string[]>> {
  const sections = [...reference.matchAll(/^#+ `(.+)`\n([^#]*)/gm)];
  return Object.fromEntries(
    sections.map(([, heading, body]) => [
      pathOf(heading!),
      [...body!.matchAll(/^\| `(\w+)` \|/gm)].map(([, key]) => key!),
    ]),
  );
}

function pathOf(heading: string): string {
  if (heading === "meridian.yaml") return "file";
  return heading.replace("<policy>", "policy").replaceAll(/<\w+>/g, "*");
}

function sorted(known: Readonly<Record<string, readonly string[]>>): unknown {
  return Object.fromEntries(Object.entries(known).map(([path, names]) => [path, names.toSorted()]));
}

type Sections = Record<string, Record<string, unknown> | readonly string[]>;

describe("docs/configuration.md", () => {
  const examples = [...reference.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);

  test("has every key that the parser knows, and no other", () => {
    expect(sorted(documentedKeys())).toEqual(sorted(keys));
  });

  test("begins with an example that is a whole config", () => {
    expect(problemsOf(examples[0]!)).toEqual([]);
  });

  test.each(examples.slice(1))("has examples that fit into the first: %s", (example) => {
    const whole = parseYaml(examples[0]!) as Sections;
    for (const [section, value] of Object.entries(parseYaml(example) as Sections))
      whole[section] = Array.isArray(value) ? value : { ...whole[section], ...value };
    expect(problemsOf(stringify(whole))).toEqual([]);
  });
});
