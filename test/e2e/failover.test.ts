/** A region is killed under load and comes back: nothing is lost, the bound holds, the log says why. */

import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { has, RATE, report, useLab } from "./harness.ts";
import { buildGenerator, type Interval, Load } from "./load.ts";
import { layOut, type Meridian, type Site, startMeridian, startRegion, VIPS } from "./site.ts";

const NAMES = ["www.gslb.example"];

describe.skipIf(!has("cc"))("a region under load (needs cc)", () => {
  const lab = useLab();
  let site: Site;
  let meridian: Meridian;
  let generator: string;
  /** The share of answers that the region has while all is well. */
  let usualShare: number;

  beforeAll(async () => {
    site = await layOut(lab);
    [meridian, generator] = await Promise.all([startMeridian(lab, site), buildGenerator(lab)]);
  });

  test("that is killed: no query is lost, and every answer moves within the bound", async () => {
    const bound = await boundOf("www.gslb.example");
    expect(bound.totalMs).toBeLessThanOrEqual(15_000);
    const load = new Load(lab, generator, site, { names: NAMES, seconds: 8 });
    await sleep(1_000);
    const killedMs = performance.now();
    await meridian.regions["eu-west"].end("SIGKILL");
    const { sent, lost, wrong } = await load.result();

    const intervals = load.intervals();
    usualShare = shareOf(intervals.filter(({ endMs }) => endMs < killedMs));
    const lastDead = intervals.findLast(({ by }) => (by[VIPS.eu] ?? 0) > 0);
    const movedMs = (lastDead?.endMs ?? 0) - killedMs;
    const measuredMs = movedMs + bound.ttlMs;
    report(
      `eu-west killed at ${RATE} queries/s: ${lost} of ${sent} lost; answers moved after ${seconds(movedMs)}, ` +
        `the last client within ${seconds(measuredMs)} (bound: ${seconds(bound.totalMs)})`,
    );
    expect({ lost, wrong }).toEqual({ lost: 0, wrong: 0 });
    expect(usualShare).toBeGreaterThan(0.05);
    expect(measuredMs).toBeLessThanOrEqual(bound.totalMs);
  });

  test("is in one line of the log: who was judged, by whom, why, and what moved", async () => {
    await meridian.node.said(/eu-west down.*\n/);
    const lines = meridian.node.output.split("\n").filter((line) => line.includes("eu-west down"));
    expect(lines).toEqual([
      expect.stringMatching(
        /eu-west down: web\/eu-west\/ipv4 judged down by [23] of 3 vantages \((\w+ refused(, )?){2,3}\) \(\+1 VIP\); moved: \S+ eu-west 100 % -> us-east 100 % \(\+\d services\)/,
      ),
    ]);
    report(String(JSON.parse(lines[0] ?? "").msg));
  });

  test("that is started again comes back, and its share grows step by step", async () => {
    await startRegion(lab, site, "eu-west");
    const startedMs = performance.now();
    const load = new Load(lab, generator, site, { names: NAMES, seconds: 12 });
    const { lost, wrong } = await load.result();
    expect({ lost, wrong }).toEqual({ lost: 0, wrong: 0 });

    const back = load.intervals().findIndex(({ by }) => (by[VIPS.eu] ?? 0) > 0);
    const ramp = load.intervals().slice(back);
    const takes = Array.from({ length: Math.floor(ramp.length / 10) }, (_, second) =>
      Math.round((100 * shareOf(ramp.slice(10 * second, 10 * second + 10))) / usualShare),
    );
    report(
      `eu-west back ${seconds((ramp[0]?.endMs ?? 0) - startedMs)} after its start; second by second it takes ` +
        `${takes.join(" %, ")} % of its usual answers`,
    );
    expect(takes.length).toBeGreaterThanOrEqual(3);
    expect(takes[0]).toBeLessThan(30);
    expect(takes.at(-1)).toBeGreaterThan(2 * (takes[0] ?? 0));
    // A share of a few hundred answers is off by some points.
    for (const [i, take] of takes.entries()) expect(take).toBeGreaterThan((takes[i - 1] ?? 0) - 10);
  });

  /** What `meridian check` prints for a service. */
  async function boundOf(service: string): Promise<{ readonly totalMs: number; readonly ttlMs: number }> {
    const printed = await lab.run("check", site.folder);
    const section = printed.slice(printed.indexOf(`\n${service}`));
    const total = /failover bound ([\d.]+)s/.exec(section)?.[1];
    const ttl = /ttl +([\d.]+)s/.exec(section)?.[1];
    return { totalMs: 1000 * Number(total), ttlMs: 1000 * Number(ttl) };
  }
});

/** The share of answers that name eu-west. */
function shareOf(intervals: readonly Interval[]): number {
  const received = intervals.reduce((sum, interval) => sum + interval.received, 0);
  return intervals.reduce((sum, { by }) => sum + (by[VIPS.eu] ?? 0), 0) / received;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
