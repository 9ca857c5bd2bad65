/** Drills on a node with a clock that the test moves: what begins, ends, aborts and is put back. */

import { mkdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { pino } from "pino";
import { beforeEach, describe, expect, test } from "vitest";
import { parseDrill } from "../../src/config/parse-drill.ts";
import type { DrillOutcome } from "../../src/control/drills.ts";
import { RunningDrill } from "../../src/control/running-drill.ts";
import { STORE_FILE } from "../../src/control/sqlite-store.ts";
import type { TokenRecord } from "../../src/control/store.ts";
import type { DrillRecord } from "../../src/drill/drill.ts";
import { type Seen, StreamServer, type TestAgent } from "./test-agent.ts";
import { CONFIG, Folder, GB, Node, until } from "./test-node.ts";

const EU = "10.0.0.2";
const US = "10.0.0.1";
const EU_VIP = "web/eu-west/ipv4";
const US_VIP = "web/us-east/ipv4";

const drain = { mode: "drain", target: { region: "eu-west" }, duration: "20s" };
const dead = { mode: "dead", target: { region: "eu-west" }, duration: "20s" };

let node: Node;
let agents: Readonly<Record<"dublin" | "virginia" | "tokyo", TestAgent>>;

beforeEach(async () => {
  node = await new Node(new Folder({ "meridian.yaml": CONFIG })).open();
  agents = await node.agents("dublin", "virginia", "tokyo");
  for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: "ok", [US_VIP]: "ok" });
});

/** All vantages report the same, a second after they did so before. */
async function report(outcomes: Readonly<Record<string, Seen>>): Promise<void> {
  node.pass(1_000);
  for (const agent of Object.values(agents)) await agent.report(outcomes);
}

async function begin(drill: object): Promise<DrillOutcome> {
  const { config } = node.desk.snapshot();
  const { value, problems } = parseDrill("test", JSON.stringify(drill), config);
  if (value === null) throw new Error(problems.map(({ message }) => message).join("; "));
  return await node.desk.drills.begin({ spec: value, author: "olga", reason: "a test" });
}

/** Begins a drill that may begin. */
async function beginGood(drill: object): Promise<DrillRecord> {
  const outcome = await begin(drill);
  if (outcome.kind === "refused") throw new Error(outcome.problems.map(({ message }) => message).join("; "));
  return outcome.record;
}

function now(id: string): DrillRecord {
  const record = node.desk.drills.find(id);
  if (record === null) throw new Error(`no drill ${id}`);
  return record;
}

/** Deletes the store of a node, in a way that it cannot be written again. */
function breakStore({ folder }: Node): void {
  rmSync(folder.file(`state/${STORE_FILE}`));
  mkdirSync(folder.file(`state/${STORE_FILE}.new`));
}

/** Lets the failure begin. */
async function fails({ id }: DrillRecord): Promise<void> {
  node.pass(2_000);
  const byAgents = now(id).spec.action.kind === "dead";
  await until(() => now(id).phase === "running" && (byAgents || node.desk.overrides().length > 0));
}

async function ends({ id }: DrillRecord): Promise<void> {
  await until(() => now(id).moments.some(({ kind }) => kind === "ended"));
}

