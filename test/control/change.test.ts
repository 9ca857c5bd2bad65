import { describe, expect, test } from "vitest";
import type { Edit } from "../../src/control/change.ts";
import { Node } from "./test-node.ts";

const DRAIN: Edit = {
  kind: "set-override",
  action: { kind: "drain", target: { by: "region", id: "eu-west" } },
  untilMs: null,
};

describe("a change", () => {
  test("to a version that is not the current one is a conflict, and changes nothing", async () => {
    const node = await new Node().open();
    expect(await node.change(DRAIN, 1)).toEqual({ kind: "published", version: 2 });
    expect(await node.change({ kind: "end-override", id: "drain:region:eu-west" }, 1)).toEqual({
      kind: "conflict",
      current: 2,
    });
    expect(node.desk.overrides()).toHaveLength(1);
    expect(node.desk.audit(10, null)).toHaveLength(2);
  });

  test("of two that look at one version, only the first is made", async () => {
    const node = await new Node().open();
    const outcomes = await Promise.all([node.change({ kind: "reload" }, 1), node.change(DRAIN, 1)]);
    expect(outcomes).toEqual([
      { kind: "published", version: 2 },
      { kind: "conflict", current: 2 },
    ]);
  });

  test.each<[string, Edit, string]>([
    [
      "an unknown target",
      {
        kind: "set-override",
        action: { kind: "drain", target: { by: "region", id: "eu-wets" } },
        untilMs: null,
      },
      'no region "eu-wets"',
    ],
    [
      "an end in the past",
      { ...DRAIN, untilMs: Date.parse("2025-12-31T23:59:59Z") },
      "until: expected a time after",
    ],
    ["an end that is no time", { ...DRAIN, untilMs: Number.NaN }, "until: expected a time after"],
    ["an end beyond all calendars", { ...DRAIN, untilMs: 1e18 }, "until: expected a time after"],
    [
      "an override that is not there",
      { kind: "end-override", id: "drain:region:x" },
      'no override "drain:region:x"',
    ],
  ])("with %s is refused, and changes nothing", async (_, edit, message) => {
    const node = await new Node().open();
    const outcome = await node.change(edit);
    expect(outcome).toMatchObject({ kind: "refused", problems: [{ file: "request" }] });
    expect(JSON.stringify(outcome)).toContain(JSON.stringify(message).slice(1, -1));
    expect(node.desk.status().version).toBe(1);
  });

  test("needs an author and a reason", async () => {
    const node = await new Node().open();
    const outcome = await node.desk.change({ author: " ", reason: "", edit: DRAIN, ifVersion: null });
    expect(outcome).toMatchObject({ kind: "refused", problems: [{}, {}] });
  });

  test("is in the audit list with author, reason, time and version", async () => {
    const node = await new Node().open();
    node.pass(1_000);
    await node.change({ ...DRAIN, untilMs: Date.parse("2026-01-02T00:00:00Z") });
    await node.change(DRAIN);
    await node.change({ kind: "end-override", id: "drain:region:eu-west" });
    const by = { author: "anna", reason: "a test", atMs: node.nowMs };
    expect(node.desk.audit(10, null)).toMatchObject([
      { ...by, version: 4, event: "override-ended", detail: "drain region eu-west" },
      { ...by, version: 3, event: "override-replaced", detail: "drain region eu-west" },
      {
        ...by,
        version: 2,
        event: "override-set",
        detail: "drain region eu-west until 2026-01-02T00:00:00.000Z",
      },
      { author: "meridian", version: 1, event: "files-loaded", reason: "control started" },
    ]);
  });

  test("is one line of the log, with what it moved", async () => {
    const node = await new Node().open();
    await node.change(DRAIN);
    expect(node.lines(/drain region/)).toEqual([
      "anna: override-set: drain region eu-west (a test); " +
        "moved: www.test.example eu-west 100 % -> us-east 100 % (+2 services)",
    ]);
  });
});
