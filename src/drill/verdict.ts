/** Whether a drill has shown what it was to show. */

import { formatDuration } from "../config/units.ts";
import type { ClientReport } from "./client.ts";
import type { DrillRecord } from "./drill.ts";
import { takesAway } from "./measure.ts";
import type { DrillReport } from "./report.ts";

/** By so much an answer may be late whose resolver counts whole seconds. */
export const ROUNDING_MS = 1_000;

/** What a drill comes to, and all that speaks for it. */
export interface Verdict {
  readonly kind: "passed" | "failed" | "aborted" | "inconclusive";
  /** For people; none: it passed, and there is nothing more to say. */
  readonly reasons: readonly string[];
}

/**
 * Judges.
 *
 * 1. Aborted: it was ended before its time, or never begun.
 * 2. Failed: a client of a resolver that keeps to TTLs was answered as before after the bound or the objective, or could not connect, or
 *    was answered with what was not expected; verdicts that had to turn did not, or turned though they had to stay; or something is not
 *    as before.
 * 3. Inconclusive: nobody watched what it takes away, or what was seen does not say.
 * 4. Passed.
 *
 * A look counts against bound and objective by when it asked: who asked then got the old answer, for certain. A resolver may count the
 * TTL in whole seconds and keep an answer for almost a second longer, as unbound does; that is within what the bound supposes of resolvers.
 */
export function judgeDrill(report: Omit<DrillReport, "verdict">): Verdict {
  const aborted = endingOf(report.drill);
  if (aborted !== null) return { kind: "aborted", reasons: [aborted] };
  const failures = [...late(report), ...unexpected(report), ...unjudged(report), ...notRestored(report)];
  if (failures.length > 0) return { kind: "failed", reasons: failures };
  const doubts = [...unseen(report), ...unkept(report), ...unclear(report)];
  if (doubts.length > 0) return { kind: "inconclusive", reasons: doubts };
  return { kind: "passed", reasons: [] };
}

/** Why it ended before its time; null: it did not. */
function endingOf({ ending }: DrillRecord): string | null {
  switch (ending?.kind) {
    case "on-time":
      return null;
    case "guard":
      return `guard ${ending.guard}: ${ending.reason}`;
    case "by-hand":
      return `ended by ${ending.author}: ${ending.reason}`;
    case "refused":
      return `not begun: ${ending.reason}`;
    case "control-died":
      return "control died, so that what happened meanwhile is not known";
    case undefined:
      return "it has not ended";
  }
}

/** A client as reasons name it. */
export function nameOf({
  vantage,
  resolver,
  label,
  family,
}: Pick<ClientReport, "vantage" | "resolver" | "label" | "family">): string {
  return `${label} (IPv${family}) from ${vantage} through ${resolver ?? "no resolver"}`;
}

function late({ services, clients }: Omit<DrillReport, "verdict">): readonly string[] {
  return [
    ...services.flatMap(({ label, boundMs, objectiveMs, lastBeforeMs }) =>
      [["the failover bound", boundMs] as const, ["the objective", objectiveMs] as const].flatMap(
        ([name, limitMs]) =>
          limitMs !== null && lastBeforeMs !== null && lastBeforeMs > limitMs + ROUNDING_MS
            ? [
                `${label} was answered as before ${formatMs(lastBeforeMs)} after it began, ${name} is ${formatMs(limitMs)}`,
              ]
            : [],
      ),
    ),
    ...clients.flatMap((client) =>
      !client.stretched && client.failover.kind === "waiting"
        ? [`${nameOf(client)} had not moved when it ended: ${waitsFor(client.failover.for)}`]
        : [],
    ),
  ];
}

function waitsFor(what: "node" | "resolver" | "connection"): string {
  switch (what) {
    case "node":
      return "a node still answered as before";
    case "resolver":
      return "the resolver still answered as before";
    case "connection":
      return "there was no connection to what it was answered with";
  }
}

function unexpected({ drill, clients }: Omit<DrillReport, "verdict">): readonly string[] {
  const { to, words } = drill.spec.expect;
  const expected = new Set(to.flatMap((vip) => drill.addresses[vip] ?? []));
  if (expected.size === 0) return [];
  return clients.flatMap((client) => {
    if (client.failover.kind !== "passed") return [];
    const others = client.failover.addresses.filter((address) => !expected.has(address));
    if (others.length === 0) return [];
    return [`${nameOf(client)} was answered with ${others.join(", ")}, expected ${words.join(", ")}`];
  });
}

/** A death must be found out, and silence must change nothing. */
function unjudged({ drill }: Omit<DrillReport, "verdict">): readonly string[] {
  const { kind } = drill.spec.action;
  const down = drill.moments.filter((moment) => moment.kind === "flipped" && !moment.up);
  if (kind === "cut" && down.length > 0)
    return ["vantages that say nothing have turned verdicts; expected the others to decide as before"];
  if (kind === "dead" && down.length === 0) return ["no verdict turned: the death was not found out"];
  return [];
}

function notRestored({ restoredAtMs }: Omit<DrillReport, "verdict">): readonly string[] {
  return restoredAtMs === null ? ["verdicts and plans were not as before in the time for that"] : [];
}

function unseen({ drill, watchers, clients }: Omit<DrillReport, "verdict">): readonly string[] {
  if (!watchers.some(({ looks }) => looks > 0)) return ["no agent watched"];
  if (
    takesAway(drill) &&
    !clients.some(({ stretched, failover }) => !stretched && failover.kind === "passed")
  )
    return [
      "no client was seen to move: none was answered with what the drill takes away, or none kept to TTLs",
    ];
  return [];
}

function unkept({ watchers }: Omit<DrillReport, "verdict">): readonly string[] {
  return watchers.flatMap(({ vantage, dropped }) =>
    dropped > 0 ? [`${vantage} saw more than is kept of a drill: ${dropped} looks are missing`] : [],
  );
}

function unclear({ drill, clients }: Omit<DrillReport, "verdict">): readonly string[] {
  if (!takesAway(drill)) return [];
  return clients.flatMap((client) =>
    client.failover.kind === "unknown" ? [`${nameOf(client)}: ${client.failover.reason}`] : [],
  );
}

/** To the hundredth of a second below a minute. */
function formatMs(ms: number): string {
  return ms < 60_000 ? `${(ms / 1_000).toFixed(2)} s` : formatDuration(Math.round(ms));
}
