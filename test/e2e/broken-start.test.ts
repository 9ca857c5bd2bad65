/** Nodes that start while something of theirs is broken: answers go on, and so does steering. */

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { Resolver } from "./dns.ts";
import { type Program, until, useLab } from "./harness.ts";
import { EUROPEAN, layOut, type Site, startNode, VIPS } from "./site.ts";

const QNAME = "www.gslb.example";

/** Runs a command with the state folder as it is, in a file system of its own that has no room left. */
const ON_FULL_DISK = [
  "unshare",
  "-rm",
  "sh",
  "-c",
  'mv "$0" "$0.before" && mkdir "$0" && mount -t tmpfs -o size=64m,mode=700 tmpfs "$0" && cp -a "$0.before/." "$0" && ' +
    '{ dd if=/dev/zero of="$0/fill" bs=4k 2>/dev/null; exec "$@"; }',
];
const canMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

describe("a node starts, answers and steers", () => {
  const lab = useLab();
  let site: Site;
  let state: string;
  let node: Program;
  let resolver: Resolver;

  beforeAll(async () => {
    site = await layOut(lab);
    state = join(site.folder, "var");
    node = await startNode(lab, site);
    await node.end("SIGTERM");
    cpSync(site.folder, `${site.folder}.sound`, { recursive: true });
    resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
  });

  afterEach(async () => {
    await node.end("SIGTERM");
    rmSync(site.folder, { recursive: true });
    cpSync(`${site.folder}.sound`, site.folder, { recursive: true });
  });

  const european = (): Promise<string | null> => resolver.look(QNAME, { subnet: EUROPEAN });

  /** Starts the node, and has it drain a region; `seen` is its state folder as others see it. */
  async function steers(by: readonly string[] = [], seen: () => string = () => state): Promise<void> {
    node = lab.meridian("node", ["serve", "--config", site.folder], [], by);
    await until("it answers", async () => node.hasEnded || (await european().catch(() => null)) === VIPS.eu);
    expect(node.hasEnded).toBe(false);
    await until("it drains", async () => {
      await lab.run("local", "drain", "eu-west", "--reason", "a test", "--state", seen());
      return (await european()) === VIPS.us;
    });
  }

  const spoil = (name: string) => (): void => writeFileSync(join(site.folder, name), "{ not what it was\n");
  /** Where a file is to be written there is a folder, so that it cannot be. */
  const block = (name: string) => (): void => {
    rmSync(join(site.folder, name), { force: true });
    mkdirSync(join(site.folder, name));
  };

  test.each([
    ["what says who serves cannot be written", /does not find this node/, block("var/pid.tmp")],
    ["cookie secrets are not what they were", /Cannot use cookie secrets/, spoil("var/cookie-secrets")],
    [
      "a zone is broken",
      /those of version \d+, which were in force before/,
      spoil("zones/gslb.example.zone"),
    ],
    ["the config is broken", /those of version \d+, which were in force before/, spoil("meridian.yaml")],
    ["the store is broken", /was damaged and is kept as/, spoil("var/meridian.db")],
  ])("while %s", async (_, complaint, breakIt) => {
    breakIt();
    await steers();
    await node.said(complaint);
  });

  test("while the config is broken and its state is where systemd has put it", async () => {
    const elsewhere = join(site.folder, "elsewhere");
    renameSync(state, elsewhere);
    const config = readFileSync(join(site.folder, "meridian.yaml"), "utf8");
    writeFileSync(join(elsewhere, "last-good.yaml"), config.replace("state: var", "state: elsewhere"));
    spoil("meridian.yaml")();
    await steers(["env", `STATE_DIRECTORY=${elsewhere}`], () => elsewhere);
  });

  test.skipIf(!canMount).each([
    ["the disk is full", /the store .* cannot be/, () => undefined],
    ["the disk is full and the store broken", /the store .* is damaged/, spoil("var/meridian.db")],
  ])("while %s (needs unshare with user and mount namespaces)", async (_, complaint, breakIt) => {
    breakIt();
    await steers([...ON_FULL_DISK, state], () => `/proc/${node.pid}/root${state}`);
    await node.said(complaint);
    rmSync(`/proc/${node.pid}/root${state}/fill`);
    await node.said(/the store can be used again|was damaged and is kept as/);
  });
});
