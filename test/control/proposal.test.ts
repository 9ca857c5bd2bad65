import { describe, expect, test } from "vitest";
import type { ChangeRequest, Edit } from "../../src/control/change.ts";
import { CONFIG, Folder, GB, Node } from "./test-node.ts";

const MIX = "mix.test.example";
const APPROVAL = "safety: { approval: { services: [mix.*], within: 1h } }";

function open(safety = APPROVAL, config: string = CONFIG): Promise<Node> {
  return new Node(new Folder({ "meridian.yaml": `${config}\n${safety}\n` })).open();
}

function make(node: Node, edit: Edit, more: Partial<ChangeRequest> = {}) {
  return node.desk.change({ author: "anna", reason: "more of the new", edit, ifVersion: null, ...more });
}

function approve(node: Node, id: string, more: Partial<ChangeRequest> = {}) {
  return make(node, { kind: "approve", id }, { author: "ben", reason: "looked at it", ...more });
}

const allNew: Edit = {
  kind: "set-override",
  action: { kind: "weight", target: { by: "choice", id: "mix/old" }, weight: 0 },
  untilMs: null,
};
const ID = "set:weight:choice:mix/old";

const PUBLISHED = { kind: "published" };
const BOTH = ["10.0.0.1", "10.0.0.2"];

describe("a change of a service that takes a second person", () => {
  test("waits with what it would do, and is made when somebody else approves it", async () => {
    const node = await open();
    expect(await make(node, allNew)).toEqual({ kind: "proposed", version: 2, id: ID });
    expect(node.dns.addresses(MIX, GB)).toEqual(BOTH);
    expect(node.desk.proposals()).toMatchObject([
      {
        id: ID,
        author: "anna",
        reason: "more of the new",
        version: 2,
        effects: [
          "mix.test.example",
          "16.7 % of clients would be moved, with every country counted alike",
          "eu-west -> us-east: 16.7 % of all clients",
          "mix.test.example: 50 % of its clients",
        ],
      },
    ]);
    expect(await approve(node, ID, { author: "anna" })).toMatchObject({
      kind: "refused",
      problems: [{ message: "anna has proposed it: expected a second person" }],
    });
    expect(await approve(node, ID)).toMatchObject(PUBLISHED);
    expect(node.dns.addresses(MIX, GB)).toEqual(["10.0.0.1"]);
    expect(node.desk.proposals()).toEqual([]);
    expect(node.desk.overrides()).toMatchObject([{ author: "anna", reason: "more of the new" }]);
    expect(node.desk.audit(3, null)).toMatchObject([
      {
        event: "change-approved",
        author: "ben",
        reason: "looked at it",
        detail: "weight of choice mix/old 0",
      },
      { event: "override-set", author: "anna", version: 3 },
      { event: "change-proposed", author: "anna", version: 2 },
    ]);
  });

  test("is not approved for what has become another one meanwhile, but proposed anew", async () => {
    const node = await open();
    await make(node, allNew);
    await make(node, {
      kind: "set-override",
      action: { kind: "weight", target: { by: "choice", id: "near.test.example/here" }, weight: 3 },
      untilMs: null,
    });
    expect(node.desk.proposals()).toMatchObject([{ version: 2 }]);
    expect(await approve(node, ID)).toEqual({ kind: "conflict", current: 4 });
    expect(node.dns.addresses(MIX, GB)).toEqual(BOTH);
    expect(node.desk.proposals()).toMatchObject([{ version: 4, author: "anna" }]);
    expect(await approve(node, ID)).toMatchObject(PUBLISHED);
  });

  test("outlives a restart, and expires when nobody approves it in time", async () => {
    const node = await open();
    await make(node, allNew);
    await node.close();
    const again = new Node(node.folder, node.dns);
    await again.open();
    expect(again.desk.proposals()).toHaveLength(1);
    again.pass(3_600_000);
    expect(again.desk.proposals()).toEqual([]);
    expect(await approve(again, ID)).toMatchObject({ kind: "refused" });
    expect(again.desk.audit(1, null)).toMatchObject([{ event: "proposal-expired", author: "meridian" }]);
  });

  test("can be withdrawn, and made by force against the rule", async () => {
    const node = await open();
    await make(node, allNew);
    expect(await make(node, { kind: "withdraw", id: "set:weight:choice:mix/odl" })).toMatchObject({
      problems: [
        { message: 'no proposal "set:weight:choice:mix/odl"; did you mean "set:weight:choice:mix/old"?' },
      ],
    });
    expect(await make(node, { kind: "withdraw", id: ID })).toMatchObject(PUBLISHED);
    expect(node.desk.audit(1, null)).toMatchObject([{ event: "proposal-withdrawn" }]);
    expect(await approve(node, ID)).toMatchObject({ kind: "refused" });
    await make(node, allNew);
    expect(await make(node, allNew, { force: true, reason: "an incident" })).toMatchObject(PUBLISHED);
    expect(node.desk.proposals()).toEqual([]);
    expect(node.desk.audit(1, null)).toMatchObject([
      {
        event: "change-forced",
        detail: expect.stringContaining("against safety.approval: mix.test.example takes a second person"),
      },
    ]);
  });

  test("is refused at once for other rules that it breaks, and when it is approved", async () => {
    const node = await open("safety: { approval: { services: [mix.*] }, minRegionsUp: 2 }");
    expect(await make(node, allNew)).toMatchObject({
      kind: "refused",
      problems: [
        { message: expect.stringMatching(/^safety\.minRegionsUp: /) },
        { message: expect.stringMatching(/^safety\.approval: /) },
      ],
    });
    expect(node.desk.proposals()).toEqual([]);
  });

  test("is also its end, a release, and what files declare of it", async () => {
    const node = await open(APPROVAL, CONFIG.replace("slowStart: 0s", "slowStart: 0s, failback: manual"));
    await make(node, allNew, { force: true });
    expect(await make(node, { kind: "end-override", id: "weight:choice:mix/old" })).toMatchObject({
      kind: "proposed",
      id: "end:weight:choice:mix/old",
    });
    expect(await approve(node, "end:weight:choice:mix/old")).toMatchObject(PUBLISHED);
    expect(node.dns.addresses(MIX, GB)).toEqual(BOTH);

    const agents = Object.values(await node.agents("dublin", "virginia"));
    const report = async (what: "ok" | "timeout") => {
      for (const agent of [...agents, ...agents]) await agent.report({ "web/eu-west/ipv4": what });
    };
    await report("timeout");
    await report("ok");
    const release = { kind: "release", target: { by: "region", id: "eu-west" } } as const;
    expect(await make(node, release)).toMatchObject({ kind: "proposed", id: "release:region:eu-west" });
    expect(await approve(node, "release:region:eu-west")).toMatchObject(PUBLISHED);
    expect(node.dns.addresses(MIX, GB)).toEqual(BOTH);
  });
});

