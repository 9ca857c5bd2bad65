/** How often each rule of quorum is wrong: `docs/proofs.md` has the table of 10,000 failures. */

import { expect, test } from "vitest";
import { report } from "../e2e/harness.ts";
import { randomFrom } from "../e2e/random.ts";
import { type Judged, KINDS, OUT_OF_REACH, RULES, type Served, serve, suffer } from "./asymmetric.ts";

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

/** How many of each kind. */
const SERVED = Number(process.env["MERIDIAN_OUT_OF_REACH"] ?? 12);

test(`of ${SERVED} failures of each kind those that part clients strand fewer of them per vantage`, {
  timeout: 3_600_000,
}, async () => {
  report(
    "clients who are given what they cannot reach / who are sent farther than they must, by verdicts alone and per vantage",
  );
  const sums = new Map<string, Awaited<ReturnType<typeof serve>>>();
  for (const kind of [OUT_OF_REACH, ...KINDS] as const) {
    const sum = { byVerdict: noneServed(), perVantage: noneServed() };
    for (let i = 0; i < SERVED; i += 1) {
      const { byVerdict, perVantage } = await serve(kind, randomFrom(SEED + i));
      addServed(sum.byVerdict, byVerdict);
      addServed(sum.perVantage, perVantage);
    }
    sums.set(kind, sum);
    report(`| ${kind} | ${servedText(sum.byVerdict)} | ${servedText(sum.perVantage)} |`);
  }
  const { byVerdict, perVantage } = sums.get(OUT_OF_REACH)!;
  expect(byVerdict.stranded).toBeGreaterThan(0);
  expect(perVantage.stranded).toBeLessThan(byVerdict.stranded / 2);
  expect(perVantage.detoured / perVantage.clients).toBeLessThan(0.05);
  // What is up or down for all stays so: per vantage nobody is given what is down by a quorum.
  for (const each of sums.values())
    expect(each.perVantage.stranded).toBeLessThanOrEqual(each.byVerdict.stranded);
});

function noneServed(): Served {
  return { clients: 0, stranded: 0, detoured: 0 };
}

function addServed(sum: Served, { clients, stranded, detoured }: Served): void {
  sum.clients += clients;
  sum.stranded += stranded;
  sum.detoured += detoured;
}

function servedText({ clients, stranded, detoured }: Served): string {
  const percent = (part: number): string => `${((100 * part) / clients).toFixed(2)} %`;
  return `${percent(stranded)} / ${percent(detoured)}`;
}

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
