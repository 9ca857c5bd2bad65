/** A binary tree over all IPv4 and all IPv6 addresses, with a number at each leaf: the form every geo source is brought into. */

import { u8, word } from "../wire/bytes.ts";

/**
 * Entries are words. Below `LEAF` an entry is the index of an inner node, whose two entries (bit 0, bit 1) stand
 * at `2 * index` of `pairs`; from `LEAF` on it is a leaf, and `entry - LEAF` its number.
 *
 * Children stand before their parents, so a walk by index is a walk from the leaves up. A node may have several
 * parents: MaxMind's IPv6 trees refer to the IPv4 tree from ::ffff:0:0/96, 2001::/32 and 2002::/16.
 */
export interface AddressTree {
  readonly pairs: Uint32Array;
  /** Root entry of the IPv4 space. */
  readonly ipv4: number;
  /** Root entry of the IPv6 space. */
  readonly ipv6: number;
}

/** The first leaf entry; 2^30, so that every entry is a small integer to V8 and no read allocates. */
export const LEAF = 0x4000_0000;

/** Tells leaf entries from inner ones. */
export function isLeaf(entry: number): boolean {
  return entry >= LEAF;
}

/** Every address has number 0. */
export const BLANK_TREE: AddressTree = { pairs: new Uint32Array(0), ipv4: LEAF, ipv6: LEAF };

/** Makes a tree from the leaves up. */
export class TreeBuilder {
  #pairs: Uint32Array;
  #used = 0;

  /** Room for `nodes` inner nodes; it grows when they are more. */
  constructor(nodes: number) {
    this.#pairs = new Uint32Array(2 * Math.max(nodes, 16));
  }

  /** The entry over two halves: a node, or the leaf that both halves are. */
  join(left: number, right: number): number {
    if (left === right && isLeaf(left)) return left;
    if (this.#used === this.#pairs.length) this.#grow();
    this.#pairs[this.#used] = left;
    this.#pairs[this.#used + 1] = right;
    this.#used += 2;
    return this.#used / 2 - 1;
  }

  finish(ipv4: number, ipv6: number): AddressTree {
    return { pairs: this.#pairs.slice(0, this.#used), ipv4, ipv6 };
  }

  #grow(): void {
    const larger = new Uint32Array(2 * this.#pairs.length);
    larger.set(this.#pairs);
    this.#pairs = larger;
  }
}

/** The same tree with the numbers found at the old ones in `numbers`; leaves that become equal are merged. */
export function mapLeaves(tree: AddressTree, numbers: Uint32Array): AddressTree {
  const { pairs } = tree;
  const mapped = new Uint32Array(pairs.length / 2);
  const builder = new TreeBuilder(mapped.length);
  for (let node = 0; node < mapped.length; node += 1) {
    const left = mapEntry(word(pairs, 2 * node), mapped, numbers);
    const right = mapEntry(word(pairs, 2 * node + 1), mapped, numbers);
    mapped[node] = builder.join(left, right);
  }
  return builder.finish(mapEntry(tree.ipv4, mapped, numbers), mapEntry(tree.ipv6, mapped, numbers));
}

function mapEntry(entry: number, mapped: Uint32Array, numbers: Uint32Array): number {
  return isLeaf(entry) ? LEAF + word(numbers, entry - LEAF) : word(mapped, entry);
}

/** Lays two trees over each other: each address gets `combine` of its two numbers. */
export function zipTrees(
  a: AddressTree,
  b: AddressTree,
  combine: (a: number, b: number) => number,
): AddressTree {
  const aNodes = a.pairs.length / 2;
  const builder = new TreeBuilder(aNodes + b.pairs.length / 2);
  // For each node what it was last laid over, and what came of it: subtrees that were shared stay shared.
  const partners = new Uint32Array(aNodes + b.pairs.length / 2).fill(0xffff_ffff);
  const results = new Uint32Array(partners.length);

  const zip = (x: number, y: number): number => {
    if (isLeaf(x) && isLeaf(y)) return LEAF + combine(x - LEAF, y - LEAF);
    const slot = isLeaf(x) ? aNodes + y : x;
    const partner = isLeaf(x) ? x : y;
    if (word(partners, slot) === partner) return word(results, slot);
    const left = zip(half(a, x, 0), half(b, y, 0));
    const right = zip(half(a, x, 1), half(b, y, 1));
    const result = builder.join(left, right);
    partners[slot] = partner;
    results[slot] = result;
    return result;
  };
  return builder.finish(zip(a.ipv4, b.ipv4), zip(a.ipv6, b.ipv6));
}

/** One half of an entry's space; either half of a leaf is that leaf. */
function half(tree: AddressTree, entry: number, bit: 0 | 1): number {
  return isLeaf(entry) ? entry : word(tree.pairs, 2 * entry + bit);
}

/** The number of an address of 4 or 16 octets. */
export function leafNumber(tree: AddressTree, address: Uint8Array): number {
  let entry = address.length === 4 ? tree.ipv4 : tree.ipv6;
  for (let at = 0; at < 8 * address.length && !isLeaf(entry); at += 1) {
    entry = word(tree.pairs, 2 * entry + bitAt(address, at));
  }
  return entry - LEAF;
}

/** The bit at `at`, counted from the most significant. */
export function bitAt(address: Uint8Array, at: number): 0 | 1 {
  return (u8(address, at >>> 3) & (0x80 >>> (at & 7))) === 0 ? 0 : 1;
}
