import { describe, expect, test } from "vitest";
import type { ChangeRequest, Edit } from "../../src/control/change.ts";
import type { Action } from "../../src/control/override.ts";
import { CONFIG, Folder, GB, Node, until, ZONE } from "./test-node.ts";

const WWW = "www.test.example";

function open(safety: string, config: string = CONFIG): Promise<Node> {
  return new Node(new Folder({ "meridian.yaml": `${config}\nsafety: ${safety}\n` })).open();
}

function set(action: Action): Edit {
  return { kind: "set-override", action, untilMs: null };
}

function make(node: Node, edit: Edit, more: Partial<ChangeRequest> = {}) {
  return node.desk.change({ author: "anna", reason: "a test", edit, ifVersion: null, ...more });
}

const drainEurope: Edit = set({ kind: "drain", target: { by: "region", id: "eu-west" } });
const undrainEurope: Edit = { kind: "end-override", id: "drain:region:eu-west" };
const downEurope: Edit = set({ kind: "force", target: { by: "region", id: "eu-west" }, verdict: "down" });
const upAgain: Edit = { kind: "end-override", id: "force:region:eu-west" };
const upEurope: Edit = set({ kind: "force", target: { by: "region", id: "eu-west" }, verdict: "up" });

function weigh(weight: number, by: "choice" | "member" = "choice", id = "mix/new"): Edit {
  return set({ kind: "weight", target: { by, id }, weight });
}

function refusedFor(message: RegExp, details: readonly string[] = []) {
  return {
    kind: "refused",
    problems: [{ message: expect.stringMatching(message), details: expect.arrayContaining([...details]) }],
  };
}

/** Has two of three vantages see a VIP down. */
async function fail(node: Node, vip: string) {
  const { dublin, virginia } = await node.agents("dublin", "virginia");
  for (const agent of [dublin, virginia, dublin, virginia]) {
    await agent.report({ [vip]: "timeout" });
    node.pass(1_000);
  }
  return [dublin, virginia, dublin, virginia];
}

const PUBLISHED = { kind: "published" };

