/** Break-glass: who may write to the state folder of a node drains and forces on it, whatever else is of no use. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, renameSync, rmdirSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { type LocalOrder, localSocketPath, openLocalSocket } from "../../src/control/local-socket.ts";
import type { Override } from "../../src/control/override.ts";
import { openSqliteStore, STORE_FILE } from "../../src/control/sqlite-store.ts";
import { verifyStore } from "../../src/control/verify-store.ts";
import { finish } from "../../src/steps.ts";
import { CONFIG, Folder, GB, Node, until } from "./test-node.ts";

const CLI = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const EU = ["10.0.0.2"];
const US = ["10.0.0.1"];

test("a folder where the socket should be costs break-glass, and nothing else", async () => {
  const node = await new Node().open();
  mkdirSync(localSocketPath(node.folder.file("state")));
  const logged: string[] = [];
  const log = pino({}, { write: (line) => void logged.push(line) });
  const local = openLocalSocket(node.folder.file("state"), node.desk, log);
  onTestFinished(() => local.close());
  await until(() => logged.some((line) => line.includes("no break-glass: cannot listen on")));
});

describe("an order by the local socket", () => {
  test("is in the next answers, and in the audit list under the user's name", async () => {
    const node = await open();
    const { status, stdout } = await meridian(node, "drain", "eu-west", "--reason", "the API is locked up");
    expect([status, stdout]).toEqual([0, "drain eu-west is in force, as version 2\n"]);
    expect(clients(node)).toEqual(US);
    expect(node.desk.audit(1, null)[0]).toMatchObject({
      author: expect.stringMatching(/^local:./),
      reason: "the API is locked up",
      event: "override-set",
      detail: "drain region eu-west",
    });
    expect(await ask(node, { verb: "undrain", target: "eu-west" })).toMatchObject({ kind: "done" });
    expect(clients(node)).toEqual(EU);
  });

  test("forces members and VIPs, for as long as it says", async () => {
    const node = await open();
    const forced = { verb: "force-down", target: "web/eu-west/ipv4", forMs: 60_000 } as const;
    expect(await ask(node, forced)).toEqual({ kind: "done", version: 2, unrecorded: null });
    expect(clients(node)).toEqual(US);
    node.pass(60_000);
    expect(clients(node)).toEqual(EU);
    await ask(node, { verb: "force-down", target: "web/eu-west" });
    expect(clients(node)).toEqual(US);
    await ask(node, { verb: "unforce", target: "web/eu-west" });
    expect(clients(node)).toEqual(EU);
  });

  test.each([
    [{ verb: "drain", target: "eu-wets" }, /no region "eu-wets".*eu-west/],
    [{ verb: "drain", target: "web/eu-west/ipv4" }, /expected a region or a member/],
    [{ verb: "undrain", target: "eu-west" }, /no override "drain:region:eu-west"/],
    [{ verb: "drain", target: "eu-west", reason: " " }, /expected why/],
    [{ verb: "reboot", target: "eu-west" }, /is the command of another release/],
    [{ verb: "drain", target: "eu-west", more: 1 }, /is the command of another release/],
  ])("that makes no sense is refused: %j", async (order, problem) => {
    const node = await open();
    expect(await ask(node, order)).toEqual({
      kind: "refused",
      problems: [expect.stringMatching(problem)],
    });
    expect(node.desk.overrides()).toEqual([]);
  });

  test("is for the owner of the socket alone", async () => {
    const node = await open();
    expect(statSync(localSocketPath(node.folder.file("state"))).mode & 0o777).toBe(0o600);
  });

  test.each(["", "{", "x".repeat(100_000)])("that is none leaves the socket as it was", async (octets) => {
    const node = await open();
    await send(node, octets).catch(() => "");
    expect(await ask(node, { verb: "drain", target: "eu-west" })).toMatchObject({ kind: "done" });
  });
});

describe("while the store cannot be opened", () => {
  test("orders are in force at once, outlive restarts, and come into the store with when they were made", async () => {
    const before = await open();
    await ask(before, { verb: "drain", target: "eu-west" });
    before.pass(1_000);
    await before.close();
    block(before);

    const node = await again(before);
    expect(clients(node)).toEqual(US);
    expect(node.desk.status().store).toMatchObject({ problem: { fault: "unusable" }, unrecorded: 1 });
    await expect(node.change({ kind: "end-override", id: "drain:region:eu-west" })).rejects.toThrow(
      /cannot be used/,
    );
    node.nowMs += 5_000;
    expect(await ask(node, { verb: "undrain", target: "eu-west", reason: "it is well" })).toEqual({
      kind: "done",
      version: 4,
      unrecorded: expect.stringMatching(/meridian\.db cannot be used/),
    });
    expect(clients(node)).toEqual(EU);
    await ask(node, { verb: "force-down", target: "web/us-east", reason: "it is not" });
    await node.close();

    const next = await again(node);
    next.nowMs = node.nowMs + 60_000;
    expect(next.desk.overrides().map(({ id }) => id)).toEqual(["force:member:web/us-east"]);
    expect(next.desk.status().version).toBeGreaterThanOrEqual(5);
    unblock(next);
    next.pass(1_000);
    await until(() => next.desk.status().store.problem === null);
    expect(next.desk.status().store.unrecorded).toBe(0);
    expect(next.desk.overrides().map(({ id }) => id)).toEqual(["force:member:web/us-east"]);
    const made = next.desk.audit(10, null).filter(({ author }) => author === "local:anna");
    expect(made.map(({ event, reason, detail, atMs }) => [event, reason, detail, atMs])).toEqual([
      ["override-set", "it is not", "force member web/us-east down (made without the store)", node.nowMs],
      ["override-ended", "it is well", "drain region eu-west (made without the store)", node.nowMs],
      ["override-set", "because", "drain region eu-west", before.nowMs - 1_000],
    ]);
    expect(finish(verifyStore(file(next), []))).toMatchObject({ sound: true });
    expect(
      next.lines(/the store can be used again; \d changes that were made without it are on record/),
    ).toHaveLength(1);
    await next.close();
    const last = await again(next);
    expect(last.desk.audit(10, null).filter(({ author }) => author === "local:anna")).toHaveLength(3);
  });

  test.each([
    ["minRegionsUp: 2", /^safety\.minRegionsUp: /],
    ["maxMoved: 10%", /^safety\.maxMoved: /],
    ["approval: { services: [www.*] }", /^safety\.approval: .*second person/],
  ])("the rule %s holds as before, and --force goes against it", async (rule, problem) => {
    const config = `${CONFIG}\nsafety: { ${rule} }\n`;
    const before = await open(new Node(new Folder({ "meridian.yaml": config })));
    const order = { verb: "drain", target: "eu-west" };
    const refusal = { kind: "refused", problems: [expect.stringMatching(problem)] };
    expect(await ask(before, order)).toEqual(refusal);
    await before.close();
    block(before);
    const node = await again(before);
    expect(await ask(node, order)).toEqual(refusal);
    expect(clients(node)).toEqual(EU);
    expect(await ask(node, { ...order, force: true })).toMatchObject({ kind: "done" });
    expect(clients(node)).toEqual(US);
  });

  test("and the journal neither, orders are in force, and say that a restart forgets them until they are written", async () => {
    const before = await open();
    await before.close();
    block(before);
    const journal = before.folder.file("state/journal");
    rmSync(journal, { force: true });
    mkdirSync(journal);
    const node = await again(before);
    expect(await ask(node, { verb: "drain", target: "eu-west" })).toMatchObject({
      kind: "done",
      unrecorded: expect.stringMatching(/the journal cannot be written either/),
    });
    expect(clients(node)).toEqual(US);
    rmdirSync(journal);
    node.pass(1_000);
    await until(() => node.desk.status().store.isJournaled);
    await node.close();
    expect(clients(await again(node))).toEqual(US);
  });

  test("of two orders on the same target the newer one wins, whichever comes into the store first", async () => {
    const before = await open();
    await before.close();
    block(before);
    const node = await again(before);
    await ask(node, { verb: "drain", target: "eu-west", reason: "older" });
    await ask(node, { verb: "drain", target: "us-east", reason: "newer" });
    const store = openSqliteStore(`${file(node)}.away`);
    const set = (["eu-west", "us-east"] as const).map(
      (id): Override => ({
        id: `drain:region:${id}`,
        action: { kind: "drain", target: { by: "region", id } },
        author: "bert",
        reason: "elsewhere",
        createdMs: node.nowMs + (id === "eu-west" ? 1 : -1),
        untilMs: null,
      }),
    );
    store.commit({ version: 100, set, ended: [], audit: [] });
    store.close();
    unblock(node);
    node.pass(1_000);
    await until(() => node.desk.status().store.problem === null);
    expect(node.desk.overrides().map(({ id, author }) => [id, author])).toEqual([
      ["drain:region:eu-west", "bert"],
      ["drain:region:us-east", "local:anna"],
    ]);
    expect(node.desk.audit(3, null).map(({ detail }) => detail)).toContain(
      "drain region eu-west (made without the store; a newer order was in the store)",
    );
    expect(await node.change({ kind: "reload" })).toEqual({ kind: "published", version: 101 });
  });
});

test("meridian local says whom it cannot reach, and ends with status 1", async () => {
  const node = new Node();
  const { status, stderr } = await meridian(node, "drain", "eu-west", "--reason", "why");
  expect([status, stderr]).toEqual([1, expect.stringMatching(/control\.sock: .*ENOENT.*is one running/)]);
  const wrong = await meridian(node, "drain", "eu-west", "--reason", "why", "--for", "tomorrow");
  expect([wrong.status, wrong.stderr]).toEqual([1, "--for tomorrow: expected a duration, as in 2h\n"]);
});

async function open(node = new Node()): Promise<Node> {
  await node.open();
  const log = pino({ level: "silent" });
  const local = openLocalSocket(node.folder.file("state"), node.desk, log);
  onTestFinished(() => local.close());
  return node;
}

/** The next control of the same node, some time later. */
function again(before: Node): Promise<Node> {
  const node = new Node(before.folder, before.dns);
  node.nowMs = before.nowMs;
  return open(node);
}

function ask(node: Node, order: Partial<LocalOrder> | object): Promise<unknown> {
  const whole = { user: "anna", reason: "because", forMs: null, force: false, ...order };
  return send(node, JSON.stringify(whole)).then((reply) => JSON.parse(reply));
}

function send(node: Node, octets: string): Promise<string> {
  const socket = connect(localSocketPath(node.folder.file("state")));
  socket.end(octets);
  return text(socket);
}

async function meridian(
  node: Node,
  ...args: readonly string[]
): Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [CLI, "local", ...args, "--config", node.folder.path]);
  const ended = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { status: child.exitCode, stdout, stderr };
}

function clients(node: Node): readonly string[] {
  return node.dns.addresses("www.test.example", GB);
}

function file(node: Node): string {
  return node.folder.file(`state/${STORE_FILE}`);
}

/** Nobody can open a folder as a store, whatever their rights. */
function block(node: Node): void {
  renameSync(file(node), `${file(node)}.away`);
  mkdirSync(file(node));
}

function unblock(node: Node): void {
  rmdirSync(file(node));
  renameSync(`${file(node)}.away`, file(node));
}
