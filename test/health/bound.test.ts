import { describe, expect, test } from "vitest";
import type { Check, Pool, Quorum } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { checkBounds, type FailoverBound, failoverBound, formatBound } from "../../src/health/bound.ts";
import {
  checkId,
  checkWith,
  configWith,
  memberId,
  memberOf,
  poolId,
  serviceWith,
  vantageId,
  vipId,
} from "./fixtures.ts";
import { randomFrom, Simulation } from "./simulation.ts";

const fast = checkWith({
  id: checkId("fast"),
  intervalMs: 1_000,
  timeoutMs: 500,
  recheckMs: 500,
  jitterMs: 100,
});
const slow = checkWith({ id: checkId("slow"), intervalMs: 10_000, jitterMs: 1_000 });
const pools: readonly Pool[] = [
  { id: poolId("quick"), check: fast.id, members: [memberOf("quick", "a", "us-east", 1)] },
  { id: poolId("slow"), check: slow.id, members: [memberOf("slow", "a", "us-east", 2)] },
  { id: poolId("static"), check: null, members: [memberOf("static", "a", "us-east", 3)] },
];
const quick: Policy = { kind: "pool", pool: poolId("quick") };
const slowLeaf: Policy = { kind: "member", member: memberId("slow/a") };
const unchecked: Policy = { kind: "pool", pool: poolId("static") };
const named = { name: null, minUp: 0 };

function boundOf(policy: Policy, checks: readonly Check[] = [fast, slow]): FailoverBound | null {
  return failoverBound(serviceWith({ policy }), configWith({ checks, pools }));
}

const FAST_MS = 1_000 + 100 + 2 * 500 + 500 + 600 + 5_000;
const SLOW_MS = 10_000 + 1_000 + 2 * 2_000 + 2_000 + 600 + 5_000;

describe("the failover bound", () => {
  test("adds up interval, jitter, rechecks, timeout, report, publish and TTL", () => {
    expect(boundOf(quick)?.totalMs).toBe(FAST_MS);
  });

  test("counts the timeout for each recheck when it is longer than the recheck", () => {
    expect(boundOf(slowLeaf)?.totalMs).toBe(SLOW_MS);
    expect(boundOf(slowLeaf)?.terms[2]?.from).toBe("(fall - 1) * timeout of check slow");
  });

  test.each<[string, Policy]>([
    ["weighted", { kind: "weighted", ...named, choices: [{ key: "x", weight: 1, use: slowLeaf }] }],
    ["failover", { kind: "failover", ...named, order: [quick, slowLeaf] }],
    ["latency", { kind: "latency", ...named, of: slowLeaf }],
    ["nearest", { kind: "nearest", ...named, of: slowLeaf, biasKm: new Map() }],
    ["geo, by a case", geo(slowLeaf, null)],
    ["geo, by default", geo(quick, slowLeaf)],
  ])("is that of the worst check within %s", (_kind, policy) => {
    expect(boundOf(policy)?.totalMs).toBe(SLOW_MS);
  });

  test("is that of the fallback pool when its check is the worst", () => {
    const service = serviceWith({ policy: quick, whenDown: { kind: "fallback", pool: poolId("slow") } });
    expect(failoverBound(service, configWith({ checks: [fast, slow], pools }))?.totalMs).toBe(SLOW_MS);
  });

  test("does not exist when nothing is checked", () => {
    expect(boundOf(unchecked)).toBeNull();
  });

  test("is shown term by term", () => {
    expect(formatBound(boundOf(slowLeaf)!)).toBe(
      `
failover bound 22.6s
  interval   10s  interval of check slow
  jitter      1s  jitter of check slow
  rechecks    4s  (fall - 1) * timeout of check slow
  timeout     2s  timeout of check slow
  report    0.5s  reportWithin of node
  publish   0.1s  publishWithin of node
  ttl         5s  ttl of service www.gslb.example`.trim(),
    );
  });
});

