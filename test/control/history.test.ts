/** What plans were made from is on record: in order, soon, bounded, and as a chain that can be checked. */

import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { inflateRawSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { VipId } from "../../src/config/config.ts";
import {
  type HistoryEntry,
  type HistoryQuery,
  type NewHistoryEntry,
  PastState,
} from "../../src/control/history.ts";
import { openSqliteStore, STORE_FILE } from "../../src/control/sqlite-store.ts";
import type { Store } from "../../src/control/store.ts";
import { type StoreReport, verifyStore } from "../../src/control/verify-store.ts";
import { finish } from "../../src/steps.ts";
import { TestApi } from "./api/test-api.ts";
import { CONFIG, Node, until } from "./test-node.ts";

const CLI = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const DAY_MS = 24 * 3_600_000;
const VIP = "web/eu-west/ipv4" as VipId;
const ALL: HistoryQuery = {
  vip: null,
  sinceMs: 0,
  untilMs: Number.MAX_SAFE_INTEGER,
  limit: 1_000,
  before: null,
};

describe("the history of a node", () => {
  test("has verdicts with their reasons, overrides and files, the newest first", async () => {
    const node = await new Node().open();
    await goDown(node);
    const downMs = node.nowMs;
    node.pass(1_000);
    await drain(node);
    node.pass(1_000);
    await node.change({ kind: "end-override", id: "drain:region:us-east" });
    node.folder.write("meridian.yaml", CONFIG.replace("ttl: 5s", "ttl: 6s"));
    await node.change({ kind: "reload" });
    const lines = node.desk.history(ALL);
    expect(lines.map(({ kind, subject, content }) => [kind, subject, content === "null"])).toEqual([
      ["files", "", false],
      ["override", "drain:region:us-east", true],
      ["override", "drain:region:us-east", false],
      ["verdict", "web/eu-west/ipv6", false],
      ["verdict", VIP, false],
      // Somebody has judged them for the first time.
      ["verdict", "web/eu-west/ipv6", false],
      ["verdict", VIP, false],
      ["files", "", false],
    ]);
    const [verdict] = node.desk.history({ ...ALL, vip: VIP });
    expect(JSON.parse(verdict?.content ?? "")).toMatchObject({
      up: false,
      reason: "2 of 3 vantages: timeout; up from tokyo only",
      votes: [
        { vantage: "dublin", opinion: "unhealthy", counts: true },
        { vantage: "virginia" },
        { vantage: "tokyo" },
      ],
    });
    expect(verdict?.atMs).toBe(downMs);
    expect(node.desk.history({ ...ALL, sinceMs: downMs + 1, untilMs: downMs + 1_000 })).toHaveLength(1);
  });

  test("is on disk within the next tick, goes on over a restart, and is a chain", async () => {
    const node = await new Node().open();
    await goDown(node);
    node.pass(1_000);
    const store = openSqliteStore(node.folder.file(`state/${STORE_FILE}`));
    expect(store.history.list({ ...ALL, vip: VIP })).toHaveLength(2);
    await node.close();
    const again = await new Node(node.folder, node.dns).open();
    expect(again.desk.history({ ...ALL, vip: VIP })).toHaveLength(2);
    const known = stateAt(store, again.nowMs);
    expect(known?.verdict(VIP)).toMatchObject({ vip: VIP, up: false });
    store.close();
    expect(await again.desk.verify([])).toMatchObject({ sound: true });
  });

  test("keeps the texts of config, zones and labels, each once, and no secret", async () => {
    const secret = Buffer.alloc(32, 7).toString("base64");
    const node = new Node();
    node.folder.write("key.secret", secret);
    chmodSync(node.folder.file("key.secret"), 0o600);
    node.folder.write("meridian.yaml", `${CONFIG}keys: { ops: { secret: key.secret } }\n`);
    await node.open();
    node.folder.write("meridian.yaml", `${CONFIG}# again\n`);
    await node.change({ kind: "reload" });
    const store = openSqliteStore(node.folder.file(`state/${STORE_FILE}`));
    const files = node.desk.history(ALL).filter(({ kind }) => kind === "files");
    const { texts, databases } = JSON.parse(files[0]?.content ?? "");
    const paths = ["labels.csv", "meridian.yaml", "test.example.zone"].map((name) => node.folder.file(name));
    expect(Object.keys(texts).sort()).toEqual(paths);
    expect(Object.keys(databases)).toEqual([node.folder.file("geo.mmdb")]);
    const kept = (): readonly (string | null)[] =>
      paths.map((path) => {
        const octets = store.history.text(texts[path]);
        return octets === null ? null : inflateRawSync(octets).toString("utf8");
      });
    await until(() => kept().every((found) => found !== null));
    expect(kept()).toEqual(paths.map((path) => readFileSync(path, "utf8")));
    store.close();
    const database = new DatabaseSync(node.folder.file(`state/${STORE_FILE}`));
    // Two configs, one zone, one list of labels.
    expect(database.prepare("SELECT count(*) AS n FROM texts").get()).toEqual({ n: 4 });
    const everything = database.prepare("SELECT octets FROM texts").all();
    database.close();
    for (const { octets } of everything)
      expect(inflateRawSync(octets as Uint8Array).toString("utf8")).not.toContain(secret);
  });

  test("forgets what has gone from the config", async () => {
    const node = await new Node().open();
    await goDown(node);
    const without = CONFIG.replace(/ +eu-west: \{ ipv4.*\n/, "")
      .replace("[web/us-east, web/eu-west]", "[web/us-east]")
      .replace("[web/eu-west, web/us-east]", "[web/us-east]")
      .replaceAll("use: web/eu-west", "use: web/us-east");
    node.folder.write("meridian.yaml", without);
    expect(await node.change({ kind: "reload" })).toMatchObject({ kind: "published" });
    const [gone] = node.desk.history({ ...ALL, vip: VIP });
    expect(gone?.content).toBe("null");
    const store = openSqliteStore(node.folder.file(`state/${STORE_FILE}`));
    const known = [...(stateAt(store, node.nowMs)?.all("verdict") ?? [])].map(({ subject }) => subject);
    expect(known).toEqual(["web/us-east/ipv4", "web/us-east/ipv6"]);
    store.close();
  });

  test("has the texts of files that were in force but for a moment", async () => {
    const node = await new Node().open();
    await node.close();
    const database = new DatabaseSync(node.folder.file(`state/${STORE_FILE}`));
    expect(database.prepare("SELECT count(*) AS n FROM texts").get()).toEqual({ n: 3 });
    database.close();
    expect(node.lines(/not kept/)).toEqual([]);
  });

  test("tells all anew after the store could not be written", async () => {
    const node = await new Node().open();
    const database = new DatabaseSync(node.folder.file(`state/${STORE_FILE}`));
    database.exec("ALTER TABLE history RENAME TO away");
    await goDown(node);
    node.pass(1_000);
    node.pass(1_000);
    expect(node.lines(/history has a gap/)).toHaveLength(1);
    database.exec("ALTER TABLE away RENAME TO history");
    database.close();
    node.pass(10_000);
    const store = openSqliteStore(node.folder.file(`state/${STORE_FILE}`));
    expect(stateAt(store, node.nowMs)?.verdict(VIP)).toMatchObject({ up: false });
    expect(stateAt(store, node.nowMs - 10_000)?.verdict(VIP)).toMatchObject({ up: true });
    store.close();
  });

  test("is listed by API and command, page by page", async () => {
    const api = await TestApi.open();
    await goDown(api.node);
    api.node.pass(1_000);
    await drain(api.node);
    const first = (await api.get("/v1/history?limit=2&since=-1h")).body;
    expect(first.entries).toMatchObject([
      { kind: "override", subject: "drain:region:us-east", detail: "set, by anna: a test" },
      { kind: "verdict", subject: "web/eu-west/ipv6" },
    ]);
    const second = (await api.get(`/v1/history?limit=2&since=-1h&after=${first.next}`)).body;
    expect(second.entries[0]).toMatchObject({ kind: "verdict", subject: VIP });
    expect(second.entries[0].detail).toMatch(
      /^down: 2 of 3 vantages: timeout; up from tokyo only \(dublin timeout, virginia timeout\)$/,
    );
    const third = (await api.get(`/v1/history?limit=2&since=-1h&after=${second.next}`)).body;
    const oldest = [{ detail: "up: up for 1 of 1 vantage" }, { detail: "version 1 of 3 files" }];
    expect(third).toMatchObject({ entries: oldest, next: null });
    expect((await api.get("/v1/history?since=2026-01-01")).body.detail).toMatch(
      /since: expected a time such as/,
    );
    const command = spawn(
      process.execPath,
      [CLI, "history", "--vip", VIP, "--since", "-1h", "--api", api.url],
      {
        env: { ...process.env, MERIDIAN_TOKEN: api.tokens.reader },
      },
    );
    expect(await text(command.stdout)).toMatch(
      /^at +what +of +was from then on\n\S+ +verdict +web\/eu-west\/ipv4 +down: 2 of 3/,
    );
  });
});

describe("the history in a store", () => {
  let folder = "";
  let store: Store;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "meridian-history-"));
    store = openSqliteStore(join(folder, STORE_FILE));
  });
  afterEach(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });

  test("is read from the last state before a moment until then", () => {
    store.history.append([override(1, "a"), state(2, ["b"]), override(3, "c"), override(4, "d")]);
    expect(store.history.until(1)).toBeNull();
    expect(subjects(store.history.until(3))).toEqual(["", "c"]);
    expect([...(stateAt(store, 4)?.all("override") ?? [])].map(({ subject }) => subject)).toEqual([
      "b",
      "c",
      "d",
    ]);
  });

  test("loses what is old or too much, up to a state, and stays a chain that says where it was cut off", () => {
    for (let day = 0; day < 100; day += 1)
      store.history.append([state(day * DAY_MS, []), override(day * DAY_MS + 1, "a")]);
    const limits = { keepMs: 90 * DAY_MS, entriesMax: 1_000 };
    expect(store.history.prune(limits, 100 * DAY_MS)).toBe(18);
    expect(stateAt(store, 9 * DAY_MS - 1)).toBeNull();
    expect(stateAt(store, 9 * DAY_MS)?.size).toBe(0);
    expect(verify()).toMatchObject({ sound: true });
    expect(store.history.prune(limits, 100 * DAY_MS)).toBe(0);
    expect(store.history.prune({ ...limits, entriesMax: 50 }, 100 * DAY_MS)).toBeGreaterThan(100);
    expect(verify()).toMatchObject({ sound: true });
    // What somebody else cuts off is missing.
    const first = store.history.list({ ...ALL, limit: 1_000 }).at(-1)!.sequence;
    alter(`DELETE FROM history WHERE sequence <= ${first + 1}`);
    expect(verify().chains[1]?.fault).toEqual({ kind: "missing", sequence: first + 1 });
  });

  test("names the record that was altered, and one that was cut off at the front of a whole chain", () => {
    store.history.append(["a", "b", "c", "d"].map((subject, i) => override(i, subject)));
    alter("UPDATE history SET content = '[1]' WHERE subject = 'c'");
    expect(verify().chains[1]?.fault).toEqual({ kind: "altered", sequence: 3 });
    alter("DELETE FROM history WHERE sequence <= 3");
    expect(verify().chains[1]?.fault).toEqual({ kind: "missing", sequence: 3 });
  });

  test("keeps texts for as long as they are used", () => {
    store.history.keepText("old", new Uint8Array([1]), 0);
    store.history.keepText("used", new Uint8Array([2]), 0);
    expect(store.history.touchText("used", 5 * DAY_MS)).toBe(true);
    expect(store.history.touchText("none", 5 * DAY_MS)).toBe(false);
    store.history.prune({ keepMs: DAY_MS, entriesMax: 1_000 }, 6 * DAY_MS);
    expect(store.history.text("old")).toBeNull();
    expect(store.history.text("used")).toEqual(new Uint8Array([2]));
  });

  function verify(): StoreReport {
    return finish(verifyStore(join(folder, STORE_FILE), []));
  }

  function alter(sql: string): void {
    const database = new DatabaseSync(join(folder, STORE_FILE));
    database.exec(sql);
    database.close();
  }
});

