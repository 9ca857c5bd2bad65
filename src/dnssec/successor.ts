/** The name that comes right after another in canonical order: where the gap ends that a compact NSEC denies. */

import { copyFolded, fold, u8 } from "../wire/bytes.ts";
import { labelLengthMax, nameLengthMax } from "../wire/name.ts";

/** `[` comes after `Z`: capital letters do not stand in folded names. */
const BEFORE_CAPITALS = 0x40;
const AFTER_CAPITALS = 0x5b;

/** The most octets that the successor of a name takes. */
export function successorLengthMax(length: number): number {
  return Math.min(length + 2, nameLengthMax);
}

/**
 * Writes the successor of the `length` octets of a name at `from`, in lower case, and returns its length. It is the name
 * with a label of one zero octet before it (RFC 9824 §3.1); where that is too long, the next name without a further label
 * (RFC 4471 §3.1.2). `apexLength` octets at the end are the apex, which stands for what comes after the whole zone.
 */
export function putSuccessor(
  names: Uint8Array,
  from: number,
  length: number,
  apexLength: number,
  target: Uint8Array,
  to: number,
): number {
  if (length + 2 <= nameLengthMax) {
    target[to] = 1;
    target[to + 1] = 0;
    copyFolded(names, from, target, to + 2, length);
    return length + 2;
  }
  const label = u8(names, from);
  if (length + 1 <= nameLengthMax && label < labelLengthMax) {
    target[to] = label + 1;
    copyFolded(names, from + 1, target, to + 1, label);
    target[to + 1 + label] = 0;
    copyFolded(names, from + 1 + label, target, to + 2 + label, length - 1 - label);
    return length + 1;
  }
  return putIncremented(names, from, length, apexLength, target, to);
}

/** The first label's last octet that can be greater is made so, and those after it are left out. */
function putIncremented(
  names: Uint8Array,
  from: number,
  length: number,
  apexLength: number,
  target: Uint8Array,
  to: number,
): number {
  let at = from;
  let left = length;
  while (left > apexLength) {
    const label = u8(names, at);
    let kept = label;
    while (kept > 0 && u8(names, at + kept) === 0xff) kept -= 1;
    if (kept > 0) {
      const last = fold(u8(names, at + kept));
      target[to] = kept;
      copyFolded(names, at + 1, target, to + 1, kept);
      target[to + kept] = last === BEFORE_CAPITALS ? AFTER_CAPITALS : last + 1;
      copyFolded(names, at + 1 + label, target, to + 1 + kept, left - 1 - label);
      return left - label + kept;
    }
    at += label + 1;
    left -= label + 1;
  }
  copyFolded(names, at, target, to, left);
  return left;
}
