import { describe, expect, test } from "vitest";
import { entriesOf, type Item, textOf } from "../../src/import/item.ts";
import { readVscf, type SourceFiles } from "../../src/import/vscf.ts";

/** Files of a test by their paths. */
function filesOf(files: Readonly<Record<string, string>>): SourceFiles {
  return {
    read: (path) => files[path] ?? null,
    list: (folder) =>
      Object.keys(files)
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1)),
  };
}

/** A tree as plain data. */
function plain(item: Item | null): unknown {
  if (item?.kind === "map")
    return Object.fromEntries(item.entries.map(({ key, value }) => [key, plain(value)]));
  return item?.kind === "list" ? item.items.map(plain) : textOf(item);
}

function read(text: string, others: Readonly<Record<string, string>> = {}): unknown {
  const { value, problems } = readVscf("config", filesOf({ config: text, ...others }));
  expect(problems).toEqual([]);
  return plain(value);
}

function problemOf(text: string, others: Readonly<Record<string, string>> = {}): string {
  const { value, problems } = readVscf("config", filesOf({ config: text, ...others }));
  expect(value).toBeNull();
  const [{ file, line, column, message } = { file: "", line: 0, column: 0, message: "" }] = problems;
  return `${file}:${line}:${column}: ${message}`;
}

describe("gdnsd's configuration language", () => {
  test.each([
    ["options = {\n  listen = [ 192.0.2.1, 192.0.2.2 ],\n}\n"],
    ['"options" => {\n  listen => [ 192.0.2.1 192.0.2.2 ]\n}\n'],
    ["options={listen=[192.0.2.1 192.0.2.2]}"],
  ])("gdnsd.config(5) says that %j is the same", (text) => {
    expect(read(text)).toEqual({ options: { listen: ["192.0.2.1", "192.0.2.2"] } });
  });

  test.each([
    ["ex\\097mpl\\e", "example"],
    ['"ex\\097mpl\\e"', "example"],
    ['internal\\"doublequote', 'internal"doublequote'],
    ["white\\ space", "white space"],
    ["braces\\{every\\[where\\]oh\\}my", "braces{every[where]oh}my"],
    ["\\092\\=\\=\\=", "\\==="],
  ])("%s is %j", (written, meant) => {
    expect(read(`key => ${written}`)).toEqual({ key: meant });
  });

  test("comments are spaces", () => {
    expect(read("# first\na => b ; second\n# third")).toEqual({ a: "b" });
  });

  test("includes a value, keys, a folder and what a pattern matches", () => {
    const others = {
      listen: "[ 127.0.0.1 ]",
      "more/one": "a => 1",
      "more/two": "b => $include{ deeper/x }",
      "more/deeper/x": "deep => yes",
      "p-1.cfg": "c => 3",
      "p-2.cfg": "d => 4",
    };
    const { value } = readVscf("config", {
      read: filesOf({ config: 'x => $include{"listen"} $include{more}, $include{p-*.cfg}', ...others }).read,
      list: (folder) =>
        folder === "more" ? ["one", "two"] : folder === "." ? ["config", "p-1.cfg", "p-2.cfg"] : [],
    });
    expect(plain(value)).toEqual({ x: ["127.0.0.1"], a: "1", b: { deep: "yes" }, c: "3", d: "4" });
  });

  test("says where things stand, also in other files", () => {
    const { value } = readVscf("config", filesOf({ config: "\n  a => $include{b}", b: "x =>\n   y" }));
    const [a] = entriesOf(value);
    const [x] = entriesOf(a?.value ?? null);
    expect(a).toMatchObject({ file: "config", line: 2, column: 3 });
    expect(x?.value).toMatchObject({ file: "b", line: 2, column: 4 });
  });

  test.each([
    ["a => {", 'config:1:7: expected "}", got "the end of the file"'],
    ["a b", 'config:1:3: expected "=", got "b"'],
    ["a => [1,\n2", 'config:2:2: expected "]", got "the end of the file"'],
    ['a => "x', 'config:1:8: expected """, got "the end of the file"'],
    ["a => \\9", 'config:1:6: expected an escape such as \\" or \\092'],
    ["a => 1\na => 2", 'config:2:1: duplicate key "a", the first is in line 1'],
    ["a => 1 }", 'config:1:8: expected a word, got "}"'],
    ["a => $include{none}", "config:1:6: $include: there is no none"],
  ])("refuses %j", (text, problem) => {
    expect(problemOf(text)).toBe(problem);
  });

  test("files that include each other end", () => {
    expect(problemOf("$include{b}", { b: "$include{config}" })).toMatch(/at most 20 deep/);
  });
});