describe("minRegionsUp", () => {
  test("keeps the last region but one of a service in use, and says for whom", async () => {
    const node = await open("{ minRegionsUp: 2 }");
    expect(await make(node, drainEurope)).toMatchObject(
      refusedFor(
        /^safety\.minRegionsUp: www\.test\.example would have 1 region up \(us-east\), expected at least 2, and has 2 regions up \(.*\) \(\+2 services\)$/,
        [expect.stringMatching(/ for clients in EU GB 53,-1\.5, IPv4$/)],
      ),
    );
    expect(node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
    expect(node.desk.status().version).toBe(1);
  });

  test.each<[string, Edit]>([
    ["a forced verdict", downEurope],
    ["a member's weight of 0", weigh(0, "member", "web/eu-west")],
    ["a choice's weight of 0", weigh(0)],
  ])("counts %s as it counts a drain", async (_, edit) => {
    const node = await open("{ minRegionsUp: 2 }");
    expect(await make(node, edit)).toMatchObject(refusedFor(/would have 1 region up/));
  });

  test("counts no region that is down by itself, and lets it be drained then", async () => {
    const node = await open("{ minRegionsUp: 1 }");
    expect(await make(node, drainEurope)).toMatchObject(PUBLISHED);
    await make(node, undrainEurope);
    await fail(node, "web/us-east/ipv4");
    expect(await make(node, drainEurope)).toMatchObject(refusedFor(/would have 0 regions up, expected/));
    expect(await make(node, set({ kind: "drain", target: { by: "region", id: "us-east" } }))).toMatchObject(
      PUBLISHED,
    );
  });
});

describe("maxMoved", () => {
  test("refuses what moves more clients, with who goes where", async () => {
    const node = await open("{ maxMoved: 20% }");
    // www sends Britain to eu-west, two others half of each of three countries.
    expect(await make(node, downEurope)).toMatchObject(
      refusedFor(
        /^safety\.maxMoved: 44\.4 % of clients would be moved, expected at most 20 %, with every country counted alike$/,
        [
          "eu-west -> us-east: 44.4 % of all clients",
          "mix.test.example: 50 % of its clients",
          "www.test.example: 33.3 % of its clients",
        ],
      ),
    );
    expect(node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
  });

  test("lets through what moves as many or fewer", async () => {
    const node = await open("{ maxMoved: 20% }");
    // Of two answers in four one in four moves, of one service in three.
    expect(await make(node, weigh(150))).toMatchObject(PUBLISHED);
  });

  test("counts the end of an override, and what a release would bring up", async () => {
    const node = await open(
      "{ maxMoved: 20% }",
      CONFIG.replace("slowStart: 0s", "slowStart: 0s, failback: manual"),
    );
    await make(node, downEurope, { force: true });
    expect(await make(node, upAgain)).toMatchObject(refusedFor(/44\.4 % of clients/));
    await make(node, upAgain, { force: true });
    for (const agent of await fail(node, "web/eu-west/ipv4"))
      await agent.report({ "web/eu-west/ipv4": "ok" });
    const release: Edit = { kind: "release", target: { by: "region", id: "eu-west" } };
    expect(await make(node, release)).toMatchObject(refusedFor(/44\.4 % of clients/));
    expect(await make(node, release, { force: true })).toMatchObject(PUBLISHED);
    expect(node.desk.audit(1, null)).toMatchObject([
      {
        event: "change-forced",
        detail: expect.stringMatching(/^release region eu-west: .*, against safety\.maxMoved: 44/),
      },
    ]);
  });

  test("does not count failover, nor who is drained from what is down", async () => {
    const node = await open("{ maxMoved: 1% }");
    await fail(node, "web/eu-west/ipv4");
    expect(node.dns.addresses(WWW, GB)).toEqual(["10.0.0.1"]);
    expect(await make(node, drainEurope)).toMatchObject(PUBLISHED);
  });

  test("goes by the traffic that there was, where there is enough of it", async () => {
    const node = await open(
      "{ maxMoved: 20% }",
      CONFIG.replace("state: state", "state: state, profile: { sample: 1 }"),
    );
    for (let i = 0; i < 1_000; i += 1) node.dns.ask(WWW, GB, "A", node.nowMs / 1000);
    expect(await make(node, downEurope)).toMatchObject(
      refusedFor(/^safety\.maxMoved: 100 % of clients would be moved, .*, by the traffic of the last hour$/),
    );
    expect(await make(node, weigh(100))).toMatchObject(PUBLISHED);
  });

  test("is asked of new files by the rules of those in force", async () => {
    const node = await open("{ maxMoved: 5% }");
    node.folder.write(
      "meridian.yaml",
      CONFIG.replace("continents: { EU: eu-first }", "continents: { NA: us-first }"),
    );
    expect(await make(node, { kind: "reload" })).toMatchObject(
      refusedFor(/^safety\.maxMoved: 11\.1 % of clients/, ["eu-west -> us-east: 11.1 % of all clients"]),
    );
  });

  test.each<[string, (config: string) => string, string]>([
    [
      "addresses",
      (config) => config.replace("ipv4: 10.0.0.2", "ipv4: 10.0.0.9"),
      "eu-west -> eu-west: 44.4 % of all clients",
    ],
    [
      "policies",
      (config) => config.replace("old: { weight: 50", "old: { weight: 0"),
      "eu-west -> us-east: 16.7 % of all clients",
    ],
    [
      "services that go",
      (config) => config.replace(/ {2}mix\.test\.example.*\n/, ""),
      "us-east -> NODATA: 16.7 % of all clients",
    ],
  ])("sees %s in new files", async (_, edit, detail) => {
    const node = await open("{ maxMoved: 5% }");
    node.folder.write("meridian.yaml", edit(`${CONFIG}\nsafety: { maxMoved: 5% }\n`));
    expect(await make(node, { kind: "reload" })).toMatchObject(refusedFor(/^safety\.maxMoved: /, [detail]));
    expect(await make(node, { kind: "reload" }, { force: true })).toMatchObject(PUBLISHED);
    expect(node.desk.audit(2, null)).toMatchObject([{ event: "change-forced" }, { event: "files-loaded" }]);
  });
});

describe("windows", () => {
  // The clock of the tests begins on a Thursday at midnight.
  const windows = "{ windows: { open: [thu 01:00-02:00] } }";

  test("let nothing be taken out of use outside of them, and everything put back", async () => {
    const node = await open(windows);
    const closed = refusedFor(
      /^safety\.windows: changes are made thu 01:00-02:00, and it is thu 2026-01-01 00:00 UTC$/,
    );
    for (const edit of [drainEurope, downEurope, weigh(60), { kind: "reload" } as const])
      expect(await make(node, edit)).toMatchObject({
        ...closed,
        problems: [{ message: closed.problems[0]!.message }],
      });
    expect(await make(node, upEurope)).toMatchObject(PUBLISHED);
    expect(await make(node, drainEurope, { force: true })).toMatchObject(PUBLISHED);
    expect(await make(node, undrainEurope)).toMatchObject(PUBLISHED);
    node.pass(3_600_000);
    expect(await make(node, drainEurope)).toMatchObject(PUBLISHED);
  });
});

test("files that come outside of a window are read again when one opens", async () => {
  const node = await open("{ windows: { open: [thu 01:00-02:00] } }");
  node.folder.write("test.example.zone", `${ZONE}new STEER www\n`);
  expect(await make(node, { kind: "reload" })).toMatchObject({ kind: "refused" });
  node.pass(3_599_000);
  expect(node.dns.addresses("new.test.example", GB)).toEqual([]);
  node.pass(1_000);
  await until(() => node.dns.addresses("new.test.example", GB).length > 0);
  expect(node.desk.audit(1, null)).toMatchObject([{ author: "file", reason: "changes may be made again" }]);
});

describe("noDrillDuringIncident", () => {
  test("keeps drills, and nothing else, from beginning while something is down by itself", async () => {
    const node = await open("{ noDrillDuringIncident: true }");
    await make(node, downEurope);
    expect(await make(node, weigh(60), { isDrill: true })).toMatchObject(PUBLISHED);
    await make(node, { kind: "end-override", id: "force:region:eu-west" });
    await fail(node, "web/eu-west/ipv4");
    expect(await make(node, weigh(70), { isDrill: true })).toMatchObject(
      refusedFor(/^safety\.noDrillDuringIncident: web\/eu-west\/ipv4 is down: /),
    );
    expect(await make(node, weigh(70))).toMatchObject(PUBLISHED);
  });
});

test("all rules that a change breaks are told at once, and it is made by force with all of them on record", async () => {
  const node = await open("{ minRegionsUp: 2, maxMoved: 20%, windows: { open: [fri 01:00-02:00] } }");
  const outcome = await make(node, downEurope);
  expect(outcome).toMatchObject({
    kind: "refused",
    problems: [
      { message: expect.stringMatching(/^safety\.windows: /), file: node.folder.file("meridian.yaml") },
      { message: expect.stringMatching(/^safety\.minRegionsUp: /) },
      { message: expect.stringMatching(/^safety\.maxMoved: /) },
    ],
  });
  expect(await make(node, downEurope, { force: true })).toMatchObject(PUBLISHED);
  const [entry] = node.desk.audit(1, null);
  expect(entry).toMatchObject({ event: "change-forced", author: "anna", reason: "a test" });
  expect(entry?.detail).toMatch(
    /^force region eu-west down, against safety\.windows: .*; safety\.minRegionsUp: .*; safety\.maxMoved: /,
  );
});
