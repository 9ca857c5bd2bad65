/** What was written last is there after a crash at any moment, and writing takes no room that is not there already. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SpareFile } from "../../src/control/spare-file.ts";
import { fc } from "../fast-check.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "meridian-spare-"));
  path = join(folder, "journal");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("a text comes back, whatever it is and however long; the next reader goes on after it", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "binary", maxLength: 200_000 }), { minLength: 1, maxLength: 5 }),
      (texts) => {
        rmSync(path, { force: true });
        for (const text of texts) {
          const file = new SpareFile(path);
          file.read();
          file.write(text);
          expect(new SpareFile(path).read()).toBe(Buffer.from(text).toString());
        }
      },
    ),
    { numRuns: 30 },
  );
});

test("a crash while one is written leaves the one before", () => {
  const file = new SpareFile(path);
  file.write("first");
  file.write("second");
  const before = readFileSync(path);
  file.write("third");
  const after = readFileSync(path);
  const changed = [...after.keys()].filter((at) => after[at] !== before[at]);
  for (let written = 0; written < changed.length; written += 1) {
    const torn = Buffer.from(before);
    for (const at of changed.slice(0, written)) torn[at] = after[at] ?? 0;
    writeFileSync(path, torn);
    expect(new SpareFile(path).read()).toBe("second");
  }
  writeFileSync(path, after);
  expect(new SpareFile(path).read()).toBe("third");
});

test("a text that has room takes no more of the disk", () => {
  const file = new SpareFile(path);
  file.write("");
  const { size, blocks } = statSync(path);
  expect(512 * blocks).toBeGreaterThanOrEqual(size);
  for (let i = 0; i < 20; i += 1) file.write("x".repeat(3_000 * i));
  expect(statSync(path)).toMatchObject({ size, blocks });
});

test("a file that is none, or damaged, holds nothing", () => {
  expect(new SpareFile(path).read()).toBeNull();
  writeFileSync(path, "this is something else");
  expect(new SpareFile(path).read()).toBeNull();
});
