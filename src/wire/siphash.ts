/** SipHash-2-4: a keyed hash that nobody without the key can foresee (Aumasson and Bernstein, 2012). */

import { int, u8, word } from "./bytes.ts";

/** The state v0 to v3, each as its low and its high word. One for the thread: a hash is worked out in one go. */
const v = new Int32Array(8);

/**
 * Writes the 8 octets of the hash of the first `length` octets of `message` to `out` at `at`. The key is four words
 * of `keys` from `keyAt` on: its 16 octets, read as little-endian words.
 */
export function sipHash(
  keys: Uint32Array,
  keyAt: number,
  message: Uint8Array,
  length: number,
  out: Uint8Array,
  at: number,
): void {
  begin(keys, keyAt);
  const whole = length & ~7;
  for (let i = 0; i < whole; i += 8) absorb(little(message, i, length), little(message, i + 4, length));
  absorb(little(message, whole, length), little(message, whole + 4, length) | (length << 24));
  v[4] = load(4) ^ 0xff;
  for (let i = 0; i < 4; i += 1) round();
  putLittle(out, at, load(0) ^ load(2) ^ load(4) ^ load(6));
  putLittle(out, at + 4, load(1) ^ load(3) ^ load(5) ^ load(7));
}

/** The key into the state, each half twice, with "somepseudorandomlygeneratedbytes". */
function begin(keys: Uint32Array, keyAt: number): void {
  const k0 = word(keys, keyAt);
  const k1 = word(keys, keyAt + 1);
  const k2 = word(keys, keyAt + 2);
  const k3 = word(keys, keyAt + 3);
  v[0] = k0 ^ 0x70736575;
  v[1] = k1 ^ 0x736f6d65;
  v[2] = k2 ^ 0x6e646f6d;
  v[3] = k3 ^ 0x646f7261;
  v[4] = k0 ^ 0x6e657261;
  v[5] = k1 ^ 0x6c796765;
  v[6] = k2 ^ 0x79746573;
  v[7] = k3 ^ 0x74656462;
}

function absorb(low: number, high: number): void {
  v[6] = load(6) ^ low;
  v[7] = load(7) ^ high;
  round();
  round();
  v[0] = load(0) ^ low;
  v[1] = load(1) ^ high;
}

function round(): void {
  addAndMix(0, 2, 13);
  swap(0);
  addAndMix(4, 6, 16);
  addAndMix(0, 6, 21);
  addAndMix(4, 2, 17);
  swap(4);
}

/** a += b; b = rotl(b, bits) ^ a; on 64 bits. */
function addAndMix(a: number, b: number, bits: number): void {
  const bLow = load(b);
  const bHigh = load(b + 1);
  const low = (load(a) >>> 0) + (bLow >>> 0);
  const high = load(a + 1) + bHigh + (low > 0xffffffff ? 1 : 0);
  v[a] = low;
  v[a + 1] = high;
  v[b] = ((bLow << bits) | (bHigh >>> (32 - bits))) ^ low;
  v[b + 1] = ((bHigh << bits) | (bLow >>> (32 - bits))) ^ high;
}

/** Rotates by 32 bits. */
function swap(a: number): void {
  const low = load(a);
  v[a] = load(a + 1);
  v[a + 1] = low;
}

function load(at: number): number {
  return int(v, at);
}

/** A little-endian word; what lies behind the message is zero. */
function little(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = 0; i < 4 && at + i < length; i += 1) value |= u8(bytes, at + i) << (8 * i);
  return value;
}

function putLittle(bytes: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i += 1) bytes[at + i] = value >>> (8 * i);
}
