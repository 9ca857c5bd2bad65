import { expect, test } from "vitest";
import { viewOf } from "../../src/wire/packet.ts";
import { sipHash } from "../../src/wire/siphash.ts";

/** The key 00 01 … 0f, as little-endian words. */
const key = Uint32Array.of(0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c);
const message = viewOf(Uint8Array.from({ length: 64 }, (_, i) => i));

/** From the reference implementation: the hash of the octets 00 01 … (length - 1). */
test.each([
  [0, "310e0edd47db6f72"],
  [1, "fd67dc93c539f874"],
  [7, "37d1018bf50002ab"],
  [8, "6224939a79f5f593"],
  [15, "e545be4961ca29a1"],
  [63, "724506eb4c328a95"],
])("%i octets give the published hash", (length, hash) => {
  const out = new Uint8Array(10);
  sipHash(key, 0, message, length, viewOf(out), 1);
  expect(Buffer.from(out).toString("hex")).toBe(`00${hash}00`);
});

test("the key is read where it stands", () => {
  const out = new Uint8Array(8);
  sipHash(Uint32Array.of(9, 9, ...key), 2, message, 15, viewOf(out), 0);
  expect(Buffer.from(out).toString("hex")).toBe("e545be4961ca29a1");
});
