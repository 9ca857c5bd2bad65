/**
 * Reads and writes integers in network byte order, and words of shared memory.
 *
 * The one place with `!`: callers check the bounds once per packet or block, so a read past the end is our
 * own mistake, and a check per byte would cost more than the parse.
 */

/** The octet at `at`. */
export function u8(bytes: Uint8Array, at: number): number {
  return bytes[at]!;
}

/** The 16-bit integer at `at`. */
export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** The unsigned 32-bit integer at `at`. */
export function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Writes a 16-bit integer at `at`. */
export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Writes a 32-bit integer at `at`. */
export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Copies `length` octets; a loop, because `set(subarray())` makes an object for each call. */
export function copyBytes(
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
  length: number,
): void {
  for (let i = 0; i < length; i += 1) target[to + i] = source[from + i]!;
}

/** The same between views: four octets at a time, of any alignment. */
export function copyOctets(
  source: DataView,
  from: number,
  target: DataView,
  to: number,
  length: number,
): void {
  let i = 0;
  for (; i + 4 <= length; i += 4) target.setInt32(to + i, source.getInt32(from + i, true), true);
  for (; i < length; i += 1) target.setUint8(to + i, source.getUint8(from + i));
}

/** The octets from `from` to `to` in an array of their own; `slice` would share the memory of a Buffer. */
export function copyOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to));
}

/** The word at index `at`. */
export function word(words: Uint32Array, at: number): number {
  return words[at]!;
}

/** The 16 bits at index `at`. */
export function half(halves: Uint16Array, at: number): number {
  return halves[at]!;
}

/** The signed word at index `at`: a function of its own, so that V8 knows each kind of array where it is read. */
export function int32(words: Int32Array, at: number): number {
  return words[at]!;
}

/** What each octet is folded to. A table, because a CPU guesses wrong which octets of a name are capital letters. */
const FOLDED: Uint8Array = Uint8Array.from({ length: 256 }, (_, octet) =>
  octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet,
);

/** Folds an ASCII capital letter to lower case (RFC 4343 §3); every other octet stays. */
export function fold(octet: number): number {
  return FOLDED[octet]!;
}

/** Folds the four octets of a word at once: those above 0x3f by 0x25 or 0x3f more reach their highest bit, or do not. */
export function foldWord(octets: number): number {
  const low = octets & 0x7f7f7f7f;
  const isLetter = (low + 0x3f3f3f3f) & ~(low + 0x25252525) & ~octets & 0x80808080;
  return octets | (isLetter >>> 2);
}

/**
 * Copies `length` octets in lower case. Whole names can be given: a length octet is at most 63, below the letters, so
 * folding leaves it alone.
 */
export function copyFolded(
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
  length: number,
): void {
  for (let i = 0; i < length; i += 1) target[to + i] = fold(source[from + i]!);
}

/**
 * Whether `length` octets are the same, whatever their case. Of names the length octets are compared like the others, so
 * that names of different lengths differ where the shorter one ends.
 */
export function sameFolded(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): boolean {
  for (let i = 0; i < length; i += 1) {
    if (fold(a[aAt + i]!) !== fold(b[bAt + i]!)) return false;
  }
  return true;
}
