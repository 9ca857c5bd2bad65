import { expect, test } from "vitest";
import { OctetSink, WordSink } from "../../src/wire/sink.ts";

test("words stay where they were written, however many follow", () => {
  const sink = new WordSink();
  const places = Array.from({ length: 3_000 }, (_, i) => sink.push(i, i + 1));
  const last = sink.append(Uint32Array.of(7, 8, 9));
  const room = sink.reserve(5_000);
  sink.set(room + 4_999, 10);
  expect(sink.length).toBe(room + 5_000);
  for (const [i, at] of places.entries()) expect([sink.at(at), sink.at(at + 1)]).toEqual([i, i + 1]);
  expect([...sink.words().subarray(last, room + 1)]).toEqual([7, 8, 9, 0]);
  expect(sink.words().at(-1)).toBe(10);
});

test("octets stay where they were appended, however many follow, and none stands at 0", () => {
  const sink = new OctetSink();
  const originals = Array.from({ length: 300 }, (_, i) => new Uint8Array(i === 150 ? 20_000 : 100).fill(i));
  const places = originals.map((octets) => sink.append(octets));
  expect(places[0]).toBe(1);
  for (const [i, at] of places.entries()) {
    const length = originals[i]!.length;
    expect(sink.octets().subarray(at, at + length)).toEqual(originals[i]);
    expect(sink.memory.subarray(at, at + length)).toEqual(originals[i]);
  }
});

test("memory that is given back is gone at once", () => {
  const [words, octets] = [new WordSink(), new OctetSink()];
  words.push(1, 2);
  octets.append(Uint8Array.of(1, 2));
  const [before, beside] = [words.words(), octets.octets()];
  words.release();
  octets.release();
  expect([before.byteLength, beside.byteLength, words.length, octets.length]).toEqual([0, 0, 0, 0]);
});
