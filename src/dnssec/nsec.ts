/** Type bitmaps of NSEC, and what compact denial of existence makes of them (RFC 9824). */

/** The lowest type of a window block is a multiple of this (RFC 4034 §4.1.2). */
const WINDOW_TYPES = 256;

/** The type bitmap that says which types there are (RFC 4034 §4.1.2). */
export function typeBitmap(types: Iterable<number>): Uint8Array {
  const windows = new Map<number, Uint8Array>();
  for (const type of types) {
    const window = Math.floor(type / WINDOW_TYPES);
    const bits = windows.get(window) ?? new Uint8Array(WINDOW_TYPES / 8);
    const bit = type % WINDOW_TYPES;
    bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
    windows.set(window, bits);
  }
  const blocks = [...windows]
    .sort(([a], [b]) => a - b)
    .map(([window, bits]) => {
      const length = bits.findLastIndex((octet) => octet !== 0) + 1;
      return [window, length, ...bits.subarray(0, length)];
    });
  return Uint8Array.from(blocks.flat());
}
