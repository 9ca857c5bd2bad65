import { expect, test } from "vitest";
import { type Name, parseName } from "../../src/wire/name.ts";
import { NameIndex } from "../../src/wire/name-index.ts";
import { OctetSink } from "../../src/wire/sink.ts";
import { fc } from "../fast-check.ts";

/** An index whose numbers are where the names stand. */
function indexOf(names: readonly Name[], expected = 0): NameIndex {
  const sink = new OctetSink();
  const index = new NameIndex(sink, (number) => number, expected);
  for (const name of names) {
    if (index.find(name, 0, name.length) === 0) index.add(name, 0, name.length, sink.append(name));
  }
  return index;
}

function name(text: string): Name {
  const parsed = parseName(text, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

test("finds the names that were added, in any case, and no others", () => {
  const label = fc.stringMatching(/^[a-cA-C]{1,2}$/);
  const text = fc.array(label, { maxLength: 3 }).map((labels) => `${labels.join(".")}.`);
  fc.assert(
    fc.property(fc.array(text, { maxLength: 60 }), fc.array(text), (added, others) => {
      const index = indexOf(added.map(name));
      const known = new Set(added.map((one) => one.toLowerCase()));
      expect(index.count).toBe(known.size);
      for (const one of [...added, ...others]) {
        const octets = name(one);
        expect(index.find(octets, 0, octets.length) !== 0).toBe(known.has(one.toLowerCase()));
      }
    }),
  );
});

test("finds a name that is the end of another one where it stands", () => {
  const index = indexOf([name("example."), name("a.example.")]);
  const long = name("x.A.Example.");
  expect(index.find(long, 0, long.length)).toBe(0);
  expect(index.find(long, 2, long.length - 2)).toBe(10);
  expect(index.find(long, 4, long.length - 4)).toBe(1);
});

test.each([0, 3, 500, 1000])("keeps at least half of its table free, with %i names expected", (expected) => {
  for (const count of [0, 1, 2, 3, 4, 100, 1000]) {
    const names = Array.from({ length: count }, (_, i) => name(`n${i}.`));
    const { pairs } = indexOf(names, expected);
    expect(Math.log2(pairs.length) % 1).toBe(0);
    expect(pairs.length / 2).toBeGreaterThan(2 * count);
    expect(pairs.filter((word, i) => i % 2 === 1 && word !== 0)).toHaveLength(count);
  }
});
