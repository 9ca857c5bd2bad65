import { expect, test } from "vitest";
import { ContentHash, hashSet } from "../../src/dnssec/content-hash.ts";
import { HashMemo } from "../../src/dnssec/hash-memo.ts";
import { SignedSet } from "../../src/dnssec/rrsig.ts";
import { fc } from "../fast-check.ts";

const key = (tag: number) => ({ algorithm: 13, tag }) as const;

/** An RRset that follows from where it stands, as one in a book does; one that stands nowhere is of a kind of its own. */
function setAt(place: number, first: number, second: number, content: number): SignedSet {
  const set = new SignedSet();
  set.names = Uint8Array.of(1, 0x61, 0);
  set.ownerLength = 3;
  set.type = 1;
  set.rdatas = Uint8Array.from(
    Buffer.from(place === 0 ? `nowhere ${content}` : `${place} ${first} ${second}`),
  );
  set.rdatasLength = set.rdatas.length;
  return Object.assign(set, { place, first, second });
}

test("a remembered hash is the one that the set has, whatever was asked for before", () => {
  const hash = new ContentHash(1, 2);
  const memo = new HashMemo([1, 2]);
  const small = fc.integer({ min: -1, max: 3 });
  // Many places for few entries, so that they take each other's.
  const sets = fc.tuple(fc.nat(3_000), small, small, fc.nat(2), fc.nat(9));
  fc.assert(
    fc.property(fc.array(sets, { minLength: 50, maxLength: 400 }), (asked) => {
      for (const [place, first, second, tag, content] of asked) {
        const set = setAt(place, first, second, content);
        memo.look(set, key(tag));
        hashSet(hash, set, key(tag));
        expect([memo.low, memo.high]).toEqual([hash.low, hash.high]);
      }
    }),
  );
});

test("what stands at a place is hashed once", () => {
  const memo = new HashMemo([1, 2]);
  const set = setAt(5, 0, 0, 0);
  memo.look(set, key(1));
  const { low, high } = memo;
  set.rdatas.fill(0);
  memo.look(set, key(1));
  expect([memo.low, memo.high]).toEqual([low, high]);
  set.place = 0;
  memo.look(set, key(1));
  expect([memo.low, memo.high]).not.toEqual([low, high]);
});
