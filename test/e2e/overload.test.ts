/** More queries than a node can answer: it answers what it can, the kernel drops the rest, and control goes on working. */

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { has, report, until, useLab } from "./harness.ts";
import { buildGenerator, Load, type LoadResult } from "./load.ts";
import { addToken, call, layOut, startNode, VIPS } from "./site.ts";

const QNAME = "canary.gslb.example";
/** What a server answers without loss when nobody asks faster than it answers. */
const OPEN_AT_PEAK = 128;
/** Far more than the socket's buffer holds, sent at once whenever there is room. */
const OPEN_IN_FLOOD = 60_000;
/** As soon as queries count as lost, others take their place. */
const LOST_MS = 100;
const SECONDS = 4;

describe.skipIf(!has("cc"))("more queries than a node can answer (needs cc)", () => {
  const lab = useLab();

  test("leave it answering, without a wrong reply, and the API changes weights meanwhile", async () => {
    const site = await layOut(lab);
    const token = await addToken(lab, site, "ada", "admin");
    await startNode(lab, site);
    const generator = await buildGenerator(lab);
    const ask = (window: number): Load =>
      new Load(lab, generator, site, {
        names: [QNAME],
        seconds: SECONDS,
        rate: null,
        window,
        lostMs: LOST_MS,
      });
    const peak = await ask(OPEN_AT_PEAK).result();

    const endsMs = performance.now() + SECONDS * 1_000;
    const flood = ask(OPEN_IN_FLOOD);
    await sleep(1_000);
    const askedMs = performance.now();
    const weight = { kind: "weight", target: { choice: "canary/new" }, weight: 0, reason: "flooded" };
    await call(site, token, "/v1/overrides", weight);
    const apiMs = performance.now() - askedMs;
    await until("answers of the flood follow the new weight", () => {
      const latest = flood.intervals().at(-1);
      return (latest?.received ?? 0) > 0 && (latest?.by[VIPS.eu] ?? 0) === 0;
    });
    const movedMs = performance.now() - askedMs;
    const result = await flood.result();

    const line = `flooded: ${perSecond(result)} answers a second (${perSecond(peak)} without a flood), ${result.lost} queries dropped`;
    report(
      `${line}; the API answered after ${apiMs.toFixed(0)} ms, answers followed after ${movedMs.toFixed(0)} ms`,
    );
    expect(result.lost).toBeGreaterThan(0);
    expect(result.wrong).toBe(0);
    const during = flood.intervals().filter(({ endMs }) => endMs < endsMs);
    const silent = during.filter(({ received }) => received === 0);
    expect(silent.length).toBeLessThan(during.length / 10);
  });
});

function perSecond({ sent, lost }: LoadResult): string {
  return Math.round((sent - lost) / SECONDS).toLocaleString("en");
}
