/** A node rolls its keys: real files, a real book, a parent on a socket, and a clock that the test moves. */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FileReader } from "../../src/control/files.ts";
import { keyStatePath, readKeyState, writeKeyState } from "../../src/control/key-state.ts";
import { makeKey, readKeys, type ZoneKey } from "../../src/control/keys.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import { begin, type Step, seenByHand, type turn } from "../../src/dnssec/rollover.ts";
import { nameOf } from "../dnssec/zone-text.ts";
import { ParentServer } from "./parent-server.ts";
import { CONFIG, Dns, Folder, Node, until } from "./test-node.ts";

const apex = nameOf("test.example.");
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A signed zone whose keys `dns1` rolls. */
class Site {
  readonly folder = new Folder();
  readonly state = this.folder.file("state");
  readonly parent: ParentServer;
  readonly first: ZoneKey;

  constructor(parent: ParentServer) {
    this.parent = parent;
    this.configure("ecdsap256sha256");
    this.first = makeKey(this.state, apex, Algorithm.EcdsaP256Sha256)!;
    parent.ds = [this.first.ds];
  }

  configure(algorithm: string, more = "", name = "dns1"): void {
    const { port } = this.parent.endpoint;
    const rollover = `{ by: dns1, propagation: 1h, lookEvery: 1m, parent: ["127.0.0.1:${port}"]${more} }`;
    const dnssec = `dnssec: { test.example: { algorithm: ${algorithm}, rollover: ${rollover} } }`;
    this.folder.write("meridian.yaml", `${CONFIG.replace("node: {", `node: { name: ${name},`)}${dnssec}\n`);
  }

  async open(dns = new Dns(this.state)): Promise<Node> {
    const node = await new Node(this.folder, dns).open();
    await until(() => node.lines(/the parent has/).length > 0 || node.desk.signedZones()[0]?.state === null);
    return node;
  }

  get keys(): readonly ZoneKey[] {
    return readKeys(this.state, apex, new FileReader()).keys;
  }

  get fresh(): ZoneKey {
    return this.keys.find(({ tag }) => tag !== this.first.tag)!;
  }

  /** Makes a key and starts to put it in the place of the first, as `meridian key roll` does. */
  async roll(node: Node): Promise<ZoneKey> {
    const key = makeKey(this.state, apex, Algorithm.EcdsaP256Sha256)!;
    this.order((state) => begin(state, key));
    node.desk.reload();
    await served(node, "publish");
    return key;
  }

  /** Does to the state what a command does. */
  order(make: typeof turn): void {
    const { value } = readKeyState(this.state, apex, new FileReader());
    writeKeyState(this.state, apex, make(value!)!);
  }
}

/** Waits until dns serves a step, whatever the clock of the node says. */
async function served(node: Node, step: Step): Promise<void> {
  await until(() => {
    node.desk.tick();
    const [view] = node.desk.signedZones();
    return view?.state?.step === step && view.state.servedMs !== null;
  });
}

/** A site whose node serves its first key. */
async function atRest(): Promise<{ readonly site: Site; readonly node: Node }> {
  const site = new Site(await ParentServer.open());
  const node = await site.open();
  await served(node, "idle");
  return { site, node };
}

/** Lets time pass until a step is served. */
async function pass(node: Node, ms: number, step: Step): Promise<void> {
  node.pass(ms);
  await served(node, step);
}

const view = (node: Node): ReturnType<Node["desk"]["signedZones"]>[number] => node.desk.signedZones()[0]!;

describe("a node", () => {
  test("rolls a key that has signed long enough, by CDS, and says at each step why it waits (RFC 7344 §4)", async () => {
    const site = new Site(await ParentServer.open());
    site.configure("ecdsap256sha256", ", every: 168h");
    const node = await site.open();
    await served(node, "idle");
    expect(view(node).why).toMatch(/signs the zone; the next rollover starts at 2026-01-08T00:00:00Z$/);
    await pass(node, 7 * DAY, "publish");
    const { first, fresh } = site;
    expect(view(node)).toMatchObject({
      keys: expect.arrayContaining([
        { key: first, isPublished: true, isInCds: true, signs: ["keys", "data"] },
        { key: fresh, isPublished: true, isInCds: false, signs: ["keys"] },
      ]),
      nextStep: "submit",
      why: expect.stringContaining(`${fresh.tag} is in the DNSKEY RRset; until 2026-01-08T02:00:00Z`),
    });
    await pass(node, 2 * HOUR, "submit");
    await until(() => view(node).why.endsWith(`127.0.0.1 has the DS of ${first.tag}`));
    site.parent.ds = [first.ds, fresh.ds];
    node.pass(HOUR);
    await until(() => view(node).why.includes(`has the DS of ${first.tag}, ${fresh.tag}`));
    expect(view(node).state?.step).toBe("submit");
    site.parent.ds = [fresh.ds];
    await pass(node, HOUR, "retire");
    expect(view(node).keys).toContainEqual({
      key: first,
      isPublished: true,
      isInCds: false,
      signs: ["keys"],
    });
    await pass(node, 2 * HOUR, "remove");
    await pass(node, HOUR, "idle");
    expect(site.keys).toEqual([fresh]);
    const steps = node.desk.audit(100, null).filter(({ event }) => event === "keys-rolled");
    expect(steps.map(({ detail }) => /step (\w+)/.exec(detail)?.[1] ?? "idle")).toEqual([
      "idle",
      "remove",
      "retire",
      "submit",
      "publish",
      "idle",
    ]);
    expect(node.lines(/keys: step retire of the key rollover/)).toHaveLength(1);
  });

  test("changes the algorithm when the config does, and turns round when it changes back", async () => {
    const { site, node } = await atRest();
    site.configure("ed25519");
    node.desk.reload();
    await served(node, "sign");
    expect(view(node).keys).toContainEqual({
      key: site.fresh,
      isPublished: false,
      isInCds: false,
      signs: ["data"],
    });
    await pass(node, 2 * HOUR, "publish");
    site.configure("ecdsap256sha256");
    node.desk.reload();
    await served(node, "withdraw");
    expect(view(node).state?.to).toEqual([{ algorithm: 13, tag: site.first.tag }]);
    await pass(node, 2 * HOUR, "remove");
    await pass(node, HOUR, "idle");
    expect(site.keys).toEqual([site.first]);
  });

  test("goes on after a restart from where it was", async () => {
    const { site, node } = await atRest();
    await site.roll(node);
    const { state } = view(node);
    await node.close();
    const next = new Node(site.folder, node.dns);
    next.nowMs = node.nowMs + HOUR;
    await next.open();
    await served(next, "publish");
    expect(view(next).state).toEqual(state);
    await pass(next, HOUR, "submit");
  });

  test.each([
    ["ahead", 30 * DAY],
    ["back", -30 * DAY],
  ])("waits as long as ever where its clock is set %s", async (way, jumpMs) => {
    const { site, node } = await atRest();
    const key = await site.roll(node);
    node.pass(HOUR);
    node.jump(jumpMs);
    expect(node.lines(new RegExp(`the clock was set ${way} by 2592000 s; a rollover`))).toHaveLength(1);
    // Of its two hours, one has passed; a clock that is set back has forgotten when.
    await pass(node, HOUR - 1000, "publish");
    if (jumpMs < 0) await pass(node, HOUR, "publish");
    await pass(node, 1000, "submit");
    site.parent.ds = [key.ds];
    await pass(node, HOUR, "retire");
    await until(() => view(node).state?.ds !== null);
    node.jump(jumpMs);
    // The look from before the jump counts no more.
    await until(() => view(node).look?.atMs === node.nowMs);
    await pass(node, HOUR, "retire");
    await pass(node, 2 * HOUR, "remove");
  });

  test("turns a rollover round whose new key somebody has removed", async () => {
    const { site, node } = await atRest();
    const key = await site.roll(node);
    rmSync(key.file);
    node.desk.reload();
    await served(node, "remove");
    expect(view(node).state?.to).toEqual([{ algorithm: 13, tag: site.first.tag }]);
  });

  test("keeps the last book when a key is gone without which the zone would be bogus", async () => {
    const { site, node } = await atRest();
    await site.roll(node);
    rmSync(site.first.file);
    const outcome = await node.change({ kind: "reload" });
    expect(outcome).toMatchObject({
      kind: "refused",
      problems: [
        { message: `key ${site.first.tag} has no file, and the zone would be bogus without it: put it back` },
      ],
    });
  });

  test("waits for a parent that does not answer, until an operator says what is there", async () => {
    const { site, node } = await atRest();
    await site.roll(node);
    await pass(node, 2 * HOUR, "submit");
    site.parent.manner = "lame";
    node.pass(HOUR);
    await until(() => /127.0.0.1 does not say: .*no server of the parent zone$/.test(view(node).why));
    node.pass(100 * DAY);
    expect(view(node).state?.step).toBe("submit");
    site.order((state) => seenByHand(state, node.nowMs));
    node.desk.reload();
    await served(node, "retire");
    await pass(node, 2 * HOUR, "remove");
  });

  test("says that the DS is gone, or that it is of no key, and says it once", async () => {
    const { site, node } = await atRest();
    site.parent.ds = [];
    node.pass(DAY);
    await until(() => node.lines(/the parent has no DS at all/).length > 0);
    site.parent.ds = [Uint8Array.from(site.first.ds).fill(7, 0, 2)];
    node.pass(DAY);
    await until(() => node.lines(/127.0.0.1 has the DS of 1799$/).length > 0);
    node.pass(DAY);
    await until(() => site.parent.asked === 4);
    expect(node.lines(/has the DS of 1799$/)).toHaveLength(1);
  });

  test("that does not roll keys does as the file says", async () => {
    const { site, node } = await atRest();
    const key = await site.roll(node);
    const text = readFileSync(keyStatePath(site.state, apex), "utf8");
    await node.close();
    site.configure("ecdsap256sha256", "", "dns2");
    const follower = await new Node(site.folder, new Dns(site.state)).open();
    follower.pass(100 * DAY);
    expect(view(follower)).toMatchObject({ why: "dns1 rolls its keys", state: { step: "publish" } });
    expect(view(follower).keys).toContainEqual({ key, isPublished: true, isInCds: false, signs: ["keys"] });
    expect(readFileSync(keyStatePath(site.state, apex), "utf8")).toBe(text);
  });

  test("refuses a file of states that nobody can read, and a rollover that nobody is left to end", async () => {
    const { site, node } = await atRest();
    const key = makeKey(site.state, apex, Algorithm.EcdsaP256Sha256)!;
    site.order((state) => begin(state, key));
    site.folder.write("meridian.yaml", `${CONFIG}dnssec: { test.example: {} }\n`);
    expect(await node.change({ kind: "reload" })).toMatchObject({
      problems: [{ message: expect.stringMatching(/a rollover is under way, expected the key "rollover"/) }],
    });
    writeFileSync(join(site.state, "keys/Ktest.example.+state.json"), "{}");
    expect(await node.change({ kind: "reload" })).toMatchObject({
      problems: [{ message: expect.stringMatching(/^no state of keys/) }],
    });
  });
});
