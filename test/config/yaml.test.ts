import { describe, expect, test } from "vitest";
import { readYaml, type Tree } from "../../src/config/yaml.ts";
import { formatProblem } from "../../src/problem.ts";
import { fc } from "../fast-check.ts";

/** The tree without its places, as plain data. */
function plain(tree: Tree): unknown {
  switch (tree.kind) {
    case "map":
      return Object.fromEntries(tree.entries.map(({ key, value }) => [key, plain(value)]));
    case "list":
      return tree.items.map(plain);
    case "text":
      return tree.text;
    case "nothing":
      return null;
  }
}

function read(text: string): unknown {
  const { value, problems } = readYaml("f", text);
  expect(problems).toEqual([]);
  return value === null ? undefined : plain(value);
}

function problemsOf(text: string): readonly string[] {
  return readYaml("f", text).problems.map(formatProblem);
}

describe("readYaml", () => {
  test.each([
    [
      "texts stay as they are written",
      "{a: 1.0, b: no, NO: yes, c: 0x1f, 1: 2}",
      { a: "1.0", b: "no", NO: "yes", c: "0x1f", 1: "2" },
    ],
    [
      "an empty value, ~ and null are nothing",
      "a:\nb: ~\nc: null\nd: [~]",
      { a: null, b: null, c: null, d: [null] },
    ],
    ["quoted, they are texts", 'a: ""\nb: \'~\'\nc: "null"', { a: "", b: "~", c: "null" }],
    [
      "an alias stands for its anchor",
      "a: &x { b: [1, 2] }\nc: *x\nd: [*x]",
      { a: { b: ["1", "2"] }, c: { b: ["1", "2"] }, d: [{ b: ["1", "2"] }] },
    ],
    ["the last anchor of a name counts", "[&x 1, *x, &x 2, *x]", ["1", "1", "2", "2"]],
    ["a key may be __proto__", "__proto__: 1", Object.fromEntries([["__proto__", "1"]])],
    ["an empty file is nothing", "", null],
    ["a set is a map of nothing", "{a, b}", { a: null, b: null }],
  ])("%s", (_, text, value) => {
    expect(read(text)).toEqual(value);
  });

  test("places are those of values and keys, with tabs and wide letters as one column", () => {
    const { value } = readYaml("f", 'a: "é"\nb:\r\n  ü: [x,\ty]');
    const b = value?.kind === "map" ? value.entries[1] : undefined;
    expect(b).toMatchObject({ line: 2, column: 1, value: { line: 3, column: 3 } });
    const list = b?.value.kind === "map" ? b.value.entries[0]?.value : undefined;
    expect(list).toMatchObject({ line: 3, column: 6, items: [{ column: 7 }, { column: 10 }] });
  });

  test.each([
    [
      "a: [1",
      "f:1:6: Cannot read this as YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
    ],
    ["\ta: 1", "f:1:1: Cannot read this as YAML: Tabs are not allowed as indentation"],
    ["a: !int 3", "f:1:4: Cannot read this as YAML: Unresolved tag: !int"],
    ["a: 1\n---\nb: 2", 'f:2:1: Cannot read this as YAML: expected one document, without "---" inside'],
    ["? [a]\n: 1", "f:1:3: expected a word as the key"],
    ["? \n: 1", "f:1:3: expected a word as the key"],
    ["a: 1\nb: *x", 'f:2:4: alias "*x" needs an anchor "&x" before it'],
    ["a: &x [*x]", 'f:1:8: alias "*x" needs an anchor "&x" before it'],
    ["a: &x {}\nb: { <<: *x }", 'f:2:6: merge keys ("<<") are not supported, write the keys out'],
  ])("%j is refused", (text, problem) => {
    expect(readYaml("f", text).value).toBeNull();
    expect(problemsOf(text)).toContain(problem);
  });

  test("a duplicate key is a problem, and the first one stands", () => {
    const { value } = readYaml("f", "a: 1\nb: 2\na: 3");
    expect(value && plain(value)).toEqual({ a: "1", b: "2" });
    expect(problemsOf("a: 1\nb: 2\n'a': 3")).toEqual(['f:3:1: duplicate key "a", the first is in line 1']);
  });

  test("20,000 duplicate keys are found in one pass", () => {
    expect(problemsOf("a: 1\n".repeat(20_000))).toHaveLength(19_999);
  });

  test("aliases that stand for billions of values are refused", () => {
    const lines = Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`);
    expect(problemsOf(`a0: &a0 x\n${lines.join("\n")}`)).toEqual([
      "f:19:18: aliases may stand for at most 1,000,000 values in a file",
    ]);
  });

  test.each([
    ["lists", "[".repeat(300) + "]".repeat(300)],
    ["lists without an end", "[".repeat(20_000)],
    ["block lists", "- ".repeat(20_000)],
    ["maps", Array.from({ length: 300 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
  ])("%s too deep in each other are refused", (_, text) => {
    const { value, problems } = readYaml("f", text);
    expect(value).toBeNull();
    expect(problems.map(({ message }) => message).join("\n")).toMatch(/deep in each other/);
  });

  test("any text is read or refused, and never throws", () => {
    const words = [
      "a",
      "b: ",
      "- ",
      "? ",
      ": ",
      "[",
      "]",
      "{",
      "}",
      ", ",
      "&x ",
      "*x",
      "!t ",
      "|\n",
      ">-\n",
      "#",
      "'",
      '"',
      "\n",
      "\n  ",
      "\t",
      "---\n",
      "%YAML 1.1\n",
      "<<: ",
      "\0",
      "\uFEFF",
      "\\",
    ];
    const yamlish = fc.array(fc.constantFrom(...words), { maxLength: 30 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(yamlish, fc.string({ unit: "binary", maxLength: 60 })), (text) => {
        const { value, problems } = readYaml("f", text);
        expect(value !== null || problems.length > 0).toBe(true);
        for (const { line, column } of problems) expect(Math.min(line, column)).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});
