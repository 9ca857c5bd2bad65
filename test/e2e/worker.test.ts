/** The worker thread of a real node ends under load: another takes over its socket. */

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { has, RATE, report, useLab } from "./harness.ts";
import { Inspector } from "./inspector.ts";
import { buildGenerator, Load } from "./load.ts";
import { layOut, startNode } from "./site.ts";

/** A batch that was received and not sent is all that a worker can lose. */
const BATCH = 32;

describe.skipIf(!has("cc"))("a worker thread that ends under load (needs cc)", () => {
  const lab = useLab();

  test("is replaced on the same socket, and at most the batch in its hands is lost", async () => {
    const site = await layOut(lab);
    const node = await startNode(lab, site, { nodeArgs: ["--inspect=127.0.0.1:0"] });
    const [, url = ""] = await node.said(/Debugger listening on (ws:\S+)/);
    const generator = await buildGenerator(lab);
    const inspector = await Inspector.open(url);
    const load = new Load(lab, generator, site, { names: ["www.gslb.example"], seconds: 3 });
    await sleep(500);
    // One of the two threads is the spare, and the debugger does not say which.
    for (const thread of inspector.threads()) {
      const from = node.output.length;
      inspector.end(thread);
      const [, wasServing] = await node.said(/"wasServing":(true|false)/, 2_000, from);
      if (wasServing === "true") break;
      await sleep(500);
    }
    inspector.close();
    expect(node.output).toContain('"wasServing":true');
    const { sent, lost, wrong } = await load.result();
    report(`a worker ended at ${RATE} queries/s: ${lost} of ${sent} lost (at most ${BATCH})`);
    expect(sent).toBeGreaterThan(2 * RATE);
    expect(wrong).toBe(0);
    expect(lost).toBeLessThanOrEqual(BATCH);
  });
});
