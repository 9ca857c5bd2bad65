/** The audit list stays as small as an operator can reckon, loses nothing too early, and proves what is left. */

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AuditKeeper } from "../../src/control/audit-keeper.ts";
import { EventLog } from "../../src/control/event-log.ts";
import { salvage } from "../../src/control/salvage.ts";
import { openSqliteStore, STORE_FILE } from "../../src/control/sqlite-store.ts";
import type { AuditEntry, Store } from "../../src/control/store.ts";
import { openDatabase } from "../../src/control/store-file.ts";
import { formatStoreReport, type StoreReport, verifyStore } from "../../src/control/verify-store.ts";
import { finish } from "../../src/steps.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const KEEP = 30 * DAY;

let folder = "";
let path = "";
let store: Store;
let nowMs = 0;
let keeper: AuditKeeper;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "meridian-audit-"));
  path = join(folder, STORE_FILE);
  store = openSqliteStore(path);
  nowMs = Date.UTC(2026, 0, 1);
  keeper = new AuditKeeper(store, KEEP, () => nowMs);
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

describe("locks", () => {
  test("are on record at once, and what follows within an hour is one entry that counts it", () => {
    lock("192.0.2.1");
    expect(locks()).toEqual(["192.0.2.1 until 2026-01-01T00:00:01.000Z, after 10 tokens that are not known"]);
    nowMs += MINUTE;
    for (const address of ["192.0.2.2", "192.0.2.3", "192.0.2.2"]) lock(address);
    pass(58 * MINUTE);
    expect(locks()).toHaveLength(1);
    pass(2 * MINUTE);
    expect(locks()[0]).toBe(
      "3 times since 2026-01-01T00:01:00.000Z, the last until 2026-01-01T00:01:01.000Z: 192.0.2.2, 192.0.2.3",
    );
    pass(2 * HOUR);
    expect(locks()).toHaveLength(2);
    lock("192.0.2.4");
    expect(locks()[0]).toMatch(/^192\.0\.2\.4 until /);
  });

  test("of more addresses than an entry has room for are those of others", () => {
    lock("192.0.2.0");
    for (let i = 1; i <= 1_000; i += 1) lock(`192.0.2.${1 + (i % 11)}`);
    pass(HOUR);
    expect(locks()[0]).toMatch(/^1000 times since .*: 192\.0\.2\.2, .*, 192\.0\.2\.11, others$/);
    expect(locks()[0]?.match(/192/g)).toHaveLength(10);
  });

  test("that came last are on record when the node stops", () => {
    lock("192.0.2.1");
    lock("192.0.2.2");
    keeper.keep(true);
    expect(locks()).toHaveLength(2);
  });

  test("that the store could not take are on record once it can", () => {
    const other = new DatabaseSync(path);
    other.exec("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'full'); END");
    expect(() => lock("192.0.2.1")).toThrow("full");
    // Not for each of them.
    lock("192.0.2.2");
    other.exec("DROP TRIGGER full");
    other.close();
    pass(MINUTE);
    expect(locks()[0]).toMatch(/^2 times since .*: 192\.0\.2\.1, 192\.0\.2\.2$/);
  });
});

describe("four months of strangers who are locked out by the hundred each hour", () => {
  test("take less than 1 MB, and nothing of what operators did within the time that it is kept", () => {
    const done: number[] = [];
    for (let quarter = 0; quarter < 120 * 24 * 4; quarter += 1) {
      for (let i = 0; i < 25; i += 1) lock(`2001:db8:${quarter.toString(16)}:${i}::/64`);
      if (quarter % 96 === 30) {
        operate();
        done.push(nowMs);
      }
      pass(15 * MINUTE);
    }
    const kept = list().filter(({ author }) => author === "anna");
    const atMs = kept.map((entry) => entry.atMs).toReversed();
    expect(atMs).toEqual(done.slice(-atMs.length));
    expect(atMs.length).toBeGreaterThanOrEqual(done.filter((at) => at >= nowMs - KEEP).length);
    // An entry an hour for twice the time; and each cut, once a month.
    expect(locks().length).toBeLessThanOrEqual(60 * 24);
    expect(list().filter(({ event }) => event === "entries-cut")).toHaveLength(1);
    expect(verify()).toMatchObject({ sound: true });
    checkpoint();
    expect(statSync(path).size).toBeLessThan(1_000_000);
  }, 60_000);
});

