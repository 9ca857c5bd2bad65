import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { ServedBook } from "../../src/answer/responder.ts";
import { Book } from "../../src/book/book.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import type { Signing } from "../../src/dnssec/signer.ts";
import { BookHost } from "../../src/serve/book-host.ts";
import { SigningHost } from "../../src/serve/signing-host.ts";
import { nameKey } from "../../src/wire/name.ts";
import type { Zone } from "../../src/zone/zone.ts";
import { Server, zoneOf } from "../answer/harness.ts";
import { keyOf, withKeys } from "../answer/validator.ts";

const folder = mkdtempSync(join(tmpdir(), "meridian-books-"));
afterAll(() => rmSync(folder, { recursive: true }));

let adopted: ServedBook[] = [];
beforeEach(() => {
  adopted = [];
});

/** A host; `release` says when nobody reads the book before. */
function hostWith(release: () => Promise<void>): BookHost {
  return new BookHost(new SigningHost(folder), {
    book: (book) => {
      adopted.push(book);
      return release();
    },
    challenges: () => {},
  });
}

/** Offers a book of that version with so many names. */
async function offer(host: BookHost, version: number, names: number): Promise<void> {
  write(version, zoneWith(names));
  expect(await host.adopt(path)).toEqual({ kind: "adopted", version, problems: [] });
  await sleep(0);
}

const path = join(folder, "book");

function zoneWith(names: number): Zone {
  const labels = Array.from({ length: names }, (_, i) => `n${i} A 192.0.2.1`);
  return zoneOf(
    ["$ORIGIN a.test.", "$TTL 60", "@ SOA a b 1 2 3 4 5", "@ NS a", "a A 192.0.2.2", ...labels].join("\n"),
  );
}

/** Writes a book; `signing` null: its zone is not signed. */
function write(version: number, zone: Zone, signing: Signing | null = null): void {
  const keys = new Map(signing === null ? [] : [[nameKey(zone.apex), signing]]);
  const whole = signing === null ? zone : withKeys(zone, signing);
  writeFileSync(path, new Server([whole], [], [], {}, keys, version).compiled.bytes);
}

const memories = (): number[] =>
  adopted.map(({ memory }) => adopted.findIndex((book) => book.memory === memory));

test("books of much the same size take turns in two places", async () => {
  const host = hostWith(async () => undefined);
  for (let version = 1; version <= 6; version += 1) await offer(host, version, 1_000 + version);
  expect(memories()).toEqual([0, 1, 0, 1, 0, 1]);
  expect(new Book(adopted[5]!.memory).version).toBe(6);
  expect(new Book(adopted[4]!.memory).version).toBe(5);
});

test("a book never takes the memory of one that somebody may still read", async () => {
  const host = hostWith(() => new Promise(() => undefined));
  for (let version = 1; version <= 4; version += 1) await offer(host, version, 1_000);
  expect(memories()).toEqual([0, 1, 2, 3]);
});

test("a much larger or smaller book gets memory of its own", async () => {
  const host = hostWith(async () => undefined);
  for (const [i, names] of [1_000, 1_000, 2_000, 1_000, 4_000].entries()) await offer(host, i + 1, names);
  expect(memories()).toEqual([0, 1, 2, 1, 4]);
});

describe("a signed book whose key cannot be read", () => {
  const signing: Signing = { validitySeconds: 86_400, keys: [keyOf(Algorithm.Ed25519)] };

  test("is refused while another is served, which stays in force", async () => {
    const host = hostWith(async () => undefined);
    await offer(host, 1, 10);
    write(2, zoneWith(10), signing);
    const refused = await host.adopt(path);
    expect(refused).toMatchObject({ kind: "refused", reason: expect.stringContaining("Cannot read key") });
    expect([host.version, adopted.length]).toEqual([1, 1]);
  });

  test("is better than none at the start, and says what it lacks", async () => {
    const host = hostWith(async () => undefined);
    write(2, zoneWith(10), signing);
    const taken = await host.adopt(path);
    expect(taken).toMatchObject({
      kind: "adopted",
      version: 2,
      problems: [expect.stringContaining("Cannot read key")],
    });
    expect(adopted[0]?.signing?.zones).toEqual([{ validitySeconds: 86_400, keys: [] }]);
  });
});
