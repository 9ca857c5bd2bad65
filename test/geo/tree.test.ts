import { expect, test } from "vitest";
import {
  type AddressTree,
  BLANK_TREE,
  LEAF,
  leafNumber,
  mapLeaves,
  TreeBuilder,
  zipTrees,
} from "../../src/geo/tree.ts";
import { fc } from "../fast-check.ts";

/** A tree with one number for each of 16 equal parts of the IPv4 space, and the first of them for all of IPv6. */
function treeOf(numbers: readonly number[]): AddressTree {
  const builder = new TreeBuilder(0);
  const grow = (at: number, width: number): number =>
    width === 1
      ? LEAF + (numbers[at] ?? 0)
      : builder.join(grow(at, width / 2), grow(at + width / 2, width / 2));
  return builder.finish(grow(0, 16), LEAF + (numbers[0] ?? 0));
}

function numbersOf(tree: AddressTree): readonly number[] {
  return Array.from({ length: 16 }, (_, part) => leafNumber(tree, Uint8Array.of(part << 4, 1, 2, 3)));
}

const numbers = fc.array(fc.nat(3), { minLength: 16, maxLength: 16 });

test("a tree gives back the numbers it was made from", () => {
  fc.assert(
    fc.property(numbers, (given) => {
      expect(numbersOf(treeOf(given))).toEqual(given);
    }),
    { seed: 1 },
  );
});

test("a zipped tree combines the numbers of each address", () => {
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const zipped = zipTrees(treeOf(a), treeOf(b), (x, y) => 4 * x + y);
      expect(numbersOf(zipped)).toEqual(a.map((x, i) => 4 * x + (b[i] ?? 0)));
      expect(zipTrees(treeOf(a), BLANK_TREE, (x) => x)).toEqual(treeOf(a));
      expect(zipTrees(BLANK_TREE, treeOf(b), (_, y) => y)).toEqual(treeOf(b));
    }),
    { seed: 1 },
  );
});

test("a mapped tree is the tree of the mapped numbers, as small as if it had been made from them", () => {
  fc.assert(
    fc.property(numbers, numbers, (given, to) => {
      const mapped = mapLeaves(treeOf(given), Uint32Array.from(to));
      expect(mapped).toEqual(treeOf(given.map((number) => to[number] ?? 0)));
    }),
    { seed: 1 },
  );
});

test("a tree of one number is a leaf", () => {
  expect(treeOf(new Array(16).fill(7))).toEqual({
    pairs: new Uint32Array(0),
    ipv4: LEAF + 7,
    ipv6: LEAF + 7,
  });
});