describe("files that declare something else of such a service", () => {
  const edited = (weight: number): string =>
    `${CONFIG.replace("old: { weight: 50", `old: { weight: ${weight}`)}\n${APPROVAL}\n`;

  test("are put in force when they are approved", async () => {
    const node = await open();
    node.folder.write("meridian.yaml", edited(0));
    expect(await make(node, { kind: "reload" }, { author: "file" })).toEqual({
      kind: "proposed",
      version: 2,
      id: "files",
    });
    expect(node.dns.addresses(MIX, GB)).toEqual(BOTH);
    expect(node.desk.status().lastReload).toMatchObject({
      kind: "refused",
      problems: [{ message: "safety.approval: mix.test.example takes a second person" }],
    });
    expect(await approve(node, "files")).toMatchObject(PUBLISHED);
    expect(node.dns.addresses(MIX, GB)).toEqual(["10.0.0.1"]);
  });

  test("are proposed anew when they are others by then", async () => {
    const node = await open();
    node.folder.write("meridian.yaml", edited(0));
    await make(node, { kind: "reload" }, { author: "file" });
    node.folder.write("meridian.yaml", edited(10));
    expect(await approve(node, "files")).toMatchObject({ kind: "conflict" });
    expect(node.dns.addresses(MIX, GB)).toEqual(BOTH);
    expect(await approve(node, "files")).toMatchObject(PUBLISHED);
  });

  test("take nobody where they declare nothing else of it", async () => {
    const node = await open();
    const other = CONFIG.replace("here: { weight: 1", "here: { weight: 2");
    node.folder.write("meridian.yaml", `${other}\n${APPROVAL}\n`);
    expect(await make(node, { kind: "reload" })).toMatchObject(PUBLISHED);
  });
});
