/**
 * Samples of steered queries in shared memory: each thread that answers owns a ring and writes to it without locks, the
 * parent reads them all. A ring that is full takes nothing more until it is read: nobody waits for a reader.
 *
 *   ring      written | dropped | read | told | samples    (read and told: what the reader has taken of the first two)
 *   sample    see `SampleWord`
 *
 * Of a client there is its /24 or /56, and no more of it than its resolver sent (RFC 7871).
 */

/** Words of a sample. */
export const SampleWord = {
  /** The low 32 bits of the version of the book that answered. */
  version: 0,
  /** In that book. */
  service: 1,
  /** The second, as the draw took it. */
  moment: 2,
  qnameHash: 3,
  /** qtype (16 bits), region of the pick or `NO_REGION` (8), 1 for IPv6 (1), prefix length (7). */
  what: 4,
  /** The first 32 and the next 24 bits of the address; of IPv4 the first 24. */
  high: 5,
  low: 6,
} as const;
export const SAMPLE_WORDS = 7;

/** Where no VIP was given; of a region with a number above it nothing is known either. */
export const NO_REGION = 255;

/** The longest prefixes that samples have. */
export const IPV4_PREFIX_MAX = 24;
export const IPV6_PREFIX_MAX = 56;

/** Samples that a ring holds; it is read once a second. */
const RING_SAMPLES = 4096;
const WRITTEN = 0;
const DROPPED = 1;
const READ = 2;
const TOLD = 3;
const SAMPLES_AT = 4;
const RING_WORDS = SAMPLES_AT + RING_SAMPLES * SAMPLE_WORDS;

/** Memory for the rings of `threads` threads. */
export function newSampleRings(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * RING_WORDS * Uint32Array.BYTES_PER_ELEMENT);
}

/** The ring of one thread. */
export function sampleRing(rings: SharedArrayBuffer, thread: number): Uint32Array {
  return new Uint32Array(rings, thread * RING_WORDS * Uint32Array.BYTES_PER_ELEMENT, RING_WORDS);
}

/** Where in a ring the next sample goes; 0: there is no room, which is counted. */
export function placeForSample(ring: Uint32Array): number {
  const written = ring[WRITTEN] ?? 0;
  if ((written - Atomics.load(ring, READ)) >>> 0 < RING_SAMPLES)
    return SAMPLES_AT + (written % RING_SAMPLES) * SAMPLE_WORDS;
  ring[DROPPED] = (ring[DROPPED] ?? 0) + 1;
  return 0;
}

/** Says that the sample for which there was a place is there. */
export function publishSample(ring: Uint32Array): void {
  Atomics.store(ring, WRITTEN, (ring[WRITTEN] ?? 0) + 1);
}

/** What has come into all rings since the last time. */
export interface Samples {
  /** One after the other. */
  readonly words: Uint32Array;
  /** How many there was no room for. */
  readonly dropped: number;
}

/** Nothing has come in. */
export const NO_SAMPLES: Samples = { words: new Uint32Array(0), dropped: 0 };

/** Reads all rings, and makes room in them. */
export function drainSamples(rings: SharedArrayBuffer): Samples {
  const all = Array.from({ length: rings.byteLength / 4 / RING_WORDS }, (_, i) => sampleRing(rings, i));
  const counts = all.map((ring) => (Atomics.load(ring, WRITTEN) - (ring[READ] ?? 0)) >>> 0);
  const words = new Uint32Array(SAMPLE_WORDS * counts.reduce((sum, count) => sum + count, 0));
  let to = 0;
  let dropped = 0;
  for (const [i, ring] of all.entries()) {
    const count = counts[i] ?? 0;
    const read = ring[READ] ?? 0;
    const first = read % RING_SAMPLES;
    const untilEnd = Math.min(count, RING_SAMPLES - first);
    words.set(samplesOf(ring, first, untilEnd), to);
    words.set(samplesOf(ring, 0, count - untilEnd), to + untilEnd * SAMPLE_WORDS);
    to += count * SAMPLE_WORDS;
    Atomics.store(ring, READ, read + count);
    const now = Atomics.load(ring, DROPPED);
    dropped += (now - (ring[TOLD] ?? 0)) >>> 0;
    ring[TOLD] = now;
  }
  return { words, dropped };
}

function samplesOf(ring: Uint32Array, first: number, count: number): Uint32Array {
  const at = SAMPLES_AT + first * SAMPLE_WORDS;
  return ring.subarray(at, at + count * SAMPLE_WORDS);
}
