/** Hashes and compares names whatever their case (RFC 4343 §3), four octets at a time: each query does both. */

import { fold, foldWord } from "./bytes.ts";

/** 2^32 divided by the golden ratio: a product with it depends on all bits below. */
const GOLDEN = 0x9e3779b1;

/**
 * The hash by which names are found, of the `length` octets of an uncompressed name at `at`. Names that differ only in case have
 * one hash; a length octet is at most 63, below the letters, so folding leaves it alone. Its 32 bits are a signed integer, which V8
 * passes on without making an object.
 *
 * The last word overlaps the one before, so that no octets are left over: names of 13 to 16 octets take the same
 * steps, and the processor foresees them.
 */
export function hashName(view: DataView, at: number, length: number): number {
  if (length < 4) return hashShort(view, at, length);
  const last = at + length - 4;
  let hash = length;
  for (let i = at; i < last; i += 4) hash = addWord(hash, foldWord(view.getInt32(i, true)));
  return addWord(hash, foldWord(view.getInt32(last, true)));
}

/** Whether the `length` octets of a name at `at` are those of one that stands folded at `foldedAt`. */
export function isNameAt(
  folded: DataView,
  foldedAt: number,
  view: DataView,
  at: number,
  length: number,
): boolean {
  if (length < 4) return isShortAt(folded, foldedAt, view, at, length);
  const last = length - 4;
  let difference = 0;
  for (let i = 0; i < last; i += 4) {
    difference |= folded.getInt32(foldedAt + i, true) ^ foldWord(view.getInt32(at + i, true));
  }
  difference |= folded.getInt32(foldedAt + last, true) ^ foldWord(view.getInt32(at + last, true));
  return difference === 0;
}

function addWord(hash: number, octets: number): number {
  const product = Math.imul(hash ^ octets, GOLDEN);
  return product ^ (product >>> 15);
}

/** The root, and a label of one octet. */
function hashShort(view: DataView, at: number, length: number): number {
  let hash = length;
  for (let i = at; i < at + length; i += 1) hash = addWord(hash, fold(view.getUint8(i)));
  return hash;
}

function isShortAt(folded: DataView, foldedAt: number, view: DataView, at: number, length: number): boolean {
  for (let i = 0; i < length; i += 1) {
    if (folded.getUint8(foldedAt + i) !== fold(view.getUint8(at + i))) return false;
  }
  return true;
}
