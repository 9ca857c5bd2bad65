import { expect, test } from "vitest";
import { OctetPool } from "../../src/zone/octet-pool.ts";

test("what is kept stays as it was, however much follows and whatever becomes of the original", () => {
  const pool = new OctetPool();
  const originals = Array.from({ length: 300 }, (_, i) => new Uint8Array(i === 150 ? 20_000 : 100).fill(i));
  const kept = originals.map((octets) => pool.keep(octets));
  for (const octets of originals) octets.fill(0);
  for (const [i, octets] of kept.entries()) {
    expect(octets).toEqual(new Uint8Array(i === 150 ? 20_000 : 100).fill(i));
  }
});

test("small arrays share memory", () => {
  const pool = new OctetPool();
  expect(pool.keep(Uint8Array.of(1)).buffer).toBe(pool.keep(Uint8Array.of(2, 3)).buffer);
});