async function over(id: string, of: Node = node): Promise<DrillRecord> {
  const record = (): DrillRecord | null => of.desk.drills.find(id);
  for (let i = 0; i < 90 && record()?.phase !== "over"; i += 1) {
    of.pass(1_000);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const found = record();
  if (found?.phase !== "over") throw new Error(`drill ${id} is not over: ${JSON.stringify(found?.moments)}`);
  return found;
}

function answer(): readonly string[] {
  return node.dns.addresses("www.test.example", GB);
}

async function problemsOf(drill: object): Promise<readonly string[]> {
  const outcome = await begin(drill);
  return outcome.kind === "refused" ? outcome.problems.map(({ message }) => message) : [];
}

describe("a drill of mode drain", () => {
  test("takes its target out of answers, and puts it back at its end", async () => {
    const drill = await beginGood(drain);
    expect(answer()).toEqual([EU]);
    await fails(drill);
    expect(answer()).toEqual([US]);
    expect(node.desk.overrides()).toMatchObject([
      { id: "drain:region:eu-west", author: "olga", untilMs: now(drill.id).untilMs },
    ]);
    node.pass(20_000);
    expect(answer()).toEqual([EU]);
    await ends(drill);
    const { ending, moments } = await over(drill.id);
    expect(ending).toEqual({ kind: "on-time" });
    expect(moments.map(({ kind }) => kind)).toEqual(["begun", "patched", "patched", "ended", "restored"]);
    expect(node.desk.overrides()).toEqual([]);
  });

  test("is ended by hand", async () => {
    const drill = await beginGood(drain);
    await fails(drill);
    expect(await node.desk.drills.abort(drill.id, "anna", "enough")).toBe(true);
    expect(answer()).toEqual([EU]);
    expect(now(drill.id).ending).toEqual({ kind: "by-hand", author: "anna", reason: "enough" });
    expect(await node.desk.drills.abort(drill.id, "anna", "again")).toBe(false);
    expect(node.desk.audit(3, null).map(({ event }) => event)).toEqual([
      "drill-aborted",
      "override-ended",
      "override-set",
    ]);
  });

  test("is ended by hand while the store cannot be written", async () => {
    const drill = await beginGood(drain);
    await fails(drill);
    breakStore(node);
    expect(await node.desk.drills.abort(drill.id, "anna", "enough")).toBe(true);
    expect(answer()).toEqual([EU]);
    expect(node.desk.overrides()).toEqual([]);
  });

  test("is put back by the next control when this one dies", async () => {
    const drill = await beginGood(drain);
    await fails(drill);
    await node.close();
    const next = await new Node(node.folder, node.dns).open();
    next.nowMs = node.nowMs;
    await until(() => next.desk.overrides().length === 0);
    expect(answer()).toEqual([EU]);
    expect(next.desk.drills.find(drill.id)?.ending).toEqual({ kind: "control-died" });
    await over(drill.id, next);
  });

  test("is put back by a next control that cannot read the store at first", async () => {
    const drill = await beginGood(drain);
    await fails(drill);
    await node.close();
    const store = node.folder.file(`state/${STORE_FILE}`);
    renameSync(store, `${store}.away`);
    mkdirSync(store);
    const next = new Node(node.folder, node.dns);
    next.nowMs = node.nowMs;
    await next.open();
    expect(next.desk.status().store.problem?.fault).toBe("unusable");
    expect(next.desk.drills.isRunning).toBe(false);
    rmdirSync(store);
    renameSync(`${store}.away`, store);
    next.pass(1_000);
    await until(() => next.desk.status().store.problem === null);
    next.pass(1_000);
    await until(() => next.desk.overrides().length === 0);
    expect(answer()).toEqual([EU]);
    expect((await over(drill.id, next)).ending).toEqual({ kind: "control-died" });
  });

  test("is restored only after it has ended, also when its time is up while somebody ends it", async () => {
    const drill = await beginGood(drain);
    await fails(drill);
    const aborting = node.desk.drills.abort(drill.id, "anna", "enough");
    while (now(drill.id).phase !== "restoring") await Promise.resolve();
    node.pass(20_000);
    expect(await aborting).toBe(true);
    const kinds = (await over(drill.id)).moments.map(({ kind }) => kind);
    expect(kinds.slice(-2)).toEqual(["ended", "restored"]);
  });
});

describe("a drill of mode weight", () => {
  test("shifts answers for its time", async () => {
    const drill = await beginGood({ ...drain, mode: "weight", weight: 0 });
    await fails(drill);
    expect(node.desk.overrides()).toMatchObject([{ id: "weight:region:eu-west", action: { weight: 0 } }]);
    node.pass(20_000);
    await ends(drill);
    expect(node.desk.facts().memberWeights.size).toBe(0);
  });
});

describe("a drill of mode dead", () => {
  test("orders vantages to report it, notes what follows, and sees that it comes back", async () => {
    const drill = await beginGood({ ...dead, by: ["dublin", "tokyo"] });
    await fails(drill);
    expect(node.desk.overrides()).toEqual([]);
    for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: "timeout", [US_VIP]: "ok" });
    await until(() => answer()[0] === US);
    node.pass(18_000);
    await ends(drill);
    for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: "ok", [US_VIP]: "ok" });
    await until(() => now(drill.id).moments.some(({ kind }) => kind === "restored"));
    expect(answer()).toEqual([EU]);
    const kinds = now(drill.id).moments.map(({ kind }) => kind);
    expect(kinds.slice(0, 2)).toEqual(["begun", "voted"]);
    expect(kinds.filter((kind) => kind === "flipped")).toHaveLength(4);
    expect(kinds.filter((kind) => kind === "patched").length).toBeGreaterThanOrEqual(2);
    expect(kinds.indexOf("flipped")).toBeLessThan(kinds.indexOf("ended"));
  });
});

