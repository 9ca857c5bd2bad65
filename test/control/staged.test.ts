import { describe, expect, test } from "vitest";
import type { ChangeRequest, Edit } from "../../src/control/change.ts";
import { answersTo, movedBetween } from "./clients.ts";
import { CONFIG, Folder, GB, Node, until } from "./test-node.ts";

const WWW = "www.test.example";
const SERVICES = ["www", "mix", "near"].map((label) => `${label}.test.example`);
const MINUTE = 60_000;
const SAFETY = "\nsafety: { maxMoved: 20%, stageEvery: 1m }\n";

function open(config: string = CONFIG): Promise<Node> {
  return new Node(new Folder({ "meridian.yaml": `${config}${SAFETY}` })).open();
}

function make(node: Node, edit: Edit, more: Partial<ChangeRequest> = {}) {
  return node.desk.change({ author: "anna", reason: "maintenance", edit, ifVersion: null, ...more });
}

const ID = "drain:region:eu-west";
const DRAIN: Edit = {
  kind: "set-override",
  action: { kind: "drain", target: { by: "region", id: "eu-west" } },
  untilMs: null,
};

/** What is in force of the one override that there is; null: all of it. */
function stageOf(node: Node) {
  const [override, ...others] = node.desk.overrides();
  expect(others).toEqual([]);
  if (override === undefined) throw new Error("there is no override");
  return override.stage ?? null;
}

/** Lets a step fall due, and waits until it is taken. */
async function step(node: Node, ms = MINUTE): Promise<void> {
  const { version } = node.desk.status();
  node.pass(ms);
  await until(() => node.desk.status().version > version);
}

function events(node: Node): readonly string[] {
  return node.desk.audit(20, null).map(({ event, author }) => `${author} ${event}`);
}

