import { expect, test } from "vitest";
import type { VantageId, VipId } from "../../src/config/config.ts";
import { Matrix } from "../../src/health/matrix.ts";
import { afterProbe, UNKNOWN } from "../../src/health/opinion.ts";
import type { Report } from "../../src/health/report.ts";
import { fc } from "../fast-check.ts";
import { checkWith, failure, success, vantageId, vipId } from "./fixtures.ts";

const check = checkWith({ intervalMs: 5_000, timeoutMs: 2_000, rise: 2, fall: 2 });
const FRESH_MS = 3 * 5_000 + 2_000;
const vantages = ["dublin", "tokyo", "virginia", "sydney"].map(vantageId);
const vips = ["a", "b", "c", "d"].map(vipId);

const dublin = vantages[0]!;
const vip = vips[0]!;

test("a vote goes stale after three intervals and a timeout, and comes back with the next report", () => {
  const matrix = new Matrix(new Map([[vip, check]]), vantages);
  expect(matrix.take(success(dublin, vip, 100), 100)).toEqual([{ vip, vantage: dublin, was: null }]);
  expect([...matrix.expire(100 + FRESH_MS)]).toEqual([]);
  expect(matrix.tally(vip)).toMatchObject({ up: 1, down: 0 });
  expect([...matrix.expire(101 + FRESH_MS)]).toEqual([{ vip, vantage: dublin, was: "up" }]);
  expect(matrix.tally(vip)).toMatchObject({ up: 0, down: 0 });
  expect(matrix.vantageStates()[0]).toMatchObject({ vantage: dublin, fresh: false, reportedAtMs: 100 });
  expect(matrix.take(success(dublin, vip, 30_000), 30_000)).toEqual([{ vip, vantage: dublin, was: null }]);
  expect(matrix.tally(vip)).toMatchObject({ up: 1, down: 0 });
});

test("a report that arrives when it is already too old moves the opinion but has no vote", () => {
  const matrix = new Matrix(new Map([[vip, check]]), vantages);
  matrix.take(success(dublin, vip, 100), 101 + FRESH_MS);
  expect(matrix.votes(vip)[0]).toMatchObject({ opinion: "healthy", counts: false });
});

test.each([
  ["of another VIP", success(dublin, vipId("other"), 200)],
  ["of another vantage", success(vantageId("other"), vip, 200)],
  ["that came before", success(dublin, vip, 99)],
  ["that came twice", success(dublin, vip, 100)],
])("a report %s does not count", (_which, report) => {
  const matrix = new Matrix(new Map([[vip, check]]), vantages);
  matrix.take(failure(dublin, vip, 100), 100);
  const before = matrix.votes(vip);
  expect(matrix.take(report, 200)).toBeNull();
  expect(matrix.votes(vip)).toEqual(before);
});

type Step =
  | { readonly kind: "report"; readonly vantage: VantageId; readonly vip: VipId; readonly succeeds: boolean }
  | { readonly kind: "wait"; readonly ms: number };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant("report" as const),
        vantage: fc.constantFrom(...vantages),
        vip: fc.constantFrom(...vips),
        succeeds: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(20_000) }) },
  ),
  { maxLength: 150 },
);

test("the counts that are kept up always equal those counted anew", () => {
  fc.assert(
    fc.property(steps, (story) => {
      const matrix = new Matrix(new Map(vips.map((id) => [id, check])), vantages);
      const taken: Report[] = [];
      let nowMs = 0;
      for (const step of story) {
        nowMs += step.kind === "wait" ? step.ms : 1;
        if (step.kind === "wait") matrix.expire(nowMs);
        else {
          const report = (step.succeeds ? success : failure)(step.vantage, step.vip, nowMs);
          taken.push(report);
          matrix.take(report, nowMs);
          matrix.expire(nowMs);
        }
      }
      const anew = countAnew(taken, nowMs);
      for (const id of vips) expect(matrix.tally(id)).toEqual(anew.tally(id));
      for (const { vantage, isolated, knownVips, contradictedVips } of matrix.vantageStates()) {
        expect({ isolated, knownVips, contradictedVips }).toEqual(anew.vantage(vantage));
      }
    }),
  );
});

/** The same by definition, from all reports ever taken. */
function countAnew(reports: readonly Report[], nowMs: number) {
  const opinionOf = (vantage: VantageId, id: VipId): string | null => {
    const own = reports.filter((report) => report.vantage === vantage && report.vip === id);
    const last = own.at(-1);
    if (last === undefined || nowMs > last.atMs + FRESH_MS) return null;
    const { opinion } = own.reduce((standing, { atMs, outcome }, i) => {
      const isFresh = atMs <= (own[i - 1]?.atMs ?? 0) + FRESH_MS;
      const before = isFresh || standing.opinion === "unhealthy" ? standing : UNKNOWN;
      return afterProbe(before, outcome.kind, check);
    }, UNKNOWN);
    return opinion === "unknown" ? null : opinion;
  };
  const isContradicted = (vantage: VantageId, id: VipId): boolean => {
    const others = vantages.filter((other) => other !== vantage).map((other) => opinionOf(other, id));
    const known = others.filter((opinion) => opinion !== null);
    const healthy = known.filter((opinion) => opinion === "healthy");
    return opinionOf(vantage, id) === "unhealthy" && healthy.length > known.length / 2;
  };
  const testimonyOf = (vantage: VantageId) => {
    const knownVips = vips.filter((id) => opinionOf(vantage, id) !== null).length;
    const contradictedVips = vips.filter((id) => isContradicted(vantage, id)).length;
    const enough = contradictedVips >= 2;
    return { isolated: enough && contradictedVips > knownVips / 2, knownVips, contradictedVips };
  };
  return {
    vantage: testimonyOf,
    tally: (id: VipId) => {
      const count = (isIsolated: boolean) => {
        const heard = vantages.filter((vantage) => testimonyOf(vantage).isolated === isIsolated);
        const opinions = heard.map((vantage) => opinionOf(vantage, id)).filter((opinion) => opinion !== null);
        const down = opinions.filter((opinion) => opinion === "unhealthy").length;
        return { up: opinions.length - down, down };
      };
      return { ...count(false), isolated: count(true) };
    },
  };
}
