/** What a drill has shown: a pure function of what the node knows of it and of what the agents saw. */

import type { VantageId } from "../config/config.ts";
import { type ClientReport, clientsOf } from "./client.ts";
import type { DrillRecord } from "./drill.ts";
import { type Figures, figuresOf } from "./figures.ts";
import type { Passage } from "./measure.ts";
import type { Watcher } from "./observation.ts";
import { type Stretcher, stretcherOf } from "./stretcher.ts";
import { judgeDrill, type Verdict } from "./verdict.ts";

/** The report of a drill. */
export interface DrillReport {
  readonly drill: DrillRecord;
  readonly verdict: Verdict;
  /** When the failure began, when it ended and when all was as before, by the node's clock; null: it did not come to that. */
  readonly begunAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly restoredAtMs: number | null;
  readonly watchers: readonly WatcherSummary[];
  /** One for each agent, service and family that was watched. */
  readonly clients: readonly ClientReport[];
  /** Of the resolvers that keep to TTLs. */
  readonly failover: Figures | null;
  readonly recovery: Figures | null;
  readonly services: readonly ServiceReport[];
  /** Resolvers that keep answers for longer than they may; bound and objective are not for them. */
  readonly stretchers: readonly Stretcher[];
}

/** An agent, as a report names it. */
interface WatcherSummary {
  readonly vantage: VantageId;
  readonly resolver: string | null;
  readonly watches: boolean;
  readonly uncertaintyMs: number | null;
  readonly looks: number;
  /** Looks beyond what is kept of a drill: they are not in `looks`. */
  readonly dropped: number;
}

/** A service against what it promises. */
export interface ServiceReport {
  readonly label: string;
  readonly boundMs: number | null;
  readonly objectiveMs: number | null;
  /** The latest moment after the death at which a client of a resolver that keeps to TTLs got the old answer; null: none did. */
  readonly lastBeforeMs: number | null;
  readonly failover: Figures | null;
}

/** Makes the report of a drill. */
export function drillReport(drill: DrillRecord, watchers: readonly Watcher[]): DrillReport {
  const begunAtMs = timeOf(drill, "begun");
  const notedAtMs = timeOf(drill, "ended");
  // Orders end on time by themselves, and a node that is busy notes it later.
  const endedAtMs = notedAtMs === null ? null : Math.min(notedAtMs, drill.untilMs);
  const restoredAtMs = timeOf(drill, "restored");
  const stretchers = watchers.flatMap((watcher) => stretcherOf(drill, watcher, begunAtMs, endedAtMs));
  const clients = watchers.flatMap((watcher) => {
    const stretched = stretchers.some(
      ({ vantage, resolver }) => vantage === watcher.vantage && resolver === watcher.resolver,
    );
    return clientsOf(drill, watcher, stretched, { begunAtMs, endedAtMs });
  });
  const wellBehaved = clients.filter(({ stretched }) => !stretched);
  const unjudged = {
    drill,
    begunAtMs,
    endedAtMs,
    restoredAtMs,
    watchers: watchers.map(summaryOf),
    clients,
    failover: figuresOf(wellBehaved, "failover"),
    recovery: figuresOf(wellBehaved, "recovery"),
    services: drill.services.map(({ label, boundMs, objectiveMs }) => {
      const own = wellBehaved.filter((client) => client.label === label);
      const lasts = own.flatMap(({ failover }) => lastBeforeOf(failover) ?? []);
      const lastBeforeMs = lasts.length === 0 ? null : Math.max(...lasts);
      return { label, boundMs, objectiveMs, lastBeforeMs, failover: figuresOf(own, "failover") };
    }),
    stretchers,
  };
  return { ...unjudged, verdict: judgeDrill(unjudged) };
}

/** How long after the death somebody certainly still got the old answer; null: nobody did, or that is not known. */
function lastBeforeOf(passage: Passage): number | null {
  switch (passage.kind) {
    case "passed":
      return passage.lastBeforeMs;
    case "waiting":
      return passage.for === "connection" ? null : passage.afterMs;
    case "untouched":
    case "unknown":
      return null;
  }
}

function timeOf({ moments }: DrillRecord, kind: DrillRecord["moments"][number]["kind"]): number | null {
  return moments.find((moment) => moment.kind === kind)?.atMs ?? null;
}

function summaryOf({ vantage, resolver, watches, uncertaintyMs, courses }: Watcher): WatcherSummary {
  const looks = courses.flatMap(({ runs }) => runs).reduce((sum, run) => sum + run.looks, 0);
  const dropped = courses.reduce((sum, course) => sum + course.dropped, 0);
  return { vantage, resolver, watches, uncertaintyMs, looks, dropped };
}
