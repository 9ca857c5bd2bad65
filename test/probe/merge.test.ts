/** One probe for equal targets of several nodes. */

import { expect, test } from "vitest";
import { mergeTargets } from "../../src/probe/merge.ts";
import { tcpSpec } from "./specs.ts";
import { target } from "./targets.ts";

test("equal targets of two nodes are one, and both nodes get its reports", () => {
  const shared = mergeTargets(
    new Map([
      ["dns1", [target("a"), target("b")]],
      ["dns2", [target("b"), target("c")]],
    ]),
  );
  const seen = [...shared.values()].map(({ target: { vip }, nodes }) => [vip, ...nodes]);
  expect(seen).toEqual([
    ["a", "dns1"],
    ["b", "dns1", "dns2"],
    ["c", "dns2"],
  ]);
});

test.each([
  ["address", { address: "::1" }],
  ["probe", { probe: tcpSpec(81) }],
  ["interval", { intervalMs: 1_000 }],
])("targets of one VIP that differ in %s are probed apart", (_, changes) => {
  const shared = mergeTargets(
    new Map([
      ["dns1", [target("a")]],
      ["dns2", [target("a", changes)]],
    ]),
  );
  expect([...shared.values()].map(({ nodes }) => [...nodes])).toEqual([["dns1"], ["dns2"]]);
});

test("a target keeps its key while nodes come and go", () => {
  const alone = mergeTargets(new Map([["dns1", [target("a")]]]));
  const joined = mergeTargets(
    new Map([
      ["dns2", [target("z"), target("a")]],
      ["dns1", [target("a")]],
    ]),
  );
  expect(alone.size).toBe(1);
  expect([...joined.keys()]).toEqual(expect.arrayContaining([...alone.keys()]));
});

test("a node that names a target twice gets its reports once", () => {
  const shared = mergeTargets(new Map([["dns1", [target("a"), target("a")]]]));
  expect([...shared.values()].map(({ nodes }) => [...nodes])).toEqual([["dns1"]]);
});
