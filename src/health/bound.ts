/** The failover bound: the longest time between a VIP's death and the last well-behaved client's new answer. */

import type { Check } from "../config/check.ts";
import type { Config, Pool, PoolId, Service } from "../config/config.ts";
import { childrenOf, type Policy } from "../config/policy.ts";
import type { Problem } from "../problem.ts";

/** A bound with the terms that add up to it. */
export interface FailoverBound {
  readonly totalMs: number;
  readonly terms: readonly BoundTerm[];
}

/** One summand. */
interface BoundTerm {
  readonly name: "interval" | "jitter" | "rechecks" | "timeout" | "signals" | "report" | "publish" | "ttl";
  readonly ms: number;
  /** The place in the config, in words: `interval of check web`. */
  readonly from: string;
}

/** How many terms a problem names. */
const ADVISED_TERMS = 3;

/**
 * The bound of a service; null when its policy reaches no pool that is checked. Of several checks the worst counts.
 *
 *     answers
 *     and dies     fails        fails               fails: down        plans move     caches let go
 *     |------------|------------|----- . . . -------|---------|--------|--------------|
 *      interval      recheck      recheck            timeout   report   ttl
 *      + jitter    '------ fall - 1 times -------'            + publish
 *
 * 1. Worst, the VIP dies just after it has answered a probe, and the probe's start and end are one moment. The next
 *    probe starts `interval + jitter` after that one.
 * 2. A failure ends at most `timeout` after its start. The next probe starts `recheck` after the *start* of the failed
 *    one, but not before that has ended: `max(recheck, timeout)` later. With a timeout no longer than the recheck that
 *    is the recheck. It takes `fall - 1` of these steps to the start of the last probe.
 * 3. The last probe ends `timeout` later; the report takes `report`, the change of plans `publish`.
 * 4. A cache that asked just before keeps the old answer for `ttl`. Where that is adaptive it is `min`, because of an answer
 *    whose VIP may be down before that (`health/outlook.ts`). A longer one ends no later than the VIP could be down; that is
 *    `late` before the first failure that is not known yet and `fall - 1` rechecks, so not after step 3.
 *
 * Where a pool takes signals, a source votes too. Worst, the VIP dies at the beginning of what one signal counts, and all its
 * requests came before; then it takes `fall` signals that count failures: `(fall + 1) * every`. What that takes longer than
 * steps 1 to 3 is a term of its own.
 *
 * Every vantage is through by step 3, so every quorum is reached. One that is isolated then, by what it says of other
 * VIPs, agrees with those that vote, and so counts for `minVantages` (`health/quorum.ts`).
 *
 * What the bound supposes:
 *
 * 1. At least `minVantages` vantages go on reporting; with fewer, verdicts are held. One that falls silent before it has
 *    failed `fall` times votes up for at most three intervals, a timeout and a tick longer. That delays the verdict by
 *    as much where those who still report are not more than those, or do not make the quorum without them.
 * 2. Agents keep time. Reports may be late by `report`, but are not lost: agents send them again (`probe/outbox.ts`).
 * 3. A resolver counts the TTL from when the answer arrives. The answer's way from the node comes on top, and so does what rounding to
 *    whole seconds adds: unbound keeps an answer for almost a second longer than its TTL, BIND does not.
 * 4. It is the probed address that dies: one that is judged by its member's other address dies unseen.
 * 5. Sources send a signal each `every`, of `samples` requests at least. One that falls silent is as a vantage that does, for three
 *    times `every`. Those of pools that the service does not use say nothing of vantages that they contradict.
 *
 * `test/health/failover.ts` tries all of this, and `docs/proofs.md` says what came of it.
 */
export function failoverBound(service: Service, config: Config): FailoverBound | null {
  const bounds = checkedPools(service, config).map(([pool, check]) => boundOf(service, pool, check, config));
  return bounds.reduce<FailoverBound | null>((worst, bound) => (isWorse(bound, worst) ? bound : worst), null);
}

