/** A hash of words that is only good at spreading them: who knows it can make words that collide (see `siphash.ts`). */

/**
 * Spreads the bits of a word evenly (finalizer of MurmurHash3). The result is a signed integer, which V8 passes on without
 * making an object.
 */
export function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