describe("a drain that moves more than one change may", () => {
  test("takes effect in steps, each within the limit, and is one entry of the audit list until it is done", async () => {
    const node = await open();
    let before = answersTo(node, SERVICES);
    expect(await make(node, DRAIN)).toMatchObject({ kind: "published", version: 2 });
    expect(stageOf(node)).toMatchObject({ goal: 1, nextMs: node.nowMs + MINUTE });
    expect(node.dns.addresses(WWW, GB)).toEqual(["10.0.0.1", "10.0.0.2"]);
    const moves = [movedBetween(before, answersTo(node, SERVICES))];
    while (stageOf(node) !== null) {
      before = answersTo(node, SERVICES);
      await step(node);
      moves.push(movedBetween(before, answersTo(node, SERVICES)));
    }
    // 44.4 % in all.
    expect(moves).toHaveLength(3);
    for (const moved of moves) expect(moved).toBeLessThanOrEqual(0.2);
    expect(moves[0]).toBeGreaterThan(0.19);
    expect(node.lines(/^meridian: drain region eu-west, .* of the way, next step at/)).toHaveLength(1);
    expect(node.dns.addresses(WWW, GB)).toEqual(["10.0.0.1"]);
    expect(events(node).slice(0, 2)).toEqual(["meridian stage-finished", "anna change-staged"]);
  });

  test("does not go on before its time, nor while it is paused", async () => {
    const node = await open();
    await make(node, DRAIN);
    const part = stageOf(node)?.part ?? 0;
    node.pass(MINUTE - 1);
    await node.change({ kind: "stage", id: ID, order: "pause" });
    node.pass(10 * MINUTE);
    await node.change({ kind: "end-override", id: "no such" });
    expect(stageOf(node)).toMatchObject({ part, nextMs: null });
    await node.change({ kind: "stage", id: ID, order: "resume" });
    await step(node, 1);
    expect(stageOf(node)?.part).toBeGreaterThan(part);
  });

  test("is put back as a whole when it is aborted", async () => {
    const node = await open();
    await make(node, DRAIN);
    expect(await node.change({ kind: "stage", id: ID, order: "abort" })).toMatchObject({ kind: "published" });
    expect(node.desk.overrides()).toEqual([]);
    expect(node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
    expect(events(node).slice(0, 2)).toEqual(["anna stage-aborted", "anna change-staged"]);
    expect(await node.change({ kind: "stage", id: ID, order: "pause" })).toMatchObject({ kind: "refused" });
  });

  test("is put back within a second when a VIP that clients are moved to goes down, or a vantage sees it down", async () => {
    for (const failing of [["dublin", "virginia"], ["tokyo"]] as const) {
      const node = await open();
      const agents = await node.agents("dublin", "virginia", "tokyo");
      const report = async (what: "ok" | "timeout", names: readonly (keyof typeof agents)[]) => {
        for (const name of [...names, ...names]) await agents[name].report({ "web/us-east/ipv4": what });
      };
      await report("ok", ["dublin", "virginia", "tokyo"]);
      await make(node, DRAIN);
      await report("timeout", failing);
      node.pass(1_000);
      await until(() => node.desk.overrides().length === 0);
      expect(node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
      expect(node.desk.audit(1, null)).toMatchObject([
        {
          event: "stage-rolled-back",
          author: "meridian",
          reason: expect.stringMatching(/^web\/us-east\/ipv4 is down/),
        },
      ]);
      await node.close();
    }
  });

  test("goes on after a restart, where it was", async () => {
    const node = await open();
    await make(node, DRAIN);
    const stage = stageOf(node);
    await node.close();
    const again = await new Node(node.folder, node.dns).open();
    expect(stageOf(again)).toEqual(stage);
    expect(again.dns.addresses(WWW, GB)).toEqual(["10.0.0.1", "10.0.0.2"]);
    while (stageOf(again) !== null) await step(again);
    expect(again.dns.addresses(WWW, GB)).toEqual(["10.0.0.1"]);
  });

  test("ends at its end, wherever it is by then", async () => {
    const node = await open();
    await make(node, { ...DRAIN, untilMs: node.nowMs + MINUTE / 2 });
    node.pass(MINUTE / 2);
    expect(node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
    await until(() => node.desk.overrides().length === 0);
  });

  test("ends in steps too when somebody ends it, and is in force again when that is aborted", async () => {
    const node = await open();
    await make(node, DRAIN, { force: true });
    expect(stageOf(node)).toBeNull();
    await make(node, { kind: "end-override", id: ID });
    expect(stageOf(node)).toMatchObject({ goal: 0 });
    await node.change({ kind: "stage", id: ID, order: "abort" });
    expect(stageOf(node)).toBeNull();
    await make(node, { kind: "end-override", id: ID });
    while (node.desk.overrides().length > 0) await step(node);
    expect(node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
  });

  test("pauses, and says why, when the next step would break another rule by now", async () => {
    const node = await new Node(
      new Folder({
        "meridian.yaml": `${CONFIG}\nsafety: { maxMoved: 20%, stageEvery: 1m, minRegionsUp: 1 }\n`,
      }),
    ).open();
    await make(node, DRAIN);
    await make(
      node,
      { ...DRAIN, action: { kind: "force", target: { by: "region", id: "us-east" }, verdict: "down" } },
      { force: true },
    );
    // Clients that were moved to it come back at once.
    await until(() => node.desk.overrides().every(({ stage }) => stage === undefined));
    expect(events(node)[0]).toBe("meridian stage-rolled-back");
  });
});

describe("a weight", () => {
  const weigh = (weight: number): Edit => ({
    kind: "set-override",
    action: { kind: "weight", target: { by: "choice", id: "mix/old" }, weight },
    untilMs: null,
  });

  test("goes from the one before to the one that is ordered, and back to it when that is aborted", async () => {
    const node = await new Node(
      new Folder({ "meridian.yaml": `${CONFIG}\nsafety: { maxMoved: 5%, stageEvery: 1m }\n` }),
    ).open();
    await make(node, weigh(40));
    expect(stageOf(node)).toBeNull();
    await make(node, weigh(0));
    expect(stageOf(node)).toMatchObject({ replaced: { action: { weight: 40 } } });
    const explained = node.desk.facts().choiceWeights.get("mix/old") ?? 0;
    expect(explained).toBeGreaterThan(20);
    expect(explained).toBeLessThan(40);
    await node.change({ kind: "stage", id: "weight:choice:mix/old", order: "abort" });
    expect(stageOf(node)).toBeNull();
    expect(node.desk.facts().choiceWeights.get("mix/old")).toBe(40);
    await make(node, weigh(0));
    while (stageOf(node) !== null) await step(node);
    expect(node.desk.facts().choiceWeights.get("mix/old")).toBe(0);
  });
});
