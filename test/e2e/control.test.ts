/** Answers need no control process: it is killed under load, and a node starts while it cannot. */

import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Answer, Resolver } from "./dns.ts";
import { childrenOf, has, PATIENCE, type Program, RATE, report, until, useLab } from "./harness.ts";
import { buildGenerator, Load } from "./load.ts";
import {
  allVantagesFresh,
  EUROPEAN,
  layOut,
  type Meridian,
  type Site,
  startMeridian,
  startNode,
  VIPS,
} from "./site.ts";

const QNAME = "www.gslb.example";

/** Control is back, with every vantage, by then. */
const BACK_MS_MAX = 5_000;

/** A node answers from its last book by then. */
const START_MS_MAX = 1_000;

describe.skipIf(!has("cc"))("control that is killed under load (needs cc)", () => {
  const lab = useLab();
  let site: Site;
  let meridian: Meridian;
  let generator: string;

  beforeAll(async () => {
    site = await layOut(lab);
    [meridian, generator] = await Promise.all([startMeridian(lab, site), buildGenerator(lab)]);
  });

  test("costs no query, and failover works again within five seconds", async () => {
    const resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
    const europeanVip = (): Promise<string | null> => resolver.look(QNAME, { subnet: EUROPEAN });
    const load = new Load(lab, generator, site, { names: [QNAME], seconds: 10 });
    await sleep(1_000);
    expect(await europeanVip()).toBe(VIPS.eu);

    const [control = 0, ...others] = childrenOf(meridian.node.pid);
    expect(others).toEqual([]);
    process.kill(control, "SIGKILL");
    await meridian.node.said(/control ended/);
    const backMs = await until("control hears every vantage", () => allVantagesFresh(site, meridian.token));
    expect(childrenOf(meridian.node.pid)).not.toContain(control);

    await meridian.regions["eu-west"].end("SIGKILL");
    const movedMs = await until("answers move", async () => (await europeanVip()) === VIPS.us);
    const { sent, lost, wrong } = await load.result();
    report(
      `control killed at ${RATE} queries/s: ${lost} of ${sent} lost; it is back, with every vantage, ` +
        `after ${Math.round(backMs)} ms (at most ${BACK_MS_MAX}); a region killed then moves after ${Math.round(movedMs)} ms`,
    );
    expect({ lost, wrong }).toEqual({ lost: 0, wrong: 0 });
    expect(backMs).toBeLessThan(PATIENCE * BACK_MS_MAX);
  });
});

describe("a node that starts while control cannot", () => {
  const lab = useLab();
  let site: Site;
  let node: Program;

  beforeAll(async () => {
    site = await layOut(lab);
    node = await startNode(lab, site);
    await node.end("SIGTERM");
  });

  afterEach(() => node.end("SIGTERM"));

  test.each([
    ["the config is broken", "meridian.yaml", /the config cannot be used/],
    ["a zone is broken", "zones/gslb.example.zone", /the files cannot be used/],
    ["the store is broken", "var/meridian.db", /was damaged and is kept as/],
  ])("answers from its last book within a second: %s", async (_what, file, complaint) => {
    const path = join(site.folder, file);
    renameSync(path, `${path}.kept`);
    writeFileSync(path, "{ this is not what it should be");
    const resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
    node = lab.meridian("node without control", ["serve", "--config", site.folder]);
    const answer = await firstAnswer(resolver);
    const elapsedMs = performance.now() - node.startedMs;
    report(
      `first answer ${Math.round(elapsedMs)} ms after the start (at most ${START_MS_MAX}): ${file} broken`,
    );
    expect(answer).toMatchObject({ rcode: "NOERROR", data: [VIPS.eu] });
    expect(elapsedMs).toBeLessThan(PATIENCE * START_MS_MAX);
    await node.said(complaint);
    expect((await resolver.ask(QNAME, "A", { subnet: EUROPEAN })).data).toEqual([VIPS.eu]);

    renameSync(`${path}.kept`, path);
    await node.said(/API listens/);
  });
});

/** Asks until somebody answers: queries that come before the socket is there are lost. */
async function firstAnswer(resolver: Resolver): Promise<Answer> {
  const first = Promise.withResolvers<Answer>();
  const asking = setInterval(() => {
    resolver.ask(QNAME, "A", { subnet: EUROPEAN }).then(first.resolve, () => {});
  }, 5);
  const answer = await first.promise;
  clearInterval(asking);
  return answer;
}
