/** What one destination is told, and when: by a clock that the test moves. */

import { describe, expect, test } from "vitest";
import { alarm, keyOf } from "../../src/alarm/alarm.ts";
import { type Batch, Outbox, type Terms } from "../../src/alarm/outbox.ts";
import { fc } from "../fast-check.ts";

const TERMS: Terms = { delayMs: 0, groupMs: 0, recovery: true };

const VIP = alarm("vip-down", "web/eu-west/ipv4", "it is down", 0);
const SERVICE = alarm("service-down", "www.example", "nothing is up", 0);

/** An outbox with what it has been taken from. */
class Box {
  outbox: Outbox = new Outbox();
  terms: Terms;
  readonly told: string[] = [];

  constructor(terms: Partial<Terms> = {}) {
    this.terms = { ...TERMS, ...terms };
  }

  /** What stands at a moment; alarms that stand, but lead elsewhere, come last. */
  stand(nowMs: number, alarms: readonly (typeof VIP)[], elsewhere: readonly (typeof VIP)[] = []): this {
    const routed = new Map(alarms.map((each) => [keyOf(each), [each, this.terms] as const]));
    this.outbox.stand(routed, new Set([...routed.keys(), ...elsewhere.map(keyOf)]), nowMs);
    return this;
  }

  /** What is sent at a moment, which the destination takes. */
  take(nowMs: number): readonly string[] {
    const batch = this.outbox.next(nowMs);
    if (batch === null) return [];
    this.outbox.taken(batch);
    return linesOf(batch);
  }
}

function linesOf({ notices, more }: Batch): readonly string[] {
  const lines = notices.map((notice) => `${notice.state} ${notice.alarm.kind}`);
  return more === 0 ? lines : [...lines, `${more} more`];
}

describe("an alarm", () => {
  test("is told once when it begins, and once when it ends", () => {
    const box = new Box();
    expect(box.stand(1_000, [VIP]).take(1_000)).toEqual(["begun vip-down"]);
    expect(box.stand(2_000, [VIP]).take(2_000)).toEqual([]);
    expect(box.stand(3_000, []).take(3_000)).toEqual(["ended vip-down"]);
    expect(box.stand(4_000, []).take(4_000)).toEqual([]);
    expect(box.outbox.entries()).toEqual([]);
  });

  test("that ends within its delay is never told", () => {
    const box = new Box({ delayMs: 10_000 });
    expect(box.stand(0, [VIP]).take(9_999)).toEqual([]);
    expect(box.stand(9_999, []).take(20_000)).toEqual([]);
    expect(box.stand(30_000, [VIP]).take(39_999)).toEqual([]);
    expect(box.stand(40_000, [VIP]).take(40_000)).toEqual(["begun vip-down"]);
  });

  test("waits for others, and the worst comes first", () => {
    const box = new Box({ groupMs: 5_000 });
    expect(box.stand(0, [VIP]).take(4_999)).toEqual([]);
    expect(box.stand(4_000, [VIP, SERVICE]).take(5_000)).toEqual(["begun service-down", "begun vip-down"]);
  });

  test("is not told to have ended where nobody wants that", () => {
    const box = new Box({ recovery: false });
    expect(box.stand(0, [VIP]).take(0)).toEqual(["begun vip-down"]);
    expect(box.stand(1, []).take(1)).toEqual([]);
    expect(box.outbox.entries()).toEqual([]);
  });

  test("that ends and begins again before that was told has not ended", () => {
    const box = new Box({ groupMs: 5_000 });
    box.stand(0, [VIP]);
    expect(box.take(5_000)).toEqual(["begun vip-down"]);
    box.stand(6_000, []);
    expect(box.stand(7_000, [VIP]).take(20_000)).toEqual([]);
  });

  test("that is led elsewhere from now on has not ended", () => {
    const box = new Box();
    box.stand(0, [VIP]).take(0);
    expect(box.stand(1, [], [VIP]).take(1)).toEqual([]);
    expect(box.outbox.entries()).toEqual([]);
  });

  test("that a destination was told of is not told again after a restart, but that it has ended", () => {
    const box = new Box();
    box.stand(0, [VIP]).take(0);
    const restarted = new Box();
    restarted.outbox = new Outbox(JSON.parse(JSON.stringify(box.outbox.entries())));
    expect(restarted.stand(1, [VIP]).take(1)).toEqual([]);
    expect(restarted.stand(2, []).take(2)).toEqual(["ended vip-down"]);
  });

  test("that ends while its beginning is on its way is told to have ended", () => {
    const box = new Box();
    const batch = box.stand(0, [VIP]).outbox.next(0);
    box.stand(1, []);
    box.outbox.taken(batch!);
    expect(box.take(1)).toEqual(["ended vip-down"]);
  });

  test("that begins again while its end is on its way is told again", () => {
    const box = new Box();
    box.stand(0, [VIP]).take(0);
    const batch = box.stand(1, []).outbox.next(1);
    box.stand(2, [VIP]);
    box.outbox.taken(batch!);
    expect(box.take(2)).toEqual(["begun vip-down"]);
  });
});

