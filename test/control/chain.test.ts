/** What is on record cannot be changed without that being found, and named. */

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { STEPS } from "../../src/control/schema.ts";
import { openSqliteStore, STORE_FILE } from "../../src/control/sqlite-store.ts";
import type { NewAuditEntry } from "../../src/control/store.ts";
import { type StoreReport, verifyStore } from "../../src/control/verify-store.ts";
import { finish } from "../../src/steps.ts";
import { fc } from "../fast-check.ts";

const CLI = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

const DAY_MS = 24 * 3_600_000;

/** More than a page of the check. */
const RECORDS = 300;

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "meridian-chain-"));
  path = join(folder, STORE_FILE);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("the audit list", () => {
  test("is sound as it was written, whatever the texts, and its head is the last record's", () => {
    const store = openSqliteStore(path);
    const texts = ["", "ä\n\u2028", "a\u0000b", "\ud800", '"\\', "😀"];
    const audit = texts.map((reason, i) => ({ ...entry(i), reason }));
    store.commit({ version: 1, set: [], ended: [], audit });
    const head = store.audit.head();
    expect(head).toMatchObject({ sequence: texts.length, hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(verify()).toMatchObject({ sound: true, chains: [{ records: texts.length, head, fault: null }] });
    store.close();
  });

  test("of a store that was made before there was a chain is chained as it stands", () => {
    const database = new DatabaseSync(path);
    const before = STEPS.findIndex((step) => typeof step === "string" && step.includes("previous"));
    for (const step of STEPS.slice(0, before)) database.exec(String(step));
    for (let i = 1; i <= RECORDS; i += 1)
      database.exec(`INSERT INTO audit VALUES (${i}, ${i}, ${i}, 'anna', 'why', 'files-loaded', 'what')`);
    database.exec(`PRAGMA user_version = ${before}`);
    database.close();
    expect(() => verify()).toThrow("another release wrote it");
    openSqliteStore(path).close();
    expect(verify()).toMatchObject({ sound: true, chains: [{ records: RECORDS }] });
    alter("UPDATE audit SET author = 'bert' WHERE sequence = 7");
    expect(verify().chains[0]?.fault).toEqual({ kind: "altered", sequence: 7 });
  });
});

describe("a record that was altered", () => {
  beforeEach(() => {
    fill();
  });

  test("is named, whichever it is and whatever of it was altered", () => {
    const pristine = join(folder, "pristine.db");
    copyFileSync(path, pristine);
    const columns = ["version", "at_ms", "author", "reason", "event", "detail", "previous", "hash"];
    fc.assert(
      fc.property(fc.integer({ min: 1, max: RECORDS }), fc.constantFrom(...columns), (sequence, column) => {
        copyFileSync(pristine, path);
        const isNumber = column === "version" || column === "at_ms";
        const changed = isNumber ? `${column} + 1` : `'0' || ${column}`;
        alter(`UPDATE audit SET ${column} = ${changed} WHERE sequence = ${sequence}`);
        const { sound, chains } = verify();
        expect(sound).toBe(false);
        expect(chains[0]).toMatchObject({ records: sequence - 1, fault: { kind: "altered", sequence } });
      }),
      { numRuns: 60 },
    );
  });

  test("is named also where its own hash was made anew", () => {
    const other = mkdtempSync(join(tmpdir(), "meridian-chain-"));
    const forged = openSqliteStore(join(other, STORE_FILE));
    for (let i = 1; i <= 8; i += 1)
      forged.commit({
        version: i,
        set: [],
        ended: [],
        audit: [{ ...entry(i), ...(i === 8 ? { author: "eve" } : {}) }],
      });
    const { hash } = forged.audit.head()!;
    forged.close();
    rmSync(other, { recursive: true });
    alter(`UPDATE audit SET author = 'eve', hash = '${hash}' WHERE sequence = 8`);
    expect(verify().chains[0]).toMatchObject({ records: 8, fault: { kind: "replaced", sequence: 8 } });
  });

  test.each([
    ["DELETE FROM audit WHERE sequence = 1", { kind: "missing", sequence: 1 }],
    ["DELETE FROM audit WHERE sequence BETWEEN 100 AND 120", { kind: "missing", sequence: 100 }],
    [
      `DELETE FROM audit WHERE sequence = 100; UPDATE audit SET sequence = -sequence WHERE sequence > 100;
       UPDATE audit SET sequence = -sequence - 1 WHERE sequence < 0`,
      { kind: "altered", sequence: 100 },
    ],
    [`DELETE FROM audit WHERE sequence > ${RECORDS - 3}`, { kind: "missing", sequence: RECORDS - 2 }],
    [insert(-5), { kind: "inserted", sequence: -5 }],
    [insert(RECORDS + 1), { kind: "altered", sequence: RECORDS + 1 }],
    [insert(RECORDS + 2), { kind: "missing", sequence: RECORDS + 1 }],
    ["UPDATE audit SET at_ms = 9223372036854775807 WHERE sequence = 9", { kind: "altered", sequence: 9 }],
  ])("and so is one that is missing or was inserted: %s", (sql, fault) => {
    alter(sql);
    expect(verify()).toMatchObject({ sound: false, chains: [{ fault }] });
  });
});

describe("a flipped bit", () => {
  test.each([
    ["audit", 0],
    ["history", 0],
    ["audit", 100],
  ] as const)(
    "in any octet of the %s, %i records of which were cut off, is found at its record",
    (name, cut) => {
      const store = openSqliteStore(path);
      store.commit({
        version: 1,
        set: [],
        ended: [],
        audit: Array.from({ length: RECORDS }, (_, i) => ({ ...entry(i), atMs: i < cut ? i : 40 * DAY_MS })),
      });
      expect(store.audit.prune(DAY_MS, 41 * DAY_MS, 1)).toBe(cut);
      store.history.append(
        Array.from({ length: RECORDS }, (_, i) => {
          return { atMs: i, kind: "verdict", subject: "web/eu-west/ipv4", content: `{"up":${i % 2 === 0}}` };
        }),
      );
      store.close();
      const pristine = readFileSync(path);
      const before = contentOf(name);
      const cells = cellsOf(pristine, name);
      const first = cut + 1;
      // The cut is a record too.
      const count = RECORDS + Math.sign(cut) - cut;
      expect(cells.map(({ sequence }) => sequence)).toEqual(
        Array.from({ length: count }, (_, i) => first + i),
      );
      const flip = fc.record({
        cell: fc.constantFrom(...cells),
        at: fc.nat(),
        bit: fc.integer({ min: 0, max: 7 }),
      });
      fc.assert(
        fc.property(flip, ({ cell, at, bit }) => {
          const octets = Buffer.from(pristine);
          const place = cell.start + (at % (cell.end - cell.start));
          octets.writeUInt8(octets.readUInt8(place) ^ (1 << bit), place);
          writeFileSync(path, octets);
          const report = finish(verifyStore(path, []));
          const [chain] = report.chains.filter((candidate) => candidate.chain === name);
          // What SQLite keeps beside a value, and nobody reads, says nothing of the record.
          if (report.sound) expect(contentOf(name)).toEqual(before);
          else expect([chain?.records, chain?.fault]).toEqual([cell.sequence - first, expect.anything()]);
        }),
        { numRuns: Number(process.env["MERIDIAN_FLIPS"] ?? 100) },
      );
    },
  );
});

describe("the end of the list", () => {
  test("may be cut off with care, and then only a head from before shows it", () => {
    const heads = fill();
    const [early, late] = [heads[9]!, heads[RECORDS - 1]!];
    expect(verify([early, late])).toMatchObject({ sound: true, lostHeads: [] });
    alter(
      "DELETE FROM audit WHERE sequence > 200; UPDATE sqlite_sequence SET seq = 200 WHERE name = 'audit'",
    );
    expect(verify()).toMatchObject({ sound: true });
    expect(verify([early])).toMatchObject({ sound: true, lostHeads: [] });
    expect(verify([early, late])).toMatchObject({ sound: false, lostHeads: [late] });
  });

  test("meridian audit verify prints the head, names what is wrong and ends with status 1", () => {
    const heads = fill();
    const head = heads[RECORDS - 1]!;
    const sound = cli();
    expect(sound.stdout).toMatch(
      `audit: ${RECORDS} records, every record is as it was written; head ${head}\n`,
    );
    expect(sound.stdout).toMatch("the end of a chain is shown by a head from before alone");
    expect(sound.status).toBe(0);
    const lost = cli("--head", "0".repeat(64));
    expect(lost).toMatchObject({ status: 1, stdout: expect.stringMatching(/no record has the hash 0{64}/) });
    alter("UPDATE audit SET detail = 'nothing' WHERE sequence = 42");
    const altered = cli("--head", head);
    expect(altered.stdout).toMatch(
      "audit: record 42 was altered; the 41 before it are as they were written\n",
    );
    expect(altered.status).toBe(1);
  }, 20_000);
});

/** Writes records, and returns the hash of each. */
function fill(): readonly string[] {
  const store = openSqliteStore(path);
  store.commit({
    version: 1,
    set: [],
    ended: [],
    audit: Array.from({ length: RECORDS }, (_, i) => entry(i + 1)),
  });
  store.close();
  const database = new DatabaseSync(path);
  const hashes = database.prepare("SELECT hash FROM audit ORDER BY sequence").all();
  database.close();
  return hashes.map(({ hash }) => String(hash));
}

function entry(i: number): NewAuditEntry {
  return {
    version: i,
    atMs: i * 10,
    author: "anna",
    reason: "because",
    event: "files-loaded",
    detail: `no. ${i}`,
  };
}

/** Where a record stands in the file. */
interface Cell {
  readonly sequence: number;
  readonly start: number;
  readonly end: number;
}

/** The records of a table in their order, by the leaves of its tree (SQLite's file format, sections 1.6 and 2). */
function cellsOf(octets: Buffer, table: string): readonly Cell[] {
  const database = new DatabaseSync(path);
  const row = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(table);
  database.close();
  return cellsOfPage(octets, Number(row?.["rootpage"]));
}

function cellsOfPage(octets: Buffer, page: number): readonly Cell[] {
  const pageOctets = octets.readUInt16BE(16);
  const base = (page - 1) * pageOctets;
  const isLeaf = octets[base] === 13;
  const pointers = base + (isLeaf ? 8 : 12);
  const starts = Array.from({ length: octets.readUInt16BE(base + 3) }, (_, i) => {
    return base + octets.readUInt16BE(pointers + 2 * i);
  });
  if (!isLeaf) {
    const children = [...starts.map((start) => octets.readUInt32BE(start)), octets.readUInt32BE(base + 8)];
    return children.flatMap((child) => cellsOfPage(octets, child));
  }
  return starts.map((start) => {
    const [length, atRow] = varint(octets, start);
    const [sequence, atPayload] = varint(octets, atRow);
    return { sequence, start, end: atPayload + length };
  });
}

function varint(octets: Buffer, start: number): readonly [value: number, end: number] {
  let value = 0;
  for (let at = start; ; at += 1) {
    const octet = octets.readUInt8(at);
    value = value * 128 + (octet & 127);
    if (octet < 128) return [value, at + 1];
  }
}

function contentOf(table: string): unknown {
  const database = new DatabaseSync(path);
  const rows = database.prepare(`SELECT * FROM ${table}`).all();
  database.close();
  return rows;
}

/** What is said of the audit list. */
function verify(heads: readonly string[] = []): StoreReport {
  const report = finish(verifyStore(path, heads));
  return { ...report, chains: report.chains.filter(({ chain }) => chain === "audit") };
}

/** As somebody would who has the file. */
function alter(sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

function insert(sequence: number): string {
  const hash = "0".repeat(64);
  return `INSERT INTO audit VALUES (${sequence}, 1, 1, 'eve', 'none', 'token-added', 'eve', '${hash}', '${hash}')`;
}

function cli(...options: readonly string[]): { readonly status: number | null; readonly stdout: string } {
  return spawnSync(process.execPath, [CLI, "audit", "verify", "--state", folder, ...options], {
    encoding: "utf8",
  });
}
