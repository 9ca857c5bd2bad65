import { expect, test } from "vitest";
import {
  copyBytes,
  copyFolded,
  copyOf,
  fold,
  half,
  int32,
  putU16,
  putU32,
  sameFolded,
  u8,
  u16,
  u32,
  word,
} from "../../src/wire/bytes.ts";
import { fc } from "../fast-check.ts";

test("16-bit integers come back as they were written, in network byte order", () => {
  fc.assert(
    fc.property(fc.nat(0xffff), (value) => {
      const bytes = new Uint8Array(4);
      putU16(bytes, 1, value);
      expect(u16(bytes, 1)).toBe(value);
      expect(Buffer.from(bytes).readUInt16BE(1)).toBe(value);
      expect([u8(bytes, 0), u8(bytes, 3)]).toEqual([0, 0]);
    }),
  );
});

test("32-bit integers come back as they were written, in network byte order", () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), (value) => {
      const bytes = new Uint8Array(6);
      putU32(bytes, 1, value);
      expect(u32(bytes, 1)).toBe(value);
      expect(Buffer.from(bytes).readUInt32BE(1)).toBe(value);
      expect([u8(bytes, 0), u8(bytes, 5)]).toEqual([0, 0]);
    }),
  );
});

test("copyBytes copies the range and nothing more", () => {
  const target = new Uint8Array(6);
  copyBytes(Uint8Array.of(1, 2, 3, 4), 1, target, 2, 2);
  expect([...target]).toEqual([0, 0, 2, 3, 0, 0]);
});

test("copyOf shares no memory, not even with a Buffer", () => {
  const buffer = Buffer.from([1, 2, 3, 4]);
  const copy = copyOf(buffer, 1, 3);
  buffer.fill(0);
  expect(copy).toEqual(Uint8Array.of(2, 3));
});

test("word reads one word of shared memory", () => {
  expect(word(Uint32Array.of(7, 0xffffffff), 1)).toBe(0xffffffff);
});

test("fold changes ASCII capital letters alone (RFC 4343 §3)", () => {
  for (let octet = 0; octet < 256; octet += 1) {
    const isCapital = octet >= 65 && octet <= 90;
    expect(fold(octet)).toBe(isCapital ? octet + 32 : octet);
  }
});

test("half reads 16 bits", () => {
  expect(half(Uint16Array.of(7, 0xffff), 1)).toBe(0xffff);
});

test("int32 reads one signed word", () => {
  expect(int32(Int32Array.of(7, -1), 1)).toBe(-1);
});

test("copyFolded copies the range in lower case and nothing more, onto itself too", () => {
  const octets = Uint8Array.from(Buffer.from("ABCDef"));
  const target = new Uint8Array(6);
  copyFolded(octets, 1, target, 2, 4);
  expect(Buffer.from(target).toString()).toBe("\0\0bcde");
  copyFolded(octets, 2, octets, 2, 3);
  expect(Buffer.from(octets).toString()).toBe("ABcdef");
});

test("sameFolded compares the ranges and nothing more, whatever their case", () => {
  const octets = Uint8Array.from(Buffer.from("xABCyabc@`"));
  expect(sameFolded(octets, 1, octets, 5, 3)).toBe(true);
  expect(sameFolded(octets, 0, octets, 4, 4)).toBe(false);
  expect(sameFolded(octets, 1, octets, 5, 4)).toBe(false);
  expect(sameFolded(octets, 8, octets, 9, 1)).toBe(false);
});
