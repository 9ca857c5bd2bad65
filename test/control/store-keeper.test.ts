/** What befalls the file of the store while a node runs, and while it does not. */

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Edit } from "../../src/control/change.ts";
import { openSqliteStore, STORE_FILE } from "../../src/control/sqlite-store.ts";
import { StoreUnavailable } from "../../src/control/store-file.ts";
import { verifyStore } from "../../src/control/verify-store.ts";
import { finish } from "../../src/steps.ts";
import { GB, Node, until } from "./test-node.ts";

const EU = ["10.0.0.2"];
const US = ["10.0.0.1"];

const DRAIN_EU: Edit = {
  kind: "set-override",
  action: { kind: "drain", target: { by: "region", id: "eu-west" } },
  untilMs: null,
};
const FORCE_US: Edit = {
  kind: "set-override",
  action: { kind: "force", target: { by: "member", id: "web/us-east" }, verdict: "up" },
  untilMs: null,
};

/** A node with a drain in force and a token. */
async function drained(): Promise<Node> {
  const node = await new Node().open();
  await node.addToken("ops", { role: "admin" });
  await node.change(DRAIN_EU);
  expect(clients(node)).toEqual(US);
  return node;
}

describe("a store that is deleted while a node runs", () => {
  test.each([
    ["whole", ["", "-wal", "-shm"]],
    ["but for its log of writes", [""]],
    ["in its log of writes alone", ["-wal"]],
  ])(
    "%s is written again from the open file, and nothing that was acknowledged is lost",
    async (_, parts) => {
      const node = await drained();
      for (const part of parts) rmSync(fileOf(node) + part);
      await expect(node.change(FORCE_US)).rejects.toThrow(/was deleted; it is written again/);
      expect(node.desk.status().store.problem).toMatchObject({ fault: "gone" });
      await mended(node);
      expect(await node.change(FORCE_US)).toMatchObject({ kind: "published" });
      expect(node.lines(/written again, whole, from what was open: it had been deleted/)).toHaveLength(1);
      expect(verified(node)).toMatchObject({ sound: true });
      expect(await reopened(node)).toEqual({
        overrides: ["drain:region:eu-west", "force:member:web/us-east"],
        tokens: ["ops"],
        events: ["override-set", "store-restored", "override-set", "token-added", "files-loaded"],
        answers: US,
      });
    },
  );
});

describe("a file that is put in the place of the store of a running node", () => {
  test("is used when it is a store, and what was open is kept beside it", async () => {
    const node = await new Node().open();
    await node.addToken("early", { role: "admin" });
    const copy = node.folder.file("copy.db");
    const database = new DatabaseSync(fileOf(node));
    database.exec(`VACUUM INTO '${copy}'`);
    database.close();
    await node.change(DRAIN_EU);
    renameSync(copy, fileOf(node));
    node.pass(1_000);
    await mended(node);
    node.pass(1_000);
    expect(clients(node)).toEqual(EU);
    const kept = names(node).filter((name) => name.startsWith(`${STORE_FILE}.replaced-`));
    expect(kept).toHaveLength(1);
    const before = openSqliteStore(node.folder.file(`state/${kept[0]}`));
    expect(before.overrides().map(({ id }) => id)).toEqual(["drain:region:eu-west"]);
    before.close();
    expect(await reopened(node)).toMatchObject({ overrides: [], tokens: ["early"] });
  });

  test("is set aside when it is none", async () => {
    const node = await drained();
    const other = node.folder.file("other");
    writeFileSync(other, "this is no store");
    renameSync(other, fileOf(node));
    node.pass(1_000);
    await mended(node);
    const [aside = ""] = names(node).filter((name) => name.startsWith(`${STORE_FILE}.corrupt-`));
    expect(readFileSync(node.folder.file(`state/${aside}`), "utf8")).toBe("this is no store");
    expect(await reopened(node)).toMatchObject({ overrides: ["drain:region:eu-west"], tokens: ["ops"] });
  });
});

