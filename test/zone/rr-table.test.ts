import { expect, test } from "vitest";
import { RRType } from "../../src/wire/codes.ts";
import { nameKey } from "../../src/wire/name.ts";
import { type ResourceRecord, RRTable, STEER } from "../../src/zone/rr-table.ts";
import { withNode } from "../../src/zone/with-node.ts";
import type { ZoneNode } from "../../src/zone/zone.ts";
import { fc } from "../fast-check.ts";
import { name } from "./texts.ts";

const file = fc.constantFrom("zone", "included");
const place = fc.record({ file, line: fc.nat(), column: fc.nat() });
const owner = fc.constantFrom("example.", "a.example.", "A.Example.", "*.a.example.", "b.").map(name);
const rr: fc.Arbitrary<ResourceRecord> = fc.record({
  owner,
  type: fc.constantFrom(1, 16, 28, 65_535),
  ttlSeconds: fc.nat(2 ** 31 - 1),
  rdata: fc.uint8Array({ maxLength: 300 }),
  place,
});
const steer: fc.Arbitrary<ResourceRecord> = fc.record({
  owner,
  type: fc.constant(STEER),
  ttlSeconds: fc.constant(0),
  rdata: owner,
  place,
});

test("gives the nodes that a map of objects would have", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 4, arbitrary: rr }, steer), { maxLength: 80 }), (rrs) => {
      const table = new RRTable();
      const nodes = new Map<string, ZoneNode>();
      for (const one of rrs) {
        table.add(one);
        addTo(nodes, one);
      }
      expect([...table]).toEqual([...nodes]);
      expect([...table.values()]).toEqual([...nodes.values()]);
      expect([...table.keys()]).toEqual([...nodes.keys()]);
      expect(table.size).toBe(nodes.size);
      for (const key of ["\x07example\0", "\x01a\x07example\0", "\x01b\0", "\0"]) {
        expect(table.has(key)).toBe(nodes.has(key));
        expect(table.get(key)).toEqual(nodes.get(key));
      }
    }),
  );
});

function addTo(
  nodes: Map<string, ZoneNode>,
  { owner, type, ttlSeconds, rdata, place }: ResourceRecord,
): void {
  const key = nameKey(owner);
  const node = nodes.get(key) ?? { name: owner, rrsets: new Map(), steered: null };
  const rrset = node.rrsets.get(type) ?? { type, ttlSeconds, rdatas: [], place };
  const more = { ...rrset, rdatas: [...rrset.rdatas, rdata] };
  nodes.set(
    key,
    type === STEER
      ? { ...node, steered: { as: rdata as typeof owner, place } }
      : { ...node, rrsets: new Map(node.rrsets).set(type, more) },
  );
}

test("gives RRs by type, in the order of the file, and those of owners with several", () => {
  const [a, b] = [name("a."), name("b.")];
  const at = (line: number) => ({ file: "zone", line, column: 1 });
  const rrs = [
    { owner: a, type: RRType.NS, ttlSeconds: 1, rdata: Uint8Array.of(1), place: at(1) },
    { owner: b, type: RRType.MX, ttlSeconds: 2, rdata: Uint8Array.of(2), place: at(2) },
    { owner: a, type: 16, ttlSeconds: 3, rdata: Uint8Array.of(3), place: at(3) },
  ];
  const table = new RRTable();
  for (const one of rrs) table.add(one);
  expect([...table.ofTypes(RRType.MX, RRType.NS)]).toEqual([rrs[0], rrs[1]]);
  expect([...table.ofTypes(RRType.DNAME)]).toEqual([]);
  expect([...table.severalOfOwner()]).toEqual([[rrs[0], rrs[2]]]);
});

test("one node can be replaced, and the others stay", () => {
  const table = new RRTable();
  for (const owner of [name("a."), name("b.")])
    table.add({
      owner,
      type: 1,
      ttlSeconds: 1,
      rdata: Uint8Array.of(1),
      place: { file: "f", line: 1, column: 1 },
    });
  const node: ZoneNode = { name: name("A."), rrsets: new Map(), steered: null };
  const nodes = withNode(table, node);
  const other = table.get("\x01b\0");
  expect([...nodes]).toEqual([
    ["\x01a\0", node],
    ["\x01b\0", other],
  ]);
  expect([...nodes.values()]).toEqual([node, other]);
  expect([...nodes.keys()]).toEqual(["\x01a\0", "\x01b\0"]);
  expect([nodes.size, nodes.has("\x01a\0"), nodes.has("\x01c\0")]).toEqual([2, true, false]);
  expect([nodes.get("\x01a\0"), nodes.get("\x01b\0"), nodes.get("\x01c\0")]).toEqual([
    node,
    other,
    undefined,
  ]);
});
