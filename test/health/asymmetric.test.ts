/** How often each rule of quorum is wrong: `docs/proofs.md` has the table of 10,000 failures. */

import { expect, test } from "vitest";
import { report } from "../e2e/harness.ts";
import { randomFrom } from "../e2e/random.ts";
import { type Judged, KINDS, RULES, suffer } from "./asymmetric.ts";

const FAILURES = Number(process.env["MERIDIAN_ASYMMETRIC"] ?? 96);
const SEED = Number(process.env["MERIDIAN_ASYMMETRIC_SEED"] ?? 53);

test(`of ${FAILURES} failures the default judges most rightly, and more than any other rule`, {
  timeout: 3_600_000,
}, async () => {
  const judged = new Map(
    Object.keys(RULES).map((rule) => [rule, new Map(KINDS.map((kind) => [kind, newSum()]))]),
  );
  for (let i = 0; i < FAILURES; i += 1) {
    const kind = KINDS[i % KINDS.length]!;
    for (const [rule, of] of await suffer(kind, randomFrom(SEED + i))) add(judged.get(rule)!.get(kind)!, of);
  }
  const totals = new Map([...judged].map(([rule, byKind]) => [rule, [...byKind.values()].reduce(joined)]));
  report("| Rule | fooled | missed | time to detect, median | 99 % | longest |");
  for (const [rule, sum] of totals) report(rowOf(rule, sum));
  report(`| fooled / missed | ${Object.keys(RULES).join(" | ")} |`);
  for (const kind of KINDS) {
    const cells = [...judged.values()].map((byKind) => byKind.get(kind)!);
    report(`| ${kind} | ${cells.map(({ fooled, missedBy }) => `${fooled} / ${missedBy}`).join(" | ")} |`);
  }
  const wrong = ({ fooled, missedBy }: Sum): number => fooled + missedBy;
  const { Meridian: ours, ...others } = Object.fromEntries(totals);
  expect(wrong(ours!) / FAILURES).toBeLessThan(0.02);
  for (const other of Object.values(others)) expect(wrong(ours!)).toBeLessThanOrEqual(wrong(other));
});

/** Many failures by one rule. */
interface Sum {
  failures: number;
  /** Failures in which a VIP that was well was taken down, and in which one that was dead was not. */
  fooled: number;
  missedBy: number;
  readonly detectedMs: number[];
}

function newSum(): Sum {
  return { failures: 0, fooled: 0, missedBy: 0, detectedMs: [] };
}

function add(sum: Sum, { falseFailovers, missed, detectedMs }: Judged): void {
  sum.failures += 1;
  if (falseFailovers > 0) sum.fooled += 1;
  if (missed > 0) sum.missedBy += 1;
  sum.detectedMs.push(...detectedMs);
}

function joined(a: Sum, b: Sum): Sum {
  return {
    failures: a.failures + b.failures,
    fooled: a.fooled + b.fooled,
    missedBy: a.missedBy + b.missedBy,
    detectedMs: [...a.detectedMs, ...b.detectedMs],
  };
}

function rowOf(rule: string, { fooled, missedBy, detectedMs }: Sum): string {
  const sorted = detectedMs.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    ((sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN) / 1_000).toFixed(1);
  return `| ${rule} | ${fooled} | ${missedBy} | ${at(0.5)} | ${at(0.99)} | ${at(1)} |`;
}
