/** Two drills side by side: whether one was quicker, and where. */

import type { ClientReport } from "./client.ts";
import type { Figures } from "./figures.ts";
import { type SegmentName, segmentNames } from "./measure.ts";
import type { DrillReport } from "./report.ts";

/** What two reports say of the same. */
export interface DrillComparison {
  /** False: they did other things, or to other services, so that their figures are of different failures. */
  readonly alike: boolean;
  readonly figures: readonly ComparedFigure[];
  /** Clients that are in both. */
  readonly clients: readonly ComparedClient[];
}

/** Times in milliseconds; null: that drill has none. */
interface Compared {
  readonly firstMs: number | null;
  readonly secondMs: number | null;
}

interface ComparedFigure extends Compared {
  readonly passage: "failover" | "recovery";
  readonly part: SegmentName | "total";
  readonly quantile: "p50" | "p95" | "worst";
}

/** How long a resolver's clients took for the whole of it; null: they did not pass, or that was not seen. */
interface ComparedClient extends Compared, Pick<ClientReport, "vantage" | "resolver" | "label" | "family"> {
  readonly passage: "failover" | "recovery";
}

const PASSAGES = ["failover", "recovery"] as const;
const PARTS = ["total", ...segmentNames] as const;
const QUANTILES = ["p50", "p95", "worst"] as const;

/** Holds two reports against each other. */
export function compareDrills(first: DrillReport, second: DrillReport): DrillComparison {
  const others = new Map(second.clients.map((client) => [keyOf(client), client]));
  return {
    alike: subjectOf(first) === subjectOf(second),
    figures: PASSAGES.flatMap((passage) =>
      PARTS.flatMap((part) =>
        QUANTILES.map((quantile) => ({
          passage,
          part,
          quantile,
          firstMs: timeOf(first[passage], part, quantile),
          secondMs: timeOf(second[passage], part, quantile),
        })),
      ),
    ),
    clients: first.clients.flatMap((client) => {
      const other = others.get(keyOf(client));
      const { vantage, resolver, label, family } = client;
      if (other === undefined) return [];
      return PASSAGES.map((passage) => ({
        vantage,
        resolver,
        label,
        family,
        passage,
        firstMs: totalOf(client, passage),
        secondMs: totalOf(other, passage),
      }));
    }),
  };
}

function timeOf(
  figures: Figures | null,
  part: (typeof PARTS)[number],
  quantile: (typeof QUANTILES)[number],
): number | null {
  if (figures === null) return null;
  return (part === "total" ? figures.total : figures.segments[part])[`${quantile}Ms`];
}

function totalOf(client: ClientReport, passage: (typeof PASSAGES)[number]): number | null {
  const passed = client[passage];
  return passed.kind === "passed" ? passed.totalMs : null;
}

/** What was done to which services. */
function subjectOf({ drill: { spec }, services }: DrillReport): string {
  return JSON.stringify([spec.action, services.map(({ label }) => label).sort()]);
}

function keyOf({ vantage, resolver, label, family }: ClientReport): string {
  return JSON.stringify([vantage, resolver, label, family]);
}
