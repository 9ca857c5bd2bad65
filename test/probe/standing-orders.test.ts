/** What orders of drills make of probes and reports, and that each ends by itself. */

import { describe, expect, test } from "vitest";
import type { Outcome } from "../../src/health/report.ts";
import type { Order, SentWatch } from "../../src/probe/orders.ts";
import { StandingOrders } from "../../src/probe/standing-orders.ts";
import { ManualClock } from "./manual-clock.ts";
import { failure, success, target } from "./targets.ts";

const VIP = target("a").vip;

const pretend = (forMs: number, drill = "d1"): Order => ({ kind: "pretend", drill, forMs, vips: [VIP] });
const silence = (forMs: number): Order => ({ kind: "silence", drill: "d1", forMs });
const watch = (forMs: number, everyMs = 200): SentWatch => ({
  kind: "watch",
  drill: "d1",
  forMs,
  everyMs,
  services: [],
  nodes: [],
  connections: [],
});

function open() {
  const clock = new ManualClock();
  const events: string[] = [];
  const orders = new StandingOrders<string>({
    clock,
    watch: (node, { drill, everyMs }) => {
      events.push(`${node} ${drill} ${everyMs} begins`);
      return { stop: () => void events.push(`${node} ${drill} ${everyMs} ends`) };
    },
  });
  return { clock, events, orders };
}

describe("an order", () => {
  test("ends by itself, to the millisecond", async () => {
    const { clock, events, orders } = open();
    orders.replace("n1", [pretend(1_000), silence(2_000), watch(3_000)]);
    const state = (): readonly unknown[] => [orders.pretendsDead(VIP), orders.areSilent, events.length];
    expect(state()).toEqual([true, true, 1]);
    await clock.pass(999);
    expect(state()).toEqual([true, true, 1]);
    await clock.pass(1);
    expect(state()).toEqual([false, true, 1]);
    await clock.pass(1_000);
    expect(state()).toEqual([false, false, 1]);
    await clock.pass(1_000);
    expect(events).toEqual(["n1 d1 200 begins", "n1 d1 200 ends"]);
  });

  test("ends at once when its node orders it no more, or refuses the agent", () => {
    const { orders, events } = open();
    orders.replace("n1", [pretend(1_000), silence(1_000), watch(1_000)]);
    orders.replace("n1", []);
    expect([orders.pretendsDead(VIP), orders.areSilent]).toEqual([false, false]);
    expect(events).toEqual(["n1 d1 200 begins", "n1 d1 200 ends"]);
  });

  test("that is given again goes on undisturbed to its new end, and one that is another begins anew", async () => {
    const { clock, events, orders } = open();
    orders.replace("n1", [watch(1_000)]);
    await clock.pass(500);
    orders.replace("n1", [watch(1_000)]);
    await clock.pass(999);
    expect(events).toEqual(["n1 d1 200 begins"]);
    orders.replace("n1", [watch(1_000, 100)]);
    expect(events).toEqual(["n1 d1 200 begins", "n1 d1 100 begins", "n1 d1 200 ends"]);
    await clock.pass(1_000);
    expect(events.at(-1)).toBe("n1 d1 100 ends");
  });

  test("of one node is not ended by another", () => {
    const { orders } = open();
    orders.replace("n1", [pretend(1_000)]);
    orders.replace("n2", [pretend(1_000, "d2")]);
    orders.replace("n1", []);
    expect(orders.pretendsDead(VIP)).toBe(true);
    orders.stop();
    expect(orders.pretendsDead(VIP)).toBe(false);
  });
});

describe("a probe", () => {
  /** The outcome of a probe that takes 30 ms, and when it came. */
  async function probed(
    { clock, orders }: ReturnType<typeof open>,
    seen: Outcome | null,
    vip = "a",
  ): Promise<readonly [Outcome | null, number]> {
    const startedAtMs = clock.now();
    let ended: readonly [Outcome | null, number] | null = null;
    void orders
      .probe(target(vip, { timeoutMs: 1_000 }), async () => {
        await new Promise<void>((resolve) => clock.after(30, resolve));
        return seen;
      })
      .then((outcome) => {
        ended = [outcome, clock.now() - startedAtMs];
      });
    for (let i = 0; ended === null && i < 100; i += 1) await clock.pass(30);
    return ended ?? [null, Number.NaN];
  }

  test("of a VIP that is pretended to be dead is a timeout, when its time is up", async () => {
    const lab = open();
    lab.orders.replace("n1", [pretend(60_000)]);
    const [outcome, tookMs] = await probed(lab, success);
    expect(outcome).toMatchObject({
      kind: "failure",
      error: "timeout",
      detail: "a drill pretends that it is dead",
      timings: { connectMs: null, totalMs: 1_000 },
    });
    expect(tookMs).toBeGreaterThanOrEqual(1_000);
  });

  test("of any other VIP, and without orders, is what it is", async () => {
    const lab = open();
    lab.orders.replace("n1", [pretend(60_000)]);
    expect(await probed(lab, success, "b")).toEqual([success, 30]);
    lab.orders.replace("n1", [silence(60_000)]);
    expect(await probed(lab, failure)).toEqual([failure, 30]);
  });

  test("that this machine could not make stays so", async () => {
    const lab = open();
    lab.orders.replace("n1", [pretend(60_000)]);
    expect(await probed(lab, null)).toEqual([null, 30]);
  });

  test("that is under way when the pretence ends is the truth", async () => {
    const lab = open();
    lab.orders.replace("n1", [pretend(500)]);
    expect((await probed(lab, success))[0]).toEqual(success);
  });
});
