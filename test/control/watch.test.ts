import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FileReader } from "../../src/control/files.ts";
import { FileWatcher } from "../../src/control/watch.ts";

let folder = "";
let file = "";
let seen: string[][] = [];
let watcher: FileWatcher;
let told: () => void = () => undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "meridian-watch-"));
  file = join(folder, "meridian.yaml");
  writeFileSync(file, "one");
  seen = [];
});
afterEach(() => {
  watcher.close();
  rmSync(folder, { recursive: true });
});

/** Starts to watch what `reader` has read. */
function start(reader: FileReader, pollMs = 60_000, quiet = async (): Promise<void> => undefined): void {
  watcher = new FileWatcher({
    quiet,
    onChange: (files) => {
      seen.push([...files]);
      told();
    },
    settleMs: 20,
    pollMs,
  });
  watcher.watch(reader.stamps);
}

function change(): Promise<void> {
  return new Promise((resolve) => {
    told = resolve;
  });
}

function readAll(...files: string[]): FileReader {
  const reader = new FileReader();
  for (const path of files) reader.text(path);
  return reader;
}

describe("a watched file", () => {
  test("that is written again is reported once, after its writer has come to rest", async () => {
    start(readAll(file));
    const changed = change();
    for (const text of ["two", "three", "four!"]) writeFileSync(file, text);
    await changed;
    expect(seen).toEqual([[file]]);
  });

  test("that somebody reads just then is not reported for it", async () => {
    const reading = Promise.withResolvers<void>();
    start(readAll(file), 60_000, () => reading.promise);
    writeFileSync(file, "two");
    await new Promise((resolve) => setTimeout(resolve, 100));
    watcher.watch(readAll(file).stamps);
    reading.resolve();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen).toEqual([]);
    const changed = change();
    writeFileSync(file, "three");
    await changed;
    expect(seen).toEqual([[file]]);
  });

  test("that is replaced by another of the same size is reported", async () => {
    start(readAll(file));
    const changed = change();
    writeFileSync(join(folder, "new"), "two");
    renameSync(join(folder, "new"), file);
    await changed;
    expect(seen).toEqual([[file]]);
  });

  test("that goes away and comes back is reported both times", async () => {
    start(readAll(file));
    let changed = change();
    rmSync(file);
    await changed;
    changed = change();
    writeFileSync(file, "again");
    await changed;
    expect(seen).toEqual([[file], [file]]);
  });

  test("that was missing when it was asked for is reported when it appears", async () => {
    const missing = join(folder, "include.zone");
    start(readAll(file, missing));
    const changed = change();
    writeFileSync(missing, "here");
    await changed;
    expect(seen).toEqual([[missing]]);
  });

  test("that changed between being read and being watched is reported", async () => {
    const reader = readAll(file);
    writeFileSync(file, "changed meanwhile");
    start(reader, 20);
    await change();
    expect(seen).toEqual([[file]]);
  });

  test("in a folder that nobody may watch is still seen by the poll", async () => {
    const elsewhere = join(folder, "later", "labels.csv");
    start(readAll(elsewhere), 20);
    const changed = change();
    mkdirSync(join(folder, "later"));
    writeFileSync(elsewhere, "192.0.2.0/24,office");
    await changed;
    expect(seen).toEqual([[elsewhere]]);
  });

  test("is not reported for changes to other files beside it", async () => {
    start(readAll(file), 20);
    writeFileSync(join(folder, "other"), "x");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen).toEqual([]);
  });
});
