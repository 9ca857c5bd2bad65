/** SipHash-2-4: a keyed hash that nobody without the key can foresee (Aumasson and Bernstein, 2012). */

import { word } from "./bytes.ts";

/** Rounds for each 8 octets, and at the end. */
const ROUNDS = 2;
const FINAL_ROUNDS = 4;

/**
 * Writes the 8 octets of the hash of the first `length` octets of `message` to `out` at `at`. The key is four words
 * of `keys` from `keyAt` on: its 16 octets, read as little-endian words.
 *
 * One function with the state v0 to v3 in local words, low and high, and the end as one more block: with functions for
 * its steps and the state in an array it took 3 times as long.
 */
export function sipHash(
  keys: Uint32Array,
  keyAt: number,
  message: DataView,
  length: number,
  out: DataView,
  at: number,
): void {
  let v0l = word(keys, keyAt) ^ 0x70736575;
  let v0h = word(keys, keyAt + 1) ^ 0x736f6d65;
  let v1l = word(keys, keyAt + 2) ^ 0x6e646f6d;
  let v1h = word(keys, keyAt + 3) ^ 0x646f7261;
  let v2l = word(keys, keyAt) ^ 0x6e657261;
  let v2h = word(keys, keyAt + 1) ^ 0x6c796765;
  let v3l = word(keys, keyAt + 2) ^ 0x79746573;
  let v3h = word(keys, keyAt + 3) ^ 0x74656462;
  const last = length & ~7;
  for (let i = 0; i <= last + 8; i += 8) {
    const isEnd = i > last;
    const low = isEnd ? 0 : little(message, i, length);
    const high = isEnd ? 0 : little(message, i + 4, length) | (i === last ? length << 24 : 0);
    v3l ^= low;
    v3h ^= high;
    if (isEnd) v2l ^= 0xff;
    for (let rounds = isEnd ? FINAL_ROUNDS : ROUNDS; rounds > 0; rounds -= 1) {
      // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32)
      let sum = (v0l + v1l) | 0;
      v0h = (v0h + v1h + carry(v0l, v1l, sum)) | 0;
      v0l = sum;
      let turned = (v1l << 13) | (v1h >>> 19);
      v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h;
      v1l = turned ^ v0l;
      turned = v0l;
      v0l = v0h;
      v0h = turned;
      // v2 += v3; v3 = rotl(v3, 16) ^ v2
      sum = (v2l + v3l) | 0;
      v2h = (v2h + v3h + carry(v2l, v3l, sum)) | 0;
      v2l = sum;
      turned = (v3l << 16) | (v3h >>> 16);
      v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
      v3l = turned ^ v2l;
      // v0 += v3; v3 = rotl(v3, 21) ^ v0
      sum = (v0l + v3l) | 0;
      v0h = (v0h + v3h + carry(v0l, v3l, sum)) | 0;
      v0l = sum;
      turned = (v3l << 21) | (v3h >>> 11);
      v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
      v3l = turned ^ v0l;
      // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
      sum = (v2l + v1l) | 0;
      v2h = (v2h + v1h + carry(v2l, v1l, sum)) | 0;
      v2l = sum;
      turned = (v1l << 17) | (v1h >>> 15);
      v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
      v1l = turned ^ v2l;
      turned = v2l;
      v2l = v2h;
      v2h = turned;
    }
    v0l ^= low;
    v0h ^= high;
  }
  out.setInt32(at, v0l ^ v1l ^ v2l ^ v3l, true);
  out.setInt32(at + 4, v0h ^ v1h ^ v2h ^ v3h, true);
}

/** What the sum of two words carries over: without a branch, because a processor guesses half of random ones wrong. */
function carry(a: number, b: number, sum: number): number {
  return ((a & b) | ((a | b) & ~sum)) >>> 31;
}

/** A little-endian word; what lies behind the message is zero. */
function little(message: DataView, at: number, length: number): number {
  if (at + 4 <= length) return message.getInt32(at, true);
  let value = 0;
  for (let i = 0; at + i < length; i += 1) value |= message.getUint8(at + i) << (8 * i);
  return value;
}