describe("a damaged store", () => {
  test("of a running node is set aside; what is in force stays so, and what can be read goes into a new one", async () => {
    const node = await drained();
    for (let i = 0; i < 60; i += 1) await node.change(i % 2 === 0 ? FORCE_US : DRAIN_EU);
    checkpoint(node);
    truncateSync(fileOf(node), 6 * 4096);
    await expect(node.change(FORCE_US)).rejects.toThrow(StoreUnavailable);
    expect(clients(node)).toEqual(US);
    await mended(node);
    expect(clients(node)).toEqual(US);
    expect(
      node.lines(/was damaged and is kept as \S+\.corrupt-2026-01-01T00-00-00Z; saved of it/),
    ).toHaveLength(1);
    expect(names(node)).toContain(`${STORE_FILE}.corrupt-2026-01-01T00-00-00Z`);
    expect(verified(node)).toMatchObject({ sound: true });
    expect(node.desk.audit(1, null)[0]).toMatchObject({ event: "store-restored", author: "meridian" });
    expect(await node.change(FORCE_US)).toMatchObject({ kind: "published" });
    expect((await reopened(node))["overrides"]).toEqual(["drain:region:eu-west", "force:member:web/us-east"]);
  });

  test("goes on with the history that it needs for the past", async () => {
    const node = await drained();
    truncateSync(fileOf(node), 0);
    node.pass(1_000);
    await mended(node);
    node.pass(1_000);
    await until(() => node.desk.history(ALL).length > 0);
    expect(await node.desk.past(node.nowMs)).toMatchObject({ kind: "rebuilt" });
  });

  test.each([
    ["is no store at all", (path: string) => writeFileSync(path, "{ this is not what it should be")],
    ["is damaged in its first page", (path: string) => scribble(path, 0, 4_096)],
  ])("that %s when a node starts keeps the overrides in force, by the journal", async (_, damage) => {
    const node = await drained();
    node.pass(1_000);
    await node.close();
    rmSync(`${fileOf(node)}-wal`, { force: true });
    damage(fileOf(node));
    const damaged = readFileSync(fileOf(node));
    const next = await new Node(node.folder, node.dns).open();
    expect(clients(next)).toEqual(US);
    const aside = names(next).find((name) => name.startsWith(`${STORE_FILE}.corrupt-`));
    expect(readFileSync(next.folder.file(`state/${aside}`))).toEqual(damaged);
    expect(next.desk.audit(5, null).map(({ event }) => event)).toEqual(["files-loaded", "store-restored"]);
    expect(next.desk.status().version).toBeGreaterThan(2);
  });

  test.each([
    ["in a page", (path: string) => truncateSync(path, 6 * 4096)],
    ["from its first octet on", (path: string) => writeFileSync(path, "{ this is not what it should be")],
  ])(
    "that is damaged %s when a node starts, and cannot be made anew, keeps nobody from steering",
    async (_, damage) => {
      const node = await drained();
      node.pass(1_000);
      checkpoint(node);
      await node.close();
      damage(fileOf(node));
      // Where the new store is to be made.
      mkdirSync(`${fileOf(node)}.new`);
      const next = await new Node(node.folder, node.dns).open();
      next.pass(1_000);
      expect(clients(next)).toEqual(US);
      await expect(next.change(FORCE_US)).rejects.toThrow(/is damaged/);
      const undrain = { kind: "end-override", id: "drain:region:eu-west" } as const;
      const request = {
        author: "local:anna",
        reason: "a test",
        edit: undrain,
        ifVersion: null,
        breakGlass: true,
      };
      expect(await next.desk.change(request)).toMatchObject({ kind: "published" });
      expect(clients(next)).toEqual(EU);
      rmdirSync(`${fileOf(node)}.new`);
      next.pass(10_000);
      await mended(next);
      expect(await next.change(FORCE_US)).toMatchObject({ kind: "published" });
      expect(await reopened(next)).toMatchObject({ overrides: ["force:member:web/us-east"], answers: EU });
    },
  );

  test("loses none of the rows that can be read, nor any record before the first that cannot", async () => {
    const node = await drained();
    for (let i = 0; i < 300; i += 1) await node.addToken(`token-${i}`, { role: "reader" });
    checkpoint(node);
    await node.close();
    const pages = pagesOf(fileOf(node), "tokens");
    // Three leaves of the table are gone.
    for (const page of pages.slice(3, 6)) scribble(fileOf(node), (page - 1) * 4096, 4096);
    const next = await new Node(node.folder, node.dns).open();
    const saved = next.desk.tokens().length;
    expect(saved).toBeGreaterThan(100);
    expect(saved).toBeLessThan(301);
    expect(next.desk.audit(1_000, null).length).toBeGreaterThan(301);
    expect(verified(next)).toMatchObject({ sound: true });
  });
});