describe("a destination that takes nothing", () => {
  test("is asked after 5 s, then after twice as long each time, up to 5 minutes", () => {
    const box = new Box();
    box.stand(0, [VIP]);
    const waits: number[] = [];
    let nowMs = 0;
    for (let attempt = 0; attempt < 9; attempt += 1) {
      box.outbox.failed(nowMs);
      const beganMs = nowMs;
      while (box.outbox.next(nowMs) === null) nowMs += 1_000;
      waits.push((nowMs - beganMs) / 1_000);
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
  });

  test("is told of what began and ended meanwhile, in one message", () => {
    const box = new Box();
    box.stand(0, [VIP]);
    box.outbox.failed(0);
    box.stand(1_000, [SERVICE]);
    expect(box.take(4_999)).toEqual([]);
    expect(box.take(5_000)).toEqual(["begun service-down", "ended vip-down"]);
    expect(box.take(6_000)).toEqual([]);
  });

  test("keeps no more than 1,000 alarms of a severity, and as many moments; what stands beyond these is told later", () => {
    const box = new Box();
    const many = Array.from({ length: 1_200 }, (_, i) => alarm("vip-down", `vip ${i}`, "", 0));
    box.stand(0, many);
    expect(box.outbox.entries()).toHaveLength(1_000);
    expect(box.take(0)).toEqual([...Array.from({ length: 50 }, () => "begun vip-down"), "950 more"]);
    for (let i = 0; i < 19; i += 1) box.take(0);
    expect(box.outbox.waiting).toBe(0);
    box.stand(1, []);
    while (box.outbox.waiting > 0) box.take(1);
    expect(box.stand(2, many).outbox.waiting).toBe(1_000);
    for (let i = 0; i < 1_030; i += 1)
      box.outbox.add(alarm("change-forced", `audit entry ${i}`, "", 0, false), TERMS, 0);
    expect(box.outbox.lost).toBe(30);
  });

  test("that is critical, and what somebody does, is told also when 1,000 VIPs are down, before and after a restart", () => {
    const many = Array.from({ length: 1_000 }, (_, i) => alarm("vip-down", `vip ${i}`, "", 0));
    const box = new Box();
    box.stand(0, many);
    while (box.outbox.waiting > 0) box.take(0);
    expect(box.stand(1, [...many, SERVICE]).take(1)).toEqual(["begun service-down"]);
    box.outbox = new Outbox(box.outbox.entries());
    box.outbox.add(alarm("change-forced", "audit entry 1", "", 0, false), TERMS, 2);
    expect(box.take(2)).toEqual(["happened change-forced"]);
    expect(box.stand(3, [...many, SERVICE, alarm("vip-down", "vip 1000", "", 0)]).take(3)).toEqual([]);
  });
});

test("a moment is told once, and does not end", () => {
  const box = new Box();
  box.outbox.add(alarm("change-forced", "audit entry 7", "", 0, false), TERMS, 0);
  expect(box.stand(0, []).take(0)).toEqual(["happened change-forced"]);
  expect(box.outbox.entries()).toEqual([]);
});

/** What a destination knows by what it was told last. */
test("whatever comes and goes, and whatever is not taken, in the end a destination knows what stands", () => {
  const step = fc.record({
    standing: fc.subarray([VIP, SERVICE]),
    isTaken: fc.boolean(),
    afterMs: fc.integer({ min: 0, max: 400_000 }),
    isRestarted: fc.boolean(),
  });
  const terms = fc.record({
    delayMs: fc.constantFrom(0, 30_000),
    groupMs: fc.constantFrom(0, 5_000),
    recovery: fc.constant(true),
  });
  fc.assert(
    fc.property(
      terms,
      fc.array(step, { maxLength: 30 }),
      fc.subarray([VIP, SERVICE]),
      (each, steps, last) => {
        const box = new Box(each);
        const known = new Set<string>();
        let nowMs = 0;
        const deliver = (isTaken: boolean): void => {
          const batch = box.outbox.next(nowMs);
          if (batch === null) return;
          if (!isTaken) {
            box.outbox.failed(nowMs);
            return;
          }
          box.outbox.taken(batch);
          for (const { alarm: told, state } of batch.notices) {
            if (state === "begun") expect(known.has(keyOf(told))).toBe(false);
            if (state === "begun") known.add(keyOf(told));
            else known.delete(keyOf(told));
          }
        };
        for (const { standing, isTaken, afterMs, isRestarted } of steps) {
          nowMs += afterMs;
          if (isRestarted) box.outbox = new Outbox(JSON.parse(JSON.stringify(box.outbox.entries())));
          box.stand(nowMs, standing);
          deliver(isTaken);
        }
        for (let round = 0; round < 4; round += 1) {
          nowMs += 400_000;
          box.stand(nowMs, last);
          deliver(true);
        }
        expect([...known].sort()).toEqual(last.map(keyOf).sort());
      },
    ),
  );
});
