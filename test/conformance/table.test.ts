/** Every requirement that docs/conformance.md claims names a test that there is, and none is claimed twice. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

/** A claim: `| RFC | § | requirement | [file](../test/file) "title" |`. */
const ROW =
  /^\| (?<rfc>\d{4}) \| (?<section>[^|]+) \| (?<requirement>[^|]+) \| `(?<file>test\/[^`]+)`: (?<title>.+) \|$/;

interface Claim {
  readonly rfc: string;
  readonly section: string;
  readonly requirement: string;
  readonly file: string;
  readonly title: string;
}

const lines = readFileSync(join(root, "docs/conformance.md"), "utf8").split("\n");
const claims = lines.flatMap((line) => {
  const groups = ROW.exec(line)?.groups;
  return groups === undefined ? [] : [groups as unknown as Claim];
});

test("every row of the table is read", () => {
  const rows = lines.filter((line) => /^\| \d{4} \|/.test(line));
  expect(rows.filter((line) => !ROW.test(line))).toEqual([]);
  expect(claims.length).toBeGreaterThanOrEqual(150);
});

test("every claim names a test that there is", () => {
  const titles = new Map([...new Set(claims.map(({ file }) => file))].map((file) => [file, titlesIn(file)]));
  const missing = claims.filter(({ file, title }) => titles.get(file)?.has(title) !== true);
  expect(missing.map(({ file, title }) => `${file}: ${title}`)).toEqual([]);
});

test("no claim is made twice", () => {
  const keys = claims.map(({ rfc, section, requirement }) => `${rfc} ${section} ${requirement}`);
  expect(keys.filter((key, i) => keys.indexOf(key) !== i)).toEqual([]);
});

test("the table is in the order of the RFCs, and says how many claims there are", () => {
  const rfcs = claims.map(({ rfc }) => Number(rfc));
  expect(rfcs).toEqual(rfcs.toSorted((a, b) => a - b));
  expect(lines.join(" ")).toContain(`${claims.length} requirements`);
});

/**
 * The titles in a test file, as they are written: the first argument of `test` or of what `test.each` returns, and the
 * first cell of a row. In a file of golden packets the names of the packets.
 */
function titlesIn(file: string): ReadonlySet<string> {
  const source = readFileSync(join(root, file), "utf8");
  if (file.endsWith(".hex"))
    return new Set([...source.matchAll(/^== (.+) -> /gm)].map(([, name]) => name ?? ""));
  const first = /(?:\btest|\)|\[)\s*[([]?\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`|'([^']*)')\s*,/g;
  return new Set(
    [...source.matchAll(first)].map(([, double, back, single]) => double ?? back ?? single ?? ""),
  );
}
