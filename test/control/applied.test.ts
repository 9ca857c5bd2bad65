/** Files that were applied are there as a whole after a crash, from before or from after. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test } from "vitest";
import { type AppliedBy, AppliedFiles } from "../../src/control/applied.ts";

const BY: AppliedBy = { kind: "applied", version: null, author: "anna", reason: "a test", atMs: 1 };
const MODULE = join(import.meta.dirname, "../../src/control/applied.ts");

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "meridian-applied-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const texts = (text: string): ReadonlyMap<string, string> => new Map([["/etc/meridian.yaml", text]]);

describe("applied files", () => {
  test("are there for the next process, with who gave them, once they are in place", async () => {
    const folder = newFolder();
    const files = new AppliedFiles(folder);
    expect([files.current, files.problem]).toEqual([null, null]);
    const putInPlace = await files.prepare(BY, texts("first"));
    expect(new AppliedFiles(folder).current).toBeNull();
    await putInPlace();
    const { current } = new AppliedFiles(folder);
    expect(current).toEqual(files.current);
    expect([current?.reason, current?.files.bytes("/etc/meridian.yaml")?.toString()]).toEqual([
      "a test",
      "first",
    ]);
    await files.drop();
    expect([files.current, new AppliedFiles(folder).current]).toEqual([null, null]);
  });

  test.each([
    ["one octet is another", (file: Buffer) => file.fill(file.readUInt8(99) ^ 1, 99, 100)],
    ["its end is missing", (file: Buffer) => file.subarray(0, -9)],
    ["it is empty", () => Buffer.alloc(0)],
  ])("are not used when %s", async (_, spoil) => {
    const folder = newFolder();
    await (await new AppliedFiles(folder).prepare(BY, texts("first")))();
    const path = join(folder, "applied.json");
    writeFileSync(path, spoil(readFileSync(path)));
    const { current, problem } = new AppliedFiles(folder);
    expect([current, problem?.message]).toEqual([null, expect.stringMatching(/^is not as it was written/)]);
  });

  test("are those last acknowledged, or the next, whenever their process is killed", async () => {
    const folder = newFolder();
    const program = `
      const { AppliedFiles } = await import(${JSON.stringify(MODULE)});
      const files = new AppliedFiles(${JSON.stringify(folder)});
      for (let n = Number(files.current?.reason ?? 0) + 1; ; n += 1) {
        const text = String(n).repeat(20_000);
        const by = { kind: "applied", version: null, author: "a", reason: String(n), atMs: 0 };
        await (await files.prepare(by, new Map([["f", text]])))();
        console.log(n);
      }`;
    let acknowledged = 0;
    for (const lines of [1, 2, 3, 5, 8]) {
      const child = spawn(process.execPath, ["--input-type=module", "-e", program]);
      const exited = once(child, "exit");
      let seen = 0;
      for await (const line of createInterface(child.stdout)) {
        acknowledged = Number(line);
        seen += 1;
        // Somewhere in the middle of the one after.
        if (seen === lines) setTimeout(() => child.kill("SIGKILL"), lines / 2);
      }
      await exited;
      const { current, problem } = new AppliedFiles(folder);
      expect(problem).toBeNull();
      expect([acknowledged, acknowledged + 1]).toContain(Number(current?.reason));
      expect(current?.files.texts.get("f")).toBe(String(current?.reason).repeat(20_000));
    }
  });
});
