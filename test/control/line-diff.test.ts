/** A unified diff is one that `patch` takes: it makes the one text into the other. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { unifiedDiff } from "../../src/control/line-diff.ts";
import { finish } from "../../src/steps.ts";
import { fc } from "../fast-check.ts";

const diff = (before: string | null, after: string | null): string =>
  finish(unifiedDiff("f", before, after)).text;

const numbers = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join("");

describe("a unified diff", () => {
  test("of equal texts is empty", () => {
    expect(diff("a\nb\n", "a\nb\n")).toBe("");
  });

  test("shows three lines around each change, and what is near together", () => {
    const before = numbers(1, 30);
    const after = before.replace("5\n", "five\n").replace("9\n", "").replace("25\n", "25\n25b\n");
    expect(diff(before, after)).toBe(
      [
        "--- a/f",
        "+++ b/f",
        "@@ -2,11 +2,10 @@",
        ...[" 2", " 3", " 4", "-5", "+five", " 6", " 7", " 8", "-9", " 10", " 11", " 12"],
        "@@ -23,6 +22,7 @@",
        ...[" 23", " 24", " 25", "+25b", " 26", " 27", " 28", ""],
      ].join("\n"),
    );
  });

  test("names what was not there, or is not any more", () => {
    expect(diff(null, "a\n")).toBe("--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n");
    expect(diff("a\n", null)).toBe("--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
  });

  test("tells a last line that does not end from one that does", () => {
    expect(diff("a\nb", "a\nb\n")).toBe(
      "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n",
    );
  });

  test("of texts without a common line is one change, and a long one is cut", () => {
    const { text, isCut } = finish(unifiedDiff("f", numbers(1, 150_000), numbers(150_001, 300_000)));
    expect(isCut).toBe(true);
    const lines = text.split("\n");
    expect([lines.length, lines[2]]).toEqual([5_001, "@@ -1,150000 +1,150000 @@"]);
  });

  const patch = spawnSync("patch", ["--version"]).status === 0;
  test.skipIf(!patch)("is what patch(1) takes", () => {
    const folder = mkdtempSync(join(tmpdir(), "meridian-diff-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const before = numbers(1, 40);
    const after = `0\n${before.replace("17\n", "").replace("33\n", "x\ny\n")}no end`;
    writeFileSync(join(folder, "f"), before);
    const { status } = spawnSync("patch", ["-p1"], { cwd: folder, input: diff(before, after) });
    expect([status, readFileSync(join(folder, "f"), "utf8")]).toEqual([0, after]);
  });

  test("applied to the one text gives the other, and takes as few edits as there must be", () => {
    const line = fc.constantFrom("a", "b", "c", "");
    const text = fc
      .tuple(fc.array(line, { maxLength: 30 }), fc.boolean())
      .map(([lines, ends]) => lines.join("\n") + (ends && lines.length > 0 ? "\n" : ""));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const made = diff(before, after);
        expect(applied(before, made)).toBe(after);
        const edits = made.split("\n").filter((row) => /^[-+](?![-+]{2} )/.test(row)).length;
        expect(edits).toBe(fewestEdits(linesOf(before), linesOf(after)));
      }),
      { numRuns: 500, seed: 6 },
    );
  });
});

const linesOf = (text: string): readonly string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

function applied(before: string, diffText: string): string {
  if (diffText === "") return before;
  const old = linesOf(before);
  const made: string[] = [];
  let at = 0;
  const rows = diffText
    .replaceAll(/\n\\ No newline at end of file\n/g, "\u0000\n")
    .split("\n")
    .slice(2, -1);
  for (const row of rows) {
    const start = /^@@ -(\d+)(,0)?/.exec(row);
    const line = row.slice(1).endsWith("\u0000") ? row.slice(1, -1) : `${row.slice(1)}\n`;
    if (start !== null) {
      const from = Number(start[1]) - (start[2] === undefined ? 1 : 0);
      made.push(...old.slice(at, from));
      at = from;
    } else if (row.startsWith("+")) made.push(line);
    else {
      expect(old[at]).toBe(line);
      if (row.startsWith(" ")) made.push(line);
      at += 1;
    }
  }
  return [...made, ...old.slice(at)].join("");
}

/** By the longest common subsequence, the slow way. */
function fewestEdits(a: readonly string[], b: readonly string[]): number {
  const row = new Array<number>(b.length + 1).fill(0);
  for (const x of a) {
    let diagonal = 0;
    for (const [j, y] of b.entries()) {
      const above = row[j + 1] ?? 0;
      row[j + 1] = x === y ? diagonal + 1 : Math.max(above, row[j] ?? 0);
      diagonal = above;
    }
  }
  return a.length + b.length - 2 * (row[b.length] ?? 0);
}
