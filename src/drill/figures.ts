/** Times over many passages. */

import type { ClientReport } from "./client.ts";
import type { SegmentName } from "./measure.ts";

/** The figures of those that passed. */
export interface Figures {
  readonly passages: number;
  readonly total: Quantiles;
  readonly segments: Readonly<Record<SegmentName, Quantiles>>;
  /** The one that took longest. */
  readonly slowest: Pick<ClientReport, "vantage" | "resolver" | "label" | "family">;
}

interface Quantiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly worstMs: number;
}

/** null: none passed. */
export function figuresOf(clients: readonly ClientReport[], turn: "failover" | "recovery"): Figures | null {
  const passed = clients.flatMap((client) => {
    const passage = client[turn];
    return passage.kind === "passed" ? [{ client, passage }] : [];
  });
  const slowest = passed.toSorted((a, b) => b.passage.totalMs - a.passage.totalMs)[0];
  if (slowest === undefined) return null;
  const { vantage, resolver, label, family } = slowest.client;
  return {
    passages: passed.length,
    total: quantilesOf(passed.map(({ passage }) => passage.totalMs)),
    segments: {
      detect: quantilesOf(passed.map(({ passage }) => passage.segments.detectMs)),
      decide: quantilesOf(passed.map(({ passage }) => passage.segments.decideMs)),
      publish: quantilesOf(passed.map(({ passage }) => passage.segments.publishMs)),
      cache: quantilesOf(passed.map(({ passage }) => passage.segments.cacheMs)),
      client: quantilesOf(passed.map(({ passage }) => passage.segments.clientMs)),
    },
    slowest: { vantage, resolver, label, family },
  };
}

/** By the nearest rank. */
function quantilesOf(times: readonly number[]): Quantiles {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50Ms: at(0.5), p95Ms: at(0.95), worstMs: at(1) };
}