describe("what is old", () => {
  beforeEach(() => {
    for (let day = 0; day < 70; day += 1) {
      operate();
      nowMs += DAY;
    }
  });

  test("is cut off, which is on record, and the rest is proven from there on", () => {
    pass(0);
    const cut = verify().chains[0]?.cut;
    expect(cut).toMatchObject({ sequence: 40 });
    expect(list()[0]).toMatchObject({
      author: "meridian",
      event: "entries-cut",
      reason: "from before 2026-02-10T00:00:00.000Z",
      detail: `all up to number 40, whose hash is ${cut?.hash}`,
    });
    expect(list().at(-1)?.sequence).toBe(41);
    expect(formatStoreReport(verify(), 0)[0]).toMatch(
      "audit: 31 records from number 41 on, every record is as it was written; head ",
    );
    // Not again for each day.
    pass(29 * DAY);
    expect(verify().chains[0]?.cut).toEqual(cut);
    pass(2 * DAY);
    expect(verify()).toMatchObject({ sound: true, chains: [{ cut: { sequence: 70 }, records: 2 }, {}] });
  });

  test("is cut off a part at a time where it is much", () => {
    const entry = { atMs: 0, author: "anna", reason: "", event: "files-loaded", detail: "" } as const;
    store.close();
    rmSync(path);
    store = openSqliteStore(path);
    const audit = Array.from({ length: 12_000 }, () => ({ ...entry, version: 1 }));
    store.commit({ version: 1, set: [], ended: [], audit });
    keeper = new AuditKeeper(store, KEEP, () => nowMs);
    for (const sequence of [5_000, 10_000, 12_000]) {
      pass(MINUTE);
      expect(verify()).toMatchObject({ sound: true, chains: [{ cut: { sequence } }, {}] });
    }
  });

  test("is not for who reads events to have missed", () => {
    pass(0);
    const log = new EventLog(store, () => undefined);
    expect(log.after({ history: 0, audit: 39 }, 10).kind).toBe("gap");
    expect(log.after({ history: 0, audit: 40 }, 10).kind).toBe("events");
  });

  test.each([
    ["a record of what is left is altered", "UPDATE audit SET author = 'bert' WHERE sequence = 50", 50],
    ["more is removed by hand", "DELETE FROM audit WHERE sequence <= 45", 45],
    ["the cut is altered", "UPDATE audit SET detail = detail || '0' WHERE event = 'entries-cut'", 71],
    ["the cut is removed", "DELETE FROM audit WHERE event = 'entries-cut'", 40],
  ])("hides nothing: %s", (_, sql, sequence) => {
    pass(0);
    expect(verify()).toMatchObject({ sound: true });
    alter(sql);
    expect(verify()).toMatchObject({ sound: false, chains: [{ fault: { sequence } }, {}] });
  });

  test("was not cut off by the node where no record says so", () => {
    alter("DELETE FROM audit WHERE sequence <= 40");
    expect(verify().chains[0]).toMatchObject({ records: 0, fault: { kind: "missing", sequence: 40 } });
  });

  test("of a damaged store stays cut off, also where the record that said so cannot be read", () => {
    pass(0);
    alter("UPDATE audit SET detail = 'damaged' WHERE sequence = 60");
    const from = openDatabase(path);
    const into = openDatabase(join(folder, "saved.db"));
    expect(finish(salvage(from, into, nowMs)).audit).toBe(19);
    from.close();
    into.close();
    const saved = finish(verifyStore(join(folder, "saved.db"), []));
    expect(saved).toMatchObject({ sound: true, chains: [{ records: 20, cut: { sequence: 40 } }, {}] });
  });
});

/** Locks an address out for a second. */
function lock(address: string): void {
  keeper.lockedOut(address, { failures: 10, untilMs: nowMs + 1_000 });
}

function operate(): void {
  const version = store.version() + 1;
  const entry = {
    version,
    atMs: nowMs,
    author: "anna",
    reason: "",
    event: "files-loaded",
    detail: "",
  } as const;
  store.commit({ version, set: [], ended: [], audit: [entry] });
}

function pass(ms: number): void {
  nowMs += ms;
  keeper.keep();
}

/** The newest first. */
function list(): readonly AuditEntry[] {
  return store.audit.list(100_000, null);
}

function locks(): readonly string[] {
  return list().flatMap(({ event, detail }) => (event === "address-locked" ? [detail] : []));
}

function verify(): StoreReport {
  return finish(verifyStore(path, []));
}

function checkpoint(): void {
  alter("PRAGMA wal_checkpoint(TRUNCATE)");
}

/** As somebody would who has the file. */
function alter(sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}