describe("a node starts, and answers,", () => {
  test("with a store that cannot be opened", async () => {
    const node = await drained();
    node.pass(1_000);
    await node.close();
    for (const part of ["", "-wal", "-shm"]) rmSync(fileOf(node) + part, { force: true });
    mkdirSync(fileOf(node));
    const next = await new Node(node.folder, node.dns).open();
    next.pass(1_000);
    expect(clients(next)).toEqual(US);
    expect(next.desk.status().store.problem).toMatchObject({ fault: "unusable" });
  });

  test("with a store that a newer release wrote, which it leaves as it is", async () => {
    const node = await drained();
    node.pass(1_000);
    await node.close();
    const database = new DatabaseSync(fileOf(node));
    database.exec("PRAGMA user_version = 999");
    database.close();
    const next = await new Node(node.folder, node.dns).open();
    next.pass(1_000);
    expect(clients(next)).toEqual(US);
    await expect(next.change(FORCE_US)).rejects.toThrow(/so a newer release wrote it/);
  });

  test("whichever table of its store is damaged", async () => {
    const node = await drained();
    node.pass(1_000);
    checkpoint(node);
    await node.close();
    const whole = readFileSync(fileOf(node));
    const roots = rootsOf(fileOf(node));
    expect(roots.map(([table]) => table)).toContain("overrides");
    for (const [table, page] of roots) {
      writeFileSync(fileOf(node), whole);
      scribble(fileOf(node), (page - 1) * 4096, 4096);
      const next = await new Node(node.folder, node.dns).open();
      next.pass(1_000);
      expect(clients(next), table).toEqual(US);
      await next.close();
      rmSync(`${fileOf(node)}-wal`, { force: true });
    }
  });
});

describe("a store that is lost while the node is stopped", () => {
  test("begins anew with the overrides of the journal, and says so", async () => {
    const node = await drained();
    node.pass(1_000);
    await node.close();
    rmSync(fileOf(node));
    const next = await new Node(node.folder, node.dns).open();
    expect(clients(next)).toEqual(US);
    expect(next.desk.audit(2, null)[1]).toMatchObject({
      event: "store-restored",
      detail: expect.stringMatching(
        /begins with 1 overrides from the journal; audit list, history and tokens are lost/,
      ),
    });
  });

  test("begins anew without a word where there is no journal", async () => {
    const node = await new Node().open();
    expect(node.desk.audit(2, null).map(({ event }) => event)).toEqual(["files-loaded"]);
  });
});

const ALL = { vip: null, sinceMs: 0, untilMs: Number.MAX_SAFE_INTEGER, limit: 10, before: null };

function fileOf(node: Node): string {
  return node.folder.file(`state/${STORE_FILE}`);
}

function names(node: Node): readonly string[] {
  return readdirSync(node.folder.file("state"));
}

function clients(node: Node): readonly string[] {
  return node.dns.addresses("www.test.example", GB);
}

/** Waits until the node has put its store right. */
async function mended(node: Node): Promise<void> {
  node.desk.tick();
  await setImmediate();
  await until(() => node.desk.status().store.problem === null && existsSync(fileOf(node)));
}

function verified(node: Node): unknown {
  return finish(verifyStore(fileOf(node), []));
}

/** Closes the node, and reads what the next one finds. */
async function reopened(node: Node): Promise<Record<string, readonly string[]>> {
  await node.close();
  const next = await new Node(node.folder, node.dns).open();
  const found = {
    overrides: next.desk.overrides().map(({ id }) => id),
    tokens: next.desk.tokens().map(({ name }) => name),
    events: next.desk
      .audit(6, null)
      .slice(1)
      .map(({ event }) => event),
    answers: clients(next),
  };
  await next.close();
  return found;
}

/** Puts all that was written into the file itself. */
function checkpoint(node: Node): void {
  const database = new DatabaseSync(fileOf(node));
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

function scribble(path: string, at: number, length: number): void {
  const octets = readFileSync(path);
  octets.fill(0xa5, at, at + length);
  writeFileSync(path, octets);
}

/** The first page of each table. */
function rootsOf(path: string): readonly (readonly [table: string, page: number])[] {
  const database = new DatabaseSync(path);
  const rows = database.prepare("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'").all();
  database.close();
  return rows.map(({ name, rootpage }) => [String(name), Number(rootpage)]);
}

/** The leaves of a table in their order. */
function pagesOf(path: string, table: string): readonly number[] {
  const copy = join(path, "..", "copy.db");
  copyFileSync(path, copy);
  const database = new DatabaseSync(copy);
  const root = Number(
    database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(table)?.["rootpage"],
  );
  database.close();
  rmSync(copy);
  const octets = readFileSync(path);
  const at = (root - 1) * 4096;
  // The cells of an interior page of a table begin with the number of a child (SQLite's file format, section 1.6).
  const cells = octets.readUInt16BE(at + 3);
  return Array.from({ length: cells }, (_, i) => {
    return octets.readUInt32BE(at + octets.readUInt16BE(at + 12 + 2 * i));
  });
}