/** The services that cannot keep their `failoverWithin`, each as a problem that names the terms to change. */
export function checkBounds(config: Config): readonly Problem[] {
  const problems: Problem[] = [];
  for (const service of config.services) {
    const promisedMs = service.failoverWithinMs;
    if (promisedMs === null) continue;
    const bound = failoverBound(service, config);
    if (bound !== null && bound.totalMs <= promisedMs) continue;
    const promise = `failoverWithin ${seconds(promisedMs)} of service ${service.label} cannot be kept`;
    const message =
      bound === null
        ? `${promise}: none of its pools has a check; give one a check or remove failoverWithin`
        : `${promise}: the failover bound is ${seconds(bound.totalMs)}; ${advice(bound)}`;
    problems.push({ ...service.place, message });
  }
  return problems;
}

/** The bound for people, the sum first and then a line for each term. */
export function formatBound(bound: FailoverBound): string {
  const figures = bound.terms.map(({ ms }) => seconds(ms));
  const nameWidth = Math.max(...bound.terms.map(({ name }) => name.length));
  const figureWidth = Math.max(...figures.map((figure) => figure.length));
  const lines = bound.terms.map(
    ({ name, from }, i) =>
      `  ${name.padEnd(nameWidth)}  ${(figures[i] ?? "").padStart(figureWidth)}  ${from}`,
  );
  return [`failover bound ${seconds(bound.totalMs)}`, ...lines].join("\n");
}

function boundOf(service: Service, { id, signals }: Pool, check: Check, config: Config): FailoverBound {
  const ofCheck = `of check ${check.id}`;
  const stepMs = Math.max(check.recheckMs, check.timeoutMs);
  const ttl = service.ttlSecondsMin < service.ttlSeconds ? "ttl.min" : "ttl";
  const step = check.recheckMs >= check.timeoutMs ? "recheck" : "timeout";
  const probes: readonly BoundTerm[] = [
    { name: "interval", ms: check.intervalMs, from: `interval ${ofCheck}` },
    { name: "jitter", ms: check.jitterMs, from: `jitter ${ofCheck}` },
    { name: "rechecks", ms: (check.fall - 1) * stepMs, from: `(fall - 1) * ${step} ${ofCheck}` },
    { name: "timeout", ms: check.timeoutMs, from: `timeout ${ofCheck}` },
  ];
  const signalsMs = signals === null ? 0 : (check.fall + 1) * signals.everyMs - sumOf(probes);
  const from = `what (fall + 1) * every of the signals of pool ${id} takes longer`;
  const terms: readonly BoundTerm[] = [
    ...probes,
    ...(signalsMs > 0 ? [{ name: "signals", ms: signalsMs, from } as const] : []),
    { name: "report", ms: config.node.reportMs, from: "reportWithin of node" },
    { name: "publish", ms: config.node.publishMs, from: "publishWithin of node" },
    { name: "ttl", ms: service.ttlSecondsMin * 1_000, from: `${ttl} of service ${service.label}` },
  ];
  return { totalMs: sumOf(terms), terms };
}

function sumOf(terms: readonly BoundTerm[]): number {
  return terms.reduce((sum, { ms }) => sum + ms, 0);
}

/** The pools that answers may come from, with their checks, where they have one. */
function checkedPools(service: Service, config: Config): readonly (readonly [Pool, Check])[] {
  const pools = new Set(poolsOf(service.policy, config));
  if (service.whenDown.kind === "fallback") pools.add(service.whenDown.pool);
  return [...pools].flatMap((id) => {
    const pool = config.pools.get(id);
    const check = pool?.check ? config.checks.get(pool.check) : undefined;
    return pool === undefined || check === undefined ? [] : [[pool, check] as const];
  });
}

/** The pools that a policy can answer from. */
export function poolsOf(policy: Policy, config: Config): readonly PoolId[] {
  if (policy.kind === "pool") return [policy.pool];
  if (policy.kind === "member")
    return [config.members.get(policy.member)?.pool].filter((pool) => pool !== undefined);
  return childrenOf(policy).flatMap((child) => poolsOf(child, config));
}

function isWorse(bound: FailoverBound, worst: FailoverBound | null): boolean {
  return worst === null || bound.totalMs > worst.totalMs;
}

/** The terms worth changing: the largest. */
function advice(bound: FailoverBound): string {
  const largest = bound.terms.toSorted((a, b) => b.ms - a.ms).slice(0, ADVISED_TERMS);
  const named = largest.map(({ from, ms }) => `${from} (${seconds(ms)})`);
  return `lower ${named.join(", ")}, or promise ${seconds(bound.totalMs)}`;
}

/** As an operator would write it. */
function seconds(ms: number): string {
  return `${ms / 1_000}s`;
}
