/** Plans that are due, with a clock that the test moves and a real folder. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { DuePlansHost } from "../../src/serve/due-plans.ts";

const packed = new Uint32Array([7, 1, 9]);

/** A host of plans for book 3, in a folder of its own or in one of before. */
function open(folder = mkdtempSync(join(tmpdir(), "meridian-due-"))) {
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const clock = { nowMs: 1_000 };
  const patched: number[][] = [];
  const told: string[] = [];
  const host = new DuePlansHost({
    path: join(folder, "due"),
    host: {
      patch: (version, words) => {
        if (version !== 3) return false;
        patched.push([...words]);
        return true;
      },
    },
    nowMs: () => clock.nowMs,
    onDue: () => told.push("due"),
    onError: (message) => told.push(message),
  });
  onTestFinished(() => host.stop());
  return { folder, clock, host, patched, told };
}

describe("plans that are due", () => {
  test("come into force at their time where control is away", async () => {
    const { clock, host, patched, told } = open();
    host.take({ version: 3, atMs: 1_050, packed });
    await sleep(20);
    expect(patched).toEqual([]);
    clock.nowMs = 1_050;
    await sleep(60);
    expect([patched, told]).toEqual([[[7, 1, 9]], ["due"]]);
  });

  test("wait for a control that is there, but not for one that hangs or dies", () => {
    const { clock, host, patched } = open();
    host.control(true);
    host.take({ version: 3, atMs: 1_010, packed });
    clock.nowMs = 1_900;
    host.control(true);
    expect(patched).toEqual([]);
    clock.nowMs = 2_010;
    host.control(true);
    expect(patched).toHaveLength(1);
    host.take({ version: 3, atMs: 2_010, packed });
    expect(patched).toHaveLength(1);
    host.control(false);
    expect(patched).toHaveLength(2);
  });

  test("are those that control told last, and none for another book", () => {
    const { clock, host, patched, told } = open();
    host.control(true);
    host.take({ version: 3, atMs: 1_010, packed });
    host.take(null);
    clock.nowMs = 9_000;
    host.control(false);
    host.take({ version: 2, atMs: 1_010, packed });
    expect([patched, told]).toEqual([[], []]);
  });

  test("are on disk for the next start until they are in force", async () => {
    const first = open();
    first.host.take({ version: 3, atMs: 5_000, packed });
    while (!readdirSync(first.folder).includes("due")) await sleep(5);
    first.host.stop();
    const next = open(first.folder);
    next.clock.nowMs = 6_000;
    await next.host.load();
    expect(next.patched).toEqual([[7, 1, 9]]);
    while (readdirSync(first.folder).length > 0) await sleep(5);
    const last = open(first.folder);
    await last.host.load();
    expect([last.patched, last.told]).toEqual([[], []]);
  });

  test("that cannot be read are told of, and nothing else happens", async () => {
    const { folder, host, patched, told } = open();
    writeFileSync(join(folder, "due"), "this is not what it should be");
    await host.load();
    expect([patched, told]).toEqual([[], ["the plans on disk that are due cannot be read"]]);
  });
});