describe("what a drill has held down is brought up at its end", () => {
  const HELD = CONFIG.replace("slowStart: 0s", "slowStart: 0s, failback: manual");

  /** A death that has been seen, has ended, and is seen no more. */
  async function heldDown(atEnd: () => void): Promise<DrillRecord> {
    node.folder.write("meridian.yaml", HELD);
    await node.change({ kind: "reload" });
    for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: "ok", [US_VIP]: "ok" });
    const drill = await beginGood(dead);
    await fails(drill);
    for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: "timeout", [US_VIP]: "ok" });
    await until(() => answer()[0] === US);
    atEnd();
    node.pass(18_000);
    await ends(drill);
    for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: "ok", [US_VIP]: "ok" });
    return drill;
  }

  test("at once", async () => {
    const drill = await heldDown(() => undefined);
    await until(() => answer()[0] === EU);
    await until(() => now(drill.id).moments.some(({ kind }) => kind === "restored"));
  });

  test("and while the store cannot be written", async () => {
    await heldDown(() => breakStore(node));
    await until(() => answer()[0] === EU);
    expect(node.logged.filter(({ level, msg }) => level >= 50 && msg.startsWith("drill "))).toEqual([]);
  });
});

test("what cannot be put back is told once, and tried again less and less often", async () => {
  const said: string[] = [];
  const log = pino({ level: "error" }, { write: (line) => void said.push(JSON.parse(line).msg) });
  const record = await beginGood(drain);
  const options = { nowMs: () => 1_000, judged: () => new Map(), log };
  const running = new RunningDrill(record, node.desk.snapshot().config, options);
  const waits = Array.from({ length: 7 }, () => {
    running.postpone("the disk is full");
    return running.retryMs - 1_000;
  });
  expect(waits).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  running.postpone("the store was deleted");
  expect(said).toEqual([`drill ${record.id}: the disk is full`, `drill ${record.id}: the store was deleted`]);
});

test.each([
  [{ mode: "cut", target: { vantages: "tokyo" } }, { kind: "silence" }],
  [
    { ...dead, by: "tokyo" },
    { kind: "pretend", vips: [EU_VIP] },
  ],
])(
  "agents are ordered to watch, then %o as %o for its time, and then to watch alone",
  async (wanted, order) => {
    const server = await StreamServer.open((socket, { name }) =>
      node.desk.acceptAgent(socket, node.token(name)),
    );
    const agent = await server.connect("tokyo");
    agent.send({
      kind: "hello",
      vantage: "tokyo",
      session: "two",
      version: "test",
      watcher: { resolver: null },
    });
    await agent.next("targets");
    const orders = (): readonly object[] =>
      agent.received.findLast((one) => one.kind === "orders")?.orders ?? [];
    const drill = await beginGood({ duration: "20s", ...wanted });
    await agent.until(() => orders().length === 1);
    const services = ["www.test.example", "mix.test.example", "near.test.example"];
    expect(orders()).toMatchObject([
      {
        kind: "watch",
        drill: drill.id,
        everyMs: 200,
        services: services.map((label) => ({ label, families: [4, 6] })),
      },
    ]);
    node.pass(2_000);
    await agent.until(() => orders().length === 2);
    expect(orders()).toMatchObject([{ kind: "watch" }, { drill: drill.id, forMs: 20_000, ...order }]);
    await node.desk.drills.abort(drill.id, "anna", "enough");
    await agent.until(() => orders().length === 1);
    expect(orders()).toMatchObject([{ kind: "watch" }]);
  },
);

