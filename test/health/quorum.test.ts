import { describe, expect, test } from "vitest";
import type { Quorum } from "../../src/config/check.ts";
import { judge, votesNeeded } from "../../src/health/quorum.ts";
import { fc } from "../fast-check.ts";

const majority: Quorum = { kind: "majority" };
const any: Quorum = { kind: "any" };
const all: Quorum = { kind: "all" };
const nobody = { up: 0, down: 0 };
const percent = (share: number): Quorum => ({ kind: "percent", percent: share });

describe("the votes needed", () => {
  test.each([
    ["majority", majority, 1, 1],
    ["majority", majority, 2, 2],
    ["majority", majority, 3, 2],
    ["majority", majority, 4, 3],
    ["majority", majority, 5, 3],
    ["any", any, 5, 1],
    ["all", all, 5, 5],
    ["percent 50", percent(50), 4, 2],
    ["percent 50", percent(50), 5, 3],
    ["percent 1", percent(1), 5, 1],
    ["percent 55", percent(55), 20, 11],
    ["percent 100", percent(100), 5, 5],
  ])("by %s", (_name, quorum, votes, needed) => {
    expect(votesNeeded(quorum, votes)).toBe(needed);
  });
});

describe("a judgement", () => {
  test.each([
    ["no votes at all are held", { up: 0, down: 0 }, majority, 0, "held"],
    ["fewer votes than minVantages are held", { up: 0, down: 1 }, majority, 2, "held"],
    ["as many votes as minVantages judge", { up: 0, down: 2 }, majority, 2, "down"],
    ["half is no majority", { up: 2, down: 2 }, majority, 1, "up"],
    ["more than half is a majority", { up: 1, down: 2 }, majority, 1, "down"],
    ["one is enough for any", { up: 4, down: 1 }, any, 1, "down"],
    ["none is not enough for any", { up: 5, down: 0 }, any, 1, "up"],
    ["one against is enough to stop all", { up: 1, down: 4 }, all, 1, "up"],
    ["all is all", { up: 0, down: 5 }, all, 1, "down"],
    ["at least half is half", { up: 2, down: 2 }, percent(50), 1, "down"],
  ] as const)("%s", (_name, tally, quorum, minVantages, judgement) => {
    expect(judge({ ...tally, isolated: nobody }, quorum, minVantages)).toBe(judgement);
  });

  test.each([
    ["those who say the same count for minVantages", { up: 0, down: 1 }, { up: 0, down: 1 }, 2, "down"],
    ["those who say the opposite do not", { up: 0, down: 1 }, { up: 2, down: 0 }, 2, "held"],
    ["those who say the same do not make a quorum", { up: 1, down: 1 }, { up: 0, down: 3 }, 2, "up"],
    ["those who are isolated cannot judge alone", nobody, { up: 0, down: 3 }, 2, "held"],
  ] as const)("of isolated vantages, %s", (_name, tally, isolated, minVantages, judgement) => {
    expect(judge({ ...tally, isolated }, majority, minVantages)).toBe(judgement);
  });
});

const quorums = fc.oneof(
  fc.constantFrom(majority, any, all),
  fc.integer({ min: 1, max: 100 }).map((share) => percent(share)),
);
const count = fc.integer({ min: 0, max: 30 });

test("a vote that turns from up to down never turns a VIP from down to up", () => {
  fc.assert(
    fc.property(count, count, count, quorums, count, (up, down, isolatedDown, quorum, minVantages) => {
      const isolated = { up: 0, down: isolatedDown };
      const before = judge({ up: up + 1, down, isolated }, quorum, minVantages);
      const after = judge({ up, down: down + 1, isolated }, quorum, minVantages);
      expect(before === "down" && after !== "down").toBe(false);
    }),
  );
});

test("one more vote for down never turns a VIP from down to up, nor one more for up from up to down", () => {
  fc.assert(
    fc.property(count, count, quorums, (up, down, quorum) => {
      const judged = (votes: { readonly up: number; readonly down: number }) =>
        judge({ ...votes, isolated: nobody }, quorum, 1);
      const before = judged({ up, down });
      if (before === "down") expect(judged({ up, down: down + 1 })).toBe("down");
      if (before === "up") expect(judged({ up: up + 1, down })).toBe("up");
    }),
  );
});

test("every quorum is at least one vote and at most all, so votes that agree decide", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), quorums, (votes, quorum) => {
      expect(judge({ up: 0, down: votes, isolated: nobody }, quorum, 1)).toBe("down");
      expect(judge({ up: votes, down: 0, isolated: nobody }, quorum, 1)).toBe("up");
    }),
  );
});
