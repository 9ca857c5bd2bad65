import { expect, test } from "vitest";
import { SIGNATURE_LENGTH } from "../../src/dnssec/algorithm.ts";
import { ContentHash } from "../../src/dnssec/content-hash.ts";
import { SignatureTable } from "../../src/dnssec/signature-table.ts";
import { fc } from "../fast-check.ts";

const signatureOf = (octet: number): Uint8Array => new Uint8Array(SIGNATURE_LENGTH).fill(octet);

function read(table: SignatureTable, low: number, high: number, until = 150, moment = until): number | null {
  const target = new Uint8Array(SIGNATURE_LENGTH + 8);
  if (!table.read(low, high, moment, until, target, 4)) return null;
  expect(new Set(target.subarray(4, -4)).size).toBe(1);
  expect([...target.subarray(0, 4), ...target.subarray(-4)]).toEqual(new Array(8).fill(0));
  return target[4] ?? null;
}

test("what one view of the table has kept, another finds, with its times", () => {
  const table = SignatureTable.create(16, [1, 2]);
  const other = new SignatureTable(table.shared);
  table.keep(5, -7, 100, 200, signatureOf(9));
  expect(read(other, 5, -7)).toBe(9);
  expect([other.inception, other.expiration, other.keys]).toEqual([100, 200, [1, 2]]);
  expect(read(other, 5, -8)).toBeNull();
});

test("a signature that does not hold long enough is not found", () => {
  const table = SignatureTable.create(16, [1, 2]);
  table.keep(1, 1, 100, 200, signatureOf(1));
  table.prepare(2, 2, 100, 200, signatureOf(2));
  expect([read(table, 1, 1, 199), read(table, 2, 2, 199)]).toEqual([1, 2]);
  expect([read(table, 1, 1, 200), read(table, 2, 2, 200)]).toEqual([null, null]);
});

test("a fresher one that was kept stands in for a prepared one that holds no longer", () => {
  const table = SignatureTable.create(16, [1, 2]);
  table.prepare(2, 2, 100, 200, signatureOf(2));
  table.keep(2, 2, 150, 400, signatureOf(3));
  expect([read(table, 2, 2, 199), read(table, 2, 2, 200)]).toEqual([2, 3]);
});

test("a signature that holds only later, because the clock was set back, is not found", () => {
  const table = SignatureTable.create(16, [1, 2]);
  table.keep(1, 1, 100, 200, signatureOf(1));
  table.prepare(2, 2, 100, 200, signatureOf(2));
  expect([read(table, 1, 1, 150, 100), read(table, 2, 2, 150, 100)]).toEqual([1, 2]);
  expect([read(table, 1, 1, 150, 99), read(table, 2, 2, 150, 99)]).toEqual([null, null]);
});

test("times go on after 2038", () => {
  const table = SignatureTable.create(16, [1, 2]);
  table.keep(1, 1, 2_200_000_000, 4_000_000_000, signatureOf(1));
  expect(read(table, 1, 1, 3_900_000_000)).toBe(1);
  expect([table.inception, table.expiration]).toEqual([2_200_000_000, 4_000_000_000]);
});

test("what is kept takes another's place, but never that of what is prepared", () => {
  const table = SignatureTable.create(64, [1, 2]);
  for (let i = 0; i < 64; i += 1) {
    expect(table.isFullFor(i * 1024, i + 1)).toBe(false);
    table.prepare(i * 1024, i + 1, 0, 1000, signatureOf(i));
  }
  expect(table.prepared).toBe(64);
  expect([table.isFullFor(7, 7777), table.isFullFor(1024, 2)]).toEqual([true, false]);
  table.prepare(7, 7777, 0, 1000, signatureOf(1));
  expect(read(table, 7, 7777)).toBeNull();
  for (let i = 0; i < 200_000; i += 1) table.keep(i, i * 3, 0, 1000, signatureOf(255));
  for (let i = 0; i < 64; i += 1) expect(read(table, i * 1024, i + 1)).toBe(i);
});

test("a prepared signature is replaced where it stands", () => {
  const table = SignatureTable.create(16, [1, 2]);
  table.prepare(2, 2, 100, 200, signatureOf(2));
  table.prepare(2, 2, 300, 400, signatureOf(4));
  expect([read(table, 2, 2, 350), table.prepared]).toEqual([4, 1]);
  const target = new Uint8Array(SIGNATURE_LENGTH);
  expect([table.readPrepared(2, 2, target), target[0], table.expiration]).toEqual([true, 4, 400]);
  expect(table.readPrepared(2, 3, target)).toBe(false);
});

test("what stands in a slot while it is written, or after two have written it, is no signature", () => {
  const octets = fc.uint8Array({ minLength: SIGNATURE_LENGTH, maxLength: SIGNATURE_LENGTH });
  const wordsOf = (inception: number, signature: Uint8Array): Int32Array => {
    const table = SignatureTable.create(16, [1, 2]);
    table.keep(5, 6, inception, inception + 100, signature);
    return new Int32Array(table.shared);
  };
  const choices = fc.array(fc.boolean(), { minLength: 21, maxLength: 21 });
  fc.assert(
    fc.property(octets, octets, choices, (one, other, isOther) => {
      const [a, b] = [wordsOf(100, one), wordsOf(101, other)];
      const slot = a.indexOf(5);
      const mixed = SignatureTable.create(16, [1, 2]);
      const words = new Int32Array(mixed.shared);
      for (const [i, takesOther] of isOther.entries()) words[slot + i] = (takesOther ? b : a)[slot + i]!;
      const isWhole = [a, b].some((whole) => isOther.every((_, i) => whole[slot + i] === words[slot + i]));
      expect(mixed.read(5, 6, 150, 150, new Uint8Array(SIGNATURE_LENGTH), 0)).toBe(isWhole);
    }),
  );
});

const name = fc.uint8Array({ minLength: 0, maxLength: 40 });

test("the hash of a name does not depend on its case, and on all else", () => {
  const hashOf = (key: number, octets: Uint8Array, isName: boolean): string => {
    const hash = new ContentHash(key, 2);
    hash.begin();
    if (isName) hash.addName(octets, 0, octets.length);
    else hash.addOctets(octets, 0, octets.length);
    hash.finish();
    return `${hash.low} ${hash.high}`;
  };
  fc.assert(
    fc.property(name, name, (a, b) => {
      const folded = Uint8Array.from(a, (octet) => (octet >= 0x41 && octet <= 0x5a ? octet + 32 : octet));
      expect(hashOf(1, a, true)).toBe(hashOf(1, folded, true));
      expect(hashOf(1, folded, true)).toBe(hashOf(1, folded, false));
      expect(hashOf(1, a, false)).not.toBe(hashOf(3, a, false));
      if (Buffer.compare(a, b) !== 0) expect(hashOf(1, a, false)).not.toBe(hashOf(1, b, false));
    }),
  );
});

test("3,000 names that are asked for in turn keep their signatures beside each other, all but a few", () => {
  const table = SignatureTable.create(16, [1, 2]);
  const hash = new ContentHash(1, 2);
  const hashes = Array.from({ length: 3_000 }, (_, i) => {
    hash.begin();
    hash.add(i);
    hash.finish();
    return [hash.low, hash.high] as const;
  });
  for (const [low, high] of hashes) table.keep(low, high, 100, 200, signatureOf(low & 0xff));
  const found = hashes.filter(([low, high]) => read(table, low, high) === (low & 0xff));
  expect(found.length).toBeGreaterThan(2_980);
});
