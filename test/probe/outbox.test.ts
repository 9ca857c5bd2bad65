/** Reports between the probe and the acknowledgement. */

import { describe, expect, test } from "vitest";
import { isOwned, Outbox, reportsOutbox, type TimedReport } from "../../src/probe/outbox.ts";
import { failure, success, target } from "./targets.ts";

const report = (endedAtMs: number, vip = "a"): TimedReport => ({
  vip: target(vip).vip,
  endedAtMs,
  outcome: success,
});

const sequences = (batches: readonly { readonly sequence: number }[]): number[] =>
  batches.map((batch) => batch.sequence);

describe("an outbox", () => {
  test("seals what came since the last time, with its age", () => {
    const outbox = new Outbox(reportsOutbox);
    outbox.add(report(1_000));
    outbox.add(report(1_040.4));
    expect(outbox.seal(1_050)).toEqual([
      {
        kind: "reports",
        sequence: 1,
        reports: [
          { vip: "a", agoMs: 50, outcome: success },
          { vip: "a", agoMs: 10, outcome: success },
        ],
      },
    ]);
    expect(outbox.seal(1_060)).toEqual([]);
  });

  test("sends a batch again under its number, older by then, until it is acknowledged", () => {
    const outbox = new Outbox(reportsOutbox);
    for (const endedAtMs of [0, 1_000, 2_000]) {
      outbox.add(report(endedAtMs));
      outbox.seal(endedAtMs);
    }
    outbox.acknowledge(1);
    const again = outbox.resend(5_000);
    expect(again.map((batch) => [batch.sequence, batch.reports[0]?.agoMs])).toEqual([
      [2, 4_000],
      [3, 3_000],
    ]);
    outbox.acknowledge(3);
    expect(outbox.resend(5_000)).toEqual([]);
  });

  test("drops reports that are older than a minute, loose or sealed", () => {
    const outbox = new Outbox(reportsOutbox);
    outbox.add(report(0));
    outbox.seal(0);
    outbox.add(report(100));
    outbox.add(report(50_000));
    expect(outbox.resend(60_000)).toHaveLength(1);
    expect(outbox.resend(60_001)).toHaveLength(0);
    expect(outbox.seal(70_000)[0]?.reports).toMatchObject([{ agoMs: 20_000 }]);
  });

  test("splits many reports into messages of at most 500", () => {
    const outbox = new Outbox(reportsOutbox);
    for (let i = 0; i < 1_200; i += 1) outbox.add(report(0));
    expect(outbox.seal(0).map((batch) => batch.reports.length)).toEqual([500, 500, 200]);
  });

  test("is bounded: the oldest batches, then the oldest loose reports, make room", () => {
    const outbox = new Outbox(reportsOutbox);
    for (let i = 0; i < 2_000; i += 1) outbox.add(report(0, "old"));
    outbox.seal(0);
    for (let i = 0; i < 50_001; i += 1) outbox.add(report(i / 1_000, `${i}`));
    expect(outbox.resend(100)).toEqual([]);
    const kept = outbox.seal(100).flatMap((batch) => batch.reports);
    expect(kept).toHaveLength(50_000);
    expect(kept[0]?.vip).toBe("1");
  });

  test("forgets the failures of a time, loose or sealed, and nothing else", () => {
    const outbox = new Outbox(reportsOutbox);
    const failed = (endedAtMs: number): TimedReport => ({ ...report(endedAtMs), outcome: failure });
    for (const one of [failed(1_000), failed(1_001), report(1_500), failed(1_600)]) {
      outbox.add(one);
      outbox.seal(1_600);
    }
    for (const one of [failed(2_000), report(2_000), failed(2_001)]) outbox.add(one);
    outbox.keep((each) => isOwned(each, 1_000, 2_000));
    const sent = [...outbox.resend(3_000), ...outbox.seal(3_000)];
    expect(sent.map(({ sequence, reports }) => [sequence, ...reports.map(({ agoMs }) => agoMs)])).toEqual([
      [1, 2_000],
      [3, 1_500],
      [5, 1_000, 999],
    ]);
    outbox.acknowledge(5);
    expect(outbox.isEmpty).toBe(true);
  });

  test("numbers rise through all of it", () => {
    const outbox = new Outbox(reportsOutbox);
    outbox.add(report(0));
    expect(sequences(outbox.seal(0))).toEqual([1]);
    outbox.acknowledge(1);
    outbox.add(report(0));
    expect(outbox.seal(100_000)).toEqual([]);
    outbox.add(report(100_000));
    expect(sequences(outbox.seal(100_000))).toEqual([2]);
  });
});