describe("a drill may not begin", () => {
  test("while another one is under way", async () => {
    const { id } = await beginGood(drain);
    expect(await problemsOf({ ...drain, target: { region: "us-east" } })).toEqual([
      `drill ${id} is under way`,
    ]);
  });

  test("when it would take the last healthy answer away", async () => {
    for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: "ok", [US_VIP]: "timeout" });
    const problems = await problemsOf({ ...dead, guards: { quietElsewhere: false } });
    expect(problems).toContain("www.test.example would have nothing up to answer with");
    expect(problems).toContainEqual(
      expect.stringContaining("guard regionsUp: www.test.example has 0 regions up"),
    );
  });

  test("in an incident, or when too few regions would be left", async () => {
    for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: "ok", [US_VIP]: "timeout" });
    expect(await problemsOf(dead)).toContainEqual(
      expect.stringContaining("guard quietElsewhere: web/us-east/ipv4 is down already"),
    );
    for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: "ok", [US_VIP]: "ok" });
    expect(await problemsOf({ ...drain, guards: { regionsUp: 2 } })).toEqual([
      "guard regionsUp: www.test.example has 1 region up beside what the drill takes away (us-east), expected at least 2",
    ]);
  });

  test("when it is over before it could be seen, or its target is overridden already", async () => {
    expect(await problemsOf({ ...dead, duration: "5s" })).toEqual([
      "duration: 5s is over before the last client of www.test.example moves, expected at least 10900ms",
      "duration: 5s is over before the last client of mix.test.example moves, expected at least 10900ms",
      "duration: 5s is over before the last client of near.test.example moves, expected at least 10900ms",
    ]);
    await node.change({
      kind: "set-override",
      action: { kind: "drain", target: { by: "region", id: "eu-west" } },
      untilMs: null,
    });
    expect(await problemsOf(drain)).toContain("override drain:region:eu-west is in force already");
  });
});

describe("a guard that is broken ends the drill within a second, and all is put back:", () => {
  /** What breaks the guard, and what it says then. */
  async function broken(
    drill: object,
    breakIt: (record: DrillRecord) => Promise<unknown>,
    heal: () => Promise<unknown> = async () => undefined,
  ): Promise<DrillRecord["ending"]> {
    const record = await beginGood({ ...drill, duration: "60s" });
    await fails(record);
    await breakIt(record);
    const brokenMs = performance.now();
    await ends(record);
    expect(performance.now() - brokenMs).toBeLessThan(1_000);
    await until(() => answer().join() === EU);
    expect(performance.now() - brokenMs).toBeLessThan(1_000);
    await heal();
    await until(() => now(record.id).moments.some(({ kind }) => kind === "restored"));
    expect(node.desk.overrides()).toEqual([]);
    expect(answer()).toEqual([EU]);
    return now(record.id).ending;
  }

  const usDies = async (): Promise<void> => {
    for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: "ok", [US_VIP]: "timeout" });
  };

  test("something else goes down", async () => {
    expect(await broken(drain, usDies)).toEqual({
      kind: "guard",
      guard: "quietElsewhere",
      reason: expect.stringMatching(/^web\/us-east\/ipv4 went down: /),
    });
  });

  test("too few regions are up", async () => {
    expect(await broken({ ...drain, guards: { quietElsewhere: false } }, usDies)).toEqual({
      kind: "guard",
      guard: "regionsUp",
      reason: "www.test.example has 0 regions up beside what the drill takes away, expected at least 1",
    });
  });

  test("nothing that is up is left to answer with: what only seemed dead is brought up at once", async () => {
    const all = async (outcome: "ok" | "timeout"): Promise<void> => {
      for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: outcome, [US_VIP]: outcome });
    };
    const ending = await broken(
      { ...dead, guards: { quietElsewhere: false } },
      () => all("timeout"),
      () => all("ok"),
    );
    expect(ending).toEqual({
      kind: "guard",
      guard: "lastAnswer",
      reason: "www.test.example has nothing up to answer with",
    });
  });

  test("what only seemed dead, and dies then, is up no longer than until vantages have seen it", async () => {
    const { id } = await beginGood({ ...dead, duration: "60s", guards: { quietElsewhere: false } });
    await fails(now(id));
    for (let i = 0; i < 2; i += 1) await report({ [EU_VIP]: "pretended", [US_VIP]: "timeout" });
    await ends(now(id));
    const forced = (): boolean => node.desk.overrides().some(({ action }) => action.kind === "force");
    // What was still on its way when the orders ended says nothing, and neither does one vantage alone.
    await report({ [EU_VIP]: "pretended", [US_VIP]: "ok" });
    node.pass(100);
    await agents.dublin.report({ [EU_VIP]: "timeout" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(forced()).toBe(true);
    expect(answer()).toEqual([EU]);
    const endedMs = now(id).moments.find(({ kind }) => kind === "ended")?.atMs ?? 0;
    await report({ [EU_VIP]: "timeout", [US_VIP]: "ok" });
    await until(() => !forced());
    expect(node.nowMs - endedMs).toBeLessThan(3_000);
    expect(answer()).toEqual([US]);
  });

  test("clients cannot connect", async () => {
    const ending = await broken(drain, async ({ id }) => {
      const seen = (failed: boolean): object => ({
        drill: id,
        label: "www.test.example",
        family: 4,
        node: null,
        askedAtMs: node.nowMs,
        reply: { atMs: node.nowMs, rcode: 0, addresses: [US], ttlSeconds: 5 },
        connection: { endedAtMs: node.nowMs, problem: failed ? "refused" : null },
      });
      const observations = Array.from({ length: 20 }, (_, i) => seen(i < 3));
      const taken = agents.dublin.next("observed");
      agents.dublin.send({ kind: "observations", sequence: 1, uncertaintyMs: 1, observations });
      await taken;
    });
    expect(ending).toEqual({
      kind: "guard",
      guard: "errorsAtMost",
      reason: "3 of 20 connections of the agents came to nothing in 5 s, expected at most 10 %",
    });
  });

  test("another config comes into force", async () => {
    const ending = await broken(drain, () => {
      node.folder.write("meridian.yaml", CONFIG.replace("ttl: 5s", "ttl: 6s"));
      return node.change({ kind: "reload" });
    });
    expect(ending).toMatchObject({ kind: "guard", guard: "sameConfig" });
  });

  test("somebody ends its override", async () => {
    const ending = await broken(drain, () =>
      node.change({ kind: "end-override", id: "drain:region:eu-west" }),
    );
    expect(ending).toMatchObject({ kind: "guard", guard: "override" });
  });
});