/** Two of three vantages see Europe fail, as often as it takes. */
async function goDown(node: Node): Promise<void> {
  const { dublin, virginia, tokyo } = await node.agents("dublin", "virginia", "tokyo");
  for (const agent of [dublin, virginia, tokyo]) await agent.report({ [VIP]: "ok" });
  for (let i = 0; i < 2; i += 1) {
    node.pass(1_000);
    for (const agent of [dublin, virginia]) await agent.report({ [VIP]: "timeout" });
  }
  await until(() => node.desk.facts().verdicts.get(VIP)?.up === false);
  await new Promise((resolve) => setImmediate(resolve));
}

function drain(node: Node): Promise<unknown> {
  return node.change({
    kind: "set-override",
    action: { kind: "drain", target: { by: "region", id: "us-east" } },
    untilMs: null,
  });
}

function stateAt(store: Store, atMs: number): PastState | null {
  const entries = store.history.until(atMs);
  const known = new PastState();
  for (const entry of entries ?? []) known.take(entry);
  return entries === null ? null : known;
}

function override(atMs: number, subject: string): NewHistoryEntry {
  return { atMs, kind: "override", subject, content: "{}" };
}

function state(atMs: number, overrides: readonly string[]): NewHistoryEntry {
  const content = JSON.stringify(overrides.map((subject) => ["override", subject, "{}"]));
  return { atMs, kind: "state", subject: "", content };
}

function subjects(entries: readonly HistoryEntry[] | null): readonly string[] | undefined {
  return entries?.map(({ subject }) => subject);
}
