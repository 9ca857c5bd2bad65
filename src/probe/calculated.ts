/** A calculated probe: several probes of one VIP at the same time, of which so many must succeed. */

import type { CalculatedProbeSpec, SingleProbeSpec } from "../config/check.ts";
import type { Outcome } from "../health/report.ts";
import { DETAIL_LENGTH_MAX } from "./protocol.ts";

/**
 * Looks at all parts at once and ends as soon as it is decided; null when the signal ended it, or when this machine
 * could not make so many of them that the rest decides nothing.
 *
 * It is one probe with one outcome, so that thresholds, quorum and the failover bound hold for it as for any other: each
 * vantage says what it saw at one moment, and nobody puts together what different vantages saw at different ones. The
 * timings are those of the part that decided.
 */
export function probeCalculated(
  { of, need }: CalculatedProbeSpec,
  signal: AbortSignal,
  look: (part: SingleProbeSpec, signal: AbortSignal) => Promise<Outcome | null>,
): Promise<Outcome | null> {
  const decided = new AbortController();
  const { promise, resolve } = Promise.withResolvers<Outcome | null>();
  const failures: string[] = [];
  let first: Outcome | null = null;
  let load: number | null = null;
  let successes = 0;
  let unknown = 0;
  const take = (check: string, outcome: Outcome | null): void => {
    if (outcome === null) unknown += 1;
    else if (outcome.kind === "success") {
      successes += 1;
      load ??= outcome.load ?? null;
    } else {
      first ??= outcome;
      failures.push(`${check}: ${outcome.detail}`);
    }
    const { timings } = outcome ?? {};
    if (successes >= need && timings !== undefined) {
      resolve({ kind: "success", timings, ...(load !== null && { load }) });
    } else if (failures.length > of.length - need && first?.kind === "failure" && timings !== undefined) {
      const detail = `${successes} of ${need}: ${failures.join("; ")}`.slice(0, DETAIL_LENGTH_MAX);
      resolve({ kind: "failure", error: first.error, detail, timings });
    } else if (successes + failures.length + unknown === of.length) resolve(null);
    else return;
    decided.abort();
  };
  const either = AbortSignal.any([signal, decided.signal]);
  for (const { check, probe } of of) {
    void look(probe, either).then((outcome) => take(check, outcome));
  }
  return promise;
}