describe("the guard of loads", () => {
  const sized = CONFIG.replace(
    "    check: web\n",
    "    check: web\n    signals: { every: 60s, errorsAbove: 50%, samples: 10 }\n",
  )
    .replace("us-east: { ipv4", "us-east: { capacity: 100, ipv4")
    .replace("eu-west: { ipv4", "eu-west: { capacity: 100, ipv4");

  function tell(load: number): void {
    const { config } = node.desk.snapshot();
    expect(config.members.size).toBe(2);
    const grant = { role: "signals", pools: ["web"] } as const;
    const token: TokenRecord = { id: "1", name: "lb", grant, createdMs: 0, expiresMs: null, usedMs: null };
    const signals = ["web/us-east", "web/eu-west"].map((target) => ({ target, load }));
    expect(node.desk.signal(token, signals)).toMatchObject({ kind: "taken" });
    node.pass(1_000);
  }

  beforeEach(async () => {
    await node.close();
    node = await new Node(new Folder({ "meridian.yaml": sized })).open();
  });

  test("lets no drill begin that would be too much for what is left, and ends one that is", async () => {
    tell(0.6);
    expect(await problemsOf(drain)).toEqual([
      expect.stringMatching(
        /^guard loadAtMost: pool web would use 1[12]\d(\.\d)? % of the capacity that is left, expected at most 100 %$/,
      ),
    ]);
    tell(0.3);
    const drill = await beginGood(drain);
    await fails(drill);
    tell(1.1);
    await ends(drill);
    expect(now(drill.id).ending).toMatchObject({ kind: "guard", guard: "loadAtMost" });
    expect(answer()).toEqual([EU]);
  });
});

describe("a schedule", () => {
  const scheduled = `${CONFIG}
drills:
  nightly: { mode: drain, target: { region: eu-west }, duration: 20s, schedule: { cron: "5 0 * * *", blocked: ["2026-01-02"] } }
`;

  test("begins the drill at its minute, once, but not on a blocked day", async () => {
    const planned = await new Node(new Folder({ "meridian.yaml": scheduled })).open();
    const drill = [...planned.desk.snapshot().config.drills.values()][0]!;
    expect(planned.desk.drills.nextMs(drill)).toBe(Date.parse("2026-01-01T00:05:00Z"));
    planned.pass(5 * 60_000 + 100);
    await until(() => planned.desk.drills.list().length === 1);
    expect(planned.desk.drills.list()[0]).toMatchObject({ author: "meridian", reason: "its schedule" });
    planned.pass(1_000);
    expect(planned.desk.drills.list()).toHaveLength(1);
    expect(planned.desk.drills.nextMs(drill)).toBe(Date.parse("2026-01-03T00:05:00Z"));
  });

  test("begins none that the store could not remember, and says so", async () => {
    const planned = await new Node(new Folder({ "meridian.yaml": scheduled })).open();
    breakStore(planned);
    planned.pass(5 * 60_000 + 100);
    await until(() => planned.lines(/^drill not begun: nightly: the store \S+ was deleted/).length > 0);
    expect(planned.desk.drills.isRunning).toBe(false);
  });
});
