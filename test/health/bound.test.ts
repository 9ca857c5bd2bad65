import { describe, expect, test } from "vitest";
import type { Check } from "../../src/config/check.ts";
import type { Pool } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { checkBounds, type FailoverBound, failoverBound, formatBound } from "../../src/health/bound.ts";
import { report } from "../e2e/harness.ts";
import { randomFrom } from "../e2e/random.ts";
import { failOver, type Promised } from "./failover.ts";
import { checkId, checkWith, configWith, memberId, memberOf, poolId, serviceWith } from "./fixtures.ts";

/** How many failures; `docs/proofs.md` says what 100,000 came to. */
const FAILOVERS = Number(process.env["MERIDIAN_FAILOVERS"] ?? 300);
const SEED = Number(process.env["MERIDIAN_FAILOVERS_SEED"] ?? 1);
const LONG = { timeout: 3_600_000 };

/** Times are sums of fractions of milliseconds. */
const ROUNDING_MS = 0.001;

const fast = checkWith({
  id: checkId("fast"),
  intervalMs: 1_000,
  timeoutMs: 500,
  recheckMs: 500,
  jitterMs: 100,
});
const slow = checkWith({ id: checkId("slow"), intervalMs: 10_000, jitterMs: 1_000 });
const pools: readonly Pool[] = [
  {
    id: poolId("quick"),
    check: fast.id,
    members: [memberOf("quick", "a", "us-east", 1)],
    minUp: 0,
    signals: null,
    perVantage: false,
  },
  {
    id: poolId("slow"),
    check: slow.id,
    members: [memberOf("slow", "a", "us-east", 2)],
    minUp: 0,
    signals: null,
    perVantage: false,
  },
  {
    id: poolId("static"),
    check: null,
    members: [memberOf("static", "a", "us-east", 3)],
    minUp: 0,
    signals: null,
    perVantage: false,
  },
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
    ["latency", { kind: "latency", ...named, of: slowLeaf, prefixes: [], asns: [] }],
    ["nearest", { kind: "nearest", ...named, of: slowLeaf, biasKm: new Map(), within: null }],
    ["geo, by a case", geo(slowLeaf, null)],
    ["geo, by default", geo(quick, slowLeaf)],
  ])("is that of the worst check within %s", (_kind, policy) => {
    expect(boundOf(policy)?.totalMs).toBe(SLOW_MS);
  });

  test("counts what signals take longer than probes", () => {
    const bound = (everyMs: number): FailoverBound => {
      const [first, ...rest] = pools;
      const signals = { everyMs, errorsAbove: 0.1, samples: 20 };
      const config = configWith({ checks: [fast, slow], pools: [{ ...first!, signals }, ...rest] });
      return failoverBound(serviceWith({ policy: quick }), config)!;
    };
    // Four signals, the first of them of requests before the VIP died, instead of 2.6 s.
    expect(bound(1_000).totalMs).toBe(FAST_MS + 4 * 1_000 - 2_600);
    expect(bound(1_000).terms[4]).toEqual({
      name: "signals",
      ms: 1_400,
      from: "what (fall + 1) * every of the signals of pool quick takes longer",
    });
    expect(bound(650).terms.map(({ name }) => name)).not.toContain("signals");
  });

  test("counts the shortest TTL where that is adaptive", () => {
    const service = { ...serviceWith({ policy: quick, ttlSeconds: 60 }), ttlSecondsMin: 3 };
    const { totalMs, terms } = failoverBound(service, configWith({ checks: [fast], pools }))!;
    expect(totalMs).toBe(FAST_MS - 2_000);
    expect(terms.at(-1)?.from).toBe("ttl.min of service www.gslb.example");
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

describe(`of ${FAILOVERS} random services with failures and partitions`, () => {
  const ratios: Record<Promised, number[]> = { stated: [], stale: [], held: [] };

  test("no well-behaved resolver gives a dead VIP for longer than the bound says", LONG, async () => {
    for (let seed = SEED; seed < SEED + FAILOVERS; seed += 1) {
      const { promise, promisedMs, observedMs, story } = await failOver(randomFrom(seed));
      ratios[promise].push(observedMs / promisedMs);
      if (promise !== "held")
        expect(observedMs, `seed ${seed}: ${story}`).toBeLessThan(promisedMs + ROUNDING_MS);
    }
    for (const [promise, of] of Object.entries(ratios)) report(`${promise}: ${distribution(of)}`);
  });

  test("the longest comes within a tenth of it", () => {
    expect(ratios.stated.reduce((a, b) => Math.max(a, b))).toBeGreaterThan(0.9);
  });
});

/** How observed / promised is distributed, for those whose clients were given a dead VIP at all. */
function distribution(ratios: readonly number[]): string {
  const sorted = ratios.filter((ratio) => ratio > 0).sort((a, b) => a - b);
  const at = (share: number): string => sorted[Math.ceil(share * sorted.length) - 1]?.toFixed(3) ?? "-";
  const quantiles = [0.1, 0.5, 0.9, 0.99, 1].map((share) => `${at(share)}`).join(" ");
  return `${ratios.length} failures, ${sorted.length} seen by clients; observed / promised ${quantiles} (10, 50, 90, 99, 100 %)`;
}

function geo(use: Policy, fallback: Policy | null): Policy {
  return {
    kind: "geo",
    ...named,
    fence: false,
    cases: [{ match: { by: "country", country: "IE" }, use }],
    default: fallback,
  };
}
