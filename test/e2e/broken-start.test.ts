/** Nodes that start while something of theirs is broken: answers go on, and so does steering. */

import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { Resolver } from "./dns.ts";
import { type Program, until, useLab } from "./harness.ts";
import { EUROPEAN, layOut, type Site, startNode, VIPS } from "./site.ts";

const QNAME = "www.gslb.example";

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

  /** Starts the node, and has it drain a region. */
  async function steers(): Promise<void> {
    node = lab.meridian("node", ["serve", "--config", site.folder]);
    await until("it answers", async () => node.hasEnded || (await european().catch(() => null)) === VIPS.eu);
    expect(node.hasEnded).toBe(false);
    await until("it drains", async () => {
      await lab.run("local", "drain", "eu-west", "--reason", "a test", "--state", state);
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
  ])("while %s", async (_, complaint, breakIt) => {
    breakIt();
    await steers();
    await node.said(complaint);
  });
});