describe("a service's failoverWithin", () => {
  const problemsOf = (policy: Policy, failoverWithinMs: number | null) =>
    checkBounds(
      configWith({ checks: [fast, slow], pools, services: [serviceWith({ policy, failoverWithinMs })] }),
    );

  test("may equal the bound, and may be left out", () => {
    expect(problemsOf(slowLeaf, SLOW_MS)).toEqual([]);
    expect(problemsOf(slowLeaf, null)).toEqual([]);
  });

  test("below the bound is a problem that names the terms to change", () => {
    expect(problemsOf(slowLeaf, 15_000)).toEqual([
      {
        file: "meridian.yaml",
        line: 12,
        column: 3,
        message:
          "failoverWithin 15s of service www.gslb.example cannot be kept: the failover bound is 22.6s; lower " +
          "interval of check slow (10s), ttl of service www.gslb.example (5s), " +
          "(fall - 1) * timeout of check slow (4s), or promise 22.6s",
      },
    ]);
  });

  test("without any check is a problem", () => {
    expect(problemsOf(unchecked, 15_000)[0]?.message).toBe(
      "failoverWithin 15s of service www.gslb.example cannot be kept: none of its pools has a check; " +
        "give one a check or remove failoverWithin",
    );
  });
});

test("no death is detected later than the bound says, and the tightest comes within a tenth of it", () => {
  const ratios = Array.from({ length: 2_000 }, (_, seed) => detectionOverBound(seed));
  expect(Math.max(...ratios)).toBeLessThanOrEqual(1);
  expect(Math.max(...ratios)).toBeGreaterThanOrEqual(0.9);
});

/** One random configuration and death: the time to the verdict, as a share of the bound's detection part. */
function detectionOverBound(seed: number): number {
  const random = randomFrom(seed);
  const between = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  const check = randomCheck(between);
  const vantages = Array.from({ length: between(1, 5) }, (_, i) => vantageId(`v${i}`));
  const vips = Array.from({ length: between(1, 3) }, (_, i) => vipId(`web/${i}/ipv4`));
  const failsAfterMs = random() < 0.5 ? check.timeoutMs : between(0, check.timeoutMs);
  const minVantages = between(1, vantages.length);
  const simulation = new Simulation({
    vips,
    vantages,
    check: { ...check, minVantages },
    random,
    failsAfterMs,
  });

  const cycleMs = check.intervalMs + check.jitterMs;
  const diesAtMs = cycleMs * (2 + random());
  const early = [...simulation.runUntil(diesAtMs)].flatMap(({ changes }) => changes.flipped);
  expect(early).toEqual([]);
  const dead = vips.slice(0, between(1, vips.length));
  for (const vip of dead) simulation.kill(vip);

  const boundMs = detectionMs(check);
  const detected = new Map<string, number>();
  for (const { atMs, changes } of simulation.runUntil(diesAtMs + boundMs)) {
    for (const { vip } of changes.flipped) detected.set(vip, atMs - diesAtMs);
  }
  expect([...detected.keys()].sort(), `seed ${seed}`).toEqual(dead);
  return Math.max(...detected.values()) / boundMs;
}

function randomCheck(between: (least: number, most: number) => number): Check {
  const intervalMs = between(500, 10_000);
  const quorums: readonly Quorum[] = [
    { kind: "majority" },
    { kind: "any" },
    { kind: "all" },
    { kind: "percent", percent: between(1, 100) },
  ];
  return checkWith({
    intervalMs,
    timeoutMs: between(50, intervalMs),
    recheckMs: between(50, intervalMs),
    jitterMs: between(0, intervalMs),
    rise: between(1, 4),
    fall: between(1, 5),
    quorum: quorums[between(0, 3)]!,
  });
}

/** The part of the bound up to the verdict: all but report, publish and TTL. */
function detectionMs(check: Check): number {
  const pool = { id: poolId("web"), check: check.id, members: [] };
  const bound = failoverBound(serviceWith(), configWith({ checks: [check], pools: [pool] }));
  const terms = bound?.terms.filter(({ name }) => !["report", "publish", "ttl"].includes(name)) ?? [];
  return terms.reduce((sum, { ms }) => sum + ms, 0);
}

function geo(use: Policy, fallback: Policy | null): Policy {
  return {
    kind: "geo",
    ...named,
    cases: [{ match: { by: "country", country: "IE" }, use }],
    default: fallback,
  };
}
