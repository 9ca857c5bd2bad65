/** Rings of samples: what one thread writes is what another reads, and a ring that is full loses only what it counts. */

import { describe, expect, test } from "vitest";
import {
  drainSamples,
  newSampleRings,
  placeForSample,
  publishSample,
  SAMPLE_WORDS,
  SampleWord,
  sampleRing,
} from "../../src/telemetry/samples.ts";

function write(ring: Uint32Array, moment: number): boolean {
  const at = placeForSample(ring);
  if (at === 0) return false;
  ring[at + SampleWord.moment] = moment;
  publishSample(ring);
  return true;
}

function momentsIn(words: Uint32Array): readonly number[] {
  return Array.from(
    { length: words.length / SAMPLE_WORDS },
    (_, i) => words[i * SAMPLE_WORDS + SampleWord.moment] ?? -1,
  );
}

describe("rings of samples", () => {
  test("give each sample once, ring by ring, in the order of writing", () => {
    const rings = newSampleRings(2);
    for (const [thread, moment] of [
      [1, 10],
      [0, 11],
      [1, 12],
    ] as const)
      write(sampleRing(rings, thread), moment);
    expect(momentsIn(drainSamples(rings).words)).toEqual([11, 10, 12]);
    expect(drainSamples(rings)).toEqual({ words: new Uint32Array(0), dropped: 0 });
  });

  test("that are full take nothing more, say how much that was, and go on once they are read", () => {
    const rings = newSampleRings(1);
    const ring = sampleRing(rings, 0);
    let next = 0;
    for (let round = 0; round < 3; round += 1) {
      const first = next;
      while (write(ring, next)) next += 1;
      for (let i = 0; i < 7; i += 1) expect(write(ring, next)).toBe(false);
      const { words, dropped } = drainSamples(rings);
      expect(dropped).toBe(8);
      expect(momentsIn(words)).toEqual(Array.from({ length: next - first }, (_, i) => first + i));
      next += 1_000;
      write(ring, next);
      expect(momentsIn(drainSamples(rings).words)).toEqual([next]);
    }
  });

  test("go on over the end of their 32-bit counts", () => {
    const rings = newSampleRings(1);
    const ring = sampleRing(rings, 0);
    // Written and read stand in words 0 and 2.
    ring[0] = 0xffff_ffff;
    ring[2] = 0xffff_ffff;
    for (const moment of [1, 2, 3]) expect(write(ring, moment)).toBe(true);
    expect(momentsIn(drainSamples(rings).words)).toEqual([1, 2, 3]);
  });
});
