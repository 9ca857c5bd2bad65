/** A report as JUnit XML, for pipelines. */

import type { ClientReport } from "./client.ts";
import { escapeMarkup } from "./markup.ts";
import type { Passage } from "./measure.ts";
import type { DrillReport, ServiceReport } from "./report.ts";
import { seconds, titleOf } from "./report-sections.ts";
import { nameOf, ROUNDING_MS } from "./verdict.ts";

type Result =
  | { readonly kind: "ok" }
  | { readonly kind: "failure" | "error" | "skipped"; readonly message: string };

interface Case {
  readonly group: string;
  readonly name: string;
  /** How long it took; null: that is not a time. */
  readonly ms: number | null;
  readonly result: Result;
}

const ok: Result = { kind: "ok" };

/**
 * One suite. Its cases: the verdict; each service against its bound and its objective; each client in failover and recovery. What is
 * aborted or inconclusive is an error, so that no pipeline takes it for a success; what concerns nobody, and what a resolver does
 * that stretches TTLs, is skipped.
 */
export function junitReport(report: DrillReport): string {
  const cases = [
    verdictCase(report),
    ...report.services.flatMap((service) => [
      promise(service, "failover bound", service.boundMs),
      promise(service, "objective", service.objectiveMs),
    ]),
    ...report.clients.flatMap((client) => [
      passage(client, "failover", "moves"),
      passage(client, "recovery", "comes back"),
    ]),
  ];
  const counted = (kind: Result["kind"]): number => cases.filter(({ result }) => result.kind === kind).length;
  const { begunAtMs, drill, restoredAtMs } = report;
  const tookMs = begunAtMs === null || restoredAtMs === null ? 0 : restoredAtMs - begunAtMs;
  const suite = [
    `name="${escapeMarkup(`drill ${drill.spec.name}`)}"`,
    `tests="${cases.length}"`,
    `failures="${counted("failure")}"`,
    `errors="${counted("error")}"`,
    `skipped="${counted("skipped")}"`,
    `time="${(tookMs / 1_000).toFixed(3)}"`,
    `timestamp="${new Date(drill.startedMs).toISOString().slice(0, 19)}"`,
  ];
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n<testsuite ${suite.join(" ")}>\n${cases.map(formatCase).join("\n")}\n</testsuite>\n</testsuites>\n`;
}

function verdictCase(report: DrillReport): Case {
  const { kind, reasons } = report.verdict;
  const message = `${titleOf(report)}: ${reasons.join("; ")}`;
  const result: Result =
    kind === "passed" ? ok : kind === "failed" ? { kind: "failure", message } : { kind: "error", message };
  return { group: "drill", name: "verdict", ms: null, result };
}

function promise({ label, lastBeforeMs }: ServiceReport, name: string, limitMs: number | null): Case {
  const result: Result =
    limitMs === null
      ? { kind: "skipped", message: `it has no ${name}` }
      : lastBeforeMs === null
        ? { kind: "skipped", message: "nobody was seen to move" }
        : lastBeforeMs > limitMs + ROUNDING_MS
          ? { kind: "failure", message: `the last old answer came after ${seconds(lastBeforeMs)}` }
          : ok;
  const limit = limitMs === null ? "" : ` of ${seconds(limitMs)}`;
  return { group: "services", name: `${label} keeps its ${name}${limit}`, ms: lastBeforeMs, result };
}

function passage(client: ClientReport, turn: "failover" | "recovery", does: string): Case {
  const seen = client[turn];
  return {
    group: turn,
    name: `${nameOf(client)} ${does}`,
    ms: seen.kind === "passed" ? seen.totalMs : null,
    result: resultOf(seen, client.stretched || turn === "recovery"),
  };
}

/** Recovery is nobody's promise. */
function resultOf(seen: Passage, isExcused: boolean): Result {
  switch (seen.kind) {
    case "passed":
      return ok;
    case "untouched":
      return { kind: "skipped", message: "not concerned" };
    case "waiting": {
      const message = `not within ${seconds(seen.afterMs)}`;
      return { kind: isExcused ? "skipped" : "failure", message };
    }
    case "unknown":
      return { kind: isExcused ? "skipped" : "error", message: seen.reason };
  }
}

function formatCase({ group, name, ms, result }: Case): string {
  const time = ms === null ? "" : ` time="${(ms / 1_000).toFixed(3)}"`;
  const head = `<testcase classname="${escapeMarkup(group)}" name="${escapeMarkup(name)}"${time}`;
  if (result.kind === "ok") return `${head}/>`;
  return `${head}><${result.kind} message="${escapeMarkup(result.message)}"/></testcase>`;
}
